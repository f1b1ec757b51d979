#include "load/request_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace minos {
namespace {

const KeySpace::Options kKeys = {.keys = 10'000,
                                 .large_keys = 100,
                                 .large_bytes_max = 250'000,
                                 .value_bytes = 0,
                                 .first_key = 0,
                                 .seed = 4};

TEST(RequestStream, MixesAsAsked) {
  const KeySpace space(kKeys);
  RequestStream stream(space,
                       {.large_share = 0.05, .get_share = 0.9, .zipf_theta = 0.99, .seed = 1});
  constexpr int kDraws = 500'000;
  double large = 0;
  double gets = 0;
  std::vector<int> times(space.key_count());
  for (int i = 0; i < kDraws; ++i) {
    const LoadRequest request = stream.next();
    const KeySpace::Item item = space.item(request.key);
    EXPECT_EQ(request.value_bytes, item.value_bytes);
    EXPECT_EQ(request.size_class, item.size_class);
    large += request.size_class == LoadClass::kLarge ? 1 : 0;
    gets += request.op == LoadOp::kGet ? 1 : 0;
    ++times[request.key];
  }
  EXPECT_NEAR(large / kDraws, 0.05, 0.002);
  EXPECT_NEAR(gets / kDraws, 0.9, 0.003);
  const auto [least, most] = std::minmax_element(times.begin() + 10'000, times.end());
  EXPECT_GT(*least, 150) << "large keys are uniform: 250 times each";
  EXPECT_LT(*most, 350);
  std::ranges::sort(times, std::greater());
  EXPECT_NEAR(times[0] / (0.95 * kDraws), 0.0975, 0.005) << "1 / generalised harmonic number";
}

TEST(RequestStream, IsDeterministicUnderItsSeed) {
  const KeySpace space(kKeys);
  const RequestStream::Options options = {
      .large_share = 0.01, .get_share = 0.5, .zipf_theta = 0.9, .seed = 77};
  RequestStream a(space, options);
  RequestStream b(space, options);
  for (int i = 0; i < 1000; ++i) {
    const LoadRequest x = a.next();
    const LoadRequest y = b.next();
    EXPECT_EQ(x.key, y.key);
    EXPECT_EQ(x.op, y.op);
  }
}

}  // namespace
}  // namespace minos
