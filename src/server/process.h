#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace minos {

// What a daemon asks of the operating system. Errors are sentences for people.

// Detaches from the terminal; keeps stdout and stderr when `keep_output`. Before any thread starts.
std::expected<void, std::string> become_daemon(bool keep_output);
// Gives up root for `user`.
std::expected<void, std::string> become_user(const std::string& user);
std::expected<void, std::string> write_pidfile(const std::string& path);
// Makes room for this many descriptors.
std::expected<void, std::string> raise_descriptor_limit(std::uint64_t wanted);
std::expected<void, std::string> lock_memory();
// Is this CPU there, and may this process use it?
bool cpu_usable(std::uint32_t cpu);

}  // namespace minos
