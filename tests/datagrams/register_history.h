#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"

namespace minos {

// The writes of the only writer of a key, one at a time, and what a read of it may see. A write
// that was given up may be executed later still, by a copy that is under way, for kLimbo.
class RegisterHistory {
 public:
  static constexpr Nanos kLimbo = millis(200);

  bool writing() const { return !writes_.empty() && !writes_.back().ended; }

  // Versions count from 1; 0 is that the key is not there.
  std::uint32_t submit(Nanos now) {
    writes_.push_back({.submitted = now});
    return static_cast<std::uint32_t>(writes_.size());
  }
  void end(std::uint32_t version, Nanos now, bool acknowledged, bool maybe_executed) {
    Write& write = writes_[version - 1];
    write.ended = true;
    write.acknowledged = acknowledged;
    write.impossible = !acknowledged && !maybe_executed;
    write.end = now;
  }

  // Why a read between these times cannot have seen this version; empty when it can.
  std::string objection(std::uint32_t version, Nanos from, Nanos to) const {
    if (version > writes_.size()) return "a version that was never written";
    Write seen{.ended = true, .acknowledged = true};  // of the key that is not there
    if (version != 0) seen = writes_[version - 1];
    if (seen.submitted > to) return "a version that was written later";
    if (seen.impossible) return "a version that was never sent";
    for (std::size_t i = version; i < writes_.size(); ++i) {
      const Write& later = writes_[i];
      if (!later.acknowledged || later.end > from) continue;
      if (seen.acknowledged || seen.end + kLimbo < later.submitted) {
        return "version " + std::to_string(version) + " after " + std::to_string(i + 1) +
               " was acknowledged";
      }
    }
    return {};
  }

 private:
  struct Write {
    Nanos submitted{0};
    Nanos end{0};
    bool ended = false;
    bool acknowledged = false;
    bool impossible = false;
  };
  std::vector<Write> writes_;
};

}  // namespace minos
