#include "server/options.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "server/option_table.h"
#include "store/kv_store.h"

namespace minos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A command line written as in a shell, without quoting.
std::expected<ServerOptions, OptionsExit> parse(const std::string& line) {
  std::istringstream in("minosd " + line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

ServerOptions parsed(const std::string& line) {
  auto options = parse(line);
  EXPECT_TRUE(options.has_value()) << line << ": " << options.error().text;
  return options.value_or(ServerOptions());
}

ServerOptions with(void (*change)(ServerOptions&)) {
  ServerOptions options = parsed("");
  change(options);
  return options;
}

// The message of a refused command line.
std::string refused(const std::string& line) {
  const auto options = parse(line);
  if (options.has_value()) return "accepted: " + line;
  EXPECT_EQ(options.error().code, 2);
  EXPECT_TRUE(options.error().to_stderr);
  const std::string& text = options.error().text;
  EXPECT_THAT(text, StartsWith("minosd: "));
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
  EXPECT_TRUE(text.ends_with("\nTry 'minosd --help'.\n")) << text;
  return text.substr(0, text.find('\n'));
}

TEST(Options, DefaultsAreMemcacheds) {
  const ServerOptions options = parsed("");
  EXPECT_EQ(options.port, 11211);
  EXPECT_THAT(options.listen, ElementsAre(ListenAddress{"127.0.0.1", 11211}));
  EXPECT_EQ(options.memory_bytes, 64 * kMiB);
  EXPECT_EQ(options.item_bytes_max, kMiB);
  EXPECT_EQ(options.threads, 4);
  EXPECT_EQ(options.connections_max, 1024U);
  EXPECT_EQ(options.unix_mask, 0700U);
  EXPECT_EQ(options.sharding, PolicyKind::kElastic);
  EXPECT_TRUE(options.evict);
  EXPECT_TRUE(options.cas);
  EXPECT_EQ(options.epoch, std::chrono::seconds(1));
}

TEST(Options, DocumentedDefaultsAreTheRealOnes) {
  for (const OptionGroup& group : option_groups()) {
    for (const OptionRow& row : group.rows) {
      if (row.default_text.empty()) continue;
      const std::string name(row.long_name);
      const std::string value(row.default_text);
      EXPECT_EQ(parsed("--" + name + "=" + value), parsed("")) << name;
    }
  }
}

TEST(Options, StartScripts) {
  const ServerOptions debian =
      parsed("-d -m 128 -p 11311 -u memcache -l 127.0.0.1 -l ::1 -P /run/x.pid");
  EXPECT_TRUE(debian.daemon);
  EXPECT_EQ(debian.memory_bytes, 128 * kMiB);
  EXPECT_EQ(debian.user, "memcache");
  EXPECT_EQ(debian.pidfile, "/run/x.pid");
  EXPECT_THAT(debian.listen,
              ElementsAre(ListenAddress{"127.0.0.1", 11311}, ListenAddress{"::1", 11311}));

  EXPECT_EQ(parsed("-m64"), parsed("-m 64"));
  EXPECT_EQ(parsed("-t4 -m1024m"), parsed("--threads=4 --memory-limit=1g"));
  EXPECT_EQ(parsed("-dM -vv"), with([](ServerOptions& o) {
              o.daemon = true;
              o.evict = false;
              o.verbosity = 2;
            }));
  EXPECT_EQ(parsed("-p 1 -p 2").port, 2);
  EXPECT_EQ(parsed("-I 4m -m 4g -c 10000 -b 4096 -R 200 -U 0 -o modern").item_bytes_max, 4 * kMiB);
}

TEST(Options, LongSpellings) {
  const ServerOptions options = parsed(
      "--port=1 --listen=10.0.0.1 --memory-limit=100 --threads=3 --conn-limit=7 "
      "--max-item-size=2m --verbose --daemon --user=nobody --pidfile=/p --disable-cas "
      "--disable-evictions --enable-shutdown --listen-backlog=5 --udp-port=0 --unix-mask=0770 "
      "--lock-memory --max-reqs-per-event=20 --idle-timeout=30");
  EXPECT_EQ(options, with([](ServerOptions& o) {
              o.port = 1;
              o.listen = {{"10.0.0.1", 1}};
              o.memory_bytes = 100 * kMiB;
              o.threads = 3;
              o.connections_max = 7;
              o.item_bytes_max = 2 * kMiB;
              o.verbosity = 1;
              o.daemon = true;
              o.user = "nobody";
              o.pidfile = "/p";
              o.cas = false;
              o.evict = false;
              o.shutdown_command = true;
              o.backlog = 5;
              o.unix_mask = 0770;
              o.lock_memory = true;
              o.burst_requests = 20;
              o.idle_timeout = std::chrono::seconds(30);
            }));
}

TEST(Options, OwnOptions) {
  const ServerOptions options = parsed(
      "--sharding=size-aware --cores=0,2,4-7 --busy-poll-us=50 --epoch-ms=100 "
      "--large-percentile=99.5 --smoothing 0.5 --quantum-bytes=64k");
  EXPECT_EQ(options.sharding, PolicyKind::kSizeAware);
  EXPECT_THAT(options.cpus, ElementsAre(0, 2, 4, 5, 6, 7));
  EXPECT_EQ(options.busy_poll, std::chrono::microseconds(50));
  EXPECT_EQ(options.epoch, std::chrono::milliseconds(100));
  EXPECT_EQ(options.large_percentile, 99.5);
  EXPECT_EQ(options.smoothing, 0.5);
  EXPECT_EQ(options.quantum_bytes, 64 * kKiB);
  EXPECT_EQ(parsed("--sharding=key-hash").sharding, PolicyKind::kKeyHash);
  EXPECT_EQ(parsed("--sharding=work-stealing").sharding, PolicyKind::kWorkStealing);
}

TEST(Options, Listen) {
  EXPECT_THAT(parsed("-l 127.0.0.1,localhost:12,[::1]:13,fe80::1%eth0,[::2],* -p 9").listen,
              ElementsAre(ListenAddress{"127.0.0.1", 9}, ListenAddress{"localhost", 12},
                          ListenAddress{"::1", 13}, ListenAddress{"fe80::1%eth0", 9},
                          ListenAddress{"::2", 9}, ListenAddress{"", 9}));
  EXPECT_THAT(parsed("-p 0").listen, ElementsAre(ListenAddress{"127.0.0.1", 0}));
  for (const char* bad : {"127.0.0", "1.2.3.4.5", "a b", "[::1", "[::1]x", "::g", ",", "x:", "x:y",
                          "x:65536", "a/b", "1.2.3.4:-1"}) {
    const char* const argv[] = {"minosd", "-l", bad};
    const auto options = parse_options(3, argv);
    ASSERT_FALSE(options.has_value()) << bad;
    EXPECT_THAT(options.error().text, HasSubstr("-l/--listen")) << bad;
  }
}

TEST(Options, UnixSocketReplacesTcp) {
  const ServerOptions options = parsed("-s /tmp/x.sock -a 755 -l 127.0.0.1");
  EXPECT_EQ(options.unix_socket, "/tmp/x.sock");
  EXPECT_EQ(options.unix_mask, 0755U);
  EXPECT_TRUE(options.listen.empty());
}

TEST(Options, Transports) {
  EXPECT_THAT(parsed("").transports, ElementsAre(TransportKind::kTcp));
  EXPECT_TRUE(parsed("").datagram_hosts.empty());

  const ServerOptions both = parsed("--transport=tcp,udp,tcp -l ::1,127.0.0.1:7,::1");
  EXPECT_THAT(both.transports, ElementsAre(TransportKind::kTcp, TransportKind::kUdp));
  EXPECT_EQ(both.listen.size(), 3U);
  EXPECT_THAT(both.datagram_hosts, ElementsAre("::1", "127.0.0.1"));
  EXPECT_EQ(both.datagram_port, 11300);
  EXPECT_FALSE(both.datagram_single_port);
  EXPECT_EQ(parsed("--transport=tcp --transport=udp"), parsed("--transport=tcp,udp"));

  const ServerOptions udp = parsed("--transport=udp --datagram-port=7 --datagram-single-port");
  EXPECT_TRUE(udp.listen.empty());
  EXPECT_THAT(udp.datagram_hosts, ElementsAre("127.0.0.1"));
  EXPECT_EQ(udp.datagram_port, 7);
  EXPECT_TRUE(udp.datagram_single_port);

  const ServerOptions unix_too = parsed("--transport=tcp,udp -s /s -l *");
  EXPECT_TRUE(unix_too.listen.empty());
  EXPECT_THAT(unix_too.datagram_hosts, ElementsAre(""));
}

TEST(Options, Sizes) {
  EXPECT_EQ(parsed("-I 2048").item_bytes_max, 2048U);
  EXPECT_EQ(parsed("-I 3K").item_bytes_max, 3 * kKiB);
  EXPECT_EQ(parsed("-m 2g -I 1g").item_bytes_max, kGiB);
  EXPECT_EQ(parsed("-m 4G").memory_bytes, 4 * kGiB);
  EXPECT_THAT(refused("-I 1023"), HasSubstr("-I/--max-item-size \"1023\": must be a size from 1k"));
  EXPECT_THAT(refused("-I 2g -m 8g"), HasSubstr("to 1g"));
  EXPECT_THAT(refused("-m 7"), HasSubstr("from 8m"));
  EXPECT_EQ(parsed("-m 4096g").memory_bytes, kMemoryBytesMax);
  EXPECT_EQ(refused("-m 5000g"),
            "minosd: -m/--memory-limit \"5000g\": must be a size from 8m to 4096g: a whole "
            "number of megabytes, or one with the suffix k, m or g");
  EXPECT_THAT(refused("-m 99999999999999999999"), HasSubstr("-m/--memory-limit"));
  EXPECT_THAT(refused("-m 17592186044416g"), HasSubstr("-m/--memory-limit"));
  EXPECT_THAT(refused("-m g"), HasSubstr("must be a size"));
  EXPECT_THAT(refused("-m 64mb"), HasSubstr("must be a size"));
  EXPECT_THAT(refused("--quantum-bytes 1k"), HasSubstr("from 16k to 64m"));
}

TEST(Options, ValuesOutOfRangeNameWhatIsAllowed) {
  EXPECT_EQ(refused("-p 70000"),
            "minosd: -p/--port \"70000\": must be a whole number from 0 to 65535");
  EXPECT_EQ(refused("--port=-1"),
            "minosd: -p/--port \"-1\": must be a whole number from 0 to 65535");
  EXPECT_THAT(refused("-p 80x"), HasSubstr("\"80x\""));
  EXPECT_THAT(refused("--port="), HasSubstr("-p/--port"));
  EXPECT_THAT(refused("-t 0"), HasSubstr("from 1 to 128"));
  EXPECT_THAT(refused("-t 129"), HasSubstr("from 1 to 128"));
  EXPECT_THAT(refused("-c 0"), HasSubstr("from 1 to 1000000"));
  EXPECT_THAT(refused("-a 788"), HasSubstr("octal number from 0 to 777"));
  EXPECT_THAT(refused("-vvvv"), HasSubstr("from 0 to 3"));
  EXPECT_THAT(refused("--epoch-ms 9"), HasSubstr("from 10 to 600000"));
  for (const char* bad : {"0", "100", "-1", "nan", "inf", "x", "99%"}) {
    EXPECT_THAT(refused(std::string("--large-percentile ") + bad),
                HasSubstr("above 0 and below 100"));
  }
  EXPECT_THAT(refused("--smoothing 0"), HasSubstr("above 0 and at most 1"));
  EXPECT_THAT(refused("--smoothing 1.01"), HasSubstr("above 0 and at most 1"));
  EXPECT_THAT(refused("--sharding fast"), HasSubstr("elastic"));
  EXPECT_THAT(refused("-U 11211"), HasSubstr("memcached's UDP protocol is not spoken"));
  EXPECT_THAT(refused("-U 11211"), HasSubstr("--transport=udp speaks"));
  EXPECT_EQ(refused("--transport=tcp,dccp"),
            "minosd: --transport \"tcp,dccp\": must be a list of tcp, udp, dpdk, xdp");
  EXPECT_THAT(refused("--transport="), HasSubstr("--transport"));
  EXPECT_THAT(refused("--transport=tcp,"), HasSubstr("must be a list of tcp, udp, dpdk, xdp"));
  EXPECT_THAT(refused("--datagram-port=0"), HasSubstr("from 1 to 65535"));
  EXPECT_THAT(refused("--dpdk-address=10.0.0"), HasSubstr("must be an IPv4 address"));
  EXPECT_THAT(refused("--transport=dpdk --datagram-single-port"), HasSubstr("a port of its own"));
  EXPECT_THAT(refused("--transport=xdp --xdp-interface=eth0 --datagram-single-port"),
              HasSubstr("with --transport=xdp each receive queue has a port of its own"));
  EXPECT_THAT(refused("--transport=xdp"), HasSubstr("--xdp-interface=NAME need each other"));
  EXPECT_THAT(refused("--xdp-interface=eth0"), HasSubstr("--xdp-interface=NAME need each other"));
  EXPECT_EQ(refused("--xdp-address=10.1.1.1"), "minosd: --xdp-address needs --transport=xdp");
  for (const std::string option : {"--dpdk-vhost", "--dpdk-args", "--dpdk-address"}) {
    const std::string value = option == "--dpdk-address" ? "10.1.1.1" : "x";
    EXPECT_EQ(refused("--transport=tcp,udp " + option + "=" + value),
              "minosd: " + option + " needs --transport=dpdk");
  }
  EXPECT_THAT(refused("--xdp-address=fe80::1"), HasSubstr("must be an IPv4 address"));
  EXPECT_THAT(refused("--dispatchers 0"), HasSubstr("from 1 to 127"));
  for (const char* bad : {"4-", "-4", "7-4", "0,0", "0-3,2", "a", "", "1024", "0,"}) {
    EXPECT_THAT(refused(std::string("--cores=") + bad), HasSubstr("--cores")) << bad;
  }
}

TEST(Options, ChecksAcrossOptions) {
  EXPECT_EQ(refused("-m 64 -I 33m"),
            "minosd: -I/--max-item-size 33m: must be at most half of -m/--memory-limit, which is "
            "64m");
  EXPECT_THAT(refused("-t 128"),
              testing::MatchesRegex("minosd: -m/--memory-limit 64m: must be at least [0-9]+m for "
                                    "the 128 threads of -t/--threads"));
  EXPECT_EQ(refused("--transport=udp -t 4 --datagram-port=65533"),
            "minosd: --datagram-port 65533: must be at most 65532, so that each of 4 receive "
            "queues has a port");
  EXPECT_EQ(parsed("--transport=udp -t 4 --datagram-port=65532").datagram_port, 65532);
  EXPECT_EQ(parsed("--transport=udp -t 4 --datagram-port=65535 --datagram-single-port").threads, 4);
  EXPECT_EQ(parsed("-t 4 --datagram-port=65535").threads, 4);
  EXPECT_THAT(refused("-t 3 --cores=0,1"), HasSubstr("lists 2 CPUs for 3 threads"));
  EXPECT_EQ(parsed("-t 2 --cores=0,1").threads, 2);
  EXPECT_EQ(refused("-t 2 --sharding=software-handoff --dispatchers=2"),
            "minosd: --dispatchers 2: must be less than -t/--threads, which is 2: dispatchers "
            "serve no request themselves");
  EXPECT_THAT(refused("-t 1 --sharding=software-handoff --dispatchers=2"), HasSubstr("which is 1"));
  EXPECT_EQ(parsed("-t 3 --sharding=software-handoff --dispatchers=2").dispatchers, 2);
  EXPECT_EQ(parsed("-t 1 --sharding=software-handoff").dispatchers, 1);
  EXPECT_EQ(parsed("-t 2 --dispatchers=3").dispatchers, 3) << "of another policy: without effect";
}

TEST(Options, WhatIsAcceptedTheStoreAcceptsToo) {
  for (const std::uint16_t threads : std::initializer_list<std::uint16_t>{1, 4, 10, 32, 128}) {
    const std::uint64_t least_mib = (KvStore::memory_bytes_min(threads) + kMiB - 1) / kMiB;
    const ServerOptions options =
        parsed(fmt::format("-t {} -m {}", threads, std::max<std::uint64_t>(least_mib, 8)));
    StoreOptions store;
    store.memory_bytes = options.memory_bytes;
    store.item_bytes_max = options.item_bytes_max;
    store.cores = options.threads;
    const auto created = KvStore::create(store);
    EXPECT_TRUE(created.has_value()) << created.error();
  }
}

TEST(Options, UnknownAndMisused) {
  EXPECT_EQ(refused("--prot=1"), "minosd: unknown option \"--prot=1\"");
  EXPECT_EQ(refused("-z"), "minosd: unknown option \"-z\"");
  EXPECT_THAT(refused("-S"), HasSubstr("\"-S\": authentication is not supported"));
  EXPECT_THAT(refused("-f 1.25"), HasSubstr("Minos has no slabs"));
  EXPECT_THAT(refused("--enable-ssl"), HasSubstr("TLS is not supported"));
  EXPECT_THAT(refused("11211"), HasSubstr("unexpected argument \"11211\""));
  EXPECT_THAT(refused("-p"), HasSubstr("-p/--port needs a value"));
  EXPECT_THAT(refused("-d --port"), HasSubstr("-p/--port needs a value"));
  EXPECT_THAT(refused("--daemon=yes"), HasSubstr("-d/--daemon takes no value"));
  EXPECT_THAT(refused("-l"), HasSubstr("-l/--listen needs a value"));
}

TEST(Options, Extended) {
  EXPECT_EQ(parsed("-o modern -o lru_crawler,hashpower=20"), parsed(""));
  EXPECT_EQ(parsed("-o modern,idle_timeout=60").idle_timeout, std::chrono::seconds(60));
  EXPECT_THAT(refused("-o ext_path=/x:1g"), HasSubstr("sub-option \"ext_path\" is not supported"));
  EXPECT_THAT(refused("-o modern,what"), HasSubstr("sub-option \"what\""));
  EXPECT_THAT(refused("-o idle_timeout"), HasSubstr("idle_timeout must be a whole number"));
}

TEST(Options, HelpNamesEveryOptionWithin100Columns) {
  for (const char* flag : {"-h", "--help", "-p 1 --help"}) {
    const auto exit = parse(flag);
    ASSERT_FALSE(exit.has_value());
    EXPECT_EQ(exit.error().code, 0);
    EXPECT_FALSE(exit.error().to_stderr);
    std::istringstream text(exit.error().text);
    for (std::string line; std::getline(text, line);) EXPECT_LE(line.size(), 100U) << line;
    for (const OptionGroup& group : option_groups()) {
      EXPECT_THAT(exit.error().text, HasSubstr(std::string(group.title) + ":"));
      for (const OptionRow& row : group.rows) {
        EXPECT_THAT(exit.error().text, HasSubstr("--" + std::string(row.long_name)));
      }
    }
  }
}

TEST(Options, Version) {
  for (const char* flag : {"-V", "--version"}) {
    const auto exit = parse(flag);
    ASSERT_FALSE(exit.has_value());
    EXPECT_EQ(exit.error().code, 0);
    EXPECT_THAT(exit.error().text, testing::MatchesRegex("minos [0-9.]+\n"));
  }
}

}  // namespace
}  // namespace minos
