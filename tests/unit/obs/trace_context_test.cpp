// W3C Trace Context: what is understood, what is refused, and who is sampled.
#include "obs/trace_context.h"

#include <catch2/catch_test_macros.hpp>

#include "core/rng.h"

namespace outrigger::obs {
namespace {

const std::string k_trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string k_span = "00f067aa0ba902b7";

TEST_CASE("a traceparent is taken apart and put together") {
  const std::string text = "00-" + k_trace + "-" + k_span + "-01";
  const auto context = parse_traceparent(text);
  REQUIRE(context);
  CHECK(hex(context->trace) == k_trace);
  CHECK(hex(context->span) == k_span);
  CHECK(context->is_sampled());
  CHECK(format_traceparent(*context) == text);
}

TEST_CASE("traceparents that are understood, and the flags that are kept") {
  struct Row {
    std::string text;
    std::uint8_t flags;
  };
  const std::string ids = k_trace + "-" + k_span;
  const Row rows[] = {{"00-" + ids + "-00", 0},
                      {"00-" + ids + "-01", 1},
                      {"00-" + ids + "-02", 2},
                      {"00-" + ids + "-03", 3},
                      {"00-" + ids + "-ff", 3},
                      {"00-" + ids + "-08", 0},
                      {"01-" + ids + "-01", 1},
                      {"cc-" + ids + "-01-what comes later", 1},
                      {"fe-" + ids + "-01-", 1},
                      {"00-" + std::string(31, '0') + "1-" + k_span + "-01", 1},
                      {"00-1" + std::string(31, '0') + "-" + k_span + "-01", 1}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto context = parse_traceparent(row.text);
    REQUIRE(context);
    CHECK(context->flags == row.flags);
  }
}

TEST_CASE("traceparents that begin a new trace") {
  const std::string ids = k_trace + "-" + k_span;
  const std::string rows[] = {"",
                              "00",
                              ids,
                              "00-" + ids,
                              "00-" + ids + "-",
                              "00-" + ids + "-0",
                              "00-" + ids + "-0g",
                              "00-" + ids + "-01-",  // version 00 has nothing behind
                              "00-" + ids + "-01-more",
                              "00-" + ids + "-011",
                              "01-" + ids + "-01more",
                              "ff-" + ids + "-01",  // no version
                              "0-" + ids + "-01",
                              "0g-" + ids + "-01",
                              "00-" + std::string(32, '0') + "-" + k_span + "-01",
                              "00-" + k_trace + "-" + std::string(16, '0') + "-01",
                              "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + k_span + "-01",
                              "00-" + k_trace + "-00F067AA0BA902B7-01",
                              "00-" + k_trace.substr(1) + "-" + k_span + "-01",
                              "00_" + k_trace + "_" + k_span + "_01",
                              " 00-" + ids + "-01",
                              "00-" + ids + "-01 ",
                              "00-" + ids + "-01, 00-" + ids + "-01",
                              std::string(55, '\0')};
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK_FALSE(parse_traceparent(row));
  }
}

TEST_CASE("nothing that comes in as a traceparent does harm, and what is understood comes out the same") {
  Rng rng(1);
  const std::string good = "00-" + k_trace + "-" + k_span + "-01";
  int understood = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (std::uint64_t n = rng.below(3); n > 0; --n) text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    if (rng.chance(0.1)) text.resize(rng.below(text.size() + 1));
    const auto context = parse_traceparent(text);
    if (!context) continue;
    ++understood;
    const auto again = parse_traceparent(format_traceparent(*context));
    REQUIRE(again);
    CHECK(*again == *context);
  }
  CHECK(understood > 5000);
}

TEST_CASE("a tracestate passes as a whole or not at all") {
  std::string members;
  for (int i = 0; i < 32; ++i) members += "k" + std::to_string(i) + "=v,";
  const std::pair<std::string, bool> rows[] = {{"rojo=00f067aa0ba902b7", true},
                                               {"rojo=1,congo=t61rcWkgMzE", true},
                                               {"rojo=1 , congo=2", true},
                                               {"a=1,,b=2", true},
                                               {"tenant@vendor=x y", true},
                                               {members, true},
                                               {members + "one=more", false},
                                               {"a=" + std::string(510, 'x'), true},
                                               {"a=" + std::string(511, 'x'), false},
                                               {"", false},
                                               {",", false},
                                               {"a", false},
                                               {"=1", false},
                                               {"a=", false},
                                               {"A=1", false},
                                               {"a=1=2", false},
                                               {"a=\x01", false},
                                               {"a=\xc3\xbc", false},
                                               {"a b=1", false}};
  for (const auto& [text, passes] : rows) {
    CAPTURE(text);
    CHECK(is_tracestate(text) == passes);
  }
}

TEST_CASE("a share of the traces is kept, and whoever asks for more keeps those as well") {
  Rng rng(7);
  int tenth = 0;
  for (int i = 0; i < 20'000; ++i) {
    const TraceId id{rng.next(), rng.next()};
    CHECK(keeps(id, 1));
    CHECK_FALSE(keeps(id, 0));
    if (!keeps(id, 0.1)) continue;
    ++tenth;
    CHECK(keeps(id, 0.5));
    // The same word for the same trace, everywhere.
    CHECK(keeps({rng.next(), id.low}, 0.1));
  }
  CHECK(tenth > 1800);
  CHECK(tenth < 2200);
}

TEST_CASE("the edges of a share") {
  CHECK(keeps({1, 0}, 1e-18));
  CHECK(keeps({1, 0x8000000000000000ULL}, 1e-18));  // the first bit does not count
  CHECK_FALSE(keeps({1, 0x7fffffffffffffffULL}, 0.999999));
  CHECK(keeps({1, 0x3ffffffffffff000ULL}, 0.5));
  CHECK_FALSE(keeps({1, 0x4000000000000000ULL}, 0.5));
}

}  // namespace
}  // namespace outrigger::obs
