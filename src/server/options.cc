#include "server/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>

#include "server/config_file.h"
#include "server/option_table.h"
#include "store/kv_store.h"
#include "worker/large_reply.h"

namespace minos {
namespace {

// The values given for one option, and how to name where they came from.
struct Given {
  std::string name;
  std::vector<std::string> values;
};

using GivenByRow = std::map<const OptionRow*, Given>;

OptionsExit usage_error(std::string_view message) {
  return {2, fmt::format("minosd: {}\nTry 'minosd --help'.\n", message), true};
}

bool takes_argument(const OptionRow& row) {
  return row.kind != OptionKind::kFlag && row.kind != OptionKind::kCount;
}

template <typename Function>
void for_each_row(Function&& function) {
  for (const OptionGroup& group : option_groups()) {
    for (const OptionRow& row : group.rows) function(row);
  }
}

CLI::Option* add_to_parser(CLI::App& app, const OptionRow& row) {
  std::string names = fmt::format("--{}", row.long_name);
  if (row.short_name != 0) names = fmt::format("-{},", row.short_name) + names;
  if (!takes_argument(row)) return app.add_flag(names)->disable_flag_override();
  const bool is_list = row.kind == OptionKind::kList;
  return app.add_option(names)
      ->type_size(1)
      ->expected(1, is_list ? CLI::detail::expected_max_vector_size : 1)
      ->allow_extra_args(false)
      ->multi_option_policy(is_list ? CLI::MultiOptionPolicy::TakeAll
                                    : CLI::MultiOptionPolicy::TakeLast);
}

Given given_by(const OptionRow& row, const CLI::Option& option) {
  if (row.kind == OptionKind::kCount) return {option_name(row), {std::to_string(option.count())}};
  return {option_name(row), option.reduced_results()};
}

// CLI11's errors start with the name of the option, with or without its dashes.
std::string explain(const CLI::ParseError& error) {
  const std::string_view what = error.what();
  std::string_view name = what.substr(0, what.find_first_of(": "));
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  std::string out(what);
  for_each_row([&](const OptionRow& row) {
    if (name != row.long_name && name != std::string_view(&row.short_name, 1)) return;
    out = takes_argument(row) ? fmt::format("{} needs a value: --{}={}", option_name(row),
                                            row.long_name, row.argument)
                              : fmt::format("{} takes no value", option_name(row));
  });
  return out;
}

std::string explain_extra(const std::string& argument) {
  if (!argument.starts_with('-')) {
    return fmt::format("unexpected argument \"{}\": only options are allowed", argument);
  }
  const std::string_view why = why_missing(argument);
  return fmt::format("unknown option \"{}\"{}{}", argument, why.empty() ? "" : ": ", why);
}

std::expected<GivenByRow, OptionsExit> read_command_line(int argc, const char* const* argv) {
  CLI::App app;
  app.set_help_flag();
  std::map<const OptionRow*, const CLI::Option*> added;
  for_each_row([&](const OptionRow& row) { added[&row] = add_to_parser(app, row); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    return std::unexpected(usage_error(explain_extra(app.remaining().front())));
  } catch (const CLI::ParseError& error) {
    return std::unexpected(usage_error(explain(error)));
  }
  GivenByRow given;
  for (const auto& [row, option] : added) {
    if (option->count() != 0) given[row] = given_by(*row, *option);
  }
  return given;
}

bool has_flag(const GivenByRow& given, std::string_view long_name) {
  for (const auto& [row, unused] : given) {
    if (row->long_name == long_name) return true;
  }
  return false;
}

// Adds what the file says of options that the command line does not mention.
std::expected<void, std::string> merge_config(GivenByRow& given) {
  std::string path;
  for (const auto& [row, values] : given) {
    if (row->long_name == "config") path = values.values.back();
  }
  if (path.empty()) return {};
  auto entries = read_config_file(path);
  if (!entries) return std::unexpected("--config: " + entries.error());
  for (ConfigEntry& entry : *entries) {
    given.try_emplace(entry.row,
                      Given{fmt::format("{}:{}: {}", path, entry.line, entry.row->long_name),
                            std::move(entry.values)});
  }
  return {};
}

std::expected<ServerOptions, std::string> apply_all(const GivenByRow& given) {
  ServerOptions options;
  std::string error;
  for_each_row([&](const OptionRow& row) {
    const auto found = given.find(&row);
    if (found == given.end() || row.apply == nullptr) return;
    for (const std::string& value : found->second.values) {
      const auto applied = row.apply(options, value);
      if (!applied && error.empty()) {
        error = fmt::format("{} \"{}\": {}", found->second.name, value, applied.error());
      }
    }
  });
  if (!error.empty()) return std::unexpected(error);
  return options;
}

// Which addresses are listened on by what.
void settle_addresses(ServerOptions& options) {
  if (options.transports.empty()) options.transports.push_back(TransportKind::kTcp);
  if (options.listen.empty()) options.listen.push_back({"127.0.0.1", options.port});
  if (options.has(TransportKind::kUdp)) {
    for (const ListenAddress& address : options.listen) {
      if (std::ranges::find(options.datagram_hosts, address.host) == options.datagram_hosts.end()) {
        options.datagram_hosts.push_back(address.host);
      }
    }
  }
  if (!options.has(TransportKind::kTcp) || !options.unix_socket.empty()) options.listen.clear();
}

// An option of a device that is not served would be without effect; empty: there is none.
std::string device_error(const ServerOptions& options) {
  if (options.has(TransportKind::kXdp) != !options.xdp_interface.empty()) {
    return "--transport=xdp and --xdp-interface=NAME need each other";
  }
  if (!options.has(TransportKind::kXdp) && options.xdp_address) {
    return "--xdp-address needs --transport=xdp";
  }
  if (options.has(TransportKind::kDpdk)) return {};
  if (!options.dpdk_vhost.empty()) return "--dpdk-vhost needs --transport=dpdk";
  if (!options.dpdk_arguments.empty()) return "--dpdk-args needs --transport=dpdk";
  const bool has_address = options.dpdk_address != ServerOptions().dpdk_address;
  return has_address ? "--dpdk-address needs --transport=dpdk" : "";
}

// What no single option can check.
std::expected<void, std::string> check_together(const ServerOptions& options) {
  const std::uint64_t memory_min = KvStore::memory_bytes_min(options.threads);
  if (options.memory_bytes < memory_min) {
    return std::unexpected(
        fmt::format("-m/--memory-limit {}: must be at least {} for the {} threads of -t/--threads",
                    size_text(options.memory_bytes),
                    size_text((memory_min + kMiB - 1) / kMiB * kMiB), options.threads));
  }
  if (options.item_bytes_max > options.memory_bytes / 2) {
    return std::unexpected(
        fmt::format("-I/--max-item-size {}: must be at most half of -m/--memory-limit, which is {}",
                    size_text(options.item_bytes_max), size_text(options.memory_bytes)));
  }
  const std::uint32_t ports = options.datagram_single_port ? 1 : options.queue_count();
  if (options.uses_device() && options.datagram_single_port) {
    return std::unexpected(fmt::format(
        "--datagram-single-port: with --transport={} each receive queue has a port of its own",
        options.has(TransportKind::kDpdk) ? "dpdk" : "xdp"));
  }
  if (std::string error = device_error(options); !error.empty()) return std::unexpected(error);
  if (options.serves_datagrams() && options.datagram_port + ports - 1 > 65535) {
    return std::unexpected(fmt::format(
        "--datagram-port {}: must be at most {}, so that each of {} receive queues has a "
        "port",
        options.datagram_port, 65536 - ports, ports));
  }
  if (!options.cpus.empty() && options.cpus.size() < options.threads) {
    return std::unexpected(
        fmt::format("--cores lists {} CPUs for {} threads: must list at least as many CPUs as "
                    "-t/--threads says",
                    options.cpus.size(), options.threads));
  }
  // A single thread hands to nobody: it serves all, and 1, the default, is right.
  const int dispatchers_max = std::max(options.threads - 1, 1);
  if (options.sharding == PolicyKind::kSoftwareHandoff && options.dispatchers > dispatchers_max) {
    return std::unexpected(
        fmt::format("--dispatchers {}: must be less than -t/--threads, which is {}: dispatchers "
                    "serve no request themselves",
                    options.dispatchers, options.threads));
  }
  return {};
}

}  // namespace

std::uint64_t ServerOptions::threshold_min_bytes() const {
  return serves_datagrams() ? std::uint64_t{kReplyFragmentBytes} : kInlineValueBytesMax;
}

std::expected<ServerOptions, OptionsExit> parse_options(int argc, const char* const* argv) {
  auto given = read_command_line(argc, argv);
  if (!given) return std::unexpected(given.error());
  if (has_flag(*given, "help")) return std::unexpected(OptionsExit{0, help_text(), false});
  if (has_flag(*given, "version")) {
    return std::unexpected(OptionsExit{0, "minos " MINOS_VERSION "\n", false});
  }
  const auto merged = merge_config(*given);
  if (!merged) return std::unexpected(usage_error(merged.error()));
  auto options = apply_all(*given);
  if (!options) return std::unexpected(usage_error(options.error()));
  settle_addresses(*options);
  const auto checked = check_together(*options);
  if (!checked) return std::unexpected(usage_error(checked.error()));
  return *std::move(options);
}

}  // namespace minos
