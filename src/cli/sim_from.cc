#include "cli/sim_from.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <expected>
#include <thread>
#include <utility>

#include "cli/exit_codes.h"
#include "cli/progress.h"
#include "cli/report_output.h"
#include "cli/what_if_report.h"
#include "client/minos_client.h"

namespace minos {
namespace {

constexpr std::string_view kCommand = "minos sim";

constexpr auto kAnswerTimeout = std::chrono::seconds(5);
constexpr auto kLookForInterrupt = std::chrono::milliseconds(50);

// Of fewer requests p99.9 of sizes is a guess.
constexpr std::uint64_t kFewRequests = 1000;

template <typename T>
using FromServer = std::expected<T, std::string>;

FromServer<StatLines> ask(Client& client, const std::string& argument) {
  auto lines = client.stats(argument);
  if (lines) return std::move(*lines);
  return std::unexpected(
      fmt::format("stats{}{}: {}", argument.empty() ? "" : " ", argument, lines.error().message));
}

bool has_line(const StatLines& lines, std::string_view name) {
  return std::ranges::find(lines, name, &StatLines::value_type::first) != lines.end();
}

FromServer<ObservedServer> ask_server(Client& client) {
  const auto general = ask(client, "");
  if (!general) return std::unexpected(general.error());
  const auto settings = ask(client, "settings");
  if (!settings) return std::unexpected(settings.error());
  if (!has_line(*settings, "sharding")) {
    return std::unexpected("is no minosd: its settings do not say how it shards");
  }
  const auto minos = ask(client, "minos");
  if (!minos) return std::unexpected(minos.error());
  return parse_server(*general, *settings, *minos);
}

FromServer<ObservedLoad> ask_load(Client& client) {
  auto lines = client.stats("minos sizes");
  if (lines) return parse_load(*lines);
  if (lines.error().status == ClientStatus::kMalformed) {
    return std::unexpected("is too old: it does not know 'stats minos sizes'");
  }
  return std::unexpected(fmt::format("stats minos sizes: {}", lines.error().message));
}

// False: interrupted.
bool wait(double seconds, const std::atomic<bool>& interrupted) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!interrupted.load(std::memory_order_relaxed)) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return true;
    std::this_thread::sleep_for(std::min<std::chrono::duration<double>>(left, kLookForInterrupt));
  }
  return false;
}

// The server as it is at the end, and what came meanwhile.
FromServer<std::pair<ObservedServer, ObservedLoad>> watch(const SimFromOptions& options,
                                                          Client& client,
                                                          const std::atomic<bool>& interrupted) {
  // Asked twice, as what is wrong with it should be said before the wait.
  if (const auto server = ask_server(client); !server) return std::unexpected(server.error());
  ObservedLoad before;
  if (options.over_s > 0) {
    const auto load = ask_load(client);
    if (!load) return std::unexpected(load.error());
    before = *load;
    if (!options.quiet) {
      fmt::print(stderr, "minos sim: watching {} for {} s\n", options.server, options.over_s);
    }
    if (!wait(options.over_s, interrupted)) return std::unexpected("interrupted");
  }
  const auto after = ask_load(client);
  if (!after) return std::unexpected(after.error());
  const auto server = ask_server(client);
  if (!server) return std::unexpected(server.error());
  const auto load = load_between(before, *after);
  if (!load) return std::unexpected(load.error());
  return std::pair(*server, *load);
}

bool simulate_all(WhatIf& what_if, const SimFromOptions& options,
                  const std::atomic<bool>& interrupted) {
  ProgressPrinter printer;
  CampaignHooks hooks{.progress = {}, .interrupted = &interrupted};
  if (!options.quiet) {
    hooks.progress = [&](const CampaignProgress& progress) { printer.show(progress); };
  }
  return run_what_if(what_if, options.jobs, hooks);
}

}  // namespace

int run_sim_from(const SimFromOptions& options, const std::atomic<bool>& interrupted) {
  ReportOutput output;
  if (!output.open(kCommand, options.json, options.json_file)) return kExitUsage;
  ClientOptions client_options;
  client_options.timeout = kAnswerTimeout;
  const bool is_url = options.server.contains("://");
  auto client = Client::open(is_url ? options.server : "tcp://" + options.server, client_options);
  if (!client) {
    const bool usage = client.error().status == ClientStatus::kInvalid;
    const std::string error = "--from: " + client.error().message;
    return usage ? usage_error(kCommand, error) : failure(kCommand, error);
  }
  const auto seen = watch(options, *client, interrupted);
  if (!seen) {
    return failure(kCommand, fmt::format("--from={}: {}", options.server, seen.error()));
  }
  WhatIfFacts facts{
      .address = options.server, .server = seen->first, .load = seen->second, .what_if = {}};
  if (!options.quiet && facts.load.requests() < kFewRequests) {
    fmt::print(stderr, "minos sim: only {} requests came: a longer --over tells more\n",
               facts.load.requests());
  }
  SimOptions base = as_observed(options.base, facts.server, facts.load);
  if (options.own_rate) base.rate_per_s = options.base.rate_per_s;
  auto what_if = plan_what_if(base);
  if (!what_if) return usage_error(kCommand, what_if.error());
  facts.what_if = std::move(*what_if);
  if (!simulate_all(facts.what_if, options, interrupted)) {
    return failure(kCommand, "interrupted");
  }
  const bool written = output.write([&] { return what_if_json(facts).dump(2); },
                                    [&] { return what_if_text(facts); });
  return written ? kExitFine : kExitFailed;
}

}  // namespace minos
