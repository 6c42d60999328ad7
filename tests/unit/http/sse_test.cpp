#include "http/sse.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace outrigger::http {
namespace {

struct Cut {
  std::vector<std::string> events;
  std::string rest;
  bool at_boundary = false;
  bool operator==(const Cut&) const = default;
};

Cut cut(const std::vector<std::string>& pieces) {
  SseSplitter splitter;
  Cut result;
  for (const std::string& piece : pieces) {
    std::string_view data = piece;
    while (const auto end = splitter.next(data)) {
      result.events.push_back(result.rest + std::string(data.substr(0, *end)));
      result.rest.clear();
      data.remove_prefix(*end);
    }
    result.rest += data;
  }
  result.at_boundary = splitter.at_boundary();
  return result;
}

TEST_CASE("events end with an empty line, whatever ends the lines") {
  struct Case {
    std::string text;
    std::vector<std::string> events;
    std::string rest;
    bool at_boundary;
  };
  const Case cases[] = {
      {"data: a\n\ndata: b\n\n", {"data: a\n\n", "data: b\n\n"}, "", true},
      {"data: a\r\n\r\ndata: b\r\n\r\n", {"data: a\r\n\r\n", "data: b\r\n\r\n"}, "", true},
      // The second one ends with a CR, which only what follows, or the end of the flow, tells.
      {"data: a\r\rdata: b\r\r", {"data: a\r\r"}, "data: b\r\r", true},
      {"data: a\n\r\nb\r\n\nc\r\n\rd\n\re", {"data: a\n\r\n", "b\r\n\n", "c\r\n\r", "d\n\r"}, "e", false},
      {"event: x\ndata: a\ndata: b\n\n", {"event: x\ndata: a\ndata: b\n\n"}, "", true},
      {"\n\n\ndata: a\n\n\n", {"\n\n\ndata: a\n\n"}, "\n", true},
      {": ping\n\n", {": ping\n\n"}, "", true},
      {"data: a\n", {}, "data: a\n", false},
      {"data: a", {}, "data: a", false},
      {"data: a\r", {}, "data: a\r", false},
      {"", {}, "", true},
      {"\r\n\r", {}, "\r\n\r", true},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const Cut whole = cut({c.text});
    CHECK(whole == Cut{c.events, c.rest, c.at_boundary});
    std::vector<std::string> bytes;
    for (const char byte : c.text) bytes.emplace_back(1, byte);
    CHECK(cut(bytes) == whole);
    for (std::size_t at = 0; at <= c.text.size(); ++at) {
      CHECK(cut({c.text.substr(0, at), c.text.substr(at)}) == whole);
    }
  }
}

TEST_CASE("an end that had come before the data is told with zero") {
  SseSplitter splitter;
  CHECK_FALSE(splitter.next("a\r\r"));
  CHECK(splitter.at_boundary());
  CHECK(splitter.next("b") == 0u);
  CHECK_FALSE(splitter.next("b"));
  CHECK_FALSE(splitter.at_boundary());
  SseSplitter other;
  CHECK_FALSE(other.next("a\r\n\r"));
  CHECK(other.next("\nb") == 1u);
}

TEST_CASE("an event is read field by field") {
  const SseEvent event = parse_event("event: delta\r\nid:7\r\ndata: a\r\n: comment\r\ndata:b\r\ndata\r\nretry: 5\r\n\r\n");
  CHECK(event.event == "delta");
  CHECK(event.id == "7");
  CHECK(event.data == "a\nb\n");
  CHECK(event.has_data);
  CHECK_FALSE(event.comment_only);
}

TEST_CASE("one space after the colon is not part of the value") {
  CHECK(parse_event("data:  x \n\n").data == " x ");
  CHECK(parse_event("data:x: y\n\n").data == "x: y");
  CHECK(parse_event("\xef\xbb\xbf"
                    "data: bom\n\n")
            .data == "bom");
}

TEST_CASE("comments alone are a keep-alive") {
  CHECK(parse_event(": ping\n\n").comment_only);
  CHECK(parse_event("\n\n").comment_only);
  CHECK_FALSE(parse_event("retry: 1\n\n").comment_only);
  CHECK_FALSE(parse_event("event: ping\n\n").has_data);
  CHECK(parse_event("data\n\n").has_data);
  CHECK(parse_event(std::string_view("id: a\0b\n\n", 9)).id.empty());
}

}  // namespace
}  // namespace outrigger::http
