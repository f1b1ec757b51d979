#include "transport/xdp/xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

namespace minos {

namespace {

// What lies where, from the start of the frame, and of UDP.
constexpr std::int16_t kEtherTypeAt = 12;
constexpr std::int16_t kIpAt = kEthernetBytes;
constexpr std::int16_t kFragmentAt = kIpAt + 6;
constexpr std::int16_t kProtocolAt = kIpAt + 9;
constexpr std::int16_t kDestinationAt = kIpAt + 16;
constexpr std::int16_t kPortAt = 2;

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kMoreFragmentsAndOffset = 0x3fff;

enum Register : std::uint8_t { kR0, kR1, kR2, kR3, kR4, kR6 = 6 };

// A program of the kernel's virtual machine, put together by hand, as building it from C would need
// another compiler.
class Assembler {
 public:
  void add(int code, Register to, Register from, std::int16_t offset, std::int32_t value) {
    bpf_insn instruction{};
    instruction.code = static_cast<std::uint8_t>(code);
    instruction.dst_reg = to & 0xf;
    instruction.src_reg = from & 0xf;
    instruction.off = offset;
    instruction.imm = value;
    code_.push_back(instruction);
  }
  void move(Register to, Register from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void set(Register to, std::int32_t value) { add(BPF_ALU64 | BPF_MOV | BPF_K, to, kR0, 0, value); }
  void plus(Register to, Register what) { add(BPF_ALU64 | BPF_ADD | BPF_X, to, what, 0, 0); }
  void compute(int operation, Register to, std::int32_t value) {
    add(BPF_ALU64 | operation | BPF_K, to, kR0, 0, value);
  }
  // `size`: BPF_B, BPF_H or BPF_W, in the machine's byte order.
  void load(int size, Register to, Register base, std::int16_t offset) {
    add(BPF_LDX | BPF_MEM | size, to, base, offset, 0);
  }
  void from_network_order(Register to) { add(BPF_ALU | BPF_END | BPF_TO_BE, to, kR0, 0, 16); }
  void load_map(Register to, int map) {
    add(BPF_LD | BPF_DW | BPF_IMM, to, static_cast<Register>(BPF_PSEUDO_MAP_FD), 0, map);
    add(0, kR0, kR0, 0, 0);
  }
  void call(int function) { add(BPF_JMP | BPF_CALL, kR0, kR0, 0, function); }
  void exit() { add(BPF_JMP | BPF_EXIT, kR0, kR0, 0, 0); }

  // To the place that is named later. Compares 32 bits, without sign.
  void leave_if(int comparison, Register left, std::int32_t value) {
    leaving_.push_back(code_.size());
    add(BPF_JMP32 | comparison | BPF_K, left, kR0, 0, value);
  }
  void leave_if_beyond(Register at, Register end) {
    leaving_.push_back(code_.size());
    add(BPF_JMP | BPF_JGT | BPF_X, at, end, 0, 0);
  }
  void leave_to_here() {
    for (const std::size_t from : leaving_) {
      code_[from].off = static_cast<std::int16_t>(code_.size() - from - 1);
    }
  }

  const std::vector<bpf_insn>& code() const { return code_; }

 private:
  std::vector<bpf_insn> code_;
  std::vector<std::size_t> leaving_;
};

std::int32_t word_of(const Ipv4Address& address) {
  std::int32_t word = 0;
  std::memcpy(&word, address.data(), sizeof word);
  return word;
}

// Leaves everything to the kernel but whole IPv4 datagrams to one of our ports; the rest of their
// checks is that of parse_frame().
Assembler assemble(const FrameSelf& self, int sockets) {
  Assembler a;
  a.load(BPF_W, kR2, kR1, offsetof(xdp_md, data));
  a.load(BPF_W, kR3, kR1, offsetof(xdp_md, data_end));
  a.load(BPF_W, kR6, kR1, offsetof(xdp_md, rx_queue_index));
  a.move(kR4, kR2);
  a.compute(BPF_ADD, kR4, kEthernetBytes + kIpv4Bytes);
  a.leave_if_beyond(kR4, kR3);
  a.load(BPF_H, kR4, kR2, kEtherTypeAt);
  a.leave_if(BPF_JNE, kR4, htons(kEtherTypeIpv4));
  a.load(BPF_B, kR4, kR2, kProtocolAt);
  a.leave_if(BPF_JNE, kR4, IPPROTO_UDP);
  a.load(BPF_H, kR4, kR2, kFragmentAt);
  a.leave_if(BPF_JSET, kR4, htons(kMoreFragmentsAndOffset));
  a.load(BPF_W, kR4, kR2, kDestinationAt);
  a.leave_if(BPF_JNE, kR4, word_of(self.address));

  // Past the IPv4 header, of whatever length, is UDP.
  a.load(BPF_B, kR4, kR2, kIpAt);
  a.compute(BPF_AND, kR4, 0xf);
  a.compute(BPF_LSH, kR4, 2);
  a.plus(kR2, kR4);
  a.compute(BPF_ADD, kR2, kEthernetBytes);
  a.move(kR4, kR2);
  a.compute(BPF_ADD, kR4, kUdpBytes);
  a.leave_if_beyond(kR4, kR3);
  a.load(BPF_H, kR4, kR2, kPortAt);
  a.from_network_order(kR4);
  // Wraps around for ports below the first.
  a.compute(BPF_SUB, kR4, self.base_port);
  a.leave_if(BPF_JGE, kR4, self.ports);

  a.load_map(kR1, sockets);
  a.move(kR2, kR6);
  // Without a socket there: nobody else would know what to do with it.
  a.set(kR3, XDP_DROP);
  a.call(BPF_FUNC_redirect_map);
  a.exit();
  a.leave_to_here();
  a.set(kR0, XDP_PASS);
  a.exit();
  return a;
}

std::string explain(const char* what, int error) {
  const char* const hint =
      error == EPERM ? " (it needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF)" : "";
  return fmt::format("cannot {}: {}{}", what, std::strerror(error), hint);
}

// 0, or the errno.
int attach_link(int program, int interface_index, std::uint32_t mode, Fd& link) {
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.flags = mode;
  const int fd = ::bpf_link_create(program, interface_index, BPF_XDP, &options);
  if (fd < 0) return -fd;
  link = Fd(fd);
  return 0;
}

}  // namespace

std::expected<XdpProgram, std::string> XdpProgram::load(const FrameSelf& self,
                                                        std::uint32_t queues) {
  Fd sockets(::bpf_map_create(BPF_MAP_TYPE_XSKMAP, "minos_sockets", sizeof(std::uint32_t),
                              sizeof(std::uint32_t), queues, nullptr));
  if (!sockets) return std::unexpected(explain("create a BPF map", errno));
  const Assembler program = assemble(self, sockets.get());
  Fd loaded(::bpf_prog_load(BPF_PROG_TYPE_XDP, "minos", "BSD", program.code().data(),
                            program.code().size(), nullptr));
  if (!loaded) return std::unexpected(explain("load its BPF program", errno));
  return XdpProgram(std::move(sockets), std::move(loaded));
}

std::expected<void, std::string> XdpProgram::attach(int interface_index) {
  int error = attach_link(program_.get(), interface_index, XDP_FLAGS_DRV_MODE, link_);
  if (error == 0) return {};
  if (error != EBUSY && error != EPERM) {
    why_generic_ = std::strerror(error);
    error = attach_link(program_.get(), interface_index, XDP_FLAGS_SKB_MODE, link_);
    if (error == 0) return {};
  }
  if (error == EBUSY || error == EEXIST) {
    return std::unexpected("another XDP program is on the interface");
  }
  return std::unexpected(explain("attach its BPF program", error));
}

std::expected<void, std::string> XdpProgram::redirect(std::uint32_t queue, int socket) {
  if (::bpf_map_update_elem(sockets_.get(), &queue, &socket, BPF_ANY) == 0) return {};
  return std::unexpected(explain("redirect to its socket", errno));
}

}  // namespace minos
