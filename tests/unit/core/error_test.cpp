// The table of errors against the list of their names in error.h: the header is read, so that a forgotten row cannot pass.
#include "core/error.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace outrigger {
namespace {

std::vector<std::string> enumerators() {
  std::ifstream stream(std::string(OUTRIGGER_SOURCE_DIR) + "/src/core/error.h");
  REQUIRE(stream);
  std::vector<std::string> names;
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("enum class ErrorCode")) {
      inside = true;
    } else if (inside && line.starts_with("};")) {
      break;
    } else if (inside) {
      line = line.substr(0, line.find("//"));
      const std::size_t begin = line.find_first_not_of(' ');
      const std::size_t end = line.find(',');
      if (begin != std::string::npos && end != std::string::npos) names.push_back(line.substr(begin, end - begin));
    }
  }
  return names;
}

TEST_CASE("every error has its own row, under its own name") {
  const auto names = enumerators();
  REQUIRE(names.size() == static_cast<std::size_t>(ErrorCode::io_failed) + 1);
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(traits(static_cast<ErrorCode>(i)).name == names[i]);
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("every error can be shown to an end user") {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(ErrorCode::io_failed); ++i) {
    const ErrorTraits& error = traits(static_cast<ErrorCode>(i));
    INFO(error.name);
    CHECK((error.status == 0 || (error.status >= 400 && error.status <= 599)));
    CHECK_FALSE(error.type.empty());
    CHECK(error.message.size() >= 10);
    CHECK(error.message.size() <= 80);
    CHECK(error.message.ends_with('.'));
  }
}

TEST_CASE("only the upstream's failures count against it, and only those are tried again") {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(ErrorCode::io_failed); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const bool is_upstreams = code >= ErrorCode::dns_failed && code <= ErrorCode::no_target;
    INFO(traits(code).name);
    CHECK(traits(code).against_target == is_upstreams);
    // There is no time, or nobody, left for another attempt.
    const bool is_final = code == ErrorCode::total_timeout || code == ErrorCode::no_target;
    CHECK(traits(code).retryable == (is_upstreams && !is_final));
    if (is_upstreams) CHECK(traits(code).status / 100 == 5);
  }
}

TEST_CASE("a client that hung up gets no answer") {
  CHECK(traits(ErrorCode::client_gone).status == 0);
  CHECK(traits(ErrorCode::cancelled).status == 0);
}

}  // namespace
}  // namespace outrigger
