// What the checkers take an answer to say.
#include <catch2/catch_test_macros.hpp>

#include "sim/actors/told.h"

namespace outrigger::sim {
namespace {

constexpr std::string_view k_first = "data: {\"choices\":[{\"text\":\"ab\",\"finish_reason\":null}]}\n\n";
constexpr std::string_view k_last = "data: {\"choices\":[{\"text\":\"c\",\"finish_reason\":\"stop\"}]}";

}  // namespace

TEST_CASE("a stream's last event is as good without the blank line that should follow") {
  for (const std::string_view end :
       {"", "\n", "\r\n", "\n\n", "\n\ndata: [DONE]", "\n\ndata: [DONE]\n", "\n\ndata: [DONE]\n\n"}) {
    CAPTURE(end);
    const Told told = told_by_stream(std::string(k_first).append(k_last).append(end));
    CHECK(told.text == "abc");
    CHECK(told.finish_reason == "stop");
    CHECK(told.ended(true));
    CHECK(told.done == (end.find("DONE") != std::string_view::npos));
  }
}

TEST_CASE("a stream that is cut inside an event shows it") {
  const std::string whole = std::string(k_first).append(k_last);
  // From the first byte of the second event's JSON to the last but one.
  for (std::size_t size = k_first.size() + 7; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(told_by_stream(whole.substr(0, size)).broken_event);
  }
  CHECK(told_by_stream(whole + "\ndata: [DO").broken_event);
  CHECK(told_by_stream(whole + "\n\ndata: [DONE]\n\n" + whole).broken_event);
}

}  // namespace outrigger::sim
