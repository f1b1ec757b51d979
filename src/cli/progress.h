#pragma once

#include <string>

#include "base/units.h"
#include "experiment/campaign.h"
#include "load/generator.h"

namespace minos {

// Shows progress on standard error: one line redrawn in place on a terminal, with the time left;
// elsewhere a plain line for every tenth of a preload or of experiments, and nothing during a run.
class ProgressPrinter {
 public:
  ProgressPrinter();
  // Leaves the cursor on a fresh line.
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  void show(const LoadProgress& progress);
  void show(const CampaignProgress& progress);

 private:
  struct Line {
    double share = 0;  // done, 0 to 1
    double left_s = 0;
    std::string what;
    bool by_tenths = false;  // where there is no terminal
  };

  void show(const Line& line);
  void redraw(const Line& line);
  void print_tenth(const Line& line);

  bool terminal_;
  bool drawn_ = false;
  int tenths_ = 0;
};

}  // namespace minos
