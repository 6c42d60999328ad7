// Runs a parser over an input in pieces and writes down what came out, so that two runs can be compared as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/parser.h"

namespace outrigger::http::test {

struct Heard {
  std::string log;   // heads, ends and failures in their order
  std::string body;  // of all messages
  bool failed = false;
  ErrorCode code = ErrorCode::internal;
  std::string detail;  // not compared: where two things are wrong, the split may decide which is found first
  std::size_t messages = 0;
  bool operator==(const Heard& o) const {
    return log == o.log && body == o.body && failed == o.failed && code == o.code && messages == o.messages;
  }
};

inline std::string text_of(const Headers& headers) {
  std::string text;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    text.append(headers[i].name).append("=").append(headers[i].value).append(";");
  }
  return text;
}

inline std::string framing_text(bool chunked, const std::optional<std::uint64_t>& length) {
  return chunked ? "chunked" : length ? std::to_string(*length) : "none";
}

inline std::string text_of(RequestParser& parser) {
  const RequestHead& head = parser.head();
  return head.method + " " + head.target + " 1." + std::to_string(head.minor_version) + " {" + text_of(head.headers) + "} " +
         framing_text(head.chunked, head.content_length) + (parser.keep_alive() ? " keep" : " close");
}

inline std::string text_of(ResponseParser& parser) {
  const ResponseHead& head = parser.head();
  return std::to_string(head.status) + " " + head.reason + " 1." + std::to_string(head.minor_version) + " {" +
         text_of(head.headers) + "} " + framing_text(head.chunked, head.content_length) +
         (parser.keep_alive() ? " keep" : " close");
}

// Message after message; `start` makes the parser new for each. Every piece lies in memory of its own.
template <class Parser, class Start>
Heard parse_all(Parser& parser, const std::vector<std::string_view>& pieces, Start start) {
  Heard heard;
  start(parser);
  for (const std::string_view piece : pieces) {
    const std::string copy(piece);
    std::string_view input = copy;
    for (;;) {
      const Parsed parsed = parser.next(input);
      if (parsed.event == ParseEvent::need_more) break;
      if (parsed.event == ParseEvent::head) heard.log += text_of(parser) + "\n";
      if (parsed.event == ParseEvent::body) heard.body += parsed.body;
      if (parsed.event == ParseEvent::end) {
        heard.log += "end\n";
        ++heard.messages;
        start(parser);
      }
      if (parsed.event == ParseEvent::failed) {
        heard.failed = true;
        heard.code = parser.error().code;
        heard.detail = parser.error().detail;
        return heard;
      }
    }
  }
  return heard;
}

inline std::vector<std::string_view> bytewise(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; i < text.size(); ++i) pieces.push_back(text.substr(i, 1));
  return pieces;
}

inline Heard parse_requests(const std::vector<std::string_view>& pieces, ParserLimits limits = {}) {
  RequestParser parser;
  return parse_all(parser, pieces, [&](RequestParser& p) { p.start(limits); });
}

inline Heard parse_responses(const std::vector<std::string_view>& pieces, bool no_body = false, ParserLimits limits = {},
                             std::string_view upgrade = {}) {
  ResponseParser parser;
  return parse_all(parser, pieces, [&](ResponseParser& p) { p.start(limits, no_body, upgrade); });
}

}  // namespace outrigger::http::test
