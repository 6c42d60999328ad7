#include "providers/sse.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace outrigger::providers {
namespace {

struct Seen {
  std::string name, data;
  std::size_t end;
  bool has_data, comment_only;
  bool operator==(const Seen&) const = default;
};

Seen seen(const SseEvent& event) {
  return {std::string(event.name), std::string(event.data), event.end, event.has_data, event.comment_only};
}

std::vector<Seen> split(SseSplitter& splitter, std::string_view body, std::size_t piece = std::string_view::npos) {
  std::vector<Seen> all;
  while (!body.empty()) {
    std::string_view part = body.substr(0, piece);
    body.remove_prefix(part.size());
    while (const auto event = splitter.next(part)) all.push_back(seen(*event));
  }
  return all;
}

std::vector<Seen> split(std::string_view body, std::size_t piece = std::string_view::npos) {
  SseSplitter splitter;
  return split(splitter, body, piece);
}

TEST_CASE("events are split at blank lines, whatever the line ends and the fields") {
  struct Case {
    std::string_view body;
    std::vector<Seen> events;
  };
  const Case cases[] = {
      {"data: a\n\n", {{"", "a", 9, true, false}}},
      {"data:a\n\n", {{"", "a", 8, true, false}}},
      {"data:  a\n\n", {{"", " a", 10, true, false}}},
      {"data: a\r\n\r\n", {{"", "a", 11, true, false}}},
      {"data: a\ndata: b\n\n", {{"", "a\nb", 17, true, false}}},
      {"data\n\n", {{"", "", 6, true, false}}},
      {"event: x\nid: 7\ndata: a\n\n", {{"x", "a", 24, true, false}}},
      {"event: ping\n\n", {{"ping", "", 13, false, false}}},
      {": note\n\n", {{"", "", 8, false, true}}},
      {": note\ndata: a\n\n", {{"", "a", 16, true, false}}},
      {"\n\n\ndata: a\n\n\n\ndata: b\n\n", {{"", "a", 12, true, false}, {"", "b", 23, true, false}}},
      {"\xef\xbb\xbf"
       "data: a\n\n",
       {{"", "a", 12, true, false}}},
      {"event: x\n\ndata: a\n\n", {{"x", "", 10, false, false}, {"", "a", 19, true, false}}},
      {"data: a\n", {}},
      {"data: a\rdata: b\n\n", {{"", "a\rdata: b", 17, true, false}}},
      {"", {}},
  };
  for (const Case& one : cases) {
    INFO(one.body);
    CHECK(split(one.body) == one.events);
    CHECK(split(one.body, 1) == one.events);
    CHECK(split(one.body, 3) == one.events);
  }
}

TEST_CASE("what stands after the last blank line is handed out as the rest") {
  const auto rest_of = [](std::string_view body) {
    SseSplitter splitter;
    split(splitter, body, 2);
    const auto rest = splitter.rest();
    return rest ? std::optional(seen(*rest)) : std::nullopt;
  };
  CHECK(rest_of("data: a\n\n") == std::nullopt);
  CHECK(rest_of("data: a\n\n\n") == std::nullopt);
  CHECK(rest_of("") == std::nullopt);
  CHECK(rest_of("data: a\n") == Seen{"", "a", 8, true, false});
  CHECK(rest_of("data: a") == Seen{"", "a", 7, true, false});
  CHECK(rest_of("data: a\r") == Seen{"", "a", 8, true, false});
  CHECK(rest_of("data: b\n\ndat") == Seen{"", "", 12, false, false});
  CHECK(rest_of("data: b\n\n: no") == Seen{"", "", 13, false, true});
  CHECK(rest_of("\xef\xbb\xbf"
                "data: a") == Seen{"", "a", 10, true, false});
}

TEST_CASE("an event may follow only where none is open") {
  for (const std::string_view body :
       {"data: a\n\n: note\n\nevent: ping\n\n", "\xef\xbb\xbf\r\ndata: a\r\n\r\ndata: b\r\n\r\n"}) {
    SseSplitter splitter;
    CHECK(splitter.at_boundary());
    for (std::size_t size = 1; size <= body.size(); ++size) {
      split(splitter, body.substr(size - 1, 1));
      const std::string_view so_far = body.substr(0, size);
      INFO(so_far);
      const bool is_empty = so_far == "\xef\xbb\xbf\r\n";
      CHECK(splitter.at_boundary() == (is_empty || so_far.ends_with("\n\n") || so_far.ends_with("\n\r\n")));
    }
  }
}

TEST_CASE("a line at the limit is taken, one byte more ends the splitting for good") {
  constexpr std::string_view k_field = "data: ";
  for (const std::size_t piece : {std::size_t{100'003}, std::string_view::npos}) {
    const std::string fits = std::string(k_field) + std::string(SseSplitter::k_event_size_max - k_field.size(), 'x');
    SseSplitter at_limit;
    CHECK(split(at_limit, fits + "\n\ndata: a\n\n", piece).size() == 2);
    CHECK(!at_limit.overflowed());
    SseSplitter beyond;
    CHECK(split(beyond, fits + "y\n\ndata: a\n\n", piece).empty());
    CHECK(beyond.overflowed());
    CHECK(!beyond.rest());
  }
}

TEST_CASE("an event of many lines is bounded like one of a single line") {
  const std::string line = "data: " + std::string(999'994, 'x') + "\n";
  std::string body;
  for (int i = 0; i < 9; ++i) body += line;
  SseSplitter splitter;
  CHECK(split(splitter, body + "\n", 65'536).empty());
  CHECK(splitter.overflowed());
}

}  // namespace
}  // namespace outrigger::providers
