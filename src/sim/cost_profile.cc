#include "sim/cost_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "sim/cost_fields.h"

namespace minos {

namespace {

constexpr double kCostMaxNs = 1e9;
constexpr std::string_view kSuffix = ".json";

bool is_known(const std::string& name) {
  return name == "name" ||
         std::ranges::find(kCostFields, name, &CostField::name) != std::ranges::end(kCostFields);
}

}  // namespace

nlohmann::ordered_json cost_profile_json(const CostModel& costs) {
  nlohmann::ordered_json out;
  out["name"] = costs.name;
  for (const CostField& field : kCostFields) out[field.name] = costs.*field.cost;
  return out;
}

std::expected<CostModel, std::string> parse_cost_profile(std::string_view text) {
  nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_object() && parsed.contains("profile")) parsed = nlohmann::json(parsed["profile"]);
  if (!parsed.is_object()) return std::unexpected("is no JSON object with the costs of a profile");
  for (const auto& [name, value] : parsed.items()) {
    if (!is_known(name)) return std::unexpected(fmt::format("'{}' is no cost", name));
  }
  CostModel costs;
  const auto name = parsed.find("name");
  if (name == parsed.end() || !name->is_string()) return std::unexpected("'name' is missing");
  costs.name = name->get<std::string>();
  for (const CostField& field : kCostFields) {
    const auto value = parsed.find(field.name);
    if (value == parsed.end()) return std::unexpected(fmt::format("'{}' is missing", field.name));
    const double cost = value->is_number() ? value->get<double>() : -1;
    if (!(cost >= 0 && cost <= kCostMaxNs)) {
      return std::unexpected(fmt::format("'{}' is {}: 0 to {} nanoseconds are allowed", field.name,
                                         value->dump(), kCostMaxNs));
    }
    costs.*field.cost = cost;
  }
  return costs;
}

std::expected<CostModel, std::string> find_cost_model(const std::string& profile) {
  if (!profile.ends_with(kSuffix)) return cost_model_named(profile);
  std::ifstream file(profile);
  if (!file) return std::unexpected(fmt::format("cannot read {}", profile));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto costs = parse_cost_profile(text);
  if (!costs) return std::unexpected(fmt::format("{}: {}", profile, costs.error()));
  return costs;
}

}  // namespace minos
