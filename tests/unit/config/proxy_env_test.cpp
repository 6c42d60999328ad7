#include "config/proxy_env.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "fixture.h"

namespace outrigger::config {
namespace {

TEST_CASE("NO_PROXY names hosts, what is below them, addresses and blocks") {
  struct Row {
    std::string_view no_proxy, host;
    std::uint16_t port;
    bool bypassed;
  };
  const Row rows[] = {
      {"*", "anything", 443, true},
      {"example.com", "example.com", 443, true},
      {"example.com", "api.example.com", 443, true},
      {"example.com", "notexample.com", 443, false},
      {"example.com", "example.com.evil", 443, false},
      {".example.com", "api.example.com", 443, true},
      {".example.com", "example.com", 443, true},
      {"*.example.com", "api.example.com", 443, true},
      {"EXAMPLE.com", "example.com", 443, true},
      {"example.com:8080", "example.com", 8080, true},
      {"example.com:8080", "example.com", 443, false},
      {"api,redis, ollama", "ollama", 11434, true},
      {"api redis\tollama", "redis", 6379, true},
      {"api,redis", "ollama", 11434, false},
      {"10.0.0.1", "10.0.0.1", 80, true},
      {"10.0.0.1:80", "10.0.0.1", 80, true},
      {"10.0.0.1:81", "10.0.0.1", 80, false},
      {"10.0.0.1", "10.0.0.10", 80, false},
      {"10.0.0.0/8", "10.255.255.255", 80, true},
      {"10.0.0.0/8", "11.0.0.0", 80, false},
      {"192.168.0.0/17", "192.168.127.255", 80, true},
      {"192.168.0.0/17", "192.168.128.0", 80, false},
      {"1.2.3.4/32", "1.2.3.5", 80, false},
      {"0.0.0.0/0", "8.8.8.8", 80, true},
      {"10.0.0.0/33", "10.0.0.0", 80, false},
      {"10.0.0.0/x", "10.0.0.0", 80, false},
      {"10.0.0.0/8", "10.example.com", 80, false},
      {"::1", "::1", 80, true},
      {"[::1]", "::1", 80, true},
      {"[::1]:81", "::1", 80, false},
      {"0:0:0:0:0:0:0:1", "::1", 80, true},
      {"fd00::/8", "fd12::1", 80, true},
      {"fd00::/8", "fe80::1", 80, false},
      {"", "h", 80, false},
      {",,", "h", 80, false},
      {".", "h", 80, false},
  };
  for (const Row& row : rows) {
    INFO(row.no_proxy << " and " << row.host << ":" << row.port);
    CHECK(bypasses_proxy(row.no_proxy, row.host, row.port) == row.bypassed);
  }
}

std::string chosen(std::string_view target, const Environment& environment) {
  std::string error;
  const auto variable = proxy_from_environment(*parse_url(target, error), environment);
  return variable ? variable->name : "";
}

TEST_CASE("the scheme of the target decides which variable counts") {
  const Environment both{{"HTTPS_PROXY", "http://s:1"}, {"HTTP_PROXY", "http://p:1"}};
  CHECK(chosen("https://h", both) == "HTTPS_PROXY");
  CHECK(chosen("http://h", both) == "HTTP_PROXY");
  CHECK(chosen("https://h", {{"http_proxy", "p:1"}}).empty());
  CHECK(chosen("https://h", {{"https_proxy", "p:1"}}) == "https_proxy");
  CHECK(chosen("https://h", {{"HTTPS_PROXY", ""}, {"https_proxy", "p:1"}}) == "https_proxy");
  CHECK(chosen("http://h", {{"ALL_PROXY", "p:1"}}) == "ALL_PROXY");
  CHECK(chosen("https://h", {{"all_proxy", "p:1"}, {"HTTPS_PROXY", "q:1"}}) == "HTTPS_PROXY");
  CHECK(chosen("https://h", {}).empty());
}

TEST_CASE("loopback and what NO_PROXY names is reached directly") {
  const Environment environment{{"HTTP_PROXY", "http://p:1"}, {"no_proxy", "ollama"}};
  CHECK(chosen("http://localhost:11434", environment).empty());
  CHECK(chosen("http://127.0.0.1:11434", environment).empty());
  CHECK(chosen("http://[::1]:11434", environment).empty());
  CHECK(chosen("http://ollama:11434", environment).empty());
  CHECK(chosen("http://other:11434", environment) == "HTTP_PROXY");
}

TEST_CASE("a proxy is a plain HTTP address, with or without the scheme") {
  std::string error;
  const auto bare = parse_proxy("user:p%40ss@proxy:3128", error);
  REQUIRE(bare);
  CHECK(bare->host == "proxy");
  CHECK(bare->port == 3128);
  CHECK(bare->user == "user");
  CHECK(bare->password == "p@ss");
  CHECK(parse_proxy("http://proxy:3128/", error));
  for (const std::string_view text : {"https://proxy:3128", "socks5://proxy:1080", "http://proxy:3128/x"}) {
    INFO(text);
    error.clear();
    CHECK_FALSE(parse_proxy(text, error));
    CHECK(error.find("http://host:port") != std::string::npos);
  }
}

TEST_CASE("an upstream takes its proxy from the file, else from the environment, and \"off\" takes none") {
  const Environment environment{{"HTTPS_PROXY", "http://u:pw@env-proxy:3128"}};
  const auto from_environment = test::load_with_upstream("", environment);
  REQUIRE(from_environment.config);
  REQUIRE(from_environment.config->upstreams[0].proxy);
  CHECK(from_environment.config->upstreams[0].proxy->host == "env-proxy");
  CHECK(from_environment.config->upstreams[0].proxy->password == "pw");

  const auto from_file = test::load_with_upstream("proxy = \"http://file-proxy:1\"\n", environment);
  REQUIRE(from_file.config);
  CHECK(from_file.config->upstreams[0].proxy->host == "file-proxy");

  const auto off = test::load_with_upstream("proxy = \"off\"\n", environment);
  REQUIRE(off.config);
  CHECK_FALSE(off.config->upstreams[0].proxy);
}

TEST_CASE("a proxy variable that cannot be used is an error that does not show its password") {
  const auto loaded = test::load_with_upstream("", {{"HTTPS_PROXY", "socks5://u:hunter2@p:1"}});
  const auto errors = test::errors(loaded);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].find("HTTPS_PROXY") != std::string::npos);
  CHECK(errors[0].find("hunter2") == std::string::npos);
}

}  // namespace
}  // namespace outrigger::config
