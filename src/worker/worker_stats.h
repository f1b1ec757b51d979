#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/histogram.h"
#include "base/limits.h"
#include "base/units.h"
#include "sharding/core_plan.h"
#include "sharding/size_histogram.h"

namespace minos {

// Reporting classes by value size: tiny up to 13 bytes and small up to 1400 (the paper's key
// classes), then medium up to the plan's threshold, and large above it.
enum class ReportClass : std::uint8_t { kTiny, kSmall, kMedium, kLarge };
inline constexpr std::size_t kReportClasses = 4;

inline ReportClass report_class_of(std::uint64_t value_bytes, const CorePlan& plan) {
  if (plan.is_large(value_bytes)) return ReportClass::kLarge;
  if (value_bytes <= kTinyBytesMax) return ReportClass::kTiny;
  return value_bytes <= kSmallBytesMax ? ReportClass::kSmall : ReportClass::kMedium;
}

enum class Counter : std::uint8_t {
  kCmdGet,
  kCmdSet,
  kCmdFlush,
  kCmdTouch,
  kGetHits,
  kGetMisses,
  kDeleteHits,
  kDeleteMisses,
  kIncrHits,
  kIncrMisses,
  kDecrHits,
  kDecrMisses,
  kCasHits,
  kCasMisses,
  kCasBadval,
  kTouchHits,
  kTouchMisses,
  kTooLarge,
  kOutOfMemory,
  kBytesRead,
  kBytesWritten,
  kSteps,
  kIdleSteps,  // that were brought nothing and served nothing
  kBursts,
  kRequests,
  kQuanta,
  kLargeRequests,
  kHandOffsOut,
  kHandOffsIn,
  kOffered,
  kMigrated,
  kRingFull,
  kBufferDenied,
  kIdleClosed,
  kStalledUploads,
  kMemoryWaits,
  kReads,                  // of streams, that brought something
  kSends,                  // to streams
  kEmptyPolls,             // of RX queues
  kDatagrams,              // received
  kRxStolen,               // of these, from queues of which others have the care
  kSetFragments,           // of values that come in several datagrams, received or handed over
  kReplies,                // of one datagram
  kReplyFragments,         // datagrams of other replies
  kValueBytes,             // copied between datagrams and the store
  kDatagramsForeign,       // dropped: not of this protocol, or too short
  kDatagramsOtherVersion,  // refused
  kDatagramsMalformed,
  kUnprovenAddresses,
  kRepeatedWrites,  // answered again, or under way
  kStaleWrites,     // copies that came after their client had gone on
  kBusy,
  kRepliesDropped,    // no room to send
  kFragmentsDropped,  // no memory, or no room on the way to another core
  kAssembliesExpired,
  kDatagramsDropped,  // no memory, or no place, to keep them
  kStolen,            // requests taken from another core that had received them
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::kStolen) + 1;

// Of requests, by the size of the value.
struct SizeCounts {
  SizeHistogram read;
  SizeHistogram written;

  void merge(const SizeCounts& other) {
    read.merge(other.read);
    written.merge(other.written);
  }
};

// One worker's numbers: it alone writes, any thread reads. `stats reset` remembers a baseline
// instead of writing to another worker's counters.
struct WorkerStats {
  std::array<SharedCounter, kCounters> counters;
  std::array<SharedHistogram, kReportClasses> queue_wait_ns;
  std::array<SharedHistogram, kReportClasses> service_ns;
  // Values that gets found, and values to be stored: each request is in one of them at most.
  SharedSizeHistogram sizes_read;
  SharedSizeHistogram sizes_written;

  void add(Counter counter, std::uint64_t n = 1) {
    counters[static_cast<std::size_t>(counter)].add(n);
  }
  std::uint64_t get(Counter counter) const {
    return counters[static_cast<std::size_t>(counter)].get();
  }
  // Any thread, as SharedSizeHistogram::delta_since().
  SizeCounts sizes_since(SizeCounts& previous) const {
    return {sizes_read.delta_since(previous.read), sizes_written.delta_since(previous.written)};
  }
};

}  // namespace minos
