#include "load/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace minos {
namespace {

using ::testing::HasSubstr;

LoadOptions open_loop() {
  LoadOptions options;
  options.rate = 1000;
  return options;
}

template <typename Change>
std::string error_after(Change change) {
  LoadOptions options = open_loop();
  change(options);
  const auto checked = check_options(options);
  return checked ? "" : checked.error();
}

TEST(LoadOptions, DefaultsAreFine) {
  EXPECT_TRUE(check_options(open_loop()));
  LoadOptions closed;
  closed.closed = true;
  closed.depth = 8;
  EXPECT_TRUE(check_options(closed));
  LoadOptions preload;
  preload.preload_only = true;
  EXPECT_TRUE(check_options(preload));
}

TEST(LoadOptions, EachThreadHasASocketForDatagramsUnlessToldOtherwise) {
  LoadOptions options = open_loop();
  options.threads = 60;
  options.protocol = ProtocolKind::kUdp;
  EXPECT_TRUE(check_options(options));
  EXPECT_EQ(options.connection_count(), 60);
  options.connections = 70;
  EXPECT_EQ(options.connection_count(), 70);
  options.connections = 59;
  EXPECT_THAT(check_options(options).error(), HasSubstr("--connections=59"));
  EXPECT_EQ(LoadOptions().connection_count(), 50);
}

TEST(LoadOptions, RangeErrorsNameOptionValueAndRange) {
  EXPECT_EQ(error_after([](auto& o) { o.threads = 0; }),
            "--threads=0 is out of range: 1 to 64 is allowed");
  EXPECT_EQ(error_after([](auto& o) { o.large_max = 1499; }),
            "--large-max=1499 is out of range: 1500 to 1073741824 is allowed");
  EXPECT_EQ(error_after([](auto& o) { o.get_ratio = 1.5; }),
            "--get-ratio=1.5 is out of range: 0 to 1 is allowed");
  EXPECT_THAT(error_after([](auto& o) { o.rate = -1; }), HasSubstr("--rate=-1"));
  EXPECT_THAT(error_after([](auto& o) { o.zipf = NAN; }), HasSubstr("--zipf=nan"));
  EXPECT_THAT(error_after([](auto& o) { o.seed = -4; }), HasSubstr("--seed=-4"));
  EXPECT_THAT(error_after([](auto& o) { o.cpus = {0, 4000}; }), HasSubstr("CPU 4000"));
}

TEST(LoadOptions, RefusesContradictions) {
  EXPECT_THAT(error_after([](auto& o) { o.closed = true; }), HasSubstr("--rate"));
  EXPECT_THAT(error_after([](auto& o) { o.rate.reset(); }), HasSubstr("--closed"));
  EXPECT_EQ(error_after([](auto& o) { o.depth = 4; }), "--depth=4 needs --closed");
  EXPECT_THAT(error_after([](auto& o) { o.preload_only = true; }), HasSubstr("--rate"));
  EXPECT_THAT(error_after([](auto& o) { o.threads = 60; }), HasSubstr("--connections=50"));
  EXPECT_THAT(error_after([](auto& o) { o.first_key = 0xffffffff; }), HasSubstr("no room"));
  EXPECT_THAT(error_after([](auto& o) { o.large_keys = 0; }), HasSubstr("--large-percent=0.125"));
  EXPECT_THAT(error_after([](auto& o) {
                o.duration_s = 0.1;
                o.slice_ms = 200;
              }),
              HasSubstr("--slice-ms=200"));
  EXPECT_THAT(error_after([](auto& o) {
                o.protocol = ProtocolKind::kUdp;
                o.kernel_times = true;
              }),
              HasSubstr("--kernel-times needs TCP"));
  EXPECT_EQ(error_after([](auto& o) { o.single_port = true; }),
            "--single-port needs --protocol=udp");
  EXPECT_THAT(error_after([](auto& o) {
                o.protocol = ProtocolKind::kDpdk;
                o.threads = 2;
              }),
              HasSubstr("--threads=2"));
  EXPECT_THAT(error_after([](auto& o) {
                o.protocol = ProtocolKind::kDpdk;
                o.sleep = true;
              }),
              HasSubstr("--sleep"));
  LoadOptions none;
  none.preload_only = true;
  none.preload = false;
  EXPECT_THAT(check_options(none).error(), HasSubstr("--no-preload"));
}

}  // namespace
}  // namespace minos
