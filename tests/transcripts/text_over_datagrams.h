#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/datagram_channel.h"
#include "client/datagram_session.h"
#include "transcripts/transcript.h"
#include "wire/memcache_text.h"

namespace minos {

// How time is told, and how it passes.
struct TranscriptClock {
  std::function<Nanos()> now;
  std::function<std::int64_t()> unix_now;
  std::function<void(double seconds)> wait;
};

// Speaks memcached's text on one side and datagrams on the other: each command becomes one request
// or several, and what they come to is said in memcached's words. Commands are executed one by one,
// in order. What is the text's alone is answered here, and counted, so that nobody takes it for the
// server's answer.
class TextOverDatagrams final : public TranscriptPeer {
 public:
  // `item_bytes_max` is the server's: two refusals that are one in datagrams differ by it.
  TextOverDatagrams(const SessionOptions& options, DatagramChannel& channel, TranscriptClock clock,
                    std::uint64_t item_bytes_max)
      : session_(options),
        channel_(channel),
        clock_(std::move(clock)),
        item_bytes_max_(item_bytes_max) {}

  void send(std::string_view bytes) override;
  std::string receive(std::size_t bytes_max) override;
  void wait(double seconds) override { clock_.wait(seconds); }
  bool closed() override { return closed_; }
  void reconnect() override;
  std::int64_t unix_now() override { return clock_.unix_now(); }

  std::uint32_t requests() const { return requests_; }  // that were answered over datagrams
  std::uint32_t refused() const { return refused_; }    // lines that are no command
  std::uint32_t foreign() const { return foreign_; }    // commands without a datagram
  const SessionCounters& counters() const { return session_.counters(); }

 private:
  // False: more bytes are needed.
  bool step();
  bool execute(const TextParse& parse);
  void refuse(const TextParse& parse);
  void retrieve(const TextCommand& command);
  void retrieve_collected();
  bool store(const TextParse& parse);
  void change(const TextCommand& command);
  void show_stats(const TextCommand& command);
  void answer_here(const TextCommand& command);

  Completion call(const SessionRequest& request);
  void get_alone(std::string_view key);
  void get_many(std::size_t first, std::size_t end);
  void print_value(std::string_view key, const Completion& done);
  void print(std::string_view text) { output_ += text; }
  void print_status(ClientStatus status);

  DatagramSession session_;
  DatagramChannel& channel_;
  TranscriptClock clock_;
  std::uint64_t item_bytes_max_;

  TextParser parser_{kItemBytesMax};
  std::string input_;
  std::string output_;
  std::uint64_t swallow_bytes_ = 0;
  bool closed_ = false;
  // The keys of a retrieval so far.
  std::vector<std::string> keys_;
  TextCommand retrieval_;

  std::uint32_t requests_ = 0;
  std::uint32_t refused_ = 0;
  std::uint32_t foreign_ = 0;
};

}  // namespace minos
