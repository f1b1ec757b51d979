#include "experiment/campaign.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "experiment/slo_search.h"

namespace minos {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(200);

std::uint64_t points_max(const Series& series) {
  return series.find_slo ? SloSearch::tries_max(series.loads, kSloResolution) : series.loads.size();
}

void add_loads(std::vector<double>& loads, const std::vector<double>& more) {
  loads.insert(loads.end(), more.begin(), more.end());
  std::ranges::sort(loads);
  const auto doubled = std::ranges::unique(loads);
  loads.erase(doubled.begin(), doubled.end());
}

bool is_interrupted(const CampaignHooks& hooks) {
  return hooks.interrupted != nullptr && hooks.interrupted->load(std::memory_order_relaxed);
}

// Takes the series of the next workload off; plan_campaign() has put them side by side, with the
// same loads.
std::span<Series> take_workload(std::span<Series>& rest) {
  std::size_t count = 1;
  while (count < rest.size() && rest[count].workload == rest[0].workload) ++count;
  const std::span<Series> group = rest.first(count);
  rest = rest.subspan(count);
  return group;
}

// Of the loads that were measured.
void note_slo(Series& series) {
  if (!series.find_slo) return;
  SloSearch slo(series.loads, 1);
  for (const PointResult& point : series.points) slo.record(keeps_slo(point));
  series.slo_load = slo.best();
}

// Series are given out in order; each is written by the thread that took it alone.
class Runner {
 public:
  Runner(Campaign& campaign, const MeasurePoint& measure, const CampaignHooks& hooks)
      : campaign_(campaign), measure_(measure), hooks_(hooks) {}

  bool run(unsigned jobs) {
    CampaignProgress progress;
    for (const Series& series : campaign_.series) progress.total += points_max(series);
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::jthread> threads;
    threads.reserve(jobs);
    working_ = jobs;
    for (unsigned i = 0; i < jobs; ++i) threads.emplace_back([this] { work(); });
    std::unique_lock lock(mutex_);
    for (bool ended = false; !ended;) {
      ended = changed_.wait_for(lock, kProgressInterval, [this] { return working_ == 0; });
      progress.done = done_;
      progress.elapsed = std::chrono::steady_clock::now() - start;
      if (!hooks_.progress) continue;
      lock.unlock();
      hooks_.progress(progress);
      lock.lock();
    }
    return complete_;
  }

 private:
  void work() {
    for (;;) {
      const std::size_t mine = next_.fetch_add(1, std::memory_order_relaxed);
      if (mine >= campaign_.series.size()) break;
      Series& series = campaign_.series[mine];
      const bool finished = series.find_slo ? search(series) : measure_loads(series);
      std::ranges::sort(series.points, {}, &PointResult::load);
      count(points_max(series) - series.points.size(), finished);
    }
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_one();
  }

  void count(std::uint64_t points, bool finished) {
    const std::lock_guard lock(mutex_);
    done_ += points;
    if (!finished) complete_ = false;
  }

  bool measure_loads(Series& series) {
    return std::ranges::all_of(series.loads,
                               [&](double load) { return measure_point(series, load); });
  }

  bool search(Series& series) {
    SloSearch slo(series.loads, kSloResolution);
    while (const auto load = slo.next()) {
      if (!measure_point(series, *load)) return false;
      slo.record(keeps_slo(series.points.back()));
    }
    series.slo_load = slo.best();
    return true;
  }

  bool measure_point(Series& series, double load) {
    if (is_interrupted(hooks_)) return false;
    auto result = measure_({.workload = series.workload, .policy = series.policy, .load = load});
    if (!result) {
      series.error = result.error();
      return false;
    }
    result->load = load;
    series.points.push_back(std::move(*result));
    count(1, true);
    return true;
  }

  Campaign& campaign_;
  const MeasurePoint& measure_;
  const CampaignHooks& hooks_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::uint64_t done_ = 0;
  unsigned working_ = 0;
  bool complete_ = true;
};

}  // namespace

bool answers(const PointResult& result) {
  return result.all.count > 0 && result.failed * 1000 <= result.all.count + result.failed;
}

bool keeps_slo(const PointResult& result) {
  return answers(result) && result.all.p99_us <= kSloServiceTimes * result.mean_service_us;
}

const PointResult* Series::at(double load) const {
  const auto found = std::ranges::find(points, load, &PointResult::load);
  return found == points.end() ? nullptr : &*found;
}

const Series* Campaign::find(const std::string& workload, PolicyKind policy) const {
  const auto found = std::ranges::find_if(series, [&](const Series& one) {
    return one.workload.name == workload && one.policy == policy;
  });
  return found == series.end() ? nullptr : &*found;
}

Campaign plan_campaign(std::span<const Experiment> experiments,
                       std::span<const PolicyKind> policies) {
  Campaign campaign;
  for (const Experiment& experiment : experiments) {
    for (const Workload& workload : experiment.workloads) {
      for (const PolicyKind policy : policies) {
        auto found = std::ranges::find_if(campaign.series, [&](const Series& one) {
          return one.workload.name == workload.name && one.policy == policy;
        });
        if (found == campaign.series.end()) {
          campaign.series.push_back({.workload = workload, .policy = policy});
          found = std::prev(campaign.series.end());
        }
        CHECK(found->workload == workload);
        add_loads(found->loads, experiment.loads);
        found->find_slo |= experiment.find_slo;
      }
    }
  }
  return campaign;
}

bool run_campaign(Campaign& campaign, const MeasurePoint& measure, unsigned jobs,
                  const CampaignHooks& hooks) {
  CHECK(jobs > 0);
  return Runner(campaign, measure, hooks).run(jobs);
}

bool run_side_by_side(Campaign& campaign, const MeasureSideBySide& measure,
                      const CampaignHooks& hooks) {
  const auto start = std::chrono::steady_clock::now();
  CampaignProgress progress;
  for (const Series& series : campaign.series) progress.total += series.loads.size();
  std::span<Series> rest = campaign.series;
  while (!rest.empty()) {
    const std::span<Series> group = take_workload(rest);
    std::vector<PolicyKind> policies;
    for (const Series& series : group) policies.push_back(series.policy);
    for (const double load : group.front().loads) {
      if (is_interrupted(hooks)) return false;
      auto results = measure(group.front().workload, load, policies);
      if (!results) {
        std::ranges::find(group, results.error().policy, &Series::policy)->error =
            results.error().why;
        return false;
      }
      for (std::size_t i = 0; i < group.size(); ++i) {
        (*results)[i].load = load;
        group[i].points.push_back(std::move((*results)[i]));
      }
      progress.done += group.size();
      progress.elapsed = std::chrono::steady_clock::now() - start;
      if (hooks.progress) hooks.progress(progress);
    }
    for (Series& series : group) note_slo(series);
  }
  return true;
}

}  // namespace minos
