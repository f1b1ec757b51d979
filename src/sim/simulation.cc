#include "sim/simulation.h"

#include <algorithm>
#include <memory>

#include "base/limits.h"
#include "load/arrivals.h"
#include "sim/cost_book.h"
#include "sim/event_queue.h"
#include "sim/sim_server.h"
#include "sim/workload.h"
#include "wire/datagram.h"

namespace minos {

namespace {

constexpr std::uint64_t kArrivalSeed = 0x5eed0005;
constexpr std::uint64_t kRouteSeed = 0x5eed0006;

// How often progress is told, in arrivals.
constexpr std::uint64_t kProgressEvery = 1U << 16;

// After the last request the run ends when nothing is left to do, or after as long as it took and
// this.
constexpr Picos kDrain = kPicosPerSecond / 10;

class Simulation {
 public:
  explicit Simulation(const SimOptions& options)
      : options_(options),
        queues_(queue_count(options)),
        workload_(options),
        costs_(options.costs, options.seed),
        warmup_(static_cast<std::uint64_t>(static_cast<double>(options.requests) *
                                           options.warmup_percent / 100)),
        recorder_(warmup_, options.requests, options.timeline_every != Nanos(0)),
        server_(options, queues_, workload_, events_, recorder_, costs_),
        routes_(options.seed ^ kRouteSeed),
        samples_(options.seed ^ kRouteSeed ^ 1) {}

  SimResult run();

 private:
  // In the ideal profile dispatchers are no cores: they come on top.
  static std::uint16_t queue_count(const SimOptions& options) {
    const bool on_top = options.costs.ideal && options.policy == PolicyKind::kSoftwareHandoff;
    return static_cast<std::uint16_t>(options.cores + (on_top ? options.dispatchers : 0));
  }

  void estimate(SimResult& result) const;
  void handle(const EventQueue::Event& event);
  void arrive(Picos now);
  void issue(Picos now);
  void follow_phases(Picos now);
  void note_plan(Picos now);
  void note_interval(Picos now);
  void account(Picos now);
  bool over(Picos now) const;

  const SimOptions& options_;
  std::uint16_t queues_;
  SimWorkload workload_;
  CostBook costs_;
  std::uint64_t warmup_;
  EventQueue events_;
  SimRecorder recorder_;
  SimServer server_;
  Prng routes_;
  Prng samples_;
  std::unique_ptr<PoissonArrivals> arrivals_;
  SimResult result_;
  std::uint64_t issued_ = 0;
  std::uint64_t unissued_ = 0;
  std::size_t next_phase_ = 0;
  Picos last_arrival_ = 0;
  bool arriving_ = true;
};

// What the workload costs on average, and so how much of it can be served.
void Simulation::estimate(SimResult& result) const {
  double service = 0;
  double in = 0;
  double out = 0;
  constexpr std::uint32_t kFront = 44;  // of requests and of fragments of replies
  const auto wire = [](std::uint64_t value_bytes, std::uint32_t each) {
    const std::uint64_t full = value_bytes / each;
    const std::uint64_t rest = value_bytes % each;
    const std::uint64_t last = rest == 0 ? 0 : WireSpeed::frame_bytes(rest + kFront);
    return static_cast<double>(full * WireSpeed::frame_bytes(each + kFront) + last);
  };
  const auto bare = static_cast<double>(WireSpeed::frame_bytes(kFront));
  workload_.for_each_key([&](std::uint32_t key, std::uint32_t bytes, bool, double share) {
    const double get = workload_.get_ratio(key);
    service += share * (get * micros_of(costs_.mean_service(bytes, false)) +
                        (1 - get) * micros_of(costs_.mean_service(bytes, true)));
    in += share * (get * bare + (1 - get) * wire(bytes, kSetFragmentBytes));
    out += share * (get * wire(bytes, kReplyFragmentBytes) + (1 - get) * bare);
  });
  result.mean_service_us = service;
  result.cores_mops = options_.cores / service;
  result.capacity_mops = result.cores_mops;
  if (!options_.costs.ideal && options_.link_gbit_s != 0) {
    const double bytes_per_us = options_.link_gbit_s * 1e3 / 8;
    result.link_mops = bytes_per_us / std::max(in, out * options_.answered_percent / 100);
    result.capacity_mops = std::min(result.cores_mops, result.link_mops);
  }
  result.offered_mops =
      options_.rate_per_s != 0 ? options_.rate_per_s / 1e6 : options_.load * result.capacity_mops;
}

SimResult Simulation::run() {
  estimate(result_);
  server_.preload(workload_);
  if (options_.start_planned) server_.learn(workload_);
  note_plan(0);
  server_.start();
  arrivals_ = std::make_unique<PoissonArrivals>(result_.offered_mops * 1e6, Nanos(0),
                                                options_.seed ^ kArrivalSeed);
  events_.push(picos(arrivals_->next()), EventQueue::Kind::kArrival);
  events_.push(picos(options_.epoch), EventQueue::Kind::kEpoch);
  if (options_.timeline_every != Nanos(0)) {
    events_.push(picos(options_.timeline_every), EventQueue::Kind::kTimeline);
  }
  Picos now = 0;
  while (!over(now)) {
    const EventQueue::Event event = events_.pop();
    now = event.at;
    handle(event);
  }
  server_.network().out().advance(kNever);
  recorder_.fill(result_);
  if (!result_.complete) account(now);
  return result_;
}

// What cores and link did, once no request comes any more: the end of the run would dilute it.
void Simulation::account(Picos now) {
  result_.virtual_time = Nanos(now / kPicosPerNano);
  server_.fill(result_, now);
  const auto total = static_cast<double>(std::max<Picos>(now, 1));
  result_.link_in_share = static_cast<double>(server_.network().in_busy()) / total;
  result_.link_out_share = static_cast<double>(server_.network().out().busy()) / total;
}

bool Simulation::over(Picos now) const {
  if (!result_.complete || events_.empty()) return true;
  if (arriving_) return false;
  return events_.work() == 0 || recorder_.open() == 0 || now > 2 * last_arrival_ + kDrain;
}

void Simulation::handle(const EventQueue::Event& event) {
  SimNetwork& network = server_.network();
  switch (event.kind) {
    case EventQueue::Kind::kCore:
      if (!server_.is_due(event.core, event.at)) return;
      network.out().advance(event.at);
      server_.step(event.core, event.at);
      break;
    case EventQueue::Kind::kArrival:
      arrive(event.at);
      break;
    case EventQueue::Kind::kIngress:
      if (network.ingress_at() != event.at) return;  // something came before
      server_.wake_for(network.arrive(event.at), event.at);
      if (network.ingress_at() != kNever) {
        events_.push(network.ingress_at(), EventQueue::Kind::kIngress);
      }
      break;
    case EventQueue::Kind::kEpoch:
      if (server_.end_epoch(event.at)) note_plan(event.at);
      events_.push(event.at + picos(options_.epoch), EventQueue::Kind::kEpoch);
      return;
    case EventQueue::Kind::kTimeline:
      network.out().advance(event.at);
      note_interval(event.at);
      events_.push(event.at + picos(options_.timeline_every), EventQueue::Kind::kTimeline);
      return;
  }
  ++result_.events;
}

void Simulation::arrive(Picos now) {
  follow_phases(now);
  issue(now);
  arrivals_->pop();
  last_arrival_ = now;
  const std::uint64_t counted_end = warmup_ + options_.requests;
  // Load goes on until those that count are answered, but not for ever.
  const std::uint64_t most = counted_end + options_.requests / 10 + 1000;
  arriving_ = issued_ < counted_end || (recorder_.open() != 0 && issued_ < most);
  if (options_.progress && issued_ % kProgressEvery == 0) {
    result_.complete = options_.progress(std::min(issued_, counted_end), counted_end);
  }
  if (!result_.complete) return;
  if (arriving_) return events_.push(picos(arrivals_->next()), EventQueue::Kind::kArrival);
  server_.network().out().advance(now);
  account(now);
}

void Simulation::issue(Picos now) {
  SimNetwork& network = server_.network();
  const SimWorkload::Request drawn = workload_.next();
  const std::uint64_t number = issued_++;
  SimRequest* const request = network.requests().add();
  if (request == nullptr) {
    ++unissued_;
    return;
  }
  request->due = now;
  request->number = number;
  request->key = drawn.key;
  request->value_bytes = drawn.value_bytes;
  request->set = drawn.set;
  request->large = drawn.large;
  request->counted = recorder_.counts(number);
  request->answered =
      options_.answered_percent >= 100 || samples_.uniform() * 100 < options_.answered_percent;
  request->service = costs_.draw_service(drawn.value_bytes, drawn.set);
  request->fragments = drawn.set ? set_fragments(options_.costs.ideal, drawn.value_bytes) : 1;
  request->reply_left = drawn.set ? 0 : drawn.value_bytes;
  const KeySpace::Key key = workload_.keys().key(drawn.key);
  request->queue = drawn.set ? write_queue({key.data(), key.size()}, queues_).value
                             : static_cast<std::uint16_t>(routes_.below(queues_));
  recorder_.issued(*request);
  const QueueId queue{request->queue};
  const std::uint32_t packets = request->fragments;
  const Picos before = network.ingress_at();
  const bool under_way = network.send(*request, now);
  if (!under_way) {
    for (std::uint32_t i = 0; i < packets; ++i) server_.wake_for(queue, now);
  } else if (network.ingress_at() < before) {
    events_.push(network.ingress_at(), EventQueue::Kind::kIngress);
  }
}

void Simulation::follow_phases(Picos now) {
  while (next_phase_ < options_.phases.size() && picos(options_.phases[next_phase_].at) <= now) {
    workload_.set_large_percent(options_.phases[next_phase_++].large_percent);
  }
}

void Simulation::note_plan(Picos now) {
  const CorePlan& plan = server_.plan();
  SimPlan out;
  out.at = Nanos(now / kPicosPerNano);
  out.threshold_bytes = plan.threshold_bytes;
  out.small_cost_share = plan.small_cost_share;
  for (const CorePlan::Core& core : plan.cores) out.roles.push_back(core.role);
  result_.plans.push_back(std::move(out));
}

void Simulation::note_interval(Picos now) {
  SimPoint point;
  recorder_.end_interval(now, point);
  const CorePlan& plan = server_.plan();
  for (const CorePlan::Core& core : plan.cores) {
    if (owns_large(core.role)) ++point.large_cores;
  }
  point.threshold_bytes = plan.threshold_bytes;
  result_.timeline.push_back(point);
}

}  // namespace

SimResult simulate(const SimOptions& options) {
  return Simulation(options).run();
}

std::uint32_t default_burst(PolicyKind policy, const CostModel& costs) {
  if (policy == PolicyKind::kWorkStealing) return costs.ideal ? 1 : 4;
  return kBurstRequestsMax;
}

std::string_view name_of(SimActivity activity) {
  switch (activity) {
    case SimActivity::kReceive:
      return "receive";
    case SimActivity::kServeSmall:
      return "small";
    case SimActivity::kServeLarge:
      return "large";
    case SimActivity::kHandOff:
      return "hand-off";
    case SimActivity::kSteal:
      return "steal";
    case SimActivity::kPoll:
      return "poll";
  }
  return "unknown";
}

}  // namespace minos
