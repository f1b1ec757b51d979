#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace minos {
namespace {

constexpr int kBarCells = 30;

double share_of(const LoadProgress& progress) {
  if (progress.total == 0) return 1;
  return static_cast<double>(progress.done) / static_cast<double>(progress.total);
}

std::string what(const LoadProgress& progress) {
  if (progress.phase == LoadProgress::Phase::kRun) return "running";
  return fmt::format("preloading {} of {} keys", progress.done, progress.total);
}

}  // namespace

ProgressPrinter::ProgressPrinter() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressPrinter::~ProgressPrinter() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressPrinter::show(const LoadProgress& progress) {
  const double share = share_of(progress);
  const double elapsed_s = std::chrono::duration<double>(progress.elapsed).count();
  const double left_s = share > 0 ? elapsed_s * (1 - share) / share : 0;
  if (terminal_) {
    redraw(progress, left_s);
  } else if (progress.phase == LoadProgress::Phase::kPreload) {
    print_tenth(progress, left_s);
  }
}

void ProgressPrinter::redraw(const LoadProgress& progress, double left_s) {
  const auto filled = static_cast<std::size_t>(kBarCells * share_of(progress));
  const std::string bar = std::string(filled, '#') + std::string(kBarCells - filled, '.');
  fmt::print(stderr, "\r\x1b[K[{}] {:3.0f} %  {:.0f} s left  {}", bar, 100 * share_of(progress),
             left_s, what(progress));
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressPrinter::print_tenth(const LoadProgress& progress, double left_s) {
  const int tenths = static_cast<int>(10 * share_of(progress));
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  fmt::print(stderr, "{}, {:.0f} s left\n", what(progress), left_s);
}

}  // namespace minos
