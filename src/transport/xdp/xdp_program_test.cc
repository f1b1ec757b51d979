#include "transport/xdp/xdp_program.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string>

#include "transport/frame/testing/reference_frame.h"

namespace minos {
namespace {

constexpr FrameSelf kSelf{
    .mac = {2, 0, 10, 0, 0, 1}, .address = {200, 0, 10, 1}, .base_port = 65000, .ports = 4};

FrameSpec datagram(std::uint16_t port) {
  return {.to = kSelf.mac,
          .from = {2, 0, 10, 0, 0, 9},
          .source = {10, 0, 0, 9},
          .destination = kSelf.address,
          .source_port = 40000,
          .destination_port = port,
          .payload = "a datagram"};
}

class XdpProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!program_ && ::geteuid() != 0) GTEST_SKIP() << program_.error();
    ASSERT_TRUE(program_) << program_.error();
  }

  // Is it for us? There is no socket, so the program then drops it; -1: it could not run.
  int takes(const std::string& frame) {
    bpf_test_run_opts run{};
    run.sz = sizeof run;
    run.data_in = frame.data();
    run.data_size_in = static_cast<std::uint32_t>(frame.size());
    if (::bpf_prog_test_run_opts(program_->descriptor(), &run) != 0) return -1;
    return run.retval == XDP_DROP ? 1 : run.retval == XDP_PASS ? 0 : -1;
  }

  const std::expected<XdpProgram, std::string> program_ = XdpProgram::load(kSelf, 1);
};

TEST_F(XdpProgramTest, TakesDatagramsToOurPortsAlone) {
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 64999, 65004, 65535}) {
    EXPECT_EQ(takes(build(datagram(port))), 0) << port;
  }
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{65000, 65001, 65003}) {
    EXPECT_EQ(takes(build(datagram(port))), 1) << port;
  }
}

TEST_F(XdpProgramTest, TakesThemBehindOptionsOfTheHeader) {
  for (const std::size_t bytes : std::initializer_list<std::size_t>{4, 8, 40}) {
    FrameSpec spec = datagram(65002);
    spec.ip_options.assign(bytes, '\1');
    EXPECT_EQ(takes(build(spec)), 1) << bytes;
  }
}

TEST_F(XdpProgramTest, LeavesTheRestToTheKernel) {
  FrameSpec spec = datagram(65000);
  spec.destination[0] ^= 1;
  EXPECT_EQ(takes(build(spec)), 0);
  spec = datagram(65000);
  spec.protocol = 6;
  EXPECT_EQ(takes(build(spec)), 0);
  for (const std::uint16_t fragment : std::initializer_list<std::uint16_t>{0x2000, 1, 0x1fff}) {
    spec = datagram(65000);
    spec.fragment = fragment;
    EXPECT_EQ(takes(build(spec)), 0) << fragment;
  }
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0x0806, 0x86dd, 0x8100}) {
    spec = datagram(65000);
    spec.ether_type = type;
    EXPECT_EQ(takes(build(spec)), 0) << type;
  }
}

TEST_F(XdpProgramTest, LeavesFramesThatAreCutOff) {
  FrameSpec spec = datagram(65000);
  spec.ip_options.assign(8, '\1');
  const std::string whole = build(spec);
  // The kernel runs it on frames with a whole Ethernet header only.
  for (std::size_t bytes = 14; bytes < 14 + 28 + 8; ++bytes) {
    EXPECT_EQ(takes(whole.substr(0, bytes)), 0) << bytes;
  }
  EXPECT_EQ(takes(whole.substr(0, 14 + 28 + 8)), 1);
}

}  // namespace
}  // namespace minos
