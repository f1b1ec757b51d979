// Stores a value, counts, and reads both back: hello udp://127.0.0.1:11300, or tcp://...
#include <cstdio>

#include "client/minos_client.h"

int main(int argc, char** argv) {
  auto client = minos::Client::open(argc > 1 ? argv[1] : "tcp://127.0.0.1:11211");
  if (!client) {
    std::fprintf(stderr, "%s\n", client.error().message.c_str());
    return 1;
  }
  if (const auto stored = client->set("greeting", "hello"); !stored) {
    std::fprintf(stderr, "%s\n", stored.error().message.c_str());
    return 1;
  }
  (void)client->add("count", "0");
  const auto count = client->incr("count");
  const auto greeting = client->get("greeting");
  if (!count || !*count || !greeting || !*greeting) return 1;
  std::printf("%s %llu\n", (*greeting)->bytes.c_str(), static_cast<unsigned long long>(**count));
}
