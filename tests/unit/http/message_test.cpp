#include "http/message.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "http/writer.h"

namespace outrigger::http {
namespace {

std::string text_of(const Headers& headers) {
  std::string text;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    text.append(headers[i].name).append("=").append(headers[i].value).append(";");
  }
  return text;
}

TEST_CASE("a field value has no control character but tab, wherever it stands") {
  for (int byte = 0; byte < 256; ++byte) {
    const bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    for (std::size_t at = 0; at < 19; ++at) {
      std::string value(19, at % 2 == 0 ? 'a' : '\xff');
      value[at] = static_cast<char>(byte);
      CAPTURE(byte, at);
      REQUIRE(is_field_value(value) == allowed);
    }
  }
  CHECK(is_field_value(""));
}

TEST_CASE("fields keep their order and their spelling, and are found without case") {
  Headers headers;
  headers.add("X-One", "1");
  headers.add("Accept", "a");
  headers.add("x-one", "2");
  CHECK(text_of(headers) == "X-One=1;Accept=a;x-one=2;");
  CHECK(headers.get("X-ONE") == "1");
  CHECK(headers.joined("x-One") == "1, 2");
  CHECK_FALSE(headers.get("X-On"));
  CHECK_FALSE(headers.joined("none"));
  CHECK(headers.text_size() == 5 + 1 + 6 + 1 + 5 + 1);
}

TEST_CASE("set replaces every field of the name") {
  Headers headers;
  headers.add("A", "1");
  headers.add("B", "2");
  headers.add("a", "3");
  headers.set("A", "4");
  CHECK(text_of(headers) == "B=2;A=4;");
  CHECK(headers.remove("A") == 1);
  CHECK(headers.remove("A") == 0);
  CHECK(text_of(headers) == "B=2;");
}

TEST_CASE("a field may be made of another field's text") {
  Headers headers;
  headers.add("A", std::string(100, 'x'));
  for (int i = 0; i < 20; ++i) headers.add(headers[0].name, headers[0].value);
  CHECK(headers[20].value == std::string(100, 'x'));
  headers.set("B", headers[3].value);
  headers.set("A", *headers.get("B"));
  CHECK(headers.size() == 2);
  CHECK(headers.get("A") == std::string(100, 'x'));
}

TEST_CASE("tokens are found in lists, over several fields") {
  Headers headers;
  headers.add("Connection", "keep-alive ,\tX-A");
  headers.add("Connection", "Close");
  CHECK(headers.has_token("connection", "close"));
  CHECK(headers.has_token("connection", "x-a"));
  CHECK_FALSE(headers.has_token("connection", "x"));
  CHECK_FALSE(headers.has_token("connection", "keep-alive ,\tX-A"));
  CHECK_FALSE(headers.has_token("te", "close"));
}

TEST_CASE("a field can be built in pieces, and loses the white space behind its value") {
  Headers headers;
  headers.append_name("Na");
  headers.append_name("me");
  headers.append_value("va");
  headers.append_value("lue \t");
  headers.end_field();
  headers.append_name("Empty");
  headers.end_field();
  headers.append_name("Spaces");
  headers.append_value("  ");
  headers.end_field();
  CHECK(text_of(headers) == "Name=value;Empty=;Spaces=;");
}

TEST_CASE("hop-by-hop fields go, also those that Connection names, but not the body's length and not Host") {
  Headers headers;
  for (const std::string_view name :
       {"Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Anything", "TE", "Trailer", "Transfer-Encoding",
        "Upgrade", "X-Named", "Content-Length", "Host", "Proxy", "Tea", "Trailers", "X-Kept"}) {
    headers.add(name, "v");
  }
  headers.add("Connection", "x-named, content-length");
  headers.add("Connection", "host");
  remove_hop_by_hop(headers);
  CHECK(text_of(headers) == "Content-Length=v;Host=v;Proxy=v;Tea=v;Trailers=v;X-Kept=v;");
}

TEST_CASE("a target splits at its first question mark") {
  CHECK(split_target("/a/b?c=d?e").path == "/a/b");
  CHECK(split_target("/a/b?c=d?e").query == "c=d?e");
  CHECK(split_target("/a").path == "/a");
  CHECK(split_target("/a").query.empty());
  CHECK(split_target("?").path.empty());
}

TEST_CASE("reasons are those of the registry, in the table's order") {
  CHECK(standard_reason(100) == "Continue");
  CHECK(standard_reason(200) == "OK");
  CHECK(standard_reason(431) == "Request Header Fields Too Large");
  CHECK(standard_reason(529) == "Overloaded");
  CHECK(standard_reason(599) == "Unknown");
  CHECK(standard_reason(299) == "Unknown");
}

TEST_CASE("Date is formatted as RFC 9110 wants it") {
  DateLine line;
  const WallTime known{std::chrono::milliseconds(784'111'777'999)};
  CHECK(line.at(known) == "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  CHECK(line.at(known) == "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  CHECK(line.at(known + std::chrono::milliseconds(1)) == "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
  CHECK(line.at(WallTime{}) == "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
}

TEST_CASE("a rendered head has its status, and its date only once") {
  ResponseHead head;
  head.status = 404;
  head.headers.add("Date", "then");
  head.headers.add("X", "y");
  const std::string rendered = render_head(head);
  CHECK(rendered == "HTTP/1.1 404 Not Found\r\nX: y\r\n");
  CHECK(rendered_status(rendered) == 404);
  CHECK(rendered_status("HTTP/1.1") == 0);
  Framing framing;
  framing.content_length = 18446744073709551615u;
  framing.connection = "keep-alive";
  CHECK(complete_head(rendered, framing, "Date: now\r\n").view() ==
        "HTTP/1.1 404 Not Found\r\nX: y\r\nContent-Length: 18446744073709551615\r\nConnection: keep-alive\r\nDate: "
        "now\r\n\r\n");
}

TEST_CASE("a chunk's head is its size in hexadecimal") {
  CHECK(chunk_head(1).view() == "1\r\n");
  CHECK(chunk_head(0xabcdef).view() == "abcdef\r\n");
}

}  // namespace
}  // namespace outrigger::http
