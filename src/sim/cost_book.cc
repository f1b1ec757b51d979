#include "sim/cost_book.h"

#include <algorithm>

#include "load/key_space.h"
#include "sharding/cost.h"
#include "wire/datagram.h"
#include "worker/large_reply.h"

namespace minos {

namespace {

constexpr std::uint64_t kServiceSeed = 0x5eed0003;

static_assert(kSetFragmentBytes ==
              kDatagramBytesMax - kDatagramHeaderBytes - 16 - KeySpace::kKeyBytes);

}  // namespace

CostBook::CostBook(const CostModel& model, std::uint64_t seed)
    : ideal_(model.ideal), exponential_(model.exponential), prng_(seed ^ kServiceSeed) {
  const auto cost = [&](double ns) { return ideal_ ? Picos{0} : picos(ns); };
  fixed_ = picos(model.fixed_ns);
  packet_ = picos(model.packet_ns);
  step_ = cost(model.step_ns);
  empty_poll_ = cost(model.empty_poll_ns);
  receive_ = cost(model.receive_ns);
  large_receive_ = cost(model.large_receive_ns);
  parse_ = cost(model.parse_ns);
  look_up_ = cost(model.look_up_ns);
  reply_ = cost(model.reply_ns);
  large_packet_ = cost(model.large_packet_ns);
  copy_byte_ = cost(model.copy_byte_ns * 1000);
  write_ = cost(model.write_ns);
  ring_out_ = cost(model.ring_out_ns);
  ring_in_ = cost(model.ring_in_ns);
  steal_ = cost(model.steal_ns);
  cache_line_ = cost(model.cache_line_ns);
}

Picos CostBook::mean_service(std::uint32_t value_bytes, bool set) const {
  if (ideal_) {
    return fixed_ + packet_ * static_cast<Picos>(request_cost(CostUnit::kPackets, value_bytes));
  }
  if (set) {
    const auto packets = static_cast<Picos>(set_fragments(false, value_bytes));
    const Picos received = packets == 1 ? receive_ : packets * large_receive_;
    return received + packets * parse_ + look_up_ + write_ + copy(value_bytes) + reply_;
  }
  const Picos packets = fragments(value_bytes, kReplyFragmentBytes);
  const Picos sent = packets == 1 ? reply_ : packets * large_packet_;
  return receive_ + parse_ + look_up_ + sent + copy(value_bytes);
}

Picos CostBook::draw_service(std::uint32_t value_bytes, bool set) {
  const Picos mean = mean_service(value_bytes, set);
  if (!ideal_ || !exponential_) return mean;
  return static_cast<Picos>(prng_.exponential(static_cast<double>(mean)));
}

void CostBook::ideal_up_to(CoreClock& clock, SimRequest& request, Picos target) const {
  if (target <= request.charged) return;
  clock.spend(serving(request), target - request.charged);
  request.charged = target;
}

void CostBook::look_up(CoreClock& clock, SimRequest& request) const {
  if (request.looked_up) return;
  request.looked_up = true;
  clock.spend(serving(request), parse_ + look_up_);
}

void CostBook::fragment(CoreClock& clock, SimRequest& request, bool passed_on) const {
  clock.spend(serving(request), parse_);
  if (passed_on) return;
  ++request.fragments_done;
  if (ideal_) {
    const auto done = static_cast<Picos>(std::min(request.fragments_done, request.fragments));
    ideal_up_to(clock, request, request.service * done / static_cast<Picos>(request.fragments));
    return;
  }
  clock.spend(serving(request), copy(kSetFragmentBytes));
}

void CostBook::reply(CoreClock& clock, SimRequest& request, bool fine) const {
  if (ideal_) {
    if (fine) ideal_up_to(clock, request, request.service);
    return;
  }
  Picos cost = reply_;
  if (fine && request.set) cost += write_ + (request.fragments > 1 ? look_up_ : 0);
  if (fine && request.fragments == 1) cost += copy(request.value_bytes);
  clock.spend(serving(request), cost);
}

void CostBook::reply_fragment(CoreClock& clock, SimRequest& request, std::uint32_t payload_bytes,
                              std::uint32_t end) const {
  if (ideal_) {
    const auto bytes = static_cast<double>(request.value_bytes);
    const double share = static_cast<double>(end) / bytes;
    const Picos target = end >= request.value_bytes
                             ? request.service
                             : static_cast<Picos>(static_cast<double>(request.service) * share);
    return ideal_up_to(clock, request, target);
  }
  clock.spend(serving(request), large_packet_ + copy(payload_bytes));
}

}  // namespace minos
