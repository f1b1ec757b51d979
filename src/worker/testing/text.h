#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "sharding/core_plan.h"

// What tests say to a server, hear from it, and plan for it.
namespace minos {

inline std::string set_command(std::string_view key, const std::string& value) {
  return "set " + std::string(key) + " 0 0 " + std::to_string(value.size()) + "\r\n" + value +
         "\r\n";
}

inline std::string value_reply(std::string_view key, const std::string& value) {
  return "VALUE " + std::string(key) + " 0 " + std::to_string(value.size()) + "\r\n" + value +
         "\r\nEND\r\n";
}

// Equality without printing megabytes.
inline testing::AssertionResult same(const std::string& got, const std::string& wanted) {
  if (got == wanted) return testing::AssertionSuccess();
  const auto [at, _] = std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end());
  const auto offset = static_cast<std::size_t>(at - got.begin());
  return testing::AssertionFailure()
         << got.size() << " bytes for " << wanted.size() << ", different from byte " << offset
         << ": '" << got.substr(offset, 40) << "' for '"
         << wanted.substr(std::min(offset, wanted.size()), 40) << "'";
}

// Large: above the 8 KiB below which nothing is, once a plan says so.
inline CorePlan plan_with(const CorePlan& from, std::uint64_t threshold,
                          std::vector<CoreRole> roles) {
  CorePlan plan = from;
  plan.version = from.version + 1;
  plan.threshold_bytes = threshold;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    plan.cores[i].role = roles[i];
    plan.cores[i].large_range = {threshold + 1, ~std::uint64_t{0}};
  }
  return plan;
}

}  // namespace minos
