#include "sharding/policy.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "sharding/policies.h"

namespace minos {

namespace {

constexpr std::array kKinds = {PolicyKind::kElastic, PolicyKind::kSizeAware, PolicyKind::kKeyHash,
                               PolicyKind::kSoftwareHandoff, PolicyKind::kWorkStealing};

}  // namespace

std::string_view name_of(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kElastic:
      return "elastic";
    case PolicyKind::kSizeAware:
      return "size-aware";
    case PolicyKind::kKeyHash:
      return "key-hash";
    case PolicyKind::kSoftwareHandoff:
      return "software-handoff";
    case PolicyKind::kWorkStealing:
      return "work-stealing";
  }
  return "unknown";
}

std::expected<PolicyKind, std::string> policy_kind_from(std::string_view name) {
  std::string allowed;
  for (const PolicyKind kind : kKinds) {
    if (name_of(kind) == name) return kind;
    if (!allowed.empty()) allowed += ", ";
    allowed += name_of(kind);
  }
  return std::unexpected(fmt::format("no policy is called '{}': use one of {}", name, allowed));
}

std::unique_ptr<const Policy> make_policy(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kElastic:
      return make_elastic();
    case PolicyKind::kSizeAware:
      return make_size_aware();
    case PolicyKind::kKeyHash:
      return make_key_hash();
    case PolicyKind::kSoftwareHandoff:
      return make_software_handoff();
    case PolicyKind::kWorkStealing:
      return make_work_stealing();
  }
  CHECK(false && "unknown policy kind");
  return nullptr;
}

}  // namespace minos
