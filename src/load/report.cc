#include "load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace minos {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

double seconds(Nanos span) {
  return std::chrono::duration<double>(span).count();
}
double us(Nanos span) {
  return std::chrono::duration<double, std::micro>(span).count();
}

struct Row {
  const char* name;   // in the table
  const char* field;  // in JSON
  ClassStats stats;
};

std::array<Row, 5> rows_of(const Recorder& recorder) {
  ClassStats all_small = recorder.of(LoadClass::kTiny);
  all_small.merge(recorder.of(LoadClass::kSmall));
  ClassStats all = all_small;
  all.merge(recorder.of(LoadClass::kLarge));
  return {{{"tiny", "tiny", recorder.of(LoadClass::kTiny)},
           {"small", "small", recorder.of(LoadClass::kSmall)},
           {"large", "large", recorder.of(LoadClass::kLarge)},
           {"all small", "all_small", all_small},
           {"all", "all", all}}};
}

double per_second(std::uint64_t count, Nanos window) {
  return window > Nanos(0) ? static_cast<double>(count) / seconds(window) : 0;
}

Nanos lateness(const Recorder& recorder, double share) {
  const auto bound = Nanos(static_cast<std::int64_t>(recorder.lateness_ns().quantile(share)));
  return std::min(bound, recorder.lateness_max());
}

const char* mode_name(const LoadOptions& options) {
  if (options.preload_only) return "preload";
  return options.open_loop() ? "open" : "closed";
}

const char* spread_name(const LoadOptions& options) {
  switch (options.spread.value_or(Spread::kRoundRobin)) {
    case Spread::kRandom:
      return "random";
    case Spread::kIdle:
      return "idle";
    case Spread::kRoundRobin:
      break;
  }
  return "round-robin";
}

Json datagrams_json(const SessionCounters& counters) {
  return {{"sent", counters.sent},        {"received", counters.received},
          {"retries", counters.retries},  {"garbage", counters.garbage},
          {"late", counters.late},        {"busy", counters.refused},
          {"restarts", counters.restarts}};
}

Json options_json(const LoadOptions& o) {
  Json out = {{"server", o.server.text()},
              {"protocol", protocol_name(o.protocol)},
              {"single_port", o.single_port},
              {"mode", mode_name(o)},
              {"threads", o.threads},
              {"cpus", o.cpus},
              {"connections", o.connection_count()},
              {"rate", nullptr},
              {"depth", nullptr},
              {"spread", nullptr},
              {"duration_s", seconds(o.duration())},
              {"warmup_s", seconds(o.warmup())},
              {"keys", o.keys},
              {"large_keys", o.large_keys},
              {"first_key", o.first_key},
              {"large_percent", o.large_percent},
              {"large_max", o.large_max},
              {"value_bytes", nullptr},
              {"get_ratio", o.get_ratio},
              {"zipf", o.zipf},
              {"timeout_s", o.timeout_s},
              {"seed", o.seed},
              {"sleep", o.sleep},
              {"verify", o.verify},
              {"kernel_times", o.kernel_times}};
  if (o.open_loop()) out["rate"] = *o.rate;
  if (o.open_loop()) out["spread"] = spread_name(o);
  if (o.closed) out["depth"] = o.depth.value_or(1);
  if (o.value_bytes) out["value_bytes"] = *o.value_bytes;
  return out;
}

// Null where nothing was measured: a 0 would read as a fast server.
Json latency_json(const ClassStats& stats, Nanos latency) {
  return stats.latency_ns.count() > 0 ? Json(us(latency)) : Json();
}

Json kernel_json(const ClassStats& stats, double share) {
  const Histogram& kernel = stats.kernel_ns;
  return kernel.count() > 0 ? Json(static_cast<double>(kernel.quantile(share)) / 1e3) : Json();
}

Json class_json(const ClassStats& stats, Nanos window) {
  return {{"count", stats.latency_ns.count()},
          {"per_s", per_second(stats.received, window)},
          {"misses", stats.misses},
          {"refused", stats.refused},
          {"wrong", stats.wrong},
          {"p50_us", latency_json(stats, stats.quantile(0.5))},
          {"p90_us", latency_json(stats, stats.quantile(0.9))},
          {"p99_us", latency_json(stats, stats.quantile(0.99))},
          {"p999_us", latency_json(stats, stats.quantile(0.999))},
          {"max_us", latency_json(stats, stats.max)},
          {"kernel_p50_us", kernel_json(stats, 0.5)},
          {"kernel_p99_us", kernel_json(stats, 0.99)}};
}

void add_run(Json& out, const LoadOptions& options, const LoadReport& report) {
  const Recorder& recorder = *report.recorder;
  const auto rows = rows_of(recorder);
  out["window_s"] = seconds(report.window);
  out["offered_per_s"] = nullptr;
  if (options.open_loop()) out["offered_per_s"] = *options.rate;
  out["achieved_per_s"] = per_second(rows.back().stats.received, report.window);
  out["issued"] = recorder.issued_count();
  out["unissued"] = report.unissued;
  out["unanswered"] = report.unanswered;
  out["lateness_us"] = {{"p50", us(lateness(recorder, 0.5))},
                        {"p99", us(lateness(recorder, 0.99))},
                        {"max", us(recorder.lateness_max())}};
  out["bytes_in"] = report.bytes_in;
  out["bytes_out"] = report.bytes_out;
  out["datagrams"] = nullptr;
  if (report.datagrams) out["datagrams"] = datagrams_json(*report.datagrams);
  for (const Row& row : rows) out["classes"][row.field] = class_json(row.stats, report.window);
  const SliceRecorder::Summary slices = recorder.slices().summary();
  out["slices"] = {{"ms", options.slice_ms},      {"count", slices.slices},
                   {"requests", slices.requests}, {"p50_us", nullptr},
                   {"p99_us", nullptr},           {"kernel_p50_us", nullptr},
                   {"kernel_p99_us", nullptr}};
  if (slices.slices == 0) return;
  out["slices"]["p50_us"] = slices.p50_ns / 1e3;
  out["slices"]["p99_us"] = slices.p99_ns / 1e3;
  const SliceRecorder::Summary kernel = recorder.kernel_slices().summary();
  if (kernel.requests == 0) return;
  out["slices"]["kernel_p50_us"] = kernel.p50_ns / 1e3;
  out["slices"]["kernel_p99_us"] = kernel.p99_ns / 1e3;
}

void print_rows(std::back_insert_iterator<std::string> out, const LoadReport& report) {
  fmt::format_to(out, "{:<10}{:>11}{:>11}{:>9}{:>8}{:>7}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "class",
                 "count", "per s", "misses", "errors", "wrong", "p50 us", "p90", "p99", "p99.9",
                 "max");
  for (const Row& row : rows_of(*report.recorder)) {
    const ClassStats& stats = row.stats;
    fmt::format_to(out, "{:<10}{:>11}{:>11.0f}{:>9}{:>8}{:>7}", row.name, stats.latency_ns.count(),
                   per_second(stats.received, report.window), stats.misses, stats.refused,
                   stats.wrong);
    for (const Nanos latency : {stats.quantile(0.5), stats.quantile(0.9), stats.quantile(0.99),
                                stats.quantile(0.999), stats.max}) {
      const bool measured = stats.latency_ns.count() > 0;
      fmt::format_to(out, "{:>10}", measured ? fmt::format("{:.1f}", us(latency)) : "-");
    }
    fmt::format_to(out, "\n");
  }
}

void print_slices(std::back_insert_iterator<std::string> out, std::string_view what,
                  const LoadOptions& options, const SliceRecorder::Summary& slices) {
  if (slices.requests == 0) return;
  fmt::format_to(out,
                 "{}, median of {} slices of {} ms (about {:.0f} requests each): p50 "
                 "{:.1f} us, p99 {:.1f} us\n",
                 what, slices.slices, options.slice_ms, slices.requests, slices.p50_ns / 1e3,
                 slices.p99_ns / 1e3);
}

void print_run(std::back_insert_iterator<std::string> out, const LoadOptions& options,
               const LoadReport& report) {
  const Recorder& recorder = *report.recorder;
  const double achieved = per_second(rows_of(recorder).back().stats.received, report.window);
  print_rows(out, report);
  print_slices(out, "all small", options, recorder.slices().summary());
  print_slices(out, "kernel to kernel", options, recorder.kernel_slices().summary());
  if (options.open_loop()) {
    fmt::format_to(out,
                   "offered {:.0f}/s, achieved {:.0f}/s; the client was late by p50 {:.1f} us, "
                   "p99 {:.1f} us, at most {:.1f} us\n",
                   *options.rate, achieved, us(lateness(recorder, 0.5)),
                   us(lateness(recorder, 0.99)), us(recorder.lateness_max()));
  } else {
    fmt::format_to(out, "achieved {:.0f}/s at depth {}\n", achieved, options.depth.value_or(1));
  }
  const double mib_per_s = per_second(1, report.window) / static_cast<double>(kMiB);
  fmt::format_to(out, "in {:.1f} MiB/s, out {:.1f} MiB/s\n",
                 static_cast<double>(report.bytes_in) * mib_per_s,
                 static_cast<double>(report.bytes_out) * mib_per_s);
  if (const auto& datagrams = report.datagrams) {
    fmt::format_to(out,
                   "datagrams: {} sent, {} received; {} retries, {} busy, {} late, {} garbage, {} "
                   "values changed meanwhile\n",
                   datagrams->sent, datagrams->received, datagrams->retries, datagrams->refused,
                   datagrams->late, datagrams->garbage, datagrams->restarts);
  }
  if (report.unissued > 0 || report.unanswered > 0) {
    fmt::format_to(out, "{} requests were due but never sent, {} were not answered\n",
                   report.unissued, report.unanswered);
  }
}

}  // namespace

std::string load_report_text(const LoadOptions& options, const LoadReport& report) {
  std::string text;
  const auto out = std::back_inserter(text);
  if (options.preloads() && report.preload_time > Nanos(0)) {
    fmt::format_to(out, "preloaded {} keys in {:.1f} s\n",
                   report.preloaded - report.preload_refused, seconds(report.preload_time));
  }
  if (report.recorder) print_run(out, options, report);
  return text;
}

Json load_report_json(const LoadOptions& options, const LoadReport& report) {
  Json out = {{"minos_load", kSchema}, {"error", nullptr}, {"first_refusal", nullptr}};
  if (!report.error.empty()) out["error"] = report.error;
  if (!report.first_refusal.empty()) out["first_refusal"] = report.first_refusal;
  out["options"] = options_json(options);
  out["preload"] = {{"stored", report.preloaded - report.preload_refused},
                    {"refused", report.preload_refused},
                    {"seconds", seconds(report.preload_time)}};
  if (report.recorder) add_run(out, options, report);
  return out;
}

}  // namespace minos
