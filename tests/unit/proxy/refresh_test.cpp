// stale_while_revalidate: what is past its time is served at once, and fetched anew for whoever asks next.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

std::string cache_of(const std::string& answer) { return field_of(answer, "x-outrigger-cache"); }
bool says(const std::string& answer, std::string_view text) {
  return body_of(answer).contains(fmt::format("\"content\":\"{}\"", text));
}

const std::string k_config =
    "[cache]\nttl = \"10s\"\nstale_if_error = \"0s\"\nstale_while_revalidate = \"20s\"\n" + k_basic_config;

// A door whose answer to the question is `age` old.
struct Expired : DoorBench {
  explicit Expired(Duration age = 11s, const std::string& config = k_config, bool with_redis = false,
                   std::size_t memory = 8u << 20)
      : DoorBench(config, with_redis, memory) {
    exchange({}, "old");
    world.loop.run_for(age);
  }
};

TEST_CASE("past its time an answer is served at once, and the next one is fresh") {
  for (const bool stream : {false, true}) {
    CAPTURE(stream);
    Expired b;
    const auto peer = b.ask({.stream = stream});
    CHECK(cache_of(peer->received()) == "stale");
    CHECK(field_of(peer->received(), "Age") == "11");
    CHECK(field_of(peer->received(), "x-outrigger-attempts") == "0");
    CHECK(says(peer->received(), "old"));
    REQUIRE(b.asked.size() == 2);  // for nobody in particular
    CHECK(b.door.refreshes().size() == 1);
    if (stream) {
      b.last().begin_stream();
      for (const std::string& piece : {event("new"), k_stop, k_done}) b.last().chunk(piece);
      b.last().end_stream();
    } else {
      b.last().answer(answer_json("new"));
    }
    b.settle();
    CHECK(b.door.refreshes().size() == 0);
    CHECK(b.door.fills().size() == 0);
    const std::string next = b.ask({})->received();
    CHECK(cache_of(next) == "hit");
    CHECK(says(next, "new"));
    CHECK(b.asked.size() == 2);
  }
}

TEST_CASE("one refresh for all who ask meanwhile, whoever leaves") {
  Expired b;
  for (int i = 0; i < 10; ++i) CHECK(cache_of(b.ask({})->received()) == "stale");
  CHECK(b.asked.size() == 2);
  b.ask({})->close();
  b.settle();
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(says(b.ask({})->received(), "new"));
  CHECK(b.asked.size() == 2);
}

TEST_CASE("at the end of the window, or where the client wants it fresh, it is waited for") {
  struct Case {
    Duration age;
    std::string fields;
    std::string cache;
  };
  const Case table[] = {
      {29s, "", "stale"},
      {31s, "", "miss"},
      {11s, "cache-control: no-cache\r\n", "miss"},
      {11s, "cache-control: max-age=12\r\n", "stale"},
      {12s, "cache-control: max-age=11\r\n", "miss"},
  };
  for (const Case& row : table) {
    CAPTURE(row.age, row.fields);
    Expired b(row.age);
    const auto peer = b.ask({.fields = row.fields});
    REQUIRE(b.asked.size() == 2);
    b.last().answer(answer_json("new"));
    b.settle();
    CHECK(cache_of(peer->received()) == row.cache);
    CHECK(says(peer->received(), row.cache == "stale" ? "old" : "new"));
  }
}

TEST_CASE("who waits for a refresh has the old answer, or the fixed words, when it fails") {
  struct Case {
    std::string cache, model, content;
  };
  for (const Case& row :
       {Case{"stale_if_error = \"60s\"\n", "", "old"}, Case{"stale_if_error = \"0s\"\n", "answer = \"later\"\n", "later"}}) {
    CAPTURE(row.content);
    Expired b(29s, "[cache]\nttl = \"10s\"\nstale_while_revalidate = \"20s\"\n" + row.cache + k_basic_config + row.model);
    CHECK(cache_of(b.ask({})->received()) == "stale");
    b.world.loop.run_for(2s);
    const auto peer = b.ask({});
    CHECK(peer->received().empty());
    REQUIRE(b.asked.size() == 2);
    b.last().answer(R"({"error":{"message":"no"}})", 503);
    b.settle();
    CHECK(peer->received().starts_with("HTTP/1.1 200"));
    CHECK(says(peer->received(), row.content));
    CHECK(b.door.refreshes().size() == 0);
  }
}

TEST_CASE("who waits for what is to be refreshed does not wait behind everybody") {
  DoorBench b(k_config + "concurrency = 1\n");
  b.exchange({}, "old");
  b.world.loop.run_for(11s);
  const auto busy = b.ask({.text = "busy"});
  CHECK(cache_of(b.ask({})->received()) == "stale");
  CHECK(b.door.refreshes().size() == 1);
  const auto waiter = b.ask({.fields = "Cache-Control: max-age=5\r\n"});
  const auto later = b.ask({.text = "later"});
  CHECK(b.door.refreshes().size() == 0);  // who waits has taken it over
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer_json("busy"));
  b.settle();
  REQUIRE(b.asked.size() == 3);
  CHECK(b.last().body.contains("hello"));
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(says(waiter->received(), "new"));
  REQUIRE(b.asked.size() == 4);
  CHECK(b.last().body.contains("later"));
  b.last().answer(answer_json("x"));
  b.settle();
  CHECK(b.asked.size() == 4);
  CHECK(says(b.ask({})->received(), "new"));
}

TEST_CASE("off is the default: nothing is served past its time") {
  Expired b(11s, "[cache]\nttl = \"10s\"\n" + k_basic_config);
  const auto peer = b.ask({});
  CHECK(peer->received().empty());
  CHECK(b.asked.size() == 2);
}

TEST_CASE("observing, nothing is served and nothing is fetched for nobody") {
  Expired b(11s, "[cache]\nmode = \"observe\"\nttl = \"10s\"\nstale_while_revalidate = \"20s\"\n" + k_basic_config);
  const auto peer = b.ask({});
  CHECK(peer->received().empty());
  CHECK(b.asked.size() == 2);
  CHECK(b.door.refreshes().size() == 0);
}

TEST_CASE("a refresh that fails costs one call a minute, and the old answer is served on") {
  Expired b(11s, "[cache]\nttl = \"10s\"\nstale_while_revalidate = \"300s\"\n" + k_basic_config);
  CHECK(cache_of(b.ask({})->received()) == "stale");
  b.last().answer(R"({"error":{"message":"no"}})", 503);
  b.settle();
  for (int i = 0; i < 5; ++i) CHECK(cache_of(b.ask({})->received()) == "stale");
  CHECK(b.asked.size() == 2);
  b.world.loop.run_for(Unstorable::k_remember);
  CHECK(cache_of(b.ask({})->received()) == "stale");
  CHECK(b.asked.size() == 3);
}

TEST_CASE("what only Redis has is served past its time as well") {
  Expired b(1s, k_config, true, 8192);
  b.push_out();
  b.world.loop.run_for(10s);
  const std::size_t before = b.asked.size();
  const auto peer = b.ask({});
  CHECK(cache_of(peer->received()) == "stale");
  CHECK(says(peer->received(), "old"));
  REQUIRE(b.asked.size() == before + 1);
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(says(b.ask({})->received(), "new"));
  CHECK(b.asked.size() == before + 1);
}

TEST_CASE("what another replica has fetched anew is not fetched once more") {
  Expired b(11s, k_config, true);
  cache::EntryPtr old;
  b.store.visit_memory([&](const cache::Entry& entry) {
    old = std::make_shared<cache::Entry>(entry.key(), std::string(entry.identity()), entry.meta(), entry.payload());
    return false;
  });
  REQUIRE(old != nullptr);
  cache::StoreSettings settings;
  settings.redis.emplace().address = {"redis", 6379, false};
  cache::Store other(b.world.world(), settings);
  other.start(
      "a secret for tests that is long", 10ms, [](const std::string&) {}, [](const std::string&) {});
  b.settle();
  cache::Meta meta = old->meta();
  meta.stored_at = b.world.loop.wall_now();
  other.put(std::make_shared<cache::Entry>(old->key(), std::string(old->identity()), meta, old->payload()));
  b.settle();

  const std::string stale = b.ask({})->received();
  CHECK(cache_of(stale) == "stale");
  CHECK(field_of(stale, "Age") == "11");
  b.settle();
  CHECK(b.door.refreshes().size() == 0);
  const std::string next = b.ask({})->received();
  CHECK(cache_of(next) == "hit");
  CHECK(field_of(next, "Age") == "0");
  CHECK(b.asked.size() == 1);
  // Its time over again, and nobody has fetched it: it is, and that was no failure before.
  b.world.loop.run_for(11s);
  CHECK(cache_of(b.ask({})->received()) == "stale");
  CHECK(b.asked.size() == 2);
}

// A token of the prompt costs an eighth of a USD, one of the answer a quarter: an answer comes to 1.375.
constexpr double k_cost = 1.375;
const std::string k_priced = k_config + "price = { input = 125e3, output = 250e3 }\n";

TEST_CASE("what a refresh costs is in the history, and the answer that had it made saved nothing") {
  obs::Journal journal;
  DoorBench b(k_priced);
  b.door.set_journal(&journal);
  b.exchange({}, "old");
  b.world.loop.run_for(11s);
  CHECK(cache_of(b.ask({})->received()) == "stale");
  CHECK(b.metrics.savings().total().usd == 0);
  CHECK(cache_of(b.ask({})->received()) == "stale");  // this one had nothing made
  CHECK(b.metrics.savings().total().usd == k_cost);
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(cache_of(b.ask({})->received()) == "hit");
  CHECK(b.asked.size() == 2);
  const obs::HistoryPoint all = journal.history().last(1h, b.world.loop.wall_now());
  CHECK(all.requests == 4);
  CHECK(b.metrics.spending().total().usd == 2 * k_cost);
  CHECK(all.spent_usd == b.metrics.spending().total().usd);
  CHECK(all.spent_tokens == 2 * 9);
  CHECK(b.metrics.savings().total().usd == 2 * k_cost);
  CHECK(all.saved_usd == b.metrics.savings().total().usd);
  CHECK(all.saved_tokens == 2 * 9);
  CHECK(journal.totals().requests == 4);
}

TEST_CASE("that one client may spend no more stops nobody else's refresh") {
  DoorBench b(R"([cache]
ttl = "10s"
stale_while_revalidate = "300s"
scope = "global"
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
keys = ["upstream-secret"]
[[model]]
name = "m"
price = { input = 0, output = 1e6 }
retry = { attempts = 1 }
[[client]]
name = "desk"
key = "k"
budget = { usd_per_day = 2 }
[[client]]
name = "other"
key = "other-key"
)");
  b.exchange({}, "old");  // 2 USD
  b.world.loop.run_for(11s);
  for (int i = 0; i < 2; ++i) {
    CHECK(cache_of(b.ask({})->received()) == "stale");
    b.settle();
    CHECK(b.door.refreshes().size() == 0);
  }
  CHECK(b.asked.size() == 1);
  CHECK(cache_of(b.ask({.key = "other-key"})->received()) == "stale");
  CHECK(b.asked.size() == 2);
}

TEST_CASE("there are never more refreshes than places, and a door that closes leaves none behind") {
  DoorBench b(k_config);
  constexpr std::size_t k_many = Refreshes::k_max + 20;
  for (std::size_t i = 0; i < k_many; ++i) b.exchange({.text = std::to_string(i)}, "old");
  b.world.loop.run_for(11s);
  const std::size_t before = b.asked.size();
  for (std::size_t i = 0; i < k_many; ++i) {
    CHECK(cache_of(b.ask({.text = std::to_string(i)})->received()) == "stale");
  }
  CHECK(b.door.refreshes().size() == Refreshes::k_max);
  CHECK(b.asked.size() == before + Refreshes::k_max);
  b.door.fills().abandon_all(ErrorCode::draining);
  b.settle();
  CHECK(b.door.refreshes().size() == 0);
}

}  // namespace
}  // namespace outrigger::proxy::test
