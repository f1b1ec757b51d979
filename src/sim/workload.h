#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/prng.h"
#include "load/key_space.h"
#include "load/request_stream.h"
#include "sim/simulation.h"

namespace minos {

// What clients ask for, as the options say: keys, their sizes, and an endless sequence of requests.
class SimWorkload {
 public:
  struct Request {
    std::uint32_t key = 0;
    std::uint32_t value_bytes = 0;
    bool set = false;
    bool large = false;
  };

  explicit SimWorkload(const SimOptions& options);

  Request next();
  // From the next request on.
  void set_large_percent(double percent);

  const KeySpace& keys() const { return *keys_; }
  std::uint32_t value_bytes_max() const { return value_bytes_max_; }

  // Every key, its size, whether it is large, and its share of the requests; shares add up to 1.
  using Visit =
      std::function<void(std::uint32_t key, std::uint32_t value_bytes, bool large, double share)>;
  void for_each_key(const Visit& visit) const;
  // Of the requests for this key, one of for_each_key().
  double get_ratio(std::uint32_t key) const;

 private:
  struct Given {
    std::uint32_t first_key = 0;
    std::uint32_t keys = 0;
    std::uint32_t value_bytes = 0;
    bool large = false;
    double get_ratio = 0;
    double share = 0;
    double up_to = 0;  // the sum of shares up to here
  };

  void make_given(const SimOptions& options);

  double large_share_;
  double get_ratio_;
  double zipf_;
  std::uint32_t value_bytes_max_ = 0;
  std::optional<KeySpace> keys_;
  std::optional<RequestStream> stream_;  // unless sizes are given
  std::vector<Given> given_;
  Prng prng_;
};

}  // namespace minos
