#include "cache/purge.h"

#include <catch2/catch_test_macros.hpp>

#include "sim/world/peer.h"
#include "sim/world/resp.h"
#include "unit/cache/bench.h"

namespace outrigger::cache {
namespace {

PurgeFilter by_model(std::string model) { return {.model = std::move(model)}; }

std::size_t entries_in_redis(Bench& b) {
  std::size_t count = 0;
  for (const std::string& key : b.redis.data().keys(b.world.loop.now())) {
    if (key.starts_with("outrigger:v1:")) ++count;
  }
  return count;
}

// Numbers below 100; model "m0".."m2", route "/even" or none, every tenth with the tag "news".
std::unique_ptr<Node> filled(Bench& b, std::uint64_t count = 100) {
  b.world.loop.set_wall(k_noon);
  auto node = b.up();
  for (std::uint64_t i = 0; i < count; ++i) {
    EntryBuilder builder{.number = i, .model = "m" + std::to_string(i % 3)};
    if (i % 2 == 0) builder.route = "/even";
    if (i % 10 == 0) builder.tags = {"other", "news"};
    node->store->put(builder.make());
    if (i % 500 == 499) b.world.loop.run_for(10ms);
  }
  b.world.loop.run_for(10ms);
  REQUIRE(entries_in_redis(b) == count);
  return node;
}

TEST_CASE("a filter matches when all its members do, and an empty one never") {
  EntryBuilder builder{.number = 1, .model = "m", .route = "/r", .tags = {"a", "b"}};
  const EntryPtr entry = builder.make();
  const auto hits = [&](const PurgeFilter& f) { return matches(f, entry->key(), entry->meta()); };
  CHECK_FALSE(hits({}));
  CHECK(is_empty({}));
  CHECK(hits({.all = true}));
  CHECK(hits({.key = a_key(1)}));
  CHECK_FALSE(hits({.key = a_key(2)}));
  CHECK(hits({.model = "m"}));
  CHECK_FALSE(hits({.model = "M"}));
  CHECK(hits({.route = "/r"}));
  CHECK_FALSE(hits({.route = ""}));
  CHECK(hits({.tag = "b"}));
  CHECK_FALSE(hits({.tag = "c"}));
  CHECK(hits({.key = a_key(1), .model = "m", .route = "/r", .tag = "a"}));
  CHECK_FALSE(hits({.key = a_key(1), .model = "m", .route = "/r", .tag = "c"}));
  CHECK_FALSE(hits({.model = "x", .all = true}));
}

TEST_CASE("a glob is quoted so that it matches only itself") {
  CHECK(glob_quoted("outrigger:v1:") == "outrigger:v1:");
  CHECK(glob_quoted("a*b?[c]\\") == "a\\*b\\?\\[c\\]\\\\");
  for (const std::string text : {"a*b", "a?b", "[ab]", "a\\b", "[^a-z]", "x"}) {
    CHECK(sim::glob_matches(glob_quoted(text), text));
    CHECK_FALSE(sim::glob_matches(glob_quoted(text), "aXb"));
  }
}

TEST_CASE("purging by model, route or tag removes what matches from both tiers, and a dry run nothing") {
  struct Case {
    PurgeFilter filter;
    std::size_t expected;
  };
  const std::vector<Case> cases{
      {{.model = "m1"}, 33},
      {{.route = "/even"}, 50},
      {{.tag = "news"}, 10},
      {{.model = "m0", .tag = "news"}, 4},
      {{.model = "nothing"}, 0},
      {{.key = a_key(7)}, 1},
      {{.key = a_key(7), .model = "m1"}, 1},
      {{.key = a_key(7), .model = "m2"}, 0},
      {{.key = a_key(700)}, 0},
      {{.model = "m1", .all = true}, 33},
      {{.all = true}, 100},
      {{}, 0},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    Bench b;
    const auto node = filled(b);
    const PurgeReport would = b.purge(*node, cases[i].filter, true);
    CHECK(would.memory == cases[i].expected);
    CHECK(would.redis == cases[i].expected);
    CHECK(would.redis_complete);
    CHECK(node->stats().entries == 100);
    CHECK(entries_in_redis(b) == 100);
    const PurgeReport done = b.purge(*node, cases[i].filter);
    CHECK(done.memory == cases[i].expected);
    CHECK(done.redis == cases[i].expected);
    CHECK(done.redis_complete);
    CHECK(node->stats().entries == 100 - cases[i].expected);
    CHECK(entries_in_redis(b) == 100 - cases[i].expected);
    b.world.loop.run_for(1s);
    CHECK(b.redis.connections() == 1);  // its own connection is closed
  }
}

TEST_CASE("purging everything leaves the secret and what is not ours") {
  Bench b;
  const auto node = filled(b);
  const MonoTime later = b.world.loop.now() + 24h;
  for (const char* key : {"dify:session", "outrigger:v2:x", "outrigger2:v1:x", "xoutrigger:v1:x"})
    b.redis.data().put(key, "x", later);
  b.purge(*node, {.all = true});
  CHECK(b.redis.data().keys(b.world.loop.now()) == std::vector<std::string>{"dify:session", "outrigger2:v1:x",
                                                                            "outrigger:secret", "outrigger:v2:x",
                                                                            "xoutrigger:v1:x"});
  CHECK(b.redis.count("FLUSHDB") == 0);
}

TEST_CASE("a prefix with a glob's special characters is searched for as it stands") {
  for (const char* prefix : {"team*[a]?:", "a\\b:", "[x-z]^:"}) {
    INFO(prefix);
    Bench b;
    b.world.loop.set_wall(k_noon);
    b.settings.prefix = prefix;
    const auto node = b.up();
    b.put(*node, 1);
    CHECK(b.purge(*node, {.all = true}, true).redis == 1);
    CHECK(b.purge(*node, by_model("gpt-4o")).redis == 1);
  }
}

TEST_CASE("a purge takes several pages and lookups go on meanwhile") {
  Bench b;
  const auto node = filled(b, 3000);
  const auto reader = b.up();
  std::optional<PurgeReport> report;
  node->store->purge(by_model("m0"), false, [&](PurgeReport r) { report = r; });
  int asked = 0;
  while (!report) {
    const auto answer = b.ask(*reader, {3 * static_cast<std::uint64_t>(asked++ % 900) + 1});
    b.world.loop.run_for(1ms);
    REQUIRE(answer->times == 1);
    REQUIRE(answer->found.at(0) != nullptr);
  }
  CHECK(asked > 5);
  CHECK(report->redis == 1000);
  CHECK(entries_in_redis(b) == 2000);
  CHECK(b.redis.count("SCAN") >= 6);
}

TEST_CASE("what cannot be read does not match, and is no reason to stop") {
  Bench b;
  const auto node = filled(b);
  const MonoTime later = b.world.loop.now() + 24h;
  for (const char* rubbish : {"", "x", "ORe\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    b.redis.data().put("outrigger:v1:rubbish" + std::to_string(std::string_view(rubbish).size()), rubbish, later);
  }
  const PurgeReport report = b.purge(*node, by_model("m0"));
  CHECK(report.redis == 34);
  CHECK(report.redis_complete);
  CHECK(b.purge(*node, {.all = true}).redis == 66 + 4);
}

TEST_CASE("a Redis that is down, frozen, locked or odd makes a purge incomplete, in bounded time") {
  for (const int kind : {0, 1, 2, 3, 4}) {
    INFO("kind " << kind);
    Bench b;
    const auto node = filled(b);
    if (kind == 0) b.redis.go_down();
    if (kind == 1) b.redis.freeze();
    if (kind == 2) b.redis.server().faults.no_auth = true;
    if (kind == 3) b.redis.server().faults.wrong_type = 1;
    if (kind == 4) b.redis.slow = 2100ms;
    const MonoTime began = b.world.loop.now();
    for (const PurgeFilter& filter : {PurgeFilter{.all = true}, PurgeFilter{.key = a_key(1)}, by_model("m1")}) {
      const PurgeReport report = b.purge(*node, filter);
      CHECK_FALSE(report.redis_complete);
      CHECK(report.redis == 0);
    }
    CHECK(b.world.loop.now() - began < 10s);
    CHECK(node->stats().entries == 0);
  }
}

TEST_CASE("a purge ends after thirty seconds, complete or not") {
  Bench b;
  const auto node = b.up();
  for (int i = 0; i < 10'000; ++i) {
    b.redis.data().put("outrigger:v1:" + std::to_string(i), "x", b.world.loop.now() + 24h);
  }
  b.redis.slow = 1900ms;  // twenty pages
  const MonoTime began = b.world.loop.now();
  const PurgeReport report = b.purge(*node, {.all = true}, true);
  CHECK_FALSE(report.redis_complete);
  CHECK(report.redis >= 5'000);
  CHECK(b.world.loop.now() - began == 30s);
}

// A Redis whose every answer the test decides.
struct ScriptedRedis {
  explicit ScriptedRedis(std::function<std::string(const sim::RedisCommand&)> answers) : answer(std::move(answers)) {
    server.on_peer = [this](sim::Peer& peer) {
      peer.on_receive = [this, reader = std::make_shared<sim::RespReader>()](sim::Peer& p) {
        reader->feed(p.take());
        while (const auto command = reader->next()) p.send(answer(*command));
      };
    };
  }
  RedisPurge::Report purge(const PurgeFilter& filter, bool dry_run) {
    struct Ears final : RedisLink::Owner {
      void on_link_up() override {}
      void on_link_news(LogLevel, std::string_view) override {}
    } ears;
    RedisSettings settings;
    settings.address = server.address();
    RedisLink lookups(world.world(), settings, 20ms, ears);
    std::optional<RedisPurge::Report> report;
    RedisPurge run(world.world(), settings, lookups, filter, dry_run, [&](RedisPurge::Report r) { report = r; });
    run.start();
    CHECK_FALSE(report.has_value());
    world.loop.run_until([&] { return report.has_value(); }, 1min);
    return report.value();
  }

  sim::SimWorld world;
  sim::ScriptedServer server{world, {"redis", 6379, false}};
  std::function<std::string(const sim::RedisCommand&)> answer;
};

std::string page(std::string_view cursor, const std::vector<std::string>& keys) {
  std::string reply = "*2\r\n$" + std::to_string(cursor.size()) + "\r\n" + std::string(cursor) + "\r\n*" +
                      std::to_string(keys.size()) + "\r\n";
  for (const std::string& key : keys) reply += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
  return reply;
}

TEST_CASE("a Redis too old for UNLINK is asked to DEL") {
  std::vector<std::string> asked;
  ScriptedRedis redis([&](const sim::RedisCommand& command) -> std::string {
    if (command[0] == "CLIENT") return "+OK\r\n";
    if (command[0] == "PING") return "+PONG\r\n";
    asked.push_back(command[0]);
    if (command[0] == "SCAN") return page("0", {"outrigger:v1:a", "outrigger:v1:b"});
    if (command[0] == "UNLINK") return "-ERR unknown command 'UNLINK'\r\n";
    return command[0] == "DEL" ? ":2\r\n" : "-ERR what\r\n";
  });
  const auto report = redis.purge({.all = true}, false);
  CHECK(report.complete);
  CHECK(report.entries == 2);
  CHECK(asked == std::vector<std::string>{"SCAN", "UNLINK", "DEL"});
}

TEST_CASE("a dry run counts a key once though SCAN names it twice, and ignores keys that are not ours") {
  int pages = 0;
  ScriptedRedis redis([&](const sim::RedisCommand& command) -> std::string {
    if (command[0] == "CLIENT") return "+OK\r\n";
    if (command[0] == "PING") return "+PONG\r\n";
    return page(++pages < 3 ? "12345678901234567890" : "0",
                {"outrigger:v1:a", "other:v1:x", "outrigger:v1:" + std::to_string(pages)});
  });
  const auto report = redis.purge({.all = true}, true);
  CHECK(report.complete);
  CHECK(report.entries == 4);
  CHECK(pages == 3);
}

TEST_CASE("odd answers to a purge make it incomplete and never more than it asked for") {
  for (const std::string odd : {"*-1\r\n", "*1\r\n$1\r\n0\r\n", "*2\r\n:0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n:1\r\n", "+OK\r\n",
                                "-ERR no SCAN here\r\n"}) {
    INFO(odd);
    ScriptedRedis redis([&](const sim::RedisCommand& command) -> std::string {
      if (command[0] == "CLIENT") return "+OK\r\n";
      return command[0] == "PING" ? "+PONG\r\n" : odd;
    });
    CHECK_FALSE(redis.purge({.all = true}, false).complete);
  }
  for (const std::string odd : {":-1\r\n", "+OK\r\n", "$-1\r\n", "-OOM no\r\n", ":99\r\n"}) {
    INFO(odd);
    ScriptedRedis redis([&](const sim::RedisCommand& command) -> std::string {
      if (command[0] == "CLIENT") return "+OK\r\n";
      if (command[0] == "PING") return "+PONG\r\n";
      return command[0] == "SCAN" ? page("0", {"outrigger:v1:a"}) : odd;
    });
    const auto report = redis.purge({.all = true}, false);
    CHECK(report.complete == (odd == ":99\r\n"));
    CHECK(report.entries <= 1);
  }
}

TEST_CASE("a lookup that was answered before a purge does not bring the entry back") {
  Bench b;
  const auto writer = filled(b, 1);
  const auto reader = b.up();
  const auto answer = b.ask(*reader, {0});
  std::optional<PurgeReport> report;
  reader->store->purge(by_model("m0"), false, [&](PurgeReport r) { report = r; });
  b.world.loop.run_for(1s);
  REQUIRE(answer->times == 1);
  CHECK(answer->found.at(0) == nullptr);
  REQUIRE(report.has_value());
  CHECK(report->redis == 1);
  CHECK(reader->stats().entries == 0);
  // Later ones are found again.
  EntryBuilder again{.number = 0, .model = "m0"};
  b.put(*writer, again.make());
  CHECK(b.find(*reader, 0) != nullptr);
}

TEST_CASE("a purge by key sees what was written just before") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  node->store->put(an_entry(1));
  const PurgeReport report = b.purge(*node, {.key = a_key(1)});
  CHECK(report.memory == 1);
  CHECK(report.redis == 1);
  CHECK(entries_in_redis(b) == 0);
}

TEST_CASE("several purges at once do not disturb each other, nor does the end of the store") {
  Bench b;
  auto node = filled(b, 300);
  int ended = 0;
  for (const char* model : {"m0", "m1", "m2"}) {
    node->store->purge(by_model(model), false, [&](PurgeReport r) {
      ++ended;
      CHECK(r.redis == 100);
    });
  }
  b.world.loop.run_for(1s);
  CHECK(ended == 3);
  CHECK(entries_in_redis(b) == 0);
  node->store->purge(by_model("m0"), false, [&](PurgeReport) { ++ended; });
  node->store->purge({.key = a_key(1)}, false, [&](PurgeReport) { ++ended; });
  b.world.loop.run_for(300us);
  node.reset();
  b.world.loop.run_for(1min);
  CHECK(ended == 3);
  CHECK(b.redis.connections() == 0);
}

}  // namespace
}  // namespace outrigger::cache
