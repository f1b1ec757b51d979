#include <fmt/format.h>

#include <string_view>

#include "experiment/figures.h"
#include "experiment/report.h"
#include "experiment/summary.h"

namespace minos {
namespace {

constexpr std::string_view kStyle = R"(
body { font: 16px/1.45 Helvetica, Arial, sans-serif; color: #000; background: #fff;
  max-width: 1440px; margin: 2em auto; padding: 0 1.5em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.25em; margin-top: 2.2em; }
p { max-width: 60em; }
code { font-family: monospace; background: #f3f3f3; padding: 0 .25em; }
.plots { display: flex; flex-wrap: wrap; gap: 1em; }
.plots figure { flex: 1 1 30em; max-width: 44em; margin: 0; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1em 0; font-size: .85em;
  font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #bbb; padding: .25em .7em; text-align: right; }
th:first-child { text-align: left; }
thead th { border-bottom: 2px solid #000; vertical-align: bottom; }
tbody th, td { font-weight: normal; white-space: nowrap; }
@media print { body { max-width: none; font-size: 11px; margin: 0; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } .wide { overflow: visible; } }
)";

std::string paragraph(const std::string& text) {
  return "<p>" + escaped(text) + "</p>\n";
}

std::string wide(const Table& table) {
  return "<div class=\"wide\">\n" + html_of(table) + "</div>\n";
}

std::string conditions(const ReportFacts& facts) {
  if (!facts.live) {
    return fmt::format("profile {}, {} cores, {} requests measured at each point, seed {}",
                       facts.profile, facts.cores, facts.requests, facts.seed);
  }
  const LiveFacts& live = *facts.live;
  return fmt::format(
      "minosd over {} with {} {}, the load generator on a CPU of its own, on {}; {} keys and {} "
      "large ones; {} s measured at each point, in {} turns of the policies; seed {}",
      live.transport, facts.cores, facts.cores == 1 ? "core" : "cores", live.machine, live.keys,
      live.large_keys, live.seconds, live.turns, facts.seed);
}

std::string facts_html(const ReportFacts& facts) {
  std::string out =
      fmt::format("<p>Made by <code>{}</code>, version {}: {}.</p>\n", escaped(facts.command),
                  escaped(facts.version), escaped(conditions(facts)));
  if (facts.live) {
    for (const std::string& sentence : facts.live->left_out) out += paragraph(sentence);
  }
  if (!facts.complete) {
    out +=
        "<p><strong>This campaign did not run to its end: what is missing here was not "
        "measured.</strong></p>\n";
  }
  return out;
}

std::string reading_live_html(const LiveFacts& live) {
  return paragraph(fmt::format(
      "Load is the share of capacity that is offered. Capacity is the highest rate of an open loop "
      "that was served, under the policy that serves most in a closed loop, and the same for every "
      "policy; the mean service time is cores divided by it. Times count from when a request was "
      "due until the client has its whole reply: what the client and the way take is in them. p50 "
      "and p99 of all and of small requests are those of slices of at least {} ms, the median over "
      "slices, since the machine pauses; those of large requests, and p99.9, are of everything. Of "
      "all, the median over the turns is shown. The CSV files also have p50 and p99 without slices "
      "(raw). The SLO: p99 of all requests within {} × the mean service time, and at most one "
      "request of a thousand without an answer; † marks points that fail the latter. Packets of a "
      "core are the datagrams that it received.",
      live.slice_ms, kSloServiceTimes));
}

std::string reading_html(const ReportFacts& facts) {
  if (facts.live) return reading_live_html(*facts.live);
  return paragraph(fmt::format(
      "Load is the share of capacity that is offered, and capacity is cores divided by the mean "
      "service time under the profile, the same for every policy. Times count from when a request "
      "was due until its whole reply has arrived. The network is in the way only where a link is "
      "named; there capacity is what that link or the cores can do, whichever is less. The SLO: "
      "p99 of all requests within {} × the "
      "mean service time, and at most one request of a thousand without an answer. Lines that "
      "leave a plot at its top go on in the CSV files, which have every point; † marks points at "
      "which more than one request of a thousand got no answer.",
      kSloServiceTimes));
}

std::string summary_html(const std::vector<Experiment>& experiments, const Campaign& campaign,
                         const ReportFacts& facts) {
  const Table table = summary_table(experiments, campaign);
  if (table.rows.empty()) return {};
  std::string out = "<section id=\"summary\">\n<h2>Summary</h2>\n";
  out += paragraph(fmt::format(
      "The highest load that keeps the SLO, in percent of capacity (and M requests/s), {}; that "
      "throughput over the best of the size-unaware policies; and the load of the measured grid "
      "at which p99 of the best of these is the greatest multiple.",
      facts.live ? "of those measured"
                 : fmt::format("found to {} % of capacity by halving between a load that keeps it "
                               "and one that does not",
                               100 * kSloResolution)));
  out += wide(table);
  out += paragraph(
      "Who gains and who pays: p99 of small requests at 90 % load in mean service times, and p99 "
      "of large requests at 80 % load over that of the best size-unaware policy (named).");
  out += wide(classes_table(experiments, campaign));
  return out + "</section>\n";
}

std::string table_caption(const Experiment& experiment) {
  switch (experiment.view) {
    case ExperimentView::kSweep:
      return "Highest throughput that keeps the SLO, in M requests/s (and percent of capacity):";
    case ExperimentView::kLarge:
      return "p99 of large requests in µs:";
    case ExperimentView::kCores:
      return "What each core did:";
    case ExperimentView::kTimeline:
      return "Median over the windows of a phase of the p99 of all requests in µs (and large cores "
             "at its end):";
    case ExperimentView::kThroughput:
    case ExperimentView::kLoad:
      break;
  }
  return "p99 of all requests in µs:";
}

std::string section_html(const Experiment& experiment, const Campaign& campaign) {
  std::string out = fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n", escaped(experiment.name),
                                escaped(experiment.title));
  out += paragraph(experiment.shows) + "<div class=\"plots\">\n";
  for (const Plot& plot : plots_of(experiment, campaign)) {
    out += "<figure>" + svg_of(plot) + "</figure>\n";
  }
  out += "</div>\n" + paragraph(table_caption(experiment));
  return out + wide(table_of(experiment, campaign)) + "</section>\n";
}

std::string errors_html(const Campaign& campaign) {
  std::string out;
  for (const Series& series : campaign.series) {
    if (series.error.empty()) continue;
    out += fmt::format("<li>{}, {}: {}</li>\n", escaped(series.workload.name),
                       name_of(series.policy), escaped(series.error));
  }
  return out.empty() ? out : "<h2>What could not be measured</h2>\n<ul>\n" + out + "</ul>\n";
}

}  // namespace

std::string report_html(const std::vector<Experiment>& experiments, const Campaign& campaign,
                        const ReportFacts& facts) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n<title>Minos: experiments</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<h1>Minos: the evaluation {}</h1>\n",
      kStyle, facts.live ? "on a real server" : "in virtual time");
  out += facts_html(facts) + reading_html(facts) + summary_html(experiments, campaign, facts);
  for (const Experiment& experiment : experiments) out += section_html(experiment, campaign);
  return out + errors_html(campaign) + "</body>\n</html>\n";
}

}  // namespace minos
