#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "transport/tcp/socket.h"

namespace minos {

// What a daemon asks of the operating system. Errors are sentences for people.

// Goes on in a child in a session of its own, and returns only there. The parent waits: it exits
// with 0 once release_parent() is called, and as the child does if that comes first; what the child
// prints until then still appears. Before any thread starts.
std::expected<Fd, std::string> become_daemon();
// `parent` is what become_daemon() returned. Leaves the working directory and, unless
// `keep_output`, stdout and stderr.
std::expected<void, std::string> release_parent(Fd parent, bool keep_output);

// Is this root, who can do more than a server should be able to?
bool runs_as_root();
// Gives up root for `user`.
std::expected<void, std::string> become_user(const std::string& user);
std::expected<void, std::string> write_pidfile(const std::string& path);
// Makes room for this many descriptors.
std::expected<void, std::string> raise_descriptor_limit(std::uint64_t wanted);
std::expected<void, std::string> lock_memory();
// Is this CPU there, and may this process use it?
bool cpu_usable(std::uint32_t cpu);

// A file of this process, removed with its owner wherever the working directory is by then.
class OwnedFile {
 public:
  OwnedFile() = default;
  explicit OwnedFile(const std::string& path);
  OwnedFile(OwnedFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  OwnedFile& operator=(OwnedFile&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~OwnedFile();

 private:
  std::string path_;  // absolute; "" = none
};

}  // namespace minos
