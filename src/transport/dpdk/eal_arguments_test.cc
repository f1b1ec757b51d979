#include "transport/dpdk/eal_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace minos {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> all(std::vector<std::string> arguments, bool huge_pages = false) {
  const auto made = eal_arguments(
      {.arguments = std::move(arguments), .cpus = {0, 2, 5}, .huge_pages_free = huge_pages});
  return made ? *made : std::vector<std::string>{made.error()};
}

std::string error(std::vector<std::string> arguments) {
  const auto made = eal_arguments({.arguments = std::move(arguments), .cpus = {0}});
  return made ? "fine" : made.error();
}

TEST(EalArguments, DefaultsAreForAnyUserWithoutHugePages) {
  EXPECT_THAT(
      all({"--vdev", "net_vhost0,iface=/tmp/x"}),
      ElementsAre("minos", "--lcores=0@(0,2,5)", "--no-telemetry", "--log-level=error", "--no-pci",
                  "--no-huge", "-m", "512", "--no-shconf", "--vdev", "net_vhost0,iface=/tmp/x"));
}

TEST(EalArguments, HugePagesAreUsedWhereSomeAreFree) {
  EXPECT_THAT(all({}, true), Not(Contains("--no-huge")));
  EXPECT_THAT(all({}, true), Not(Contains("-m")));
  EXPECT_THAT(all({}, true), Contains("--in-memory"));
  EXPECT_THAT(all({}, true), Contains("--single-file-segments"));
  EXPECT_THAT(all({"--socket-mem=64"}), Not(Contains("--no-huge")));
}

TEST(EalArguments, WhatIsGivenReplacesTheDefault) {
  EXPECT_THAT(all({"-a", "0000:01:00.0"}), Not(Contains("--no-pci")));
  EXPECT_THAT(all({"-a0000:01:00.0"}), Not(Contains("--no-pci")));
  EXPECT_THAT(all({"--allow=0000:01:00.0"}), Not(Contains("--no-pci")));
  EXPECT_THAT(all({"-m", "64"}), Not(Contains("512")));
  EXPECT_THAT(all({"--log-level=debug"}), Not(Contains("--log-level=error")));
  EXPECT_THAT(all({"--telemetry"}), Not(Contains("--no-telemetry")));
  EXPECT_THAT(all({"--file-prefix", "a"}), Not(Contains("--no-shconf")));
}

TEST(EalArguments, UnknownOnesAreRefused) {
  EXPECT_THAT(error({"--vdevs", "x"}), HasSubstr("--vdevs"));
  EXPECT_THAT(error({"net_vhost0"}), HasSubstr("starts with -"));
  EXPECT_THAT(error({""}), HasSubstr("starts with -"));
  EXPECT_THAT(error({"-"}), HasSubstr("starts with -"));
  EXPECT_THAT(error({"--"}), HasSubstr("not known"));
  EXPECT_THAT(error({"--vdev"}), HasSubstr("needs a value"));
  EXPECT_THAT(error({"-m", ""}), HasSubstr("needs a value"));
  EXPECT_THAT(error({"--no-huge=1"}), HasSubstr("no value"));
  EXPECT_THAT(error({std::string("--vdev=a\0b", 10)}), HasSubstr("zero"));
}

TEST(EalArguments, ThreadsAndProcessesAreTheServersOwn) {
  for (const char* argument : {"-l", "-c0x3", "--lcores=0", "--main-lcore=1", "--proc-type=auto"}) {
    EXPECT_THAT(error({argument}), HasSubstr("the server's own")) << argument;
  }
}

TEST(EalArguments, BlanksSeparateWords) {
  EXPECT_THAT(split_arguments(""), ElementsAre());
  EXPECT_THAT(split_arguments("  --no-huge\t-m  64 "), ElementsAre("--no-huge", "-m", "64"));
}

TEST(EalArguments, DevicesAtPathsThatDpdkCanRead) {
  EXPECT_EQ(vhost_device("/run/minos.sock", 4), "net_vhost0,iface=/run/minos.sock,queues=4");
  EXPECT_EQ(virtio_user_device("/run/minos.sock", 4, {10, 0, 171, 9}),
            "net_virtio_user0,path=/run/minos.sock,queues=4,queue_size=1024,mac=02:00:0a:00:ab:09");
  EXPECT_FALSE(vhost_device("", 1));
  EXPECT_FALSE(vhost_device("/tmp/a,b", 1));
  EXPECT_FALSE(virtio_user_device("/tmp/[a]", 1, {}));
  EXPECT_FALSE(vhost_device(std::string(108, 'x'), 1));
  EXPECT_TRUE(vhost_device(std::string(107, 'x'), 1));
}

}  // namespace
}  // namespace minos
