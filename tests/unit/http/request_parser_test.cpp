#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "http/parser.h"
#include "unit/http/parse_all.h"

namespace outrigger::http {
namespace {

using namespace std::string_view_literals;

using test::bytewise;
using test::Heard;
using test::parse_requests;

constexpr std::string_view k_get = "GET /v1/models?x=1 HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n";
constexpr std::string_view k_post =
    "POST /v1/chat/completions HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nX-Empty:\r\n\r\nhello";
constexpr std::string_view k_chunked =
    "POST /c HTTP/1.1\r\nhost: a.example\r\nTransfer-Encoding: Chunked\r\n\r\n"
    "3;ext=\"1\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer-Field: x\r\n\r\n";

// Any split gives the same result: whole, byte by byte, and in two parts at every place.
Heard parse_in_all_ways(std::string_view text, ParserLimits limits = {}) {
  const Heard whole = parse_requests({text}, limits);
  CHECK(parse_requests(bytewise(text), limits) == whole);
  for (std::size_t at = 1; at < text.size(); ++at) {
    INFO("split at " << at);
    REQUIRE(parse_requests({text.substr(0, at), text.substr(at)}, limits) == whole);
  }
  return whole;
}

TEST_CASE("a request without a body is a head and an end") {
  const Heard heard = parse_in_all_ways(k_get);
  CHECK(heard.log == "GET /v1/models?x=1 1.1 {Host=a.example;Accept=*/*;} none keep\nend\n");
  CHECK(heard.body.empty());
}

TEST_CASE("a request with a length has that much body") {
  const Heard heard = parse_in_all_ways(k_post);
  CHECK(heard.log == "POST /v1/chat/completions 1.1 {Host=a.example;Content-Length=5;X-Empty=;} 5 keep\nend\n");
  CHECK(heard.body == "hello");
}

TEST_CASE("chunks become body, their extensions and trailers are dropped") {
  const Heard heard = parse_in_all_ways(k_chunked);
  CHECK(heard.log == "POST /c 1.1 {host=a.example;Transfer-Encoding=Chunked;} chunked keep\nend\n");
  CHECK(heard.body == "abc0123456789");
}

TEST_CASE("pipelined requests come out one after the other") {
  const std::string three = std::string(k_post) + std::string(k_chunked) + std::string(k_get);
  const Heard heard = parse_in_all_ways(three);
  CHECK_FALSE(heard.failed);
  CHECK(heard.messages == 3);
  CHECK(heard.body == "helloabc0123456789");
}

TEST_CASE("next stops at the end of a message and leaves the rest") {
  RequestParser parser;
  parser.start({});
  const std::string two = std::string(k_get) + "GET /second";
  std::string_view input = two;
  CHECK(parser.next(input).event == ParseEvent::head);
  CHECK(parser.next(input).event == ParseEvent::end);
  CHECK(input == "GET /second");
}

TEST_CASE("an upgrade is ignored and the connection goes on as HTTP/1.1") {
  const std::string upgrade =
      "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + std::string(k_get);
  CHECK(parse_in_all_ways(upgrade).messages == 2);
  const std::string with_body =
      "POST /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade, keep-alive\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab" +
      std::string(k_get);
  const Heard heard = parse_in_all_ways(with_body);
  CHECK(heard.messages == 2);
  CHECK(heard.body == "ab");
}

TEST_CASE("CONNECT is told apart") {
  RequestParser parser;
  parser.start({});
  std::string_view input = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nrest";
  CHECK(parser.next(input).event == ParseEvent::head);
  CHECK(parser.is_connect());
}

TEST_CASE("the version and Connection decide about keep-alive") {
  const auto keeps = [](std::string_view start, std::string_view field) {
    return parse_in_all_ways(std::string(start) + "\r\nHost: h\r\n" + std::string(field) + "\r\n")
        .log.ends_with(" keep\nend\n");
  };
  CHECK(keeps("GET / HTTP/1.1", ""));
  CHECK_FALSE(keeps("GET / HTTP/1.1", "Connection: close\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1", "Connection: x, Close\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0", ""));
  CHECK(keeps("GET / HTTP/1.0", "Connection: keep-alive\r\n"));
}

TEST_CASE("white space around a value is not part of it") {
  const Heard heard = parse_in_all_ways("GET / HTTP/1.1\r\nHost: \t h\t \r\nX:a b \r\n\r\n");
  CHECK(heard.log == "GET / 1.1 {Host=h;X=a b;} none keep\nend\n");
}

TEST_CASE("absolute-form becomes origin-form and its authority becomes Host") {
  const auto log_of = [](std::string_view start) {
    return parse_in_all_ways(std::string(start) + " HTTP/1.1\r\nHost: other\r\n\r\n").log;
  };
  CHECK(log_of("GET http://a.example:81/p?q=1") == "GET /p?q=1 1.1 {Host=a.example:81;} none keep\nend\n");
  CHECK(log_of("GET HTTPS://a.example") == "GET / 1.1 {Host=a.example;} none keep\nend\n");
  CHECK(log_of("GET http://a.example?q=1") == "GET /?q=1 1.1 {Host=a.example;} none keep\nend\n");
  CHECK(log_of("OPTIONS http://a.example") == "OPTIONS * 1.1 {Host=a.example;} none keep\nend\n");
  CHECK(log_of("OPTIONS *") == "OPTIONS * 1.1 {Host=other;} none keep\nend\n");
}

// Each stands for a way in which two readers may disagree about where a request ends or whom it is for, or is not HTTP.
TEST_CASE("what could be read in two ways is refused") {
  struct Case {
    std::string_view name;
    std::string_view text;
  };
  const Case cases[] = {
      {"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
      {"the same length twice", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
      {"a list of lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello"},
      {"length, then chunks",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"chunks, then length",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
      {"zero length and chunks",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"a signed length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello"},
      {"a negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\nhello"},
      {"a hexadecimal length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello"},
      {"an empty length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nhello"},
      {"a length of spaces", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:  \t \r\n\r\nhello"},
      {"a length with a space inside", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 5\r\n\r\nhello"},
      {"a length past 64 bits", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\nhello"},
      {"a coding that is not chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"},
      {"a coding before chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
      {"a coding after chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
      {"chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
      {"two codings",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"two codings, one hidden",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"xchunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
      {"quoted chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"},
      {"an empty coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n"},
      {"a coding with a vertical tab",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0b"
       "chunked\r\n\r\n0\r\n\r\n"},
      {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"a space before the colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
      {"a space before the name", "POST / HTTP/1.1\r\n Host: h\r\nContent-Length: 5\r\n\r\nhello"},
      {"a folded line", "POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n Content-Length: 5\r\n\r\nhello"},
      {"a folded coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
      {"a bare LF after a field", "POST / HTTP/1.1\r\nHost: h\nContent-Length: 5\r\n\r\nhello"},
      {"a bare LF after the start line", "POST / HTTP/1.1\nHost: h\r\nContent-Length: 5\r\n\r\nhello"},
      {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n"},
      {"a bare CR in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n"},
      {"a CR and something at the end", "GET / HTTP/1.1\r\nHost: h\r\n\rXGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"sv},
      {"NUL in a name", "GET / HTTP/1.1\r\nHost: h\r\nX\0: ab\r\n\r\n"sv},
      {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"sv},
      {"a name with a bracket", "GET / HTTP/1.1\r\nHost: h\r\nX[: a\r\n\r\n"},
      {"an empty name", "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n"},
      {"no Host", "GET / HTTP/1.1\r\nAccept: a\r\n\r\n"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"},
      {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n"},
      {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"a Host with user info", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
      {"a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"a foreign scheme", "GET ftp://a/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"user info in the target", "GET http://u@a/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"an empty authority", "GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a relative target", "GET x HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a star without OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a word too many in the start line", "GET / x HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"no version", "GET /\r\nHost: h\r\n\r\n"},
      {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: h\r\n\r\n"},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n"},
      {"an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"a lower-case method", "get / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"TLS on a plain port", "\x16\x03\x01\x02\x01\x01\x02"},
      {"a chunk without a size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc"},
      {"a chunk size that is no number", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n"},
      {"a chunk size with 0x", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"},
      {"a signed chunk size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"},
      {"a space after the chunk size",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"},
      {"a chunk size past 64 bits",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n"},
      {"a chunk longer than its size",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
      {"a bare LF after a chunk size",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"},
      {"a bare LF after a chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"},
      {"a bare CR in a chunk extension",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n0\r\n\r\n"},
      {"a bare LF in a chunk extension",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const Heard heard = parse_in_all_ways(c.text);
    CHECK(heard.failed);
    CHECK(heard.code == ErrorCode::bad_request);
    CHECK(heard.messages == 0);
    CHECK_FALSE(heard.detail.empty());
  }
}

TEST_CASE("a request may come after empty lines") {
  CHECK(parse_in_all_ways("\r\n\r\n" + std::string(k_get)).messages == 1);
  RequestParser parser;
  parser.start({});
  std::string_view input = "\r\n\r\nG";
  std::string_view lines = input.substr(0, 4);
  CHECK(parser.next(lines).event == ParseEvent::need_more);
  CHECK(parser.fresh());
  std::string_view letter = input.substr(4);
  CHECK(parser.next(letter).event == ParseEvent::need_more);
  CHECK_FALSE(parser.fresh());
}

TEST_CASE("a head may be as large as the limit and not larger") {
  for (const std::size_t less : {0u, 1u}) {
    const ParserLimits limits{k_get.size() - less, 256};
    const Heard heard = parse_in_all_ways(k_get, limits);
    CHECK(heard.failed == (less == 1));
    if (less == 1) CHECK(heard.code == ErrorCode::header_too_large);
  }
  // Nor does it help to send nothing but empty lines.
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += "\r\n";
  CHECK_FALSE(parse_requests({lines}, {40, 256}).failed);
  CHECK(parse_requests({lines + "\r\n"}, {40, 256}).failed);
}

TEST_CASE("the number of fields is limited") {
  std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 1; i < 10; ++i) head += "X: y\r\n";
  CHECK_FALSE(parse_requests({head + "\r\n"}, {4096, 10}).failed);
  const Heard heard = parse_in_all_ways(head + "X: y\r\n\r\n", {4096, 10});
  CHECK(heard.failed);
  CHECK(heard.code == ErrorCode::header_too_large);
}

TEST_CASE("what stands between body bytes is limited") {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const ParserLimits limits{head.size(), 256};
  // "1;" + extension + CRLF, then a byte: the extension's line may fill the limit.
  const std::string fits = head + "1;" + std::string(limits.head_bytes - 4, 'x') + "\r\na\r\n0\r\n\r\n";
  CHECK(parse_in_all_ways(fits, limits).messages == 1);
  const std::string long_line = head + "1;" + std::string(limits.head_bytes - 3, 'x') + "\r\na\r\n0\r\n\r\n";
  const Heard heard = parse_in_all_ways(long_line, limits);
  CHECK(heard.failed);
  CHECK(heard.code == ErrorCode::bad_request);
  CHECK(heard.body.empty());
  CHECK(parse_in_all_ways(head + std::string(limits.head_bytes + 1, '0'), limits).failed);
  CHECK(parse_in_all_ways(head + "0\r\n" + "X: " + std::string(limits.head_bytes, 'x') + "\r\n\r\n", limits).failed);
}

TEST_CASE("the memory of a head is used again and holds nothing of the one before") {
  RequestParser parser;
  parser.start({});
  std::string_view input = k_post;
  CHECK(parser.next(input).event == ParseEvent::head);
  parser.start({});
  input = "GET /x HTTP/1.0\r\n\r\n";
  CHECK(parser.next(input).event == ParseEvent::head);
  CHECK(test::text_of(parser) == "GET /x 1.0 {} none close");
  CHECK(parser.head().headers.text_size() == 0);
}

}  // namespace
}  // namespace outrigger::http
