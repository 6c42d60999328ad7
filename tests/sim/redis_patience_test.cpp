// What a Redis in trouble may cost: its time limit, once per outage, and never an answer.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <functional>

#include "sim/actors/asking.h"
#include "sim/actors/client_conn.h"
#include "sim/actors/provider_actor.h"
#include "sim/checkers/checkers.h"

namespace outrigger::sim {
namespace {

constexpr Duration k_limit = 20ms;  // [redis] timeout
constexpr Duration k_outage = 60s;

// One client that asks a new question every 100 ms, over one connection.
class Bench final : private ClientConn::Owner {
 public:
  Bench() : provider_(world, history, "main", {"provider-main", 9000, false}) {
    nodes.push_back(std::make_unique<Node>(world, history, NodePlan{.number = 0, .redis = true, .secret = true}));
    nodes.front()->start();
    world.loop.run_for(1s);
    conn_ = std::make_unique<ClientConn>(world, history, Node::llm_address(0), static_cast<ClientConn::Owner&>(*this));
  }

  // The longest time to the first byte, and how many were later than `usual`.
  struct Costs {
    Duration longest{};
    std::size_t late = 0;
  };
  Costs ask_for(Duration span, Duration usual) {
    Costs costs;
    for (const MonoTime end = world.loop.now() + span; world.loop.now() < end;) {
      Request& request = history.requests.emplace_back(new_question());
      idle_ = false;
      conn_->ask({&request});
      REQUIRE(world.loop.run_until([this] { return idle_; }, 10s));
      REQUIRE(request.status == 200);
      const Duration took = request.first_byte - request.sent;
      costs.longest = std::max(costs.longest, took);
      if (took > usual) ++costs.late;
      world.loop.run_for(100ms);
    }
    return costs;
  }

  SimWorld world;
  History history;
  SimRedis redis{world};
  std::vector<std::unique_ptr<Node>> nodes;

 private:
  Request new_question() {
    Request request;
    request.kind = Kind::chat;
    request.id = history.requests.size() + 1;
    request.path = "/v1/chat/completions";
    request.model = "gpt-4o-mini";
    request.upstream = "main";
    request.credential = "key-0";
    request.stream = true;
    request.questions = {"Q" + std::to_string(request.id)};
    const std::string body = fmt::format(
        R"({{"model":"gpt-4o-mini","stream":true,"messages":[{{"role":"user","content":"{} {} how are you"}}]}})",
        request.questions.front(), k_blank_mark);
    request.wire = fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer key-0\r\nContent-Length: {}\r\n\r\n{}",
        body.size(), body);
    return request;
  }
  void on_idle(ClientConn&) override { idle_ = true; }
  void on_over(ClientConn&) override { over_ = true; }

  ProviderActor provider_;
  std::unique_ptr<ClientConn> conn_;
  bool idle_ = false;
  bool over_ = false;
};

TEST_CASE("no request is held longer than Redis' time limit, and an outage is paid for once") {
  struct Case {
    std::string_view name;
    std::function<void(Bench&)> strike;
    std::size_t late_max;  // requests that may have paid
  };
  const Duration k_instant = 1ms;
  for (
      const Case& c : {
          Case{"healthy", [](Bench&) {}, 0},
          Case{"frozen", [](Bench& b) { b.redis.freeze(); }, 1},
          Case{"always too slow", [](Bench& b) { b.redis.slow = 50ms; }, 1},
          // A probe succeeds now and then, and who asks next pays again: after 100 ms, 200 ms, ... and then every five seconds.
          Case{"slow at times", [](Bench& b) { b.redis.slow_jitter = 80ms; }, 20},
          Case{"down", [](Bench& b) { b.redis.go_down(); }, 1},
          Case{"unreachable",
               [](Bench& b) {
                 b.world.net.site(b.redis.address()).faults.blackhole = 1;
                 b.world.net.cut(b.redis.address());
               },
               1},
          Case{"its link is clogged", [](Bench& b) { b.world.net.clog(b.redis.address(), k_outage); }, 1},
          Case{"talking rubbish", [](Bench& b) { b.redis.server().faults.rubbish = 1; }, 1},
          Case{"loading", [](Bench& b) { b.redis.server().faults.loading = true; }, 0},
          Case{"full", [](Bench& b) { b.redis.server().faults.full = true; }, 0},
      }) {
    CAPTURE(c.name);
    Bench b;
    const Bench::Costs usual = b.ask_for(5s, {});
    c.strike(b);
    const Bench::Costs costs = b.ask_for(k_outage, usual.longest + k_instant);
    CHECK(costs.longest <= usual.longest + k_limit + k_instant);
    CHECK(costs.late <= c.late_max);
    Complaints complaints = b.history.complaints;
    check_answers(b.history, complaints);
    CHECK(complaints.empty());
  }
}

TEST_CASE("when Redis gets well it is used again within seconds") {
  Bench b;
  b.ask_for(2s, {});
  b.redis.go_down();
  b.ask_for(60s, {});
  b.redis.come_up();
  CHECK(b.world.loop.run_until([&] { return b.nodes.front()->instance().store().can_find_later(); }, 7s));
  const std::uint64_t before = b.redis.count("SET");
  b.ask_for(2s, {});
  CHECK(b.redis.count("SET") > before);
  CHECK(b.redis.keys_without_ttl().empty());
}

}  // namespace
}  // namespace outrigger::sim
