#include "transport/xdp/xdp_socket.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace minos {

namespace {

// For frames on their way: the default is room for fewer than kXdpTxFrames.
constexpr int kSendBufferBytes = 4 * 1024 * 1024;

// The kernel frees a queue some time after the socket that had it was closed, if only because its
// process ended: who starts again at once waits for that.
constexpr std::chrono::milliseconds kBusyMax{2000};
constexpr std::chrono::milliseconds kBusyPause{10};

std::string failed(const char* what, const XdpSocket::Options& options, int error) {
  return fmt::format("cannot {} for its queue {}: {}", what, options.queue, std::strerror(error));
}

}  // namespace

std::expected<std::unique_ptr<XdpSocket>, std::string> XdpSocket::open(const Options& options) {
  std::unique_ptr<XdpSocket> socket(new XdpSocket());
  void* const memory = ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(failed("get memory", options, errno));
  socket->memory_ = static_cast<char*>(memory);
  xsk_umem_config umem{};
  // Twice as many as there are: the kernel hands over what it has received into a frame before it
  // says that the frame's place in this ring is free, and by then it may be given to it again.
  umem.fill_size = 2 * kXdpRxFrames;
  umem.comp_size = kXdpTxFrames;
  umem.frame_size = kXdpFrameBytes;
  int error = ::xsk_umem__create(&socket->umem_, memory, kMemoryBytes, &socket->fill,
                                 &socket->completion, &umem);
  if (error != 0) return std::unexpected(failed("register memory", options, -error));
  xsk_socket_config config{};
  config.rx_size = kXdpRxRing;
  config.tx_size = kXdpTxFrames;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  config.bind_flags =
      static_cast<std::uint16_t>(XDP_USE_NEED_WAKEUP | (options.copy ? XDP_COPY : 0));
  const auto give_up = std::chrono::steady_clock::now() + kBusyMax;
  do {
    error = ::xsk_socket__create(&socket->socket_, options.interface.c_str(), options.queue,
                                 socket->umem_, &socket->rx, &socket->tx, &config);
    if (error != -EBUSY) break;
    std::this_thread::sleep_for(kBusyPause);
  } while (std::chrono::steady_clock::now() < give_up);
  if (error == -EBUSY) {
    return std::unexpected(fmt::format("another AF_XDP socket has its queue {}", options.queue));
  }
  if (error != 0) return std::unexpected(failed("open an AF_XDP socket", options, -error));
  // Beyond the machine's limit is for the privileged only; without, the kernel takes less at once.
  ::setsockopt(socket->fd(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes,
               sizeof kSendBufferBytes);
  return socket;
}

XdpSocket::~XdpSocket() {
  if (socket_ != nullptr) ::xsk_socket__delete(socket_);
  if (umem_ != nullptr) ::xsk_umem__delete(umem_);
  if (memory_ != nullptr) ::munmap(memory_, kMemoryBytes);
}

}  // namespace minos
