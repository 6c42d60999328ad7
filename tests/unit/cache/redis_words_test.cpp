#include "cache/redis_words.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::cache {
namespace {

TEST_CASE("the code is the leading word in capitals, or nothing") {
  CHECK(error_code("OOM command not allowed") == "OOM");
  CHECK(error_code("LOADING") == "LOADING");
  CHECK(error_code("Oops it broke").empty());
  CHECK(error_code("").empty());
  CHECK(error_code(" OOM").empty());
  CHECK(error_code(std::string(33, 'A')).empty());
  CHECK(error_code(std::string(32, 'A')).size() == 32);
}

TEST_CASE("known errors are explained and others only named") {
  CHECK(explain("WRONGPASS invalid username-password pair") == "WRONGPASS: Redis refuses this user name or password");
  CHECK(explain("ERR invalid password") == "ERR: Redis refuses this password");
  CHECK(explain("ERR max number of clients reached") == "ERR: Redis takes no more connections (maxclients)");
  CHECK(explain("ERR max number of clientss") == "ERR: Redis refused a command");
  CHECK(explain("DENIED Redis is running in protected mode because").starts_with("DENIED: Redis is in protected mode"));
  CHECK(explain("OOM").starts_with("OOM: Redis is full"));
  CHECK(explain("OOMS x") == "OOMS: Redis refused a command");
  CHECK(explain("ERR syntax error in 'secret'") == "ERR: Redis refused a command");
  CHECK(explain("\x01\x02") == "Redis refused a command");
  CHECK(explain("") == "Redis refused a command");
}

TEST_CASE("what makes a whole connection useless is told from what concerns one command") {
  for (const char* error : {"NOAUTH x", "WRONGPASS x", "LOADING x", "MASTERDOWN x", "BUSY x", "CLUSTERDOWN x", "DENIED x",
                            "ERR max number of clients reached", "ERR invalid password"}) {
    INFO(error);
    CHECK(ends_link(error));
  }
  for (const char* error : {"ERR x", "OOM x", "READONLY x", "MISCONF x", "WRONGTYPE x", "NOPERM x", "MOVED 1 h:1", ""}) {
    INFO(error);
    CHECK_FALSE(ends_link(error));
  }
}

TEST_CASE("a Redis without a password says so in two ways") {
  CHECK(needs_no_password("ERR Client sent AUTH, but no password is set"));
  CHECK(needs_no_password("ERR AUTH <password> called without any password configured for the default user."));
  CHECK_FALSE(needs_no_password("ERR invalid password"));
  CHECK_FALSE(needs_no_password("WRONGPASS no password is set"));
}

}  // namespace
}  // namespace outrigger::cache
