#include "client/status.h"

namespace minos {

std::string_view status_text(ClientStatus status) {
  switch (status) {
    case ClientStatus::kOk:
      return "fine";
    case ClientStatus::kNotFound:
      return "the server has no such key";
    case ClientStatus::kExists:
      return "the key is there already, or its item has changed";
    case ClientStatus::kTooLarge:
      return "the value is too large";
    case ClientStatus::kOutOfMemory:
      return "the server is out of memory";
    case ClientStatus::kNonNumeric:
      return "the value is not a number";
    case ClientStatus::kBusy:
      return "the server is too busy";
    case ClientStatus::kMalformed:
      return "client and server do not understand each other";
    case ClientStatus::kVersion:
      return "the server speaks another version of the protocol";
    case ClientStatus::kChanged:
      return "the value was replaced again and again while it was being received";
    case ClientStatus::kTimeout:
      return "the server did not answer in time";
    case ClientStatus::kTooMany:
      return "too many requests are waiting for their replies";
    case ClientStatus::kInvalid:
      return "the request breaks a rule of the protocol";
    case ClientStatus::kConnection:
      return "there is no way to the server";
  }
  return "unknown";
}

}  // namespace minos
