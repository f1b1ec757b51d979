#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "experiment/campaign.h"
#include "experiment/table.h"

namespace minos {

// What was special about a run on a real server.
struct LiveFacts {
  std::string transport{};
  std::string machine{};  // its CPUs, as people say it
  double seconds = 0;     // measured at each point, over all turns
  std::uint32_t turns = 0;
  std::int64_t slice_ms = 0;  // at least
  std::uint64_t keys = 0;
  std::uint64_t large_keys = 0;
  std::vector<std::string> left_out{};  // sentences
};

// What a reader needs to run it again.
struct ReportFacts {
  std::string command{};
  std::string version{};
  std::string profile{};  // of costs; on a real server its transport
  std::uint64_t seed = 0;
  std::uint64_t cores = 0;
  std::uint64_t requests = 0;  // of each point, in the simulator
  bool complete = true;        // false: interrupted or with errors; what is missing is left out
  std::optional<LiveFacts> live{};  // nothing: it was the simulator
};

// One page that needs nothing else: summary, then a section with plots and a table for each
// experiment. The same results and facts give the same bytes.
std::string report_html(const std::vector<Experiment>& experiments, const Campaign& campaign,
                        const ReportFacts& facts);

// One row for each point of an experiment, units in the names of the columns.
Table points_csv(const Experiment& experiment, const Campaign& campaign, const ReportFacts& facts);

// Of an experiment about cores, one row for each core of each point; of one about time, one row for
// each window.
Table cores_csv(const Experiment& experiment, const Campaign& campaign);
Table windows_csv(const Experiment& experiment, const Campaign& campaign);

// Writes report.html, summary.csv, NAME.csv of each experiment, and NAME_cores.csv or
// NAME_windows.csv where it has them, into a folder that exists. Error: names the file.
std::expected<void, std::string> write_report(const std::string& folder,
                                              const std::vector<Experiment>& experiments,
                                              const Campaign& campaign, const ReportFacts& facts);

}  // namespace minos
