// The simulated Redis: its commands, its time, and what can be wrong with it.
#include "sim/world/sim_redis.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/world/peer.h"

namespace outrigger::sim {
namespace {

std::string encode(const RedisCommand& command) {
  std::string bytes = resp::array_head(command.size());
  for (const std::string& part : command) bytes += resp::bulk(part);
  return bytes;
}

// A client that asks one thing at a time.
struct Client {
  Client(SimWorld& its_world, SimRedis& redis) : world(its_world), peer(dial(its_world, redis.address())) {
    REQUIRE(peer != nullptr);
  }
  std::string ask(const RedisCommand& command) { return ask_raw(encode(command)); }
  std::string ask_raw(const std::string& bytes) {
    peer->send(bytes);
    world.loop.run_for(1s);
    return peer->take();
  }
  SimWorld& world;
  std::unique_ptr<Peer> peer;
};

TEST_CASE("each command answers as Redis does") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  struct Row {
    RedisCommand command;
    std::string reply;
  };
  // In this order: each row builds on the ones before it.
  const Row rows[] = {
      {{"PING"}, "+PONG\r\n"},
      {{"ping", "x"}, "$1\r\nx\r\n"},
      {{"ECHO", "hi"}, "$2\r\nhi\r\n"},
      {{"GET", "a"}, "$-1\r\n"},
      {{"SET", "a", "1", "EX", "100"}, "+OK\r\n"},
      {{"GET", "a"}, "$1\r\n1\r\n"},
      {{"SET", "a", "2", "NX", "PX", "5000"}, "$-1\r\n"},
      {{"SET", "a", "2", "EX", "100", "NX", "GET"}, "$1\r\n1\r\n"},
      {{"SET", "a", "2", "EX", "100", "GET"}, "$1\r\n1\r\n"},
      {{"SET", "b", "x", "XX", "EX", "100"}, "$-1\r\n"},
      {{"SET", "b", "x", "NX", "EX", "100", "GET"}, "$-1\r\n"},
      {{"MGET", "a", "nothing", "b"}, "*3\r\n$1\r\n2\r\n$-1\r\n$1\r\nx\r\n"},
      {{"EXISTS", "a", "b", "c", "a"}, ":3\r\n"},
      {{"HSET", "h", "f", "1"}, ":1\r\n"},
      {{"HSET", "h", "g", ""}, ":1\r\n"},
      {{"PEXPIRE", "h", "100000"}, ":1\r\n"},
      {{"HSET", "h", "f", "a\r\nb"}, ":0\r\n"},
      {{"HSETNX", "h", "f", "2"}, ":0\r\n"},
      {{"HSETNX", "h", "g", "2"}, ":0\r\n"},
      {{"HGETALL", "h"}, "*4\r\n$1\r\nf\r\n$4\r\na\r\nb\r\n$1\r\ng\r\n$0\r\n\r\n"},
      {{"HGETALL", "nothing"}, "*0\r\n"},
      {{"HSETNX", "h", "n", "3"}, ":1\r\n"},
      {{"DEL", "h"}, ":1\r\n"},
      {{"STRLEN", "b"}, ":1\r\n"},
      {{"STRLEN", "c"}, ":0\r\n"},
      {{"SETEX", "long", "100", "0123456789"}, "+OK\r\n"},
      {{"PSETEX", "short", "100000", "s"}, "+OK\r\n"},
      {{"GETRANGE", "long", "0", "3"}, "$4\r\n0123\r\n"},
      {{"GETRANGE", "long", "-3", "-1"}, "$3\r\n789\r\n"},
      {{"GETRANGE", "long", "8", "100"}, "$2\r\n89\r\n"},
      {{"GETRANGE", "long", "5", "4"}, "$0\r\n\r\n"},
      {{"GETRANGE", "none", "0", "1"}, "$0\r\n\r\n"},
      {{"GETRANGE", "long", "0", "x"}, "-ERR value is not an integer or out of range\r\n"},
      {{"DBSIZE"}, ":4\r\n"},
      {{"TTL", "none"}, ":-2\r\n"},
      {{"EXPIRE", "b", "10"}, ":1\r\n"},
      {{"EXPIRE", "none", "10"}, ":0\r\n"},
      {{"DEL", "a", "none"}, ":1\r\n"},
      {{"UNLINK", "b", "long"}, ":2\r\n"},
      {{"SELECT", "3"}, "+OK\r\n"},
      {{"DBSIZE"}, ":0\r\n"},
      {{"SELECT", "16"}, "-ERR DB index is out of range\r\n"},
      {{"SELECT", "0"}, "+OK\r\n"},
      {{"DBSIZE"}, ":1\r\n"},
      {{"FLUSHDB"}, "+OK\r\n"},
      {{"DBSIZE"}, ":0\r\n"},
      {{"CLIENT", "SETNAME", "me"}, "+OK\r\n"},
      {{"CLIENT", "SETINFO", "lib-name", "x"}, "+OK\r\n"},
      {{"CLIENT", "KILL"}, "-ERR unknown subcommand 'KILL'. Try CLIENT HELP.\r\n"},
      {{"HELLO", "3"}, "-ERR unknown command 'HELLO', with args beginning with: \r\n"},
      {{"GET"}, "-ERR wrong number of arguments for 'get' command\r\n"},
      {{"SET", "a", "1", "EX"}, "-ERR syntax error\r\n"},
      {{"SET", "a", "1", "EX", "0"}, "-ERR invalid expire time in 'set' command\r\n"},
      {{"SET", "a", "1", "EX", "9223372036854775807"}, "-ERR value is not an integer or out of range\r\n"},
      {{"SET", "a", "1", "NX", "XX"}, "-ERR syntax error\r\n"},
      {{"AUTH", "user", "wrong"}, "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
  };
  for (const Row& row : rows) {
    INFO("command " << row.command.front() << " " << (row.command.size() > 1 ? row.command[1] : ""));
    CHECK(client.ask(row.command) == row.reply);
  }
  CHECK(redis.keys_without_ttl().empty());
  CHECK(redis.client_names() == std::vector<std::string>{"me"});
  CHECK(redis.count("GET") == 3);
}

TEST_CASE("a key is there until its time and gone at it") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  const MonoTime stored_by = world.loop.now();
  client.ask({"SET", "k", "v", "PX", "60000"});
  CHECK(client.ask({"TTL", "k"}) == ":59\r\n");
  const MonoTime expires = *redis.data().find("k", world.loop.now())->expires;
  CHECK(expires - stored_by >= 60s);
  CHECK(redis.data().find("k", expires - 1ns) != nullptr);
  CHECK(redis.data().find("k", expires) == nullptr);
}

TEST_CASE("the wall clock does not move a key's time") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  client.ask({"SET", "k", "v", "EX", "60"});
  world.loop.jump_wall(24h);
  CHECK(client.ask({"GET", "k"}) == "$1\r\nv\r\n");
}

TEST_CASE("a key without a time to live is remembered, even if it got one later") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  client.ask({"SET", "k", "v"});
  CHECK(client.ask({"TTL", "k"}) == ":-1\r\n");
  client.ask({"EXPIRE", "k", "10"});
  client.ask({"SET", "kept", "v", "EX", "10"});
  client.ask({"SET", "kept", "w", "KEEPTTL"});
  CHECK(redis.keys_without_ttl() == std::vector<std::string>{"k"});
}

TEST_CASE("a walk with SCAN sees every key that stays, whatever goes meanwhile") {
  SimWorld world;
  RedisData data;
  for (int i = 0; i < 500; ++i) data.put("p:" + std::to_string(i), "v", std::nullopt);
  for (int i = 0; i < 100; ++i) data.put("q:" + std::to_string(i), "v", std::nullopt);
  std::set<std::string> seen;
  std::uint64_t cursor = 0;
  int round = 0;
  do {
    const RedisData::Page page = data.scan(cursor, "p:*", 7, world.loop.now());
    CHECK(page.keys.size() <= 7);
    seen.insert(page.keys.begin(), page.keys.end());
    cursor = page.cursor;
    data.erase("p:" + std::to_string(400 + round % 100), world.loop.now());
    ++round;
  } while (cursor != 0);
  for (int i = 0; i < 400; ++i) CHECK(seen.contains("p:" + std::to_string(i)));
  CHECK(std::none_of(seen.begin(), seen.end(), [](const std::string& key) { return key.front() == 'q'; }));
  CHECK(round > 50);
}

TEST_CASE("SCAN answers over the wire in pages") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  redis.data().put("x1", "v", std::nullopt);
  CHECK(client.ask({"SCAN", "0", "MATCH", "x*", "COUNT", "100"}) == "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nx1\r\n");
  CHECK(client.ask({"SCAN", "0", "COUNT", "0"}) == "-ERR syntax error\r\n");
  CHECK(client.ask({"SCAN", "x"}) == "-ERR invalid cursor\r\n");
}

TEST_CASE("glob patterns match as in Redis") {
  struct Row {
    std::string_view pattern, text;
    bool matches;
  };
  const Row rows[] = {
      {"*", "", true},          {"", "", true},         {"", "a", false},         {"a*c", "abbc", true},
      {"a*c", "abbd", false},   {"a?c", "abc", true},   {"a?c", "ac", false},     {"[ab]x", "bx", true},
      {"[ab]x", "cx", false},   {"[^ab]x", "cx", true}, {"[^ab]x", "ax", false},  {"[a-c]", "b", true},
      {"[a-c]", "d", false},    {"\\*", "*", true},     {"\\*", "a", false},      {"a\\[b", "a[b", true},
      {"**a**", "xxaxx", true}, {"*aab", "aaab", true}, {"*aab", "aaabx", false}, {"h[a-]o", "h-o", true},
      {"\\", "\\", true},       {"[abc", "c", true},    {"a*", "a", true},        {"*a", "ba", true},
      {"?", "", false},
  };
  for (const Row& row : rows) {
    INFO(row.pattern << " against " << row.text);
    CHECK(glob_matches(row.pattern, row.text) == row.matches);
  }
}

TEST_CASE("a password is asked for, by default user and by ACL user") {
  SimWorld world;
  SimRedis redis(world, {.address = {"redis", 6379, false}, .access = {.user = "app", .password = "secret"}, .tls = false});
  Client client(world, redis);
  CHECK(client.ask({"GET", "k"}) == "-NOAUTH Authentication required.\r\n");
  CHECK(client.ask({"PING"}) == "-NOAUTH Authentication required.\r\n");
  CHECK(client.ask({"AUTH", "secret"}) == "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(client.ask({"AUTH", "app", "secret"}) == "+OK\r\n");
  CHECK(client.ask({"GET", "k"}) == "$-1\r\n");
  redis.server().faults.no_auth = true;
  CHECK(client.ask({"GET", "k"}) == "-NOAUTH Authentication required.\r\n");

  SimRedis open(world, {.address = {"open", 6379, false}, .access = {}, .tls = false});
  Client other(world, open);
  CHECK(other.ask({"AUTH", "any"}).starts_with("-ERR AUTH <password> called without any password"));
}

TEST_CASE("a full Redis refuses writes that need memory and nothing else") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  client.ask({"SET", "k", "v", "EX", "60"});
  redis.server().faults.full = true;
  CHECK(client.ask({"SET", "l", "v", "EX", "60"}) == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(client.ask({"GET", "k"}) == "$1\r\nv\r\n");
  CHECK(client.ask({"DEL", "k"}) == ":1\r\n");
}

TEST_CASE("a loading Redis and a replica say so") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  redis.server().faults.loading = true;
  CHECK(client.ask({"GET", "k"}) == "-LOADING Redis is loading the dataset in memory\r\n");
  redis.server().faults = {};
  redis.server().faults.read_only = true;
  CHECK(client.ask({"SET", "k", "v", "EX", "1"}) == "-READONLY You can't write against a read only replica.\r\n");
  CHECK(client.ask({"GET", "k"}) == "$-1\r\n");
}

TEST_CASE("a slow Redis answers each command that much later, in order") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  redis.slow = 50ms;
  const MonoTime begin = world.loop.now();
  client.peer->send(encode({"ECHO", "1"}) + encode({"ECHO", "2"}));
  REQUIRE(world.loop.run_until([&] { return client.peer->received() == "$1\r\n1\r\n"; }));
  CHECK(world.loop.now() - begin == 50ms + 2 * world.net.default_shape.latency);
  REQUIRE(world.loop.run_until([&] { return client.peer->received() == "$1\r\n1\r\n$1\r\n2\r\n"; }));
  CHECK(world.loop.now() - begin == 100ms + 2 * world.net.default_shape.latency);
}

TEST_CASE("a frozen Redis accepts and is silent; thawed, it answers what it was asked") {
  SimWorld world;
  SimRedis redis(world);
  redis.freeze();
  Client client(world, redis);
  CHECK(client.ask({"PING"}).empty());
  world.loop.run_for(1h);
  CHECK(client.peer->received().empty());
  redis.thaw();
  world.loop.run_for(1s);
  CHECK(client.peer->take() == "+PONG\r\n");
}

TEST_CASE("a Redis that goes down breaks its connections and refuses until it comes up, and keeps what it stored") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  client.ask({"SET", "k", "v", "EX", "60"});
  redis.go_down();
  world.loop.run_for(1s);
  REQUIRE(client.peer->error().has_value());
  CHECK(client.peer->error()->code == ErrorCode::upstream_reset);
  CHECK(redis.connections() == 0);
  std::optional<Error> error;
  CHECK(dial(world, redis.address(), 1s, &error) == nullptr);
  CHECK(error->code == ErrorCode::connect_refused);
  redis.come_up();
  Client again(world, redis);
  CHECK(again.ask({"GET", "k"}) == "$1\r\nv\r\n");
  redis.forget();
  CHECK(again.ask({"GET", "k"}) == "$-1\r\n");
}

TEST_CASE("rubbish, wrong types and damaged values are not what was stored") {
  SimWorld world(7);
  SimRedis redis(world);
  Client client(world, redis);
  const std::string value(100, 'v');
  client.ask({"SET", "k", value, "EX", "3600"});
  const std::string good = resp::bulk(value);
  const auto never_good = [&] {
    bool good_seen = false;
    for (int i = 0; i < 50; ++i) good_seen = good_seen || client.ask({"GET", "k"}) == good;
    return !good_seen;
  };
  redis.server().faults.rubbish = 1;
  CHECK(never_good());
  redis.server().faults = {};
  redis.server().faults.wrong_type = 1;
  CHECK(never_good());
  redis.server().faults = {};
  redis.server().faults.corrupt = 1;
  CHECK(never_good());
  redis.server().faults = {};
  CHECK(client.ask({"GET", "k"}) == good);
}

TEST_CASE("commands may come in pieces, inline, or empty") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  CHECK(client.ask_raw("*1\r\n$4\r\nPI").empty());
  CHECK(client.ask_raw("NG\r").empty());
  CHECK(client.ask_raw("\n") == "+PONG\r\n");
  CHECK(client.ask_raw("ECHO  hi\r\n\r\nPING\n") == "$2\r\nhi\r\n+PONG\r\n");
  CHECK(client.ask_raw("*0\r\n*1\r\n$4\r\nPING\r\n") == "+PONG\r\n");
}

TEST_CASE("a protocol error is answered and ends the connection") {
  struct Row {
    std::string bytes, error;
  };
  const Row rows[] = {
      {"*x\r\n", "invalid multibulk length"},    {"*1048577\r\n", "invalid multibulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},  {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n:5\r\n", "expected '$', got ':'"},
  };
  for (const Row& row : rows) {
    INFO(row.bytes);
    SimWorld world;
    SimRedis redis(world);
    Client client(world, redis);
    CHECK(client.ask_raw(encode({"PING"}) + row.bytes + encode({"PING"})) ==
          "+PONG\r\n-ERR Protocol error: " + row.error + "\r\n");
    CHECK(client.peer->eof());
    client.peer->close();
    world.loop.run_for(1s);
    CHECK(redis.connections() == 0);
  }
}

TEST_CASE("QUIT answers and ends the connection") {
  SimWorld world;
  SimRedis redis(world);
  Client client(world, redis);
  CHECK(client.ask_raw(encode({"QUIT"}) + encode({"PING"})) == "+OK\r\n");
  CHECK(client.peer->eof());
}

TEST_CASE("a Redis behind TLS is reached after a handshake only") {
  SimWorld world;
  SimRedis redis(world, {.address = {"redis", 6380, false}, .access = {}, .tls = true});
  Client plain(world, redis);
  plain.ask({"PING"});
  CHECK(plain.peer->error().has_value());
  Client client(world, redis);
  std::unique_ptr<Peer> secure;
  const auto pending = world.net.start_tls(client.peer->release(), {.server_name = "redis", .ca = "", .verify = true}, 1s,
                                           [&](Result<std::unique_ptr<io::Stream>> done) {
                                             REQUIRE(done.has_value());
                                             secure = std::make_unique<Peer>(std::move(*done));
                                           });
  world.loop.run_for(1s);
  REQUIRE(secure != nullptr);
  secure->send(encode({"PING"}));
  world.loop.run_for(1s);
  CHECK(secure->received() == "+PONG\r\n");
  CHECK(world.net.tls_names() == std::vector<std::string>{"redis"});
}

}  // namespace
}  // namespace outrigger::sim
