#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "wire/memcache_reply.h"
#include "wire/memcache_text.h"

namespace minos {
namespace {

// Parses one command over and over, as out of a buffer that holds many.
void parse_line(benchmark::State& state, std::string_view line) {
  std::string buffer;
  for (int i = 0; i < 64; ++i) buffer += line;
  TextParser parser(kItemBytesDefault);
  std::string_view input = buffer;
  for (auto _ : state) {
    const TextParse parsed = parser.parse(input);
    benchmark::DoNotOptimize(parsed);
    input.remove_prefix(parsed.consumed);
    if (input.empty()) input = buffer;
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(parse_line, get, "get k\r\n");
BENCHMARK_CAPTURE(parse_line, get_16, "get key:000000000042\r\n");
BENCHMARK_CAPTURE(parse_line, get_64,
                  "get k234567890123456789012345678901234567890123456789012345678901234\r\n");
BENCHMARK_CAPTURE(parse_line, get_multi_per_key,
                  "get key:000000000001 key:000000000002 key:000000000003 key:000000000004\r\n");
BENCHMARK_CAPTURE(parse_line, gat, "gat 60 key:000000000042\r\n");
BENCHMARK_CAPTURE(parse_line, set, "set k 0 0 5\r\n");
BENCHMARK_CAPTURE(parse_line, set_16, "set key:000000000042 0 3600 1024\r\n");
BENCHMARK_CAPTURE(parse_line, set_16_noreply, "set key:000000000042 0 3600 1024 noreply\r\n");
BENCHMARK_CAPTURE(parse_line, cas_16, "cas key:000000000042 0 3600 1024 123456789012\r\n");
BENCHMARK_CAPTURE(parse_line, del, "delete key:000000000042\r\n");
BENCHMARK_CAPTURE(parse_line, incr, "incr key:000000000042 1\r\n");
BENCHMARK_CAPTURE(parse_line, version, "version\r\n");
BENCHMARK_CAPTURE(parse_line, unknown, "unheard of\r\n");

void value_header(benchmark::State& state) {
  char out[kValueHeaderBytesMax];
  std::uint64_t bytes = 1024;
  for (auto _ : state) {
    benchmark::DoNotOptimize(write_value_header(out, "key:000000000042", 0, bytes, {}));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(value_header);

}  // namespace
}  // namespace minos

BENCHMARK_MAIN();
