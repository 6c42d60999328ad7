// env: and file:, wherever text may stand.
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

std::string one_error(const Loaded& loaded) {
  const auto found = errors(loaded);
  INFO(all(loaded));
  REQUIRE(found.size() == 1);
  return found[0];
}

TEST_CASE("any text may come from the environment") {
  const Environment environment{
      {"URL", "https://h/v1"}, {"TTL", "5m"}, {"MODE", "observe"}, {"ADDRESS", "127.0.0.1:1"}, {"MEMORY", "1GiB"}};
  const auto loaded = load(R"(
[listen]
llm = "env:ADDRESS"
[cache]
ttl = "env:TTL"
mode = "env:MODE"
memory = "env:MEMORY"
[[upstream]]
url = "env:URL"
)",
                           environment);
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.config->listen.llm == "127.0.0.1:1");
  CHECK(loaded.config->cache.ttl == 5min);
  CHECK(loaded.config->cache.mode == CacheMode::observe);
  CHECK(loaded.config->cache.memory == 1u << 30);
  CHECK(loaded.config->upstreams[0].url.host == "h");
}

TEST_CASE("a variable that is not there, or empty, is an error at its place") {
  CHECK(one_error(load_with_upstream("keys = [\"env:NOPE\"]"))
            .starts_with("o.toml:4:9: the environment variable `NOPE` is not set; set NOPE where outrigger is started"));
  CHECK(one_error(load_with_upstream("keys = [\"env:EMPTY\"]"))
            .starts_with("o.toml:4:9: the environment variable `EMPTY` is empty"));
  CHECK(one_error(load_with_upstream("keys = [\"env:\"]")).starts_with("o.toml:4:9: \"env:\" is followed by the name"));
  CHECK(one_error(load_with_upstream("keys = [\"env:A B\"]")).starts_with("o.toml:4:9: \"env:\" is followed by the name"));
}

TEST_CASE("what a shell would replace is answered with env:") {
  for (const std::string_view text : {"$RELAY_KEY", "${RELAY_KEY}"}) {
    CHECK(one_error(load_with_upstream("keys = [\"" + std::string(text) + "\"]")) ==
          "o.toml:4:9: variables are not replaced inside text; write \"env:RELAY_KEY\"");
  }
  CHECK(load_with_upstream("keys = [\"$1$abc\"]").config);
}

TEST_CASE("a value that came from elsewhere is not shown") {
  const Environment environment{{"SECRET", "hunter2"}};
  for (const std::string_view toml :
       {"[cache]\nttl = \"env:SECRET\"", "[cache]\nmode = \"env:SECRET\"", "dialect = \"env:SECRET\"",
        "[listen]\nllm = \"env:SECRET\"", "[redis]\nurl = \"env:SECRET\"", "[log]\naccess = \"env:SECRET\""}) {
    INFO(toml);
    CHECK(one_error(load_with_upstream(toml, environment)).find("hunter2") == std::string::npos);
  }
  const Environment bad_hosts{{"SECRET", "hunter2:x"}};
  CHECK(one_error(load("[[upstream]]\nurl = \"env:SECRET\"", bad_hosts)) ==
        "o.toml:2:7: `url` cannot be used: env:SECRET does not hold an http(s) URL such as \"https://api.example.com/v1\"");
  CHECK(one_error(load_with_upstream("proxy = \"env:SECRET\"", bad_hosts)).find("hunter2") == std::string::npos);
  CHECK(one_error(load_with_upstream("[cache]\nttl = \"env:SECRET\"", environment))
            .starts_with("o.toml:5:7: `ttl` cannot be the value of env:SECRET: write a number with a unit"));
}

TEST_CASE("a file's value has its last line end taken off, and the file is to be watched") {
  const TemporaryFile key("sk-file\r\n");
  const auto loaded = load_with_upstream("keys = [\"file:" + key.path() + "\"]");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.config->upstreams[0].keys[0].text == "sk-file");
  CHECK(loaded.config->upstreams[0].keys[0].source == "file:" + key.path());
  CHECK(loaded.files == std::vector<std::string>{key.path()});
}

TEST_CASE("a file that cannot be used is an error at its place, and still to be watched") {
  const auto missing = load_with_upstream("keys = [\"file:/nowhere/key\"]");
  CHECK(one_error(missing) == "o.toml:4:9: `/nowhere/key` does not exist; name a file that outrigger may read");
  CHECK(missing.files == std::vector<std::string>{"/nowhere/key"});
  CHECK(one_error(load_with_upstream("keys = [\"file:/tmp\"]")).starts_with("o.toml:4:9: `/tmp` is a directory"));
  CHECK(one_error(load_with_upstream("keys = [\"file:key\"]"))
            .starts_with("o.toml:4:9: \"file:\" is followed by an absolute path"));
  const TemporaryFile empty("\n");
  CHECK(
      one_error(load_with_upstream("keys = [\"file:" + empty.path() + "\"]")).ends_with("is empty; put the value into it"));
}

TEST_CASE("a file may hold a mebibyte, and no more") {
  const TemporaryFile fits("# " + std::string((1 << 20) - 2 - k_upstream.size() - 1, 'x') + "\n" + std::string(k_upstream));
  REQUIRE(std::filesystem::file_size(fits.path()) == 1 << 20);
  CHECK(load_file(fits.path(), {}).config);
  const TemporaryFile too_large("# " + std::string((1 << 20) - 1, 'x'));
  CHECK(one_error(load_file(too_large.path(), {})).find("is larger than 1 MiB") != std::string::npos);
}

TEST_CASE("a pipe is refused instead of waited for") {
  const std::string path = (std::filesystem::temp_directory_path() / "outrigger-config-pipe").string();
  std::filesystem::remove(path);
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const auto loaded = load_with_upstream("keys = [\"file:" + path + "\"]");
  std::filesystem::remove(path);
  CHECK(one_error(loaded).find("is a pipe, not a file") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::config
