#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

// The bounds that are no options and that more than one file, or what a client can fill, depends
// on. A bound that concerns one file alone is a constant there; a queue, table, loop or buffer
// without any is a bug.
namespace minos {

inline constexpr std::size_t kKeyBytesMax = 250;

// The paper's classes of values that are not large, by which loads are made and statistics kept.
inline constexpr std::uint32_t kTinyBytesMax = 13;
inline constexpr std::uint32_t kSmallBytesMax = 1400;

// Values: the default and the largest `-I`.
inline constexpr std::uint64_t kItemBytesDefault = 1 * kMiB;
inline constexpr std::uint64_t kItemBytesMax = 1 * kGiB;

// The largest `-m`: units of large values are numbered with 32 bits.
inline constexpr std::uint64_t kMemoryBytesMax = 4096 * kGiB;

// A value of up to this many bytes is stored inline beside its key; longer ones as chunks.
inline constexpr std::uint32_t kInlineValueBytesMax = 8 * 1024;

// Longest command line without its keys, and longest single token of one.
inline constexpr std::size_t kCommandLineBytesMax = 2048;

// Input buffer of a stream connection: holds any inline SET whole, so that only values that are
// stored as chunks are ever received straight into the store.
inline constexpr std::size_t kStreamInputBytes = 16 * 1024;
static_assert(kStreamInputBytes >= kCommandLineBytesMax + kInlineValueBytesMax + 2);

// A connection whose unsent replies exceed this is not parsed until they are sent. One more reply
// may be added beyond it.
inline constexpr std::uint64_t kStreamOutputBytesMax = 64 * 1024;

inline constexpr std::size_t kWorkersMax = 128;

// How long a write that found no memory is tried again while freed memory waits for other cores.
inline constexpr Nanos kMemoryWaitMax = millis(50);

// An upload that has not moved for so long gives way when others find no room for theirs.
inline constexpr Nanos kUploadStallMax = std::chrono::seconds(5);

// Messages between two workers that were pushed and not taken yet; more wait at their sender.
inline constexpr std::size_t kMeshRingMessages = 256;

// Connections that a worker whose role changed gives away in one step.
inline constexpr std::size_t kMigrationsPerStep = 32;

// Connections accepted from one listener before signals and the end of the epoch get their turn.
inline constexpr std::size_t kAcceptsPerWake = 64;

// Writes that a datagram client may have sent to an RX queue since its oldest unanswered one, which
// is how many of each client are remembered there; of how many clients; and for how long after the
// last one in any case: then a client gives way to another if there is no room.
inline constexpr std::uint32_t kWriteWindow = 64;
inline constexpr std::size_t kWriteClientsMax = 16384;
inline constexpr Nanos kWriteMemory = std::chrono::seconds(10);

// Values of several datagrams that a core is putting together, and how long one lasts of which
// nothing comes.
inline constexpr std::size_t kAssembliesMax = 256;
inline constexpr Nanos kAssemblyIdleMax = std::chrono::seconds(10);

// Large replies that wait at a core, and writes that wait there for memory.
inline constexpr std::size_t kLargeRepliesMax = 1024;
inline constexpr std::size_t kWaitingWritesMax = 64;

// Requests that a dispatching core holds until a worker is idle; it receives no more meanwhile.
inline constexpr std::size_t kDispatchMax = 1024;

// Keys of one multi-get datagram.
inline constexpr std::size_t kMultiGetKeysMax = 64;

// Entries of one vectored read or write.
inline constexpr std::size_t kIoVectorsMax = 64;

// Requests parsed and prefetched together: B of the paper.
inline constexpr std::size_t kBurstRequestsMax = 32;

}  // namespace minos
