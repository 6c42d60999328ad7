#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "http/parser.h"
#include "unit/http/parse_all.h"

namespace outrigger::http {
namespace {

using test::bytewise;
using test::Heard;
using test::parse_responses;

Heard parse_in_all_ways(std::string_view text, bool no_body = false, ParserLimits limits = {}) {
  const Heard whole = parse_responses({text}, no_body, limits);
  CHECK(parse_responses(bytewise(text), no_body, limits) == whole);
  for (std::size_t at = 1; at < text.size(); ++at) {
    INFO("split at " << at);
    REQUIRE(parse_responses({text.substr(0, at), text.substr(at)}, no_body, limits) == whole);
  }
  return whole;
}

TEST_CASE("a response is delimited by its length or its chunks") {
  const Heard length = parse_in_all_ways("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(length.log == "200 OK 1.1 {Content-Length=3;} 3 keep\nend\n");
  CHECK(length.body == "abc");
  const Heard chunks =
      parse_in_all_ways("HTTP/1.1 429 Too Many\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n");
  CHECK(chunks.log == "429 Too Many 1.1 {Transfer-Encoding=chunked;} chunked keep\nend\n");
  CHECK(chunks.body == "abc");
  CHECK(parse_in_all_ways("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").messages == 1);
  CHECK(parse_in_all_ways("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").messages == 1);
}

TEST_CASE("a response without a length ends with the connection") {
  ResponseParser parser;
  parser.start({}, false);
  CHECK_FALSE(parser.ends_with_connection());
  std::string_view input = "HTTP/1.1 200 OK\r\n\r\n";
  CHECK(parser.next(input).event == ParseEvent::head);
  CHECK(parser.has_body());
  CHECK_FALSE(parser.keep_alive());
  input = "abc";
  CHECK(parser.next(input).body == "abc");
  CHECK(parser.next(input).event == ParseEvent::need_more);
  CHECK(parser.ends_with_connection());
}

TEST_CASE("a connection that ends inside a delimited response does not end it") {
  for (const std::string_view text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 200 OK\r\n"}) {
    INFO(text);
    ResponseParser parser;
    parser.start({}, false);
    std::string_view input = text;
    while (parser.next(input).event != ParseEvent::need_more) {
    }
    CHECK_FALSE(parser.ends_with_connection());
  }
}

TEST_CASE("responses that never have a body end with their head") {
  const std::string next = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
  for (const std::string_view text :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"}) {
    INFO(text);
    const Heard heard = parse_in_all_ways(std::string(text) + next);
    CHECK(heard.messages == 2);
    CHECK(heard.body == "x");
  }
  for (const std::string_view text : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}) {
    INFO(text);
    const Heard heard = parse_in_all_ways(text, true);
    CHECK(heard.messages == 1);
    CHECK(heard.log.find("keep") != std::string::npos);
  }
}

TEST_CASE("interim responses are swallowed") {
  const Heard heard = parse_in_all_ways(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\nContent-Length: "
      "5\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(heard.log == "200 OK 1.1 {Content-Length=2;} 2 keep\nend\n");
  CHECK(heard.body == "ok");
}

TEST_CASE("endless interim responses are refused at the head's limit") {
  std::string many;
  while (many.size() < 1000) many += "HTTP/1.1 100 Continue\r\n\r\n";
  CHECK_FALSE(parse_responses({many}, false, {many.size(), 256}).failed);
  const Heard heard = parse_in_all_ways(many + "H", false, {many.size(), 256});
  CHECK(heard.failed);
  CHECK(heard.code == ErrorCode::upstream_protocol);
}

TEST_CASE("the version and Connection decide about reuse") {
  const auto keeps = [](std::string_view head) {
    return parse_in_all_ways(std::string(head) + "Content-Length: 0\r\n\r\n").log.ends_with(" keep\nend\n");
  };
  CHECK(keeps("HTTP/1.1 200 OK\r\n"));
  CHECK_FALSE(keeps("HTTP/1.1 200 OK\r\nConnection: close\r\n"));
  CHECK_FALSE(keeps("HTTP/1.1 200 OK\r\nConnection: foo, close\r\n"));
  CHECK_FALSE(keeps("HTTP/1.0 200 OK\r\n"));
  CHECK(keeps("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n"));
}

TEST_CASE("responses that could be read in two ways are refused") {
  for (const std::string_view text : {
           "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
           "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc",
           "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
           "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
           "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
           "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
           "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
           "220 mail.example ESMTP\r\n",
           "\x15\x03\x01",
           "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
       }) {
    INFO(text);
    const Heard heard = parse_in_all_ways(text);
    CHECK(heard.failed);
    CHECK(heard.code == ErrorCode::upstream_protocol);
    CHECK(heard.log.empty());
  }
}

TEST_CASE("broken chunks fail after what came before them") {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
  for (const std::string_view rest : {"zz\r\n", "3\r\nabcd\r\n", "-1\r\n", "\r\n\r\n"}) {
    INFO(rest);
    const Heard heard = parse_in_all_ways(head + std::string(rest));
    CHECK(heard.failed);
    CHECK(heard.body.starts_with("ab"));
  }
}

TEST_CASE("a response head may be as large as the limit and not larger") {
  const std::string_view text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  CHECK(parse_in_all_ways(text, false, {text.size(), 256}).messages == 1);
  const Heard heard = parse_in_all_ways(text, false, {text.size() - 1, 256});
  CHECK(heard.failed);
  CHECK(heard.code == ErrorCode::upstream_protocol);
}

}  // namespace
}  // namespace outrigger::http
