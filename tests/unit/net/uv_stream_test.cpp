#include "net/uv_stream.h"

#include <unistd.h>

#include "support.h"

namespace outrigger {
namespace {

using test::Door;
using test::Ear;
using test::Pair;
using test::World;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

TEST_CASE("bytes arrive whole and in order, and both ends have names") {
  World world;
  Pair pair(world);
  Ear ear;
  pair.far->set_handler(&ear);
  pair.far->read(true);
  const std::vector<Bytes> chunks{Bytes::literal("one "), Bytes{}, Bytes::copy("two "), Bytes::literal("three")};
  pair.near->write(chunks);
  CHECK(pair.near->unsent() == 0);
  REQUIRE(world.until([&] { return ear.text.size() == 13; }));
  CHECK(ear.text == "one two three");
  CHECK(pair.near->peer() == io::to_string(pair.door.listener->bound()));
  CHECK(pair.far->peer().starts_with("127.0.0.1:"));
}

TEST_CASE("more pieces than one writev takes arrive whole") {
  World world;
  Pair pair(world);
  Ear ear;
  pair.far->set_handler(&ear);
  pair.far->read(true);
  std::vector<Bytes> chunks;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    chunks.push_back(Bytes::copy(std::to_string(i) + ","));
    expected += std::to_string(i) + ",";
  }
  pair.near->write(chunks);
  REQUIRE(world.until([&] { return ear.text.size() == expected.size(); }));
  CHECK(ear.text == expected);
}

TEST_CASE("a slow reader makes unsent grow, and when it reads at last the writer hears that all has gone") {
  World world;
  Pair pair(world);
  Ear writer, reader;
  pair.near->set_handler(&writer);
  pair.far->set_handler(&reader);
  const std::string text = pattern(1024 * 1024);
  std::size_t written = 0;
  // The kernel's buffers hold a few megabytes on the loopback; more than that cannot all be sent unread.
  for (int i = 0; i < 24; ++i) {
    pair.near->write(Bytes::copy(text));
    written += text.size();
  }
  world.turns(20);
  CHECK(pair.near->unsent() > 0);
  CHECK(writer.drained == 0);
  CHECK(reader.text.empty());
  pair.far->read(true);
  REQUIRE(world.until([&] { return reader.text.size() == written && writer.drained > 0; }));
  CHECK(writer.drained == 1);
  CHECK(pair.near->unsent() == 0);
  for (std::size_t i = 0; i < 24; ++i) REQUIRE(reader.text.compare(i * text.size(), text.size(), text) == 0);
}

TEST_CASE("while reading is off nothing is delivered, not even the end") {
  World world;
  Pair pair(world);
  Ear ear;
  pair.far->set_handler(&ear);
  pair.near->write(Bytes::literal("hello"));
  pair.near->shutdown();
  world.turns(20);
  CHECK(ear.text.empty());
  CHECK_FALSE(ear.eof);
  pair.far->read(true);
  REQUIRE(world.until([&] { return ear.eof; }));
  CHECK(ear.text == "hello");
}

TEST_CASE("after the other side's end writing goes on, and shutdown waits for what is unsent") {
  World world;
  Pair pair(world);
  Ear near, far;
  pair.near->set_handler(&near);
  pair.near->read(true);
  pair.far->set_handler(&far);
  pair.far->read(true);
  pair.near->shutdown();
  REQUIRE(world.until([&] { return far.eof; }));
  const std::string text = pattern(8 * 1024 * 1024);
  pair.far->write(Bytes::copy(text));
  pair.far->shutdown();
  pair.far->write(Bytes::literal("too late"));
  REQUIRE(world.until([&] { return near.eof; }));
  CHECK(near.text == text);
  CHECK_FALSE(near.error.has_value());
  CHECK_FALSE(far.error.has_value());
}

TEST_CASE("a stream may be destroyed in any of its callbacks") {
  World world;
  Pair pair(world);
  std::unique_ptr<io::Stream> far = std::move(pair.far);
  Ear ear, reader;
  ear.on_any = [&] { far.reset(); };
  far->set_handler(&ear);

  SECTION("data") {
    far->read(true);
    pair.near->write(Bytes::copy(pattern(200'000)));
    REQUIRE(world.until([&] { return far == nullptr; }));
    CHECK(ear.last == "data");
    CHECK(ear.pieces == 1);
  }
  SECTION("eof") {
    far->read(true);
    pair.near->shutdown();
    REQUIRE(world.until([&] { return far == nullptr; }));
    CHECK(ear.last == "eof");
  }
  SECTION("drained") {
    pair.near->set_handler(&reader);
    for (int i = 0; i < 16; ++i) far->write(Bytes::copy(pattern(1024 * 1024)));
    REQUIRE(far->unsent() > 0);
    pair.near->read(true);
    REQUIRE(world.until([&] { return far == nullptr; }));
    CHECK(ear.last == "drained");
  }
  SECTION("error") {
    pair.near.reset();
    for (int i = 0; i < 200 && far != nullptr; ++i) {
      far->write(Bytes::literal("anybody there?"));
      world.turns(5);
    }
    REQUIRE(world.until([&] { return far == nullptr; }));
    CHECK(ear.last == "error");
    CHECK(ear.error->code == ErrorCode::upstream_reset);
  }
  world.turns(3);
}

TEST_CASE("a stream destroyed with a batch under way sends nothing into freed memory") {
  World world;
  Pair pair(world);
  for (int i = 0; i < 16; ++i) pair.near->write(Bytes::copy(pattern(1024 * 1024)));
  REQUIRE(pair.near->unsent() > 0);
  pair.near.reset();
  world.turns(5);
}

TEST_CASE("a failing write says so later, and never inside write") {
  World world;
  Pair pair(world);
  Ear ear;
  pair.far->set_handler(&ear);
  pair.near.reset();
  bool inside = false;
  for (int i = 0; i < 200 && !ear.error; ++i) {
    pair.far->write(Bytes::literal("x"));
    inside = inside || ear.error.has_value();
    world.turns(5);
  }
  REQUIRE(ear.error.has_value());
  CHECK_FALSE(inside);
  CHECK(pair.far->unsent() == 0);
  pair.far->write(Bytes::literal("ignored"));
  CHECK(pair.far->unsent() == 0);
}

TEST_CASE("the answer of a server that closes early is read before the write error is told") {
  World world;
  Pair pair(world);
  Ear near, far;
  far.on_any = [&] {
    if (far.last != "data" || pair.far == nullptr) return;
    pair.far->write(Bytes::literal("413"));
    pair.far.reset();
  };
  pair.far->set_handler(&far);
  pair.far->read(true);
  pair.near->set_handler(&near);
  pair.near->read(true);
  pair.near->write(Bytes::copy(pattern(16 * 1024 * 1024)));
  REQUIRE(world.until([&] { return near.error.has_value(); }));
  CHECK(near.text == "413");
}

TEST_CASE("an error that came while nobody listened is told to the next handler") {
  World world;
  Pair pair(world);
  pair.near.reset();
  for (int i = 0; i < 20; ++i) {
    pair.far->write(Bytes::literal("x"));
    world.turns(5);
  }
  Ear ear;
  pair.far->set_handler(&ear);
  CHECK_FALSE(ear.error.has_value());
  REQUIRE(world.until([&] { return ear.error.has_value(); }));
}

TEST_CASE("a Unix socket carries bytes both ways and its file goes with the listener") {
  World world;
  const std::string path = "/tmp/outrigger-net-test-" + std::to_string(::getpid()) + ".sock";
  const io::Address at{path, 0, true};
  {
    Door door(world, at);
    CHECK(door.listener->bound() == at);
    auto near = world.connect(at);
    REQUIRE(near.has_value());
    CHECK((*near)->peer() == "unix:" + path);
    REQUIRE(world.until([&] { return !door.streams.empty(); }));
    Ear there, back;
    door.streams[0]->set_handler(&there);
    door.streams[0]->read(true);
    (*near)->set_handler(&back);
    (*near)->read(true);
    (*near)->write(Bytes::literal("ping"));
    REQUIRE(world.until([&] { return there.text == "ping"; }));
    door.streams[0]->write(Bytes::literal("pong"));
    door.streams[0]->shutdown();
    REQUIRE(world.until([&] { return back.eof; }));
    CHECK(back.text == "pong");
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
}

}  // namespace
}  // namespace outrigger
