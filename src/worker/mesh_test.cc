#include "worker/mesh.h"

#include <gtest/gtest.h>

#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

namespace minos {
namespace {

Mesh::Message connection() {
  return std::make_unique<Connection>(-1, kItemBytesDefault, nullptr, -1);
}

TEST(Mesh, AnIdleCoreIsPromisedOneConnectionAtATime) {
  Mesh mesh(2);
  const CoreId worker{1};
  EXPECT_FALSE(mesh.claim_idle(worker)) << "busy, as it has not said anything yet";
  EXPECT_TRUE(mesh.note_idle(worker));
  EXPECT_FALSE(mesh.note_idle(worker));
  EXPECT_TRUE(mesh.claim_idle(worker));
  EXPECT_FALSE(mesh.claim_idle(worker));
  // It does not know yet, and looks for work in vain.
  EXPECT_FALSE(mesh.note_idle(worker));
  mesh.note_busy(worker);
  EXPECT_FALSE(mesh.note_idle(worker));
  EXPECT_FALSE(mesh.claim_idle(worker));
  mesh.note_arrival(worker);
  EXPECT_FALSE(mesh.claim_idle(worker));
  EXPECT_TRUE(mesh.note_idle(worker));
  mesh.note_busy(worker);
  EXPECT_FALSE(mesh.claim_idle(worker));
}

// One dispatcher, workers and their sleep on real threads. A wake-up that is lost ends in a
// semaphore that nobody releases: the test hangs. A worker that is given two at a time counts them.
class Handoff {
 public:
  explicit Handoff(std::uint16_t workers)
      : cores_(workers + 1U), mesh_(static_cast<std::uint16_t>(workers + 1)) {
    for (std::uint16_t i = 0; i < cores_; ++i) {
      wakes_.push_back(std::make_unique<std::counting_semaphore<>>(0));
    }
  }

  // Hands `count` connections to the workers, and takes all of them back.
  void run(int count) {
    std::vector<std::thread> threads;
    for (std::uint16_t i = 1; i < cores_; ++i) {
      threads.emplace_back([this, i] { work(CoreId{i}); });
    }
    dispatch(count);
    for (std::thread& thread : threads) thread.join();
  }

  std::uint64_t crowded() const { return crowded_.load(); }
  std::uint64_t sleeps() const { return sleeps_.load(); }

 private:
  static constexpr CoreId kDispatcher{0};

  void push(CoreId from, CoreId to, Mesh::Message message) {
    while (!mesh_.try_push(from.value, to, message)) std::this_thread::yield();
    wake(to);
  }
  void wake(CoreId core) {
    if (mesh_.must_wake(core)) wakes_[core.value]->release();
  }
  void sleep(CoreId core, bool awaiting) {
    mesh_.begin_sleep(core);
    if (!mesh_.empty(core) || (awaiting && !mesh_.awaits_idle(core))) {
      // Whoever took the flag meanwhile releases the semaphore too.
      if (!mesh_.must_wake(core)) wakes_[core.value]->acquire();
      return;
    }
    sleeps_.fetch_add(1);
    wakes_[core.value]->acquire();
  }

  bool try_hand(Mesh::Message& message) {
    for (std::uint16_t i = 1; i < cores_; ++i) {
      if (!mesh_.claim_idle(CoreId{i})) continue;
      push(kDispatcher, CoreId{i}, std::move(message));
      return true;
    }
    return false;
  }

  void dispatch(int count) {
    int home = 0;
    for (int sent = 0; home < count;) {
      while (mesh_.try_pop(kDispatcher) != nullptr) ++home;
      bool awaiting = false;
      while (sent < count && !awaiting) {
        Mesh::Message message = connection();
        if (!try_hand(message)) {
          mesh_.await_idle(kDispatcher);
          awaiting = !try_hand(message);
        }
        sent += !awaiting;
      }
      if (!awaiting) mesh_.stop_awaiting(kDispatcher);
      if (home < count) sleep(kDispatcher, awaiting);
    }
    stopping_.store(true);
    for (std::uint16_t i = 1; i < cores_; ++i) wakes_[i]->release();
  }

  void work(CoreId self) {
    while (!stopping_.load()) {
      int taken = 0;
      while (Mesh::Message message = mesh_.try_pop(self)) {
        mesh_.note_arrival(self);
        ++taken;
        push(self, kDispatcher, std::move(message));
      }
      if (taken > 1) crowded_.fetch_add(1);
      if (mesh_.note_idle(self) && mesh_.take_awaiting(kDispatcher)) wake(kDispatcher);
      sleep(self, false);
    }
  }

  std::uint16_t cores_;
  Mesh mesh_;
  std::vector<std::unique_ptr<std::counting_semaphore<>>> wakes_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> crowded_{0};
  std::atomic<std::uint64_t> sleeps_{0};
};

TEST(Mesh, NoConnectionIsLostBetweenDispatcherAndWorkersThatSleep) {
  for (const std::uint16_t workers : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}}) {
    Handoff handoff(workers);
    handoff.run(3'000);
    EXPECT_EQ(handoff.crowded(), 0U) << "an idle worker was given two connections";
    EXPECT_GT(handoff.sleeps(), 0U);
  }
}

}  // namespace
}  // namespace minos
