#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "transport/fd.h"
#include "transport/frame/frame.h"

namespace minos {

// The kernel's side of an AF_XDP plane: a program on an interface that gives datagrams for us to
// the AF_XDP socket of the RX queue where they came, and leaves everything else, ARP and ping too,
// to the kernel. It goes with this object, or with the process if that dies. Errors: sentences.
class XdpProgram {
 public:
  // Of `self`: address and ports. `queues`: RX queues of the interface.
  static std::expected<XdpProgram, std::string> load(const FrameSelf& self, std::uint32_t queues);

  // From now on it runs. Datagrams for us on a queue without a socket are dropped.
  std::expected<void, std::string> attach(int interface_index);
  // Why the kernel's own generic mode is used, which is slower; empty when the driver runs it.
  const std::string& why_generic() const { return why_generic_; }

  std::expected<void, std::string> redirect(std::uint32_t queue, int socket);

  int descriptor() const { return program_.get(); }

 private:
  XdpProgram(Fd sockets, Fd program) : sockets_(std::move(sockets)), program_(std::move(program)) {}

  Fd sockets_;  // the map from queue to socket
  Fd program_;
  Fd link_;
  std::string why_generic_;
};

}  // namespace minos
