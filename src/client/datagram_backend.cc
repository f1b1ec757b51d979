#include "client/datagram_backend.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <utility>

#include "client/key.h"

namespace minos {
namespace {

SessionOptions with_window(SessionOptions options, std::uint32_t window_bytes) {
  options.window_bytes = window_bytes;
  return options;
}

// What a poll sends at most before it looks for replies.
constexpr int kSendBatchesMax = 16;

// Why the session did not take it.
std::string refusal(const SessionRequest& request, ClientStatus status) {
  if (status == ClientStatus::kInvalid && has_key(request.op)) {
    if (auto fits = check_key_length(request.key); !fits) return fits.error();
  }
  return std::string(status_text(status));
}

}  // namespace

DatagramBackend::DatagramBackend(std::unique_ptr<DatagramChannel> channel, SessionOptions options)
    : channel_(std::move(channel)), session_(with_window(options, channel_->window_bytes())) {}

std::expected<void, ClientError> DatagramBackend::start(const SessionRequest& request) {
  const auto taken = session_.submit(request, backend_now());
  if (taken) return {};
  return std::unexpected(
      ClientError{.status = taken.error(), .message = refusal(request, taken.error())});
}

void DatagramBackend::send(Nanos now) {
  for (int i = 0; i < kSendBatchesMax; ++i) {
    if (channel_->room() < out_.size()) return;
    const std::size_t taken = session_.take_datagrams(out_, now);
    if (taken == 0) return;
    channel_->send(std::span(out_).first(taken));
  }
}

void DatagramBackend::receive(Nanos now) {
  in_.clear();
  channel_->receive(in_);
  for (const InDatagram& datagram : in_) session_.receive(datagram, now);
}

void DatagramBackend::poll(Nanos timeout, std::vector<Completion>& done) {
  Nanos now = backend_now();
  const Nanos until = timeout > Nanos::max() - now ? Nanos::max() : now + timeout;
  for (;;) {
    send(now);
    receive(now);
    session_.advance(now);
    send(now);
    auto& completions = session_.completions();
    if (!completions.empty()) {
      done.insert(done.end(), std::make_move_iterator(completions.begin()),
                  std::make_move_iterator(completions.end()));
      completions.clear();
      return;
    }
    if (in_.empty()) {
      if (now >= until || session_.outstanding() == 0) return;
      channel_->wait(std::min(until, session_.next_timer()) - now);
    }
    now = backend_now();
  }
}

}  // namespace minos
