#include "cli/kv_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "cli/exit_codes.h"
#include "client/minos_client.h"

namespace minos {
namespace {

struct KvOptions {
  std::string server = "127.0.0.1:11211";
  bool single_port = false;
  double timeout_s = 5;
  std::string key;
  std::string value;
  std::uint32_t flags = 0;
  std::uint32_t ttl_s = 0;
  std::string argument;
};

template <typename Act>
int with_client(const KvOptions& options, Act act) {
  const bool is_url = options.server.contains("://");
  if (options.single_port && !options.server.starts_with("udp://")) {
    return usage_error("minos", "--single-port needs --server=udp://HOST:PORT");
  }
  ClientOptions client_options;
  client_options.single_port = options.single_port;
  client_options.timeout =
      std::chrono::nanoseconds(static_cast<std::int64_t>(options.timeout_s * 1e9));
  auto client = Client::open(is_url ? options.server : "tcp://" + options.server, client_options);
  if (client) return act(*client);
  if (client.error().status != ClientStatus::kInvalid)
    return failure("minos", client.error().message);
  return usage_error("minos", "--server: " + client.error().message);
}

int run_get(const KvOptions& options) {
  return with_client(options, [&](Client& client) {
    const auto value = client.get(options.key);
    if (!value) return failure("minos", value.error().message);
    if (!*value) return failure("minos", fmt::format("no such key: {}", options.key));
    std::fwrite((*value)->bytes.data(), 1, (*value)->bytes.size(), stdout);
    return kExitFine;
  });
}

int run_set(const KvOptions& options) {
  std::string value = options.value;
  if (value == "-") value.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (value.size() > kItemBytesMax) {
    return failure("minos", fmt::format("the value has {} bytes, at most {} are allowed",
                                        value.size(), kItemBytesMax));
  }
  return with_client(options, [&](Client& client) {
    const auto stored = client.set(options.key, value, options.flags, options.ttl_s);
    return stored ? kExitFine : failure("minos", stored.error().message);
  });
}

int run_delete(const KvOptions& options) {
  return with_client(options, [&](Client& client) {
    const auto removed = client.remove(options.key);
    if (!removed) return failure("minos", removed.error().message);
    return *removed ? kExitFine : failure("minos", fmt::format("no such key: {}", options.key));
  });
}

int run_stats(const KvOptions& options) {
  return with_client(options, [&](Client& client) {
    const auto stats = client.stats(options.argument);
    if (!stats) return failure("minos", stats.error().message);
    for (const auto& [name, value] : *stats) fmt::print("{} {}\n", name, value);
    return kExitFine;
  });
}

CLI::App* add_command(CLI::App& app, const char* name, const char* help, KvOptions& options,
                      int& exit_code, int (*run)(const KvOptions&)) {
  CLI::App* const command = app.add_subcommand(name, help);
  command
      ->add_option("--server", options.server,
                   "HOST:PORT of a memcached-compatible server, or udp://HOST:PORT")
      ->capture_default_str();
  command->add_flag(
      "--single-port", options.single_port,
      "Over UDP: all queues are on one port, as minosd --datagram-single-port has it");
  command->add_option("--timeout", options.timeout_s, "Seconds to wait for the server")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->callback([&options, &exit_code, run] { exit_code = run(options); });
  return command;
}

}  // namespace

void add_kv_commands(CLI::App& app, int& exit_code) {
  // The callbacks outlive this function: every command shares one set of options.
  static KvOptions options;
  constexpr const char* kKeyHelp = "1 to 250 bytes without spaces and control characters";

  CLI::App* const get =
      add_command(app, "get", "Write a value to standard output; exit 1 when there is none",
                  options, exit_code, run_get);
  get->add_option("KEY", options.key, kKeyHelp)->required();

  CLI::App* const set = add_command(app, "set", "Store a value", options, exit_code, run_set);
  set->add_option("KEY", options.key, kKeyHelp)->required();
  set->add_option("VALUE", options.value, "The value itself, or - for standard input")->required();
  set->add_option("--flags", options.flags, "32-bit number kept with the value")
      ->capture_default_str();
  set->add_option("--ttl", options.ttl_s,
                  "Seconds to live: 0 for ever, up to 30 days; above, a Unix time")
      ->capture_default_str();

  CLI::App* const remove = add_command(app, "delete", "Remove a key; exit 1 when there is none",
                                       options, exit_code, run_delete);
  remove->add_option("KEY", options.key, kKeyHelp)->required();

  CLI::App* const stats =
      add_command(app, "stats", "Print the server's counters", options, exit_code, run_stats);
  stats->add_option("ARG", options.argument, "A group, such as settings, items or slabs");
}

}  // namespace minos
