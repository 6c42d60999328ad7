#include "config/admin_place.h"

#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

AdminPlace place_in(std::string_view toml, const Environment& environment = {}) {
  const TemporaryFile file(toml);
  std::string error;
  auto place = admin_place(file.path(), environment, error);
  INFO(error);
  REQUIRE(place);
  return *std::move(place);
}

TEST_CASE("the admin door's place is read from the file, and from nothing but [listen] and the token") {
  const AdminPlace usual = place_in("");
  CHECK(usual.address == "127.0.0.1:9090");
  CHECK_FALSE(usual.tls);
  CHECK(usual.token.empty());

  const AdminPlace place = place_in(
      "admin_token = \"env:T\"\nunknown = 1\n[listen]\nadmin = \"0.0.0.0:9443\"\nadmin_tls = { cert = \"file:/none\" }\n"
      "llm = 3\n[redis]\n[[upstream]]\nkeys = [\"env:ABSENT\"]\n",
      {{"T", "open"}});
  CHECK(place.address == "0.0.0.0:9443");
  CHECK(place.tls);
  CHECK(place.token == "open");
  CHECK(place.problem.empty());
  CHECK(place_in("[listen]\nadmin_token = \"open\"\n").token == "open");
}

TEST_CASE("a mistake in the file leaves the admin door's place as far as it can be read") {
  struct Row {
    std::string_view toml, address, problem;
  };
  const Row rows[] = {
      {"[listen]\nadmin = \"127.0.0.1:1\"\n[cache]\nttl = 10m\n", "127.0.0.1:1", ":4:"},
      {"[listen]\nadmin = \"127.0.0.1:1\"\n[cach", "127.0.0.1:1", ":3:"},
      {"ttl = 10m\n[listen]\nadmin = \"127.0.0.1:1\"\n", "127.0.0.1:9090", ":1:"},
      {"[listen]\nadmin = \"9090\"\n", "127.0.0.1:9090", ":2:9: `admin` cannot be \"9090\""},
      {"[listen]\nadmin = \"env:ABSENT\"\n", "127.0.0.1:9090", ":2:9: the environment variable `ABSENT` is not set"},
      {"[listen]\nadmin = 3\n", "127.0.0.1:9090", ":2:9: `admin` in [listen] must be text"},
      {"listen = 3\n", "127.0.0.1:9090", ":1:"},
      {"\xff\xfe", "127.0.0.1:9090", ":1:"},
      {"admin_token = \"env:ABSENT\"\n[listen]\nadmin = \"127.0.0.1:1\"\n", "127.0.0.1:1", ":1:15: "},
  };
  for (const Row& row : rows) {
    INFO(row.toml);
    const AdminPlace place = place_in(row.toml);
    CHECK(place.address == row.address);
    CAPTURE(place.problem);
    CHECK(place.problem.find(row.problem) != std::string::npos);
    CHECK(place.token.empty());
  }
}

TEST_CASE("a file that is not there says nothing of where the admin door is") {
  std::string error;
  CHECK_FALSE(admin_place("/nowhere/o.toml", {}, error));
  CHECK(error == "/nowhere/o.toml: the file does not exist");
}

}  // namespace
}  // namespace outrigger::config
