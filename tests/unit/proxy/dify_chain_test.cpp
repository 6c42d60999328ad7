// Which backend a request at the dify door goes to: by weight and user, or the least busy of replicas.
#include "proxy/dify_chain.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>
#include <vector>

#include "unit/proxy/dify_bench.h"

namespace outrigger::proxy::test {
namespace {

using State = DifyLoad::State;
using Order = std::vector<std::size_t>;

TEST_CASE("the least busy replica comes first, one without room behind those that have some, one that is down last") {
  struct Case {
    std::vector<DifyLoad> loads;
    std::uint64_t turn;
    Order order;
  };
  const std::vector<Case> cases{
      {{}, 3, {}},
      {{{State::out, 0}}, 0, {0}},
      {{{State::open, 2}, {State::open, 1}, {State::open, 3}}, 0, {1, 0, 2}},
      {{{State::open, 0}, {State::open, 0}, {State::open, 0}}, 0, {0, 1, 2}},
      {{{State::open, 0}, {State::open, 0}, {State::open, 0}}, 4, {1, 2, 0}},
      {{{State::open, 1}, {State::open, 0}, {State::open, 1}}, 2, {1, 2, 0}},
      {{{State::full, 1}, {State::open, 7}}, 0, {1, 0}},  // slow start: one is all that it may have
      {{{State::out, 0}, {State::full, 9}, {State::full, 8}}, 0, {2, 1, 0}},
      {{{State::open, 0}, {State::open, 0}}, UINT64_MAX, {1, 0}},
  };
  for (const Case& one : cases) CHECK(by_load(one.loads, one.turn) == one.order);
}

std::string names_of(const Chain& chain) {
  std::string names;
  for (const Link& link : chain) names += (names.empty() ? "" : " ") + link.name;
  return names;
}

// Where users belong to backends nobody asks how busy these are.
constexpr auto not_asked = [](const Link&) -> DifyLoad {
  FAIL("asked");
  return {};
};

TEST_CASE("models are not asked of Dify's api, even if it stands first") {
  const auto snapshot = snapshot_of(k_dify_config + "[[upstream]]\nname = \"relay\"\nurl = \"http://relay/v1\"\n");
  CHECK(snapshot->destination("/v1/chat/completions").target->upstream->name == "relay");
  CHECK(snapshot->destination("/new/v1/info").target->upstream->name == "new");
  CHECK(dify_chain(*snapshot, 1, not_asked).front().name == "new");
}

TEST_CASE("users are shared out by weight, each always to the same backend, and nobody moves back as a weight grows") {
  const auto with = [](int percent) {
    return snapshot_of(k_dify_config +
                       fmt::format("[dify]\ntarget = [{{ to = \"old\", weight = {} }}, {{ to = \"new\", weight = "
                                   "{} }}]\nfallback = [\"old\"]\n",
                                   100 - percent, percent));
  };
  const auto few = with(5), many = with(50);
  int moved_early = 0, moved_late = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t user = spread_of("user-" + std::to_string(i));
    const Chain before = dify_chain(*few, user, not_asked), after = dify_chain(*many, user, not_asked);
    CHECK(dify_chain(*few, user, not_asked).front().name == before.front().name);
    moved_early += before.front().name == "new";
    moved_late += after.front().name == "new";
    if (before.front().name == "new") CHECK(after.front().name == "new");
    CHECK(before.back().name == "old");
  }
  CHECK(moved_early > 50);
  CHECK(moved_early < 150);
  CHECK(moved_late > 900);
  CHECK(moved_late < 1100);
  CHECK(dify_chain(*many, std::nullopt, not_asked).front().name == "old");
}

TEST_CASE("backends without weights are replicas; with weights each user belongs to one") {
  const std::string third = "[[upstream]]\nname = \"third\"\nurl = \"http://third\"\ndialect = \"dify\"\n";
  const std::map<std::string, DifyLoad> loads{
      {"new", {State::open, 3}}, {"old", {State::open, 1}}, {"third", {State::out, 0}}};
  std::size_t looks = 0;
  const auto load = [&](const Link& link) {
    ++looks;
    return loads.at(link.name);
  };
  const auto equal = snapshot_of(k_dify_config + third + "[dify]\ntarget = [\"new\", \"old\"]\nfallback = [\"third\"]\n");
  CHECK(dify_equals(*equal) == 2);
  CHECK(names_of(dify_chain(*equal, 7, load)) == "old new third");
  CHECK(names_of(dify_chain(*equal, std::nullopt, load)) == "old new third");
  CHECK(looks == 4);
  const auto weighted = snapshot_of(k_dify_config + third +
                                    "[dify]\ntarget = [{ to = \"new\", weight = 50 }, { to = \"old\", weight = 50 }]\n"
                                    "fallback = [\"old\"]\n");
  CHECK(dify_equals(*weighted) == 1);
  CHECK(names_of(dify_chain(*weighted, std::nullopt, not_asked)) == "new old");
}

const std::string k_equals = "[dify]\nconcurrency = 2\ntarget = [\"new\", \"old\"]\n";

TEST_CASE("runs go to the replica that is least busy, a second one of a conversation, too") {
  DifyBench bench(k_equals);
  std::vector<std::unique_ptr<sim::Peer>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(bench.ask({}));
  REQUIRE(bench.asked.size() == 4);
  CHECK(bench.asked[0].host != bench.asked[1].host);
  CHECK(bench.asked[2].host != bench.asked[3].host);
  // Who waits goes to whichever has room first.
  clients.push_back(bench.ask({}));
  CHECK(bench.asked.size() == 4);
  bench.asked[1].answer(k_blocking);
  bench.settle();
  bench.asked[2].answer(k_blocking);
  bench.settle();
  REQUIRE(bench.asked.size() == 5);
  CHECK(bench.last().host == bench.asked[bench.asked[1].host == bench.asked[4].host ? 1 : 2].host);
}

TEST_CASE("a replica that cannot be reached is passed over, and comes back slowly") {
  DifyBench bench(k_equals);
  bench.backend(0).stop();
  std::vector<std::unique_ptr<sim::Peer>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(bench.ask({.user = std::to_string(i)}));
    bench.pass(100ms);
    CHECK(bench.last().host == "old");
    bench.last().answer(k_blocking);
    bench.settle();
    CHECK(clients.back()->received().starts_with("HTTP/1.1 200"));
  }
  bench.backend(0).start();
  bench.pass(40s);
  // One probe at a time, however idle it is.
  for (int i = 0; i < 3; ++i) clients.push_back(bench.ask({}));
  int at_new = 0;
  for (std::size_t i = 12; i < bench.asked.size(); ++i) at_new += bench.asked[i].host == "new" ? 1 : 0;
  CHECK(bench.asked.size() == 15);
  CHECK(at_new == 1);
}

TEST_CASE("an app that fails at one replica would fail at the others: no breaker hides its reason") {
  DifyBench bench(k_equals);
  const std::string failure = R"({"code":"completion_request_error","message":"m","status":400})";
  for (int i = 0; i < 8; ++i) {
    auto client = bench.ask({});
    REQUIRE(bench.asked.size() == static_cast<std::size_t>(i + 1));
    bench.last().answer(failure, 400);
    bench.settle();
    CHECK(body_of(client->received()) == failure);
  }
}

}  // namespace
}  // namespace outrigger::proxy::test
