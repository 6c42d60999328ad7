// What RedisLink says on the wire, and how it takes what comes back.
#include "cache/redis_link.h"

#include <catch2/catch_test_macros.hpp>

#include "cache/redis_words.h"
#include "sim/world/peer.h"

namespace outrigger::cache {
namespace {

const io::Address k_at{"redis", 6379, false};
constexpr std::string_view k_hello = "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$9\r\noutrigger\r\n";
constexpr std::string_view k_ping = "*1\r\n$4\r\nPING\r\n";

struct Ears final : RedisLink::Owner {
  void on_link_up() override { ++ups; }
  void on_link_news(LogLevel level, std::string_view words) override {
    news.emplace_back(words);
    levels.push_back(level);
  }
  int ups = 0;
  std::vector<std::string> news;
  std::vector<LogLevel> levels;
};

struct Wire {
  explicit Wire(RedisSettings with = {}) {
    with.address = k_at;
    link = std::make_unique<RedisLink>(world.world(), std::move(with), 20ms, ears);
  }
  // Plays Redis until the link is up; its end of the connection.
  sim::Peer& bring_up() {
    link->open();
    sim::Peer* peer = server.wait_for(server.accepted() + 1);
    REQUIRE(peer != nullptr);
    world.loop.run_for(1ms);
    CHECK(peer->take() == k_hello);
    peer->send("+OK\r\n");
    world.loop.run_for(1ms);
    CHECK(peer->take() == k_ping);
    peer->send("+PONG\r\n");
    world.loop.run_for(1ms);
    REQUIRE(link->up());
    return *peer;
  }
  // Sends GET `key`; what becomes of it is appended to `ends`.
  void get(std::string_view key, bool possible = true) {
    const bool sent =
        link->send({"GET", key}, RedisLink::Use::lookup, [this, possible, k = std::string(key)](const Reply* reply) {
          ends.push_back(k + "=" + (reply == nullptr ? "nothing" : reply->text));
          return possible;
        });
    if (!sent) ends.push_back(std::string(key) + "=refused");
  }

  sim::SimWorld world;
  sim::ScriptedServer server{world, k_at};
  Ears ears;
  std::unique_ptr<RedisLink> link;
  std::vector<std::string> ends;
};

using Ends = std::vector<std::string>;

TEST_CASE("before it is opened a link accepts nothing") {
  Wire w;
  CHECK_FALSE(w.link->usable());
  w.get("a");
  CHECK(w.ends == Ends{"a=refused"});
}

TEST_CASE("commands of one turn go out in one write, and replies come back in order") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  const std::size_t reads = redis.reads().size();
  w.get("a");
  w.get("b");
  w.get("c");
  CHECK(w.ends.empty());
  w.world.loop.run_for(1ms);
  CHECK(redis.reads().size() == reads + 1);
  CHECK(redis.take() == "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n");
  redis.send("$1\r\n1\r\n$1\r\n2");
  w.world.loop.run_for(1ms);
  CHECK(w.ends == Ends{"a=1"});
  redis.send("\r\n-ERR three\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.ends == Ends{"a=1", "b=2", "c=ERR three"});
  CHECK(w.link->up());
}

TEST_CASE("commands of the first connection wait for it and follow the greeting in one write") {
  Wire w;
  w.link->open();
  w.get("a");
  w.get("b");
  sim::Peer* redis = w.server.wait_for(1);
  REQUIRE(redis != nullptr);
  w.world.loop.run_for(1ms);
  CHECK(redis->take() == k_hello);
  redis->send("-ERR unknown subcommand\r\n");
  w.world.loop.run_for(1ms);
  CHECK(redis->take() == k_ping);
  redis->send("+PONG\r\n");
  w.world.loop.run_for(1ms);
  CHECK(redis->take() == "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
  redis->send("$-1\r\n$1\r\n2\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.ends == Ends{"a=", "b=2"});
}

TEST_CASE("the greeting says who, which database and a name, in one write") {
  Wire w({.address = {}, .tls = {}, .user = "u", .password = "p", .database = 7});
  w.link->open();
  sim::Peer* redis = w.server.wait_for(1);
  REQUIRE(redis != nullptr);
  w.world.loop.run_for(1ms);
  CHECK(redis->reads().size() == 1);
  CHECK(redis->take() ==
        "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n" + std::string(k_hello));
}

TEST_CASE("a late reply is never taken for another command's") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  w.get("a");
  w.world.loop.run_for(20ms);
  CHECK(w.ends == Ends{"a=nothing"});
  redis.send("$4\r\nlate\r\n");
  // The next connection knows nothing of it.
  sim::Peer& next = [&]() -> sim::Peer& {
    sim::Peer* peer = w.server.wait_for(2);
    REQUIRE(peer != nullptr);
    w.world.loop.run_for(1ms);
    peer->send("+OK\r\n");
    w.world.loop.run_for(1ms);
    peer->send("+PONG\r\n");
    w.world.loop.run_for(1ms);
    return *peer;
  }();
  REQUIRE(w.link->up());
  CHECK(w.ears.ups == 2);
  CHECK(redis.ended());
  w.get("b");
  w.world.loop.run_for(1ms);
  next.send("$1\r\n2\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.ends == Ends{"a=nothing", "b=2"});
}

TEST_CASE("one command too late ends all that are in flight, and the next is refused") {
  Wire w;
  w.bring_up();
  w.get("a");
  w.world.loop.run_for(10ms);
  w.get("b");
  w.world.loop.run_for(10ms - 1ns);
  CHECK(w.ends.empty());
  w.world.loop.run_for(1ns);
  CHECK(w.ends == Ends{"a=nothing", "b=nothing"});
  w.get("c");
  CHECK(w.ends.back() == "c=refused");
  CHECK(w.link->counts().timeouts == 1);
}

TEST_CASE("each command has its own limit, from when it was sent") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  w.get("a");
  w.world.loop.run_for(15ms);
  w.get("b");
  redis.send("$1\r\n1\r\n");
  w.world.loop.run_for(20ms - 1ns);
  CHECK(w.ends == Ends{"a=1"});
  CHECK(w.link->up());
  w.world.loop.run_for(1ns);
  CHECK(w.ends == Ends{"a=1", "b=nothing"});
}

TEST_CASE("what makes no sense ends the connection") {
  struct Case {
    std::string_view sent;
    Ends ends;
  };
  const std::vector<Case> cases{
      {"HTTP/1.1 400 Bad Request\r\n\r\n", {"a=nothing"}},
      {"$1\r\n1\r\n+unasked\r\n", {"a=1"}},
      {"*2147483647\r\n", {"a=nothing"}},
      {"$1\r\n1\r\n!", {"a=1"}},
  };
  for (const Case& c : cases) {
    INFO(c.sent);
    Wire w;
    sim::Peer& redis = w.bring_up();
    w.get("a");
    w.world.loop.run_for(1ms);
    redis.send(c.sent);
    w.world.loop.run_for(1ms);
    CHECK(w.ends == c.ends);
    CHECK_FALSE(w.link->usable());
    CHECK(w.link->counts().rubbish == 1);
    CHECK(redis.ended());
  }
}

TEST_CASE("a reply that its command cannot have ends the connection, and the rest is lost") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  w.get("a", false);
  w.get("b");
  w.world.loop.run_for(1ms);
  redis.send("$1\r\n1\r\n$1\r\n2\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.ends == Ends{"a=1", "b=nothing"});
  CHECK(w.link->counts().rubbish == 1);
}

TEST_CASE("odd greetings are failures") {
  for (const std::string_view hello : {":1\r\n", "$2\r\nOK\r\n", "*0\r\n", "\r\n", "SSH-2.0-OpenSSH_9.2\r\n"}) {
    INFO(hello);
    Wire w;
    w.link->open();
    sim::Peer* redis = w.server.wait_for(1);
    REQUIRE(redis != nullptr);
    redis->send(hello);
    w.world.loop.run_for(5ms);
    CHECK_FALSE(w.link->usable());
    CHECK(w.link->counts().rubbish == 1);
  }
}

TEST_CASE("a Redis that turns every connection away is understood, though it does not say so to a command") {
  for (const std::string_view hello : {"-DENIED Redis is running in protected mode because protected mode is enabled\r\n",
                                       "-ERR max number of clients reached\r\n"}) {
    INFO(hello);
    Wire w;
    w.link->open();
    sim::Peer* redis = w.server.wait_for(1);
    REQUIRE(redis != nullptr);
    redis->send(hello);
    w.world.loop.run_for(5ms);
    CHECK_FALSE(w.link->usable());
    CHECK(w.link->last_error() == explain(hello.substr(1, hello.size() - 3)));
    CHECK(w.link->last_error().find("Redis") != std::string::npos);
    CHECK(w.server.wait_for(1)->received().find("PING") == std::string::npos);
  }
}

TEST_CASE("a command may be sent from the end of another one") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  static_cast<void>(w.link->send({"GET", "a"}, RedisLink::Use::lookup, [&](const Reply*) {
    w.get("b");
    return true;
  }));
  w.world.loop.run_for(1ms);
  redis.send("$-1\r\n");
  w.world.loop.run_for(1ms);
  redis.send("$1\r\n2\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.ends == Ends{"b=2"});
  // When everything is lost the new one is refused, not lost again.
  static_cast<void>(w.link->send({"GET", "a"}, RedisLink::Use::lookup, [&](const Reply*) {
    w.get("c");
    return true;
  }));
  redis.close();
  w.world.loop.run_for(5ms);
  CHECK(w.ends == Ends{"b=2", "c=refused"});
}

TEST_CASE("lookups still find room when writes no longer do") {
  Wire w;
  w.bring_up();
  const auto nothing = [](const Reply*) { return true; };
  int writes = 0;
  while (w.link->send({"SET", "k", "v"}, RedisLink::Use::write, nothing)) ++writes;
  CHECK(writes == 1000);
  int lookups = 0;
  while (w.link->send({"GET", "k"}, RedisLink::Use::lookup, nothing)) ++lookups;
  CHECK(lookups == 8192 - 1000);
}

TEST_CASE("writes are bounded by bytes, and answered ones make room again") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  const std::string big((4u << 20) - 4, 'x');
  const auto nothing = [](const Reply*) { return true; };
  int writes = 0;
  while (w.link->send({"SET", "k", big}, RedisLink::Use::write, nothing)) ++writes;
  CHECK(writes == 4);
  w.world.loop.run_for(5ms);
  redis.send("+OK\r\n");
  w.world.loop.run_for(5ms);
  CHECK(w.link->send({"SET", "k", big}, RedisLink::Use::write, nothing));
  CHECK_FALSE(w.link->send({"SET", "k", big}, RedisLink::Use::write, nothing));
}

TEST_CASE("an error is remembered until something of its kind goes well") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  const auto nothing = [](const Reply*) { return true; };
  const auto write = [&](std::string_view reply) {
    REQUIRE(w.link->send({"SET", "k", "v"}, RedisLink::Use::write, nothing));
    w.world.loop.run_for(1ms);
    redis.send(reply);
    w.world.loop.run_for(1ms);
  };
  write("-OOM command not allowed\r\n");
  write("-OOM command not allowed\r\n");
  CHECK(w.link->last_error().starts_with("OOM"));
  w.get("a");
  w.world.loop.run_for(1ms);
  redis.send("$-1\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.link->last_error().starts_with("OOM"));
  write("+OK\r\n");
  CHECK(w.link->last_error().empty());
  CHECK(w.link->counts().errors == 2);
  CHECK(w.ears.news.size() == 1);
  CHECK(w.ears.levels == std::vector{LogLevel::warning});
}

TEST_CASE("Redis' own words never reach the operator, because they may quote what was said") {
  Wire w;
  sim::Peer& redis = w.bring_up();
  w.get("a");
  w.world.loop.run_for(1ms);
  redis.send("-ERR unknown command 'AUTH', with args beginning with: 'p4ssw0rd'\r\n");
  w.world.loop.run_for(1ms);
  CHECK(w.link->last_error() == "ERR: Redis refused a command");
}

}  // namespace
}  // namespace outrigger::cache
