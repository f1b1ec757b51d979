#pragma once

#include <cstdio>
#include <cstdlib>

namespace minos {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace minos

// For our own bugs only, never for what arrives from outside. CHECK stays in release builds; DCHECK
// is for hot paths.
#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::minos::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition)    \
  do {                       \
    (void)sizeof(condition); \
  } while (false)
#else
#define DCHECK(condition) CHECK(condition)
#endif
