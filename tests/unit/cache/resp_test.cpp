#include "cache/resp.h"

#include <catch2/catch_test_macros.hpp>

#include "core/rng.h"

namespace outrigger::cache {
namespace {

using Kind = Reply::Kind;

std::vector<Reply> read_all(ReplyReader& reader, bool& failed) {
  std::vector<Reply> replies;
  failed = false;
  for (;;) {
    auto next = reader.next();
    if (!next.has_value()) {
      failed = true;
      return replies;
    }
    if (!next->has_value()) return replies;
    replies.push_back(std::move(**next));
  }
}

std::optional<Reply> read_one(std::string_view text) {
  ReplyReader reader;
  reader.feed(text);
  bool failed = false;
  std::vector<Reply> replies = read_all(reader, failed);
  if (failed || replies.size() != 1) return std::nullopt;
  return std::move(replies.front());
}

bool fails(std::string_view text, ReplyLimits limits = {}) {
  ReplyReader reader(limits);
  reader.feed(text);
  bool failed = false;
  static_cast<void>(read_all(reader, failed));
  return failed;
}

TEST_CASE("replies of every kind are read") {
  CHECK(read_one("+OK\r\n")->is_ok());
  CHECK(read_one("-ERR no\r\n")->kind == Kind::error);
  CHECK(read_one("-ERR no\r\n")->text == "ERR no");
  CHECK(read_one(":-12\r\n")->integer == -12);
  CHECK(read_one("$-1\r\n")->kind == Kind::nil);
  CHECK(read_one("*-1\r\n")->kind == Kind::nil);
  CHECK(read_one("$0\r\n\r\n")->kind == Kind::string);
  CHECK(read_one(std::string_view("$5\r\na\0\r\nb\r\n", 11))->text == std::string_view("a\0\r\nb", 5));
  const auto array = read_one("*4\r\n$1\r\na\r\n$-1\r\n*2\r\n:1\r\n+x\r\n-E\r\n");
  REQUIRE(array.has_value());
  REQUIRE(array->elements.size() == 4);
  CHECK(array->elements[0].text == "a");
  CHECK(array->elements[1].kind == Kind::nil);
  CHECK(array->elements[2].elements[1].text == "x");
  CHECK(array->elements[3].kind == Kind::error);
  CHECK(read_one("*0\r\n")->kind == Kind::array);
}

TEST_CASE("any split gives the same replies") {
  const std::string text = "*3\r\n$2\r\nab\r\n$-1\r\n*1\r\n:7\r\n+OK\r\n$3\r\nxyz\r\n";
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    ReplyReader reader;
    std::vector<Reply> replies;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + rng.below(5);
      reader.feed(std::string_view(text).substr(at, size));
      at += size;
      bool failed = false;
      for (Reply& reply : read_all(reader, failed)) replies.push_back(std::move(reply));
      REQUIRE_FALSE(failed);
    }
    REQUIRE(replies.size() == 3);
    CHECK(replies[0].elements[2].elements[0].integer == 7);
    CHECK(replies[1].is_ok());
    CHECK(replies[2].text == "xyz");
  }
}

TEST_CASE("what is not the protocol is an error, and stays one") {
  CHECK(fails("HTTP/1.1 200 OK\r\n"));
  CHECK(fails("$-2\r\n"));
  CHECK(fails("*-2\r\n"));
  CHECK(fails("$x\r\n"));
  ReplyReader reader;
  reader.feed("?");
  CHECK_FALSE(reader.next().has_value());
  reader.feed("+OK\r\n");
  CHECK_FALSE(reader.next().has_value());
}

TEST_CASE("types of RESP3 are refused, because nobody asked for them") {
  CHECK(fails(">2\r\n+a\r\n+b\r\n"));
  CHECK(fails("%1\r\n+a\r\n+b\r\n"));
  CHECK(fails("~1\r\n+a\r\n"));
  CHECK(fails("|1\r\n+a\r\n+b\r\n"));
  CHECK(fails(",1.5\r\n"));
  CHECK(fails("#t\r\n"));
  CHECK(fails("(123456789012345678901234567890\r\n"));
  CHECK(fails("=7\r\ntxt:abc\r\n"));
  CHECK(fails("*2\r\n#t\r\n,1.5\r\n"));
}

TEST_CASE("an array's claimed size is not believed beyond the limit") {
  CHECK(fails("*2147483647\r\n"));
  const ReplyLimits limits{.bytes = 1000, .elements = 4};
  CHECK_FALSE(fails("*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", limits));
  CHECK(fails("*5\r\n:1\r\n", limits));
  // Nested ones count together, and each reply counts anew.
  CHECK_FALSE(fails("*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", limits));
  CHECK(fails("*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n:4\r\n", limits));
}

TEST_CASE("arrays are nested seven levels deep and not one more") {
  const auto nested = [](int levels) {
    std::string text;
    for (int i = 0; i < levels; ++i) text += "*1\r\n";
    return text + ":1\r\n";
  };
  CHECK_FALSE(fails(nested(7)));
  CHECK(fails(nested(8)));
  CHECK(fails(nested(50'000)));
}

TEST_CASE("a reply that does not end is given up at the limit of bytes") {
  const ReplyLimits limits{.bytes = 100, .elements = 10};
  CHECK_FALSE(fails("$1000\r\n" + std::string(93, 'x'), limits));
  CHECK(fails("$1000\r\n" + std::string(94, 'x'), limits));
  // Many short replies are no long one.
  std::string many;
  for (int i = 0; i < 100; ++i) many += "+OK\r\n";
  CHECK_FALSE(fails(many, limits));
}

TEST_CASE("a half-read reply is freed with its reader") {
  ReplyReader reader;
  reader.feed("*3\r\n$50\r\n" + std::string(50, 'x') + "\r\n*2\r\n:1\r\n");
  CHECK_FALSE(reader.next().value().has_value());
}

TEST_CASE("commands are arrays of binary strings") {
  std::string out = "x";
  const std::vector<std::string_view> arguments{"SET", std::string_view("a\0b", 3), ""};
  append_command(out, arguments);
  CHECK(out == std::string("x*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$0\r\n\r\n", 29));
}

}  // namespace
}  // namespace outrigger::cache
