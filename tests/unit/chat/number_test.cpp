#include "chat/number.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>

using namespace outrigger::chat;

namespace {
std::string folded(std::string_view token) { return std::string(Decimal(token).text()); }
}  // namespace

TEST_CASE("a decimal has one spelling") {
  for (const auto& [token, expected] : {
           std::pair<std::string_view, std::string_view>{"0", "0"},
           {"-0", "0"},
           {"0.0", "0"},
           {"0e5", "0"},
           {"-0.000e-3", "0"},
           {"1", "1"},
           {"1.0", "1"},
           {"1e0", "1"},
           {"10e-1", "1"},
           {"0.1E+1", "1"},
           {"-1.0", "-1"},
           {"0.7", "0.7"},
           {"0.70", "0.7"},
           {"7e-1", "0.7"},
           {"70E-2", "0.7"},
           {"0.07e1", "0.7"},
           {"0.07", "0.07"},
           {"12.5", "12.5"},
           {"125e-1", "12.5"},
           {"100", "100"},
           {"1e2", "100"},
           {"1e9", "1000000000"},
           {"1000000000", "1000000000"},
           {"1e10", "1e10"},
           {"10000000000", "1e10"},
           {"12e9", "12000000000"},
           {"0.00000001", "0.00000001"},
           {"1e-8", "0.00000001"},
           {"0.000000001", "0.000000001"},
           {"1e-10", "1e-10"},
           {"9007199254740993", "9007199254740993"},
           {"9007199254740993.0", "9007199254740993"},
           {"18446744073709551616", "18446744073709551616"},
           {"1e999999", "1e999999"},
           {"1e-999999", "1e-999999"},
       }) {
    INFO(token);
    CHECK(folded(token) == expected);
  }
}

TEST_CASE("a number that is too long to fold keeps its text") {
  const std::string forty(40, '1');
  CHECK(folded(forty) == forty);
  CHECK(folded(forty + ".0") == forty + ".0");
  const std::string padded = "0000" + forty;
  CHECK(folded("0." + padded) == "0." + padded);
  CHECK(folded(forty + "1") == forty + "1");
  CHECK(folded("-" + forty + "123.5e7") == "-" + forty + "123.5e7");
  CHECK(folded("1e1000000") == "1e1000000");
  CHECK(folded("1e-0000001") == "1e-0000001");
}

TEST_CASE("only digits are a plain integer") {
  CHECK(is_plain_integer("0"));
  CHECK(is_plain_integer("123456789012345678901234567890"));
  CHECK_FALSE(is_plain_integer("-1"));
  CHECK_FALSE(is_plain_integer("1.0"));
  CHECK_FALSE(is_plain_integer("1e2"));
}
