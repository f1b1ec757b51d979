#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Part of the installed interface: standard headers only.
namespace minos {

// How a request ended.
enum class ClientStatus : std::uint8_t {
  kOk,
  kNotFound,
  kExists,       // add of a key that is there, cas of an item that changed
  kTooLarge,     // for the server, or for this client to receive
  kOutOfMemory,  // of the server
  kNonNumeric,   // incr or decr of what is not a number
  kBusy,         // the server was behind until the deadline
  kMalformed,    // the server does not understand the request, or the reply makes no sense
  kVersion,      // the server speaks another version of the protocol
  kChanged,      // the value was replaced again and again while it was being received
  kTimeout,      // no answer until the deadline
  kTooMany,      // as many requests as allowed are on their way already; not sent
  kInvalid,      // the request breaks a rule, such as the length of a key; not sent
  kConnection,   // no way to the server
};

std::string_view status_text(ClientStatus status);

struct ClientError {
  ClientStatus status = ClientStatus::kConnection;
  // The request changes something, and the server may have done so, or may do so yet.
  bool maybe_executed = false;
  std::string message;  // a sentence for people, without a full stop
};

}  // namespace minos
