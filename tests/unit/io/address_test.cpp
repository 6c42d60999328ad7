#include <catch2/catch_test_macros.hpp>
#include <string>

#include "io/net.h"

namespace outrigger::io {
namespace {

struct Good {
  std::string text, host;
  std::uint16_t port;
  bool is_unix, loopback;
  std::string again;  // to_string of the parsed address
};

TEST_CASE("addresses are read as the configuration writes them") {
  const Good table[] = {
      {"0.0.0.0:8080", "0.0.0.0", 8080, false, false, "0.0.0.0:8080"},
      {":8080", "0.0.0.0", 8080, false, false, "0.0.0.0:8080"},
      {"127.0.0.1:0", "127.0.0.1", 0, false, true, "127.0.0.1:0"},
      {"127.255.0.9:65535", "127.255.0.9", 65535, false, true, "127.255.0.9:65535"},
      {"128.0.0.1:1", "128.0.0.1", 1, false, false, "128.0.0.1:1"},
      {"[::]:8080", "::", 8080, false, false, "[::]:8080"},
      {"[::1]:443", "::1", 443, false, true, "[::1]:443"},
      {"[0:0:0:0:0:0:0:1]:443", "0:0:0:0:0:0:0:1", 443, false, true, "[0:0:0:0:0:0:0:1]:443"},
      {"[::ffff:127.0.0.1]:443", "::ffff:127.0.0.1", 443, false, true, "[::ffff:127.0.0.1]:443"},
      {"[::ffff:10.0.0.1]:443", "::ffff:10.0.0.1", 443, false, false, "[::ffff:10.0.0.1]:443"},
      {"[fe80::1%eth0]:1", "fe80::1%eth0", 1, false, false, "[fe80::1%eth0]:1"},
      {"LocalHost:80", "LocalHost", 80, false, true, "LocalHost:80"},
      {"localhost.example:80", "localhost.example", 80, false, false, "localhost.example:80"},
      {"my_redis-1.svc:6379", "my_redis-1.svc", 6379, false, false, "my_redis-1.svc:6379"},
      {"unix:/run/x.sock", "/run/x.sock", 0, true, true, "unix:/run/x.sock"},
      {"unix:/a:b", "/a:b", 0, true, true, "unix:/a:b"},
  };
  for (const Good& row : table) {
    CAPTURE(row.text);
    const Result<Address> address = parse_address(row.text);
    REQUIRE(address.has_value());
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
    CHECK(address->is_unix == row.is_unix);
    CHECK(is_loopback(*address) == row.loopback);
    CHECK(to_string(*address) == row.again);
    CHECK(parse_address(to_string(*address)).value() == *address);
  }
}

TEST_CASE("what is no address is refused with advice") {
  struct Bad {
    std::string text, advice;
  };
  const Bad table[] = {
      {"", "add the port"},
      {"8080", "\":8080\""},
      {"localhost", "add the port"},
      {"localhost:", "0 to 65535"},
      {"localhost:http", "0 to 65535"},
      {"localhost:65536", "0 to 65535"},
      {"localhost:-1", "0 to 65535"},
      {"localhost:80 ", "0 to 65535"},
      {"::1:8080", "in brackets"},
      {"[::1]", "in brackets"},
      {"[::1", "in brackets"},
      {"[::g]:80", "no IPv6 address"},
      {"[127.0.0.1]:80", "no IPv6 address"},
      {"http://localhost:80", "host and port only"},
      {"a b:80", "a name or an IP address"},
      {"*:80", "a name or an IP address"},
      {"unix:", "the whole path"},
      {"unix:x.sock", "the whole path"},
      {"unix:/" + std::string(107, 'x'), "107"},
      {std::string("unix:/a\0b", 9), "zero byte"},
      {std::string(254, 'a') + ":80", "a name or an IP address"},
  };
  for (const Bad& row : table) {
    CAPTURE(row.text);
    const Result<Address> address = parse_address(row.text);
    REQUIRE_FALSE(address.has_value());
    CHECK(address.error().code == ErrorCode::bad_config);
    CAPTURE(address.error().detail);
    CHECK(address.error().detail.find(row.advice) != std::string::npos);
  }
}

TEST_CASE("the longest path and the longest name still pass") {
  CHECK(parse_address("unix:/" + std::string(106, 'x')).has_value());
  CHECK(parse_address(std::string(253, 'a') + ":80").has_value());
}

}  // namespace
}  // namespace outrigger::io
