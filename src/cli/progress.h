#pragma once

#include <string>

#include "load/generator.h"

namespace minos {

// Shows progress on standard error: one line redrawn in place on a terminal, with the time left;
// elsewhere a plain line for every tenth of a preload, and nothing during a run.
class ProgressPrinter {
 public:
  ProgressPrinter();
  // Leaves the cursor on a fresh line.
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  void show(const LoadProgress& progress);

 private:
  void redraw(const LoadProgress& progress, double left_s);
  void print_tenth(const LoadProgress& progress, double left_s);

  bool terminal_;
  bool drawn_ = false;
  int tenths_ = 0;
};

}  // namespace minos
