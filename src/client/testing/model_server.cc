#include "client/testing/model_server.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/hash.h"
#include "wire/packet.h"

namespace minos::testing {

std::uint64_t ModelServer::token_of(std::uint64_t client) const {
  std::uint64_t state = client * 1000003 + secret_;
  return splitmix64(state) | 1;
}

Datagram ModelServer::reply_to(const Context& context, DatagramStatus status) const {
  Datagram reply;
  reply.header = context.request.header;
  reply.header.reply = true;
  reply.header.retry = false;
  reply.header.status = status;
  reply.header.token = token_of(context.client);
  reply.header.queue = static_cast<std::uint8_t>(options_.queues);
  return reply;
}

void ModelServer::answer(const Context& context, const Datagram& reply) const {
  std::array<char, kDatagramFrontBytesMax> front;
  const std::size_t bytes = write_front(reply, front.data());
  context.emit(std::string(front.data(), bytes) + std::string(reply.payload));
}

void ModelServer::handle(std::uint32_t queue, std::uint64_t client, std::string_view bytes,
                         const Emit& emit) {
  const auto parsed = parse_request(bytes);
  if (!parsed) {
    ++malformed_;
    return;
  }
  ++requests_;
  const Context context{*parsed, client, emit};
  const DatagramHeader& header = parsed->header;
  if (header.token != token_of(client)) {
    return answer(context, reply_to(context, DatagramStatus::kToken));
  }
  if (options_.busy > 0 && prng_.uniform() < options_.busy) {
    return answer(context, reply_to(context, DatagramStatus::kBusy));
  }
  if (header.queue != queue) ++wrong_queue_;
  if (is_write(header.op)) {
    const std::uint64_t home = (hash_key(parsed->key) >> 32) * options_.queues >> 32;
    if (home != queue) ++wrong_queue_;
    return write(context, clients_[{client, queue, parsed->write.session}]);
  }
  switch (header.op) {
    case DatagramOp::kGet:
    case DatagramOp::kGat:
      return get(context);
    case DatagramOp::kMultiGet:
      return multi_get(context);
    case DatagramOp::kStats:
      return stats(context);
    default:
      return answer(context, reply_to(context, DatagramStatus::kOk));
  }
}

void ModelServer::write(const Context& context, Client& client) {
  const DatagramHeader& header = context.request.header;
  const std::uint32_t number = context.request.write.number;
  if (const auto known = client.replies.find(number); known != client.replies.end()) {
    return context.emit(known->second);
  }
  client.newest = std::max(client.newest, number);
  if (number + kWriteWindow <= client.newest) {
    ++stale_;
    return;
  }
  std::string_view value = context.request.payload;
  std::optional<std::string> assembled;
  if (is_store(header.op) && header.value_bytes > options_.value_bytes_max) {
    return answer(context, reply_to(context, DatagramStatus::kTooLarge));
  }
  if (is_store(header.op) && value.size() != header.value_bytes) {
    assembled = whole_value(context, client);
    if (!assembled) return;
    value = *assembled;
  }
  const Datagram reply = execute(context, value);
  std::array<char, kDatagramFrontBytesMax> front;
  const std::size_t bytes = write_front(reply, front.data());
  std::string& kept = client.replies[number] = std::string(front.data(), bytes);
  while (client.replies.begin()->first + kWriteWindow <= client.newest) {
    client.replies.erase(client.replies.begin());
  }
  context.emit(kept);
}

std::optional<std::string> ModelServer::whole_value(const Context& context, Client& client) {
  const Datagram& request = context.request;
  const DatagramHeader& header = request.header;
  auto at = client.uploads.find(header.request_id);
  if (at == client.uploads.end()) {
    Upload fresh{std::string(header.value_bytes, '?'),
                 FragmentMap(header.value_bytes, header.fragment_bytes)};
    at = client.uploads.emplace(header.request_id, std::move(fresh)).first;
  }
  Upload& upload = at->second;
  if (upload.map.add(header.offset)) {
    std::memcpy(upload.value.data() + header.offset, request.payload.data(),
                request.payload.size());
  }
  if (upload.map.complete()) {
    std::string value = std::move(upload.value);
    client.uploads.erase(at);
    return value;
  }
  if (header.retry) {
    std::array<FragmentMap::Range, 180> gaps;
    const std::size_t count = upload.map.gaps(gaps);
    static_assert(sizeof(gaps[0]) == 8);
    Datagram reply = reply_to(context, DatagramStatus::kMissing);
    reply.payload = {reinterpret_cast<const char*>(gaps.data()), 8 * count};
    ++missing_sent_;
    answer(context, reply);
  }
  return std::nullopt;
}

Datagram ModelServer::execute(const Context& context, std::string_view value) {
  const Datagram& request = context.request;
  const std::string key(request.key);
  switch (request.header.op) {
    case DatagramOp::kDelete:
      return reply_to(context,
                      items_.erase(key) != 0 ? DatagramStatus::kOk : DatagramStatus::kNotFound);
    case DatagramOp::kTouch:
      return reply_to(context,
                      items_.contains(key) ? DatagramStatus::kOk : DatagramStatus::kNotFound);
    case DatagramOp::kFlushAll:
      items_.clear();
      return reply_to(context, DatagramStatus::kOk);
    case DatagramOp::kIncr:
    case DatagramOp::kDecr:
      return execute_arithmetic(context);
    default:
      return execute_store(context, value);
  }
}

Datagram ModelServer::execute_store(const Context& context, std::string_view value) {
  const Datagram& request = context.request;
  const std::string key(request.key);
  const DatagramOp op = request.header.op;
  const auto at = items_.find(key);
  const bool there = at != items_.end();
  if (op == DatagramOp::kAdd && there) return reply_to(context, DatagramStatus::kExists);
  const bool needs_item = op != DatagramOp::kSet && op != DatagramOp::kAdd;
  if (needs_item && !there) return reply_to(context, DatagramStatus::kNotFound);
  if (op == DatagramOp::kCas && at->second.cas != request.number) {
    return reply_to(context, DatagramStatus::kExists);
  }
  ++executions_[std::string(value.substr(0, 32))];
  Item& item = items_[key];
  item.cas = ++last_cas_;
  if (op == DatagramOp::kAppend) {
    item.value += value;
  } else if (op == DatagramOp::kPrepend) {
    item.value.insert(0, value);
  } else {
    item.value = value;
    item.flags = request.flags;
  }
  Datagram reply = reply_to(context, DatagramStatus::kOk);
  reply.number = item.cas;
  return reply;
}

Datagram ModelServer::execute_arithmetic(const Context& context) {
  const auto at = items_.find(std::string(context.request.key));
  if (at == items_.end()) return reply_to(context, DatagramStatus::kNotFound);
  std::string& value = at->second.value;
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) {
    return reply_to(context, DatagramStatus::kNonNumeric);
  }
  const std::uint64_t delta = context.request.number;
  number = context.request.header.op == DatagramOp::kIncr ? number + delta
                                                          : number - std::min(number, delta);
  value = std::to_string(number);
  at->second.cas = ++last_cas_;
  Datagram reply = reply_to(context, DatagramStatus::kOk);
  reply.number = number;
  return reply;
}

void ModelServer::get(const Context& context) {
  const Datagram& request = context.request;
  const DatagramHeader& header = request.header;
  const bool range = header.op == DatagramOp::kGet && header.value_bytes != 0;
  const std::uint64_t wanted_cas = header.op == DatagramOp::kGet ? request.number : 0;
  const Item* const item = find(std::string(request.key));
  if (item == nullptr) return answer(context, reply_to(context, DatagramStatus::kNotFound));
  if (wanted_cas != 0 && wanted_cas != item->cas) {
    return answer(context, reply_to(context, DatagramStatus::kChanged));
  }
  std::uint16_t fragment = options_.fragment_bytes;
  if (header.op == DatagramOp::kGet && header.fragment_bytes != 0) {
    fragment =
        header.offset != 0 ? header.fragment_bytes : std::min(fragment, header.fragment_bytes);
  }
  Datagram reply = reply_to(context, DatagramStatus::kOk);
  reply.flags = item->flags;
  reply.number = item->cas;
  const std::uint64_t bytes = item->value.size();
  const std::uint64_t to =
      range ? std::min<std::uint64_t>(bytes, std::uint64_t{header.offset} + header.value_bytes)
            : bytes;
  send_range(context, reply, item->value, range ? header.offset : 0, to, fragment);
}

void ModelServer::send_range(const Context& context, Datagram reply, std::string_view value,
                             std::uint64_t from, std::uint64_t to, std::uint16_t fragment) const {
  reply.header.value_bytes = static_cast<std::uint32_t>(value.size());
  reply.header.fragment_bytes = fragment;
  reply.header.offset = static_cast<std::uint32_t>(from);
  if (value.empty()) return answer(context, reply);
  for (std::uint64_t offset = from; offset < to; offset += fragment) {
    reply.header.offset = static_cast<std::uint32_t>(offset);
    reply.payload = value.substr(offset, fragment);
    answer(context, reply);
  }
}

void ModelServer::multi_get(const Context& context) {
  std::string_view keys = context.request.payload;
  std::vector<std::string> entries;
  while (const auto key = take_key(keys)) {
    MultiGetEntry entry;
    entry.index = static_cast<std::uint16_t>(entries.size());
    entry.status = DatagramStatus::kNotFound;
    const Item* const item = find(std::string(*key));
    if (item != nullptr &&
        item->value.size() + kMultiGetEntryBytes + kDatagramHeaderBytes > kDatagramBytesMax) {
      entry.status = DatagramStatus::kTooLarge;
    } else if (item != nullptr) {
      entry.status = DatagramStatus::kOk;
      entry.flags = item->flags;
      entry.cas = item->cas;
      entry.value = item->value;
    }
    entries.emplace_back(kMultiGetEntryBytes + entry.value.size(), '\0');
    write_entry(entry, entries.back().data());
  }
  Datagram reply = reply_to(context, DatagramStatus::kOk);
  reply.header.value_bytes = static_cast<std::uint32_t>(entries.size());
  std::string payload;
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i <= entries.size(); ++i) {
    const bool end = i == entries.size();
    if (end || kDatagramHeaderBytes + payload.size() + entries[i].size() > kDatagramBytesMax) {
      reply.header.offset = first;
      reply.payload = payload;
      answer(context, reply);
      payload.clear();
      first = i;
    }
    if (!end) payload += entries[i];
  }
}

void ModelServer::stats(const Context& context) {
  std::string text = "STAT argument " + std::string(context.request.payload) + "\n";
  ++snapshot_;
  for (int i = 0; i < 200; ++i) {
    text += "STAT line_" + std::to_string(i) + " " + std::to_string(snapshot_) + "\n";
  }
  Datagram reply = reply_to(context, DatagramStatus::kOk);
  reply.number = snapshot_;
  send_range(context, reply, text, 0, text.size(), options_.fragment_bytes);
}

}  // namespace minos::testing
