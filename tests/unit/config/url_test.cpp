#include "config/url.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::config {
namespace {

TEST_CASE("an http URL is taken apart") {
  struct Row {
    std::string_view text;
    bool tls;
    std::string_view host;
    int port;
    std::string_view path, authority;
  };
  const Row rows[] = {
      {"https://api.example.com/v1", true, "api.example.com", 443, "/v1", "api.example.com"},
      {"HTTPS://API.Example.COM/V1/", true, "api.example.com", 443, "/V1", "api.example.com"},
      {"http://ollama:11434", false, "ollama", 11434, "", "ollama:11434"},
      {"http://h/", false, "h", 80, "", "h"},
      {"http://h:443", false, "h", 443, "", "h:443"},
      {"https://h:443/a//", true, "h", 443, "/a", "h"},
      {"http://10.0.0.1:8080/api/paas/v4/", false, "10.0.0.1", 8080, "/api/paas/v4", "10.0.0.1:8080"},
      {"http://[::1]:8080/v1", false, "::1", 8080, "/v1", "[::1]:8080"},
      {"https://[2001:DB8::1]", true, "2001:db8::1", 443, "", "[2001:db8::1]"},
      {"http://my_service.ns.svc/v1", false, "my_service.ns.svc", 80, "/v1", "my_service.ns.svc"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    std::string error;
    const auto url = parse_url(row.text, error);
    REQUIRE(url);
    CHECK(url->tls == row.tls);
    CHECK(url->host == row.host);
    CHECK(url->port == row.port);
    CHECK(url->path == row.path);
    CHECK(url->authority() == row.authority);
  }
}

TEST_CASE("a user and password in a URL are percent-decoded") {
  std::string error;
  const auto url = parse_url("http://us%40er:p%3Ass:w@proxy:3128", error);
  REQUIRE(url);
  CHECK(url->user == "us@er");
  CHECK(url->password == "p:ss:w");
  CHECK(url->host == "proxy");
}

TEST_CASE("a URL that cannot be used is answered with what to write") {
  struct Row {
    std::string_view text, part_of_error;
  };
  const Row rows[] = {{"", "write one such as"},
                      {"api.example.com/v1", R"(write "https://api.example.com/v1")"},
                      {"ftp://h/", "begin with http:// or https://"},
                      {"http://", "has no host"},
                      {"http:///v1", "has no host"},
                      {"http://:80", "has no host"},
                      {"http://u:p/w@h:1", "a `/`, `?`, `#` or `@` inside a password is written %2F, %3F, %23 or %40"},
                      {"http://a!b/w@h:1", "a `/`, `?`, `#` or `@` inside a password is written %2F, %3F, %23 or %40"},
                      {"http://h:0", "from 1 to 65535"},
                      {"http://h:65536", "from 1 to 65535"},
                      {"http://h:8x", "from 1 to 65535"},
                      {"http://h:", "from 1 to 65535"},
                      {"http://256.1.1.1", "is not a host name"},
                      {"http://[::1", "is not a host name"},
                      {"http://[::1]x", "is not a host name"},
                      {"http://[zz]", "is not a host name"},
                      {"http://-h", "is not a host name"},
                      {"http://a b", "blank"},
                      {"http://bücher.example", "xn--"},
                      {"http://h/v1?api-version=1", "end before the `?`"},
                      {"http://h/v1#x", "end before the `?`"},
                      {"http://u:%zz@h", "two hex digits"},
                      {"http://u:%4@h", "two hex digits"}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string error;
    REQUIRE_FALSE(parse_url(row.text, error));
    CAPTURE(error);
    CHECK(error.find(row.part_of_error) != std::string::npos);
  }
}

TEST_CASE("a URL has at most 2048 characters") {
  std::string error;
  const std::string base = "http://h/";
  CHECK(parse_url(base + std::string(2048 - base.size(), 'a'), error));
  CHECK_FALSE(parse_url(base + std::string(2049 - base.size(), 'a'), error));
}

TEST_CASE("no error about a URL shows a password") {
  for (const std::string_view text :
       {"u:hunter2@h/v1", "ftp://u:hunter2@h", "http://u:hunter2@h:99999", "http://u:hunter2@", "http://u:hunter2@bad host",
        "http://u:hunter2%@h", "http://u:hunter2@h?x", "http://:hunter2/x@h", "http://:hunter2?x@h:1", "http://:hunter2#x@h",
        "http://:x/hunter2@h", "http://:hunter2", "http://:hunter2/5", "http://u:hunter2/x@h", "http://hunter2!/x@h",
        "http://:x@hunter2!/y@h", "http://[:hunter2/x@h", "http://u:hunter2:/x@h"}) {
    INFO(text);
    std::string error;
    REQUIRE_FALSE(parse_url(text, error));
    CHECK(error.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a door is an address with a port, or a Unix socket") {
  struct Row {
    std::string_view text, host;
    int port;
    bool loopback, is_unix;
  };
  const Row rows[] = {{"0.0.0.0:8080", "0.0.0.0", 8080, false, false},
                      {":8080", "0.0.0.0", 8080, false, false},
                      {"[::]:8080", "::", 8080, false, false},
                      {"[::1]:0", "::1", 0, true, false},
                      {"127.0.0.1:9090", "127.0.0.1", 9090, true, false},
                      {"127.8.8.8:9090", "127.8.8.8", 9090, true, false},
                      {"LocalHost:65535", "localhost", 65535, true, false},
                      {"unix:/run/x.sock", "/run/x.sock", 0, true, true}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string error;
    const auto door = parse_door(row.text, error);
    REQUIRE(door);
    CHECK(door->host == row.host);
    CHECK(door->port == row.port);
    CHECK(door->loopback == row.loopback);
    CHECK(door->is_unix == row.is_unix);
  }
}

TEST_CASE("an address that no door can listen on is answered with what to write") {
  struct Row {
    std::string_view text, part_of_error;
  };
  const Row rows[] = {{"8080", R"(write "0.0.0.0:8080")"},
                      {"0.0.0.0", R"(write "0.0.0.0:8080")"},
                      {"http://0.0.0.0:8080", "write an address and a port"},
                      {"0.0.0.0:65536", "from 0 to 65535"},
                      {"0.0.0.0:", "from 0 to 65535"},
                      {"0.0.0.0:80a", "from 0 to 65535"},
                      {"300.0.0.1:80", R"(write "0.0.0.0:80")"},
                      {"*:80", R"(write "0.0.0.0:80")"},
                      {"::1:80", "from 0 to 65535"},
                      {"unix:x.sock", "absolute path"},
                      {"", "needs a port"}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string error;
    REQUIRE_FALSE(parse_door(row.text, error));
    CAPTURE(error);
    CHECK(error.find(row.part_of_error) != std::string::npos);
  }
}

TEST_CASE("a Unix socket's path has at most 107 bytes") {
  std::string error;
  CHECK(parse_door("unix:/" + std::string(106, 'a'), error));
  CHECK_FALSE(parse_door("unix:/" + std::string(107, 'a'), error));
}

TEST_CASE("a zero byte does not end an address early") {
  using namespace std::string_view_literals;
  CHECK_FALSE(is_ipv4("127.0.0.1\0x"sv));
  CHECK_FALSE(is_ipv6("::1\0x"sv));
}

TEST_CASE("a pasted endpoint is cut off, the longest first") {
  struct Row {
    std::string path, base, endpoint;
  };
  const Row rows[] = {{"/v1/chat/completions", "/v1", "/chat/completions"},
                      {"/v1/completions", "/v1", "/completions"},
                      {"/v1/messages", "/v1", "/messages"},
                      {"/api/paas/v4/embeddings", "/api/paas/v4", "/embeddings"},
                      {"/rerank", "", "/rerank"},
                      {"/v1", "/v1", ""},
                      {"", "", ""},
                      {"/v1/mycompletions", "/v1/mycompletions", ""}};
  for (const Row& row : rows) {
    INFO(row.path);
    std::string path = row.path;
    CHECK(cut_endpoint(path) == row.endpoint);
    CHECK(path == row.base);
  }
}

}  // namespace
}  // namespace outrigger::config
