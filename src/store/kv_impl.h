#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "store/core.h"
#include "store/kv_store.h"
#include "store/shared.h"

namespace minos {

struct StoreCore::Impl {
  Impl(store::Shared& shared, std::uint32_t number) : core(shared, number) {}
  store::Core core;
};

struct KvStore::Impl {
  Impl(const StoreOptions& options, std::unique_ptr<store::Pool> pool)
      : shared(options, std::move(pool)) {}

  store::Shared shared;
  std::vector<std::unique_ptr<StoreCore>> cores;
  // Works for threads that have no core of their own.
  std::mutex service_mutex;
  std::unique_ptr<store::Core> service;
};

}  // namespace minos
