#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

namespace minos {
namespace {

constexpr int kBarCells = 30;

double share_of(std::uint64_t done, std::uint64_t total) {
  return total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
}

double left_s(double share, Nanos elapsed) {
  return share > 0 ? std::chrono::duration<double>(elapsed).count() * (1 - share) / share : 0;
}

// 45 s, 12 min, 3 h 5 min.
std::string span_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  const auto minutes = std::lround(seconds / 60);
  if (minutes < 100) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

}  // namespace

ProgressPrinter::ProgressPrinter() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressPrinter::~ProgressPrinter() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressPrinter::show(const LoadProgress& progress) {
  const double share = share_of(progress.done, progress.total);
  const bool preload = progress.phase == LoadProgress::Phase::kPreload;
  show({.share = share,
        .left_s = left_s(share, progress.elapsed),
        .what = preload ? fmt::format("preloading {} of {} keys", progress.done, progress.total)
                        : "running",
        .by_tenths = preload});
}

void ProgressPrinter::show(const CampaignProgress& progress) {
  const double share = share_of(progress.done, progress.total);
  show({.share = share,
        .left_s = left_s(share, progress.elapsed),
        .what = fmt::format("point {} of {}", progress.done, progress.total),
        .by_tenths = true});
}

void ProgressPrinter::show(const Line& line) {
  if (terminal_) {
    redraw(line);
  } else if (line.by_tenths) {
    print_tenth(line);
  }
}

void ProgressPrinter::redraw(const Line& line) {
  const auto filled = static_cast<std::size_t>(kBarCells * line.share);
  const std::string bar = std::string(filled, '#') + std::string(kBarCells - filled, '.');
  fmt::print(stderr, "\r\x1b[K[{}] {:3.0f} %  {} left  {}", bar, 100 * line.share,
             span_text(line.left_s), line.what);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressPrinter::print_tenth(const Line& line) {
  const int tenths = static_cast<int>(10 * line.share);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  fmt::print(stderr, "{}, {} left\n", line.what, span_text(line.left_s));
}

}  // namespace minos
