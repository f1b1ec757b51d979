#include "server/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace minos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> values(std::string_view text) {
  const auto entries = parse_config(text, "x.toml");
  EXPECT_TRUE(entries.has_value()) << text << ": " << entries.error();
  if (!entries || entries->size() != 1) return {"not one entry"};
  return entries->front().values;
}

std::string refusal(std::string_view text) {
  const auto entries = parse_config(text, "x.toml");
  return entries ? "accepted" : entries.error();
}

// A configuration file for the time of one test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text)
      : path_(testing::TempDir() + "minos_config_" + std::to_string(getpid()) + ".toml") {
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::expected<ServerOptions, OptionsExit> parse(std::vector<std::string> words) {
  std::vector<const char*> argv{"minosd"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

TEST(ConfigFile, ValuesOfEachKind) {
  EXPECT_THAT(values("port = 11311"), ElementsAre("11311"));
  EXPECT_THAT(values("disable-cas = true"), ElementsAre("true"));
  EXPECT_THAT(values("disable-cas = false"), ElementsAre("false"));
  EXPECT_THAT(values("verbose = 2"), ElementsAre("2"));
  EXPECT_THAT(values("smoothing = 0.5"), ElementsAre("0.5"));
  EXPECT_THAT(values("large-percentile = 98"), ElementsAre("98"));
  EXPECT_THAT(values("max-item-size = \"4m\""), ElementsAre("4m"));
  EXPECT_THAT(values("max-item-size = 4096"), ElementsAre("4096"));
  EXPECT_THAT(values("listen = \"::1\""), ElementsAre("::1"));
  EXPECT_THAT(values("listen = [\"::1\", \"127.0.0.1\"]"), ElementsAre("::1", "127.0.0.1"));
  EXPECT_THAT(values("sharding = 'key-hash'"), ElementsAre("key-hash"));
}

TEST(ConfigFile, ErrorsNameFileLineKeyAndWhatIsAllowed) {
  EXPECT_THAT(refusal("port = 1\n\nprot = 2\n"),
              testing::AllOf(StartsWith("x.toml:3: unknown key \"prot\"; allowed keys: port, "),
                             HasSubstr("sharding")));
  EXPECT_THAT(refusal("[server]\nport = 1\n"), StartsWith("x.toml:1: unknown key \"server\""));
  EXPECT_EQ(refusal("port = \"1\""), "x.toml:1: key \"port\" must be a whole number");
  EXPECT_EQ(refusal("port = 1.5"), "x.toml:1: key \"port\" must be a whole number");
  EXPECT_EQ(refusal("\ndaemon = 1"), "x.toml:2: key \"daemon\" must be true or false");
  EXPECT_EQ(refusal("user = true"), "x.toml:1: key \"user\" must be text in quotes");
  EXPECT_EQ(refusal("listen = [1]"),
            "x.toml:1: key \"listen\" must be text in quotes, or an array of such texts");
  EXPECT_THAT(refusal("listen = []"), HasSubstr("must be text in quotes"));
  EXPECT_THAT(refusal("max-item-size = true"), HasSubstr("or text such as \"64k\""));
  EXPECT_THAT(refusal("port = "), StartsWith("x.toml:1: "));
  EXPECT_THAT(refusal("port = 1\nport = 2"), StartsWith("x.toml:2: "));
}

TEST(ConfigFile, HoldsNoCommandsAndNoOtherFile) {
  EXPECT_THAT(refusal("help = true"), HasSubstr("unknown key"));
  EXPECT_THAT(refusal("version = true"), HasSubstr("unknown key"));
  EXPECT_THAT(refusal("config = \"y\""), HasSubstr("unknown key"));
}

TEST(ConfigFile, CommandLineWins) {
  const TemporaryFile file(
      "port = 1000\nmemory-limit = 128\nlisten = [\"10.0.0.1\", \"10.0.0.2:5\"]\n"
      "verbose = 3\ndisable-evictions = true\n");
  const auto from_file = parse({"--config", file.path()});
  ASSERT_TRUE(from_file.has_value()) << from_file.error().text;
  EXPECT_EQ(from_file->port, 1000);
  EXPECT_EQ(from_file->memory_bytes, 128 * kMiB);
  EXPECT_THAT(from_file->listen,
              ElementsAre(ListenAddress{"10.0.0.1", 1000}, ListenAddress{"10.0.0.2", 5}));
  EXPECT_EQ(from_file->verbosity, 3U);
  EXPECT_FALSE(from_file->evict);
  EXPECT_EQ(from_file->config_file, file.path());

  const auto both = parse({"-p2000", "--config", file.path(), "-l", "::1", "-v"});
  ASSERT_TRUE(both.has_value()) << both.error().text;
  EXPECT_THAT(both->listen, ElementsAre(ListenAddress{"::1", 2000}));
  EXPECT_EQ(both->memory_bytes, 128 * kMiB);
  EXPECT_EQ(both->verbosity, 1U);
}

TEST(ConfigFile, BadValuesNameFileAndLine) {
  const TemporaryFile file("threads = 4\nport = 70000\n");
  const auto options = parse({"--config", file.path()});
  ASSERT_FALSE(options.has_value());
  EXPECT_EQ(options.error().code, 2);
  EXPECT_THAT(options.error().text,
              StartsWith("minosd: " + file.path() +
                         ":2: port \"70000\": must be a whole number from 0 to 65535\n"));
}

TEST(ConfigFile, Unreadable) {
  for (const char* path : {"/nonexistent/minos.toml", "/"}) {
    const auto options = parse({"--config", path});
    ASSERT_FALSE(options.has_value());
    EXPECT_EQ(options.error().code, 2);
    EXPECT_THAT(options.error().text,
                HasSubstr("--config: " + std::string(path) + ": cannot be read: "));
  }
}

}  // namespace
}  // namespace minos
