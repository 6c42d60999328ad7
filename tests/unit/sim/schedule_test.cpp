#include "sim/schedule.h"

#include <catch2/catch_test_macros.hpp>
#include <utility>

#include "sim/rate_limit.h"

namespace outrigger::sim_provider {
namespace {

const MonoTime k_start{1h};

Fault timed(Duration at, std::optional<Duration> length = {}, std::optional<Duration> repeat = {}) {
  Fault fault;
  fault.at = at;
  fault.length = length;
  fault.repeat = repeat;
  fault.status = 503;
  return fault;
}

bool fits(Schedule& schedule, Duration after, std::string_view path = "/v1/chat/completions", std::string_view model = "m") {
  Rng rng(1);
  return schedule.match({path, model, {}}, k_start + after, rng) != nullptr;
}

TEST_CASE("a window of time includes its first instant and not its last") {
  Schedule schedule({timed(10s, 5s)}, k_start);
  CHECK_FALSE(fits(schedule, 10s - 1ns));
  CHECK(fits(schedule, 10s));
  CHECK(fits(schedule, 15s - 1ns));
  CHECK_FALSE(fits(schedule, 15s));
}

TEST_CASE("a fault without an end goes on, one that repeats comes again") {
  Schedule endless({timed(10s)}, k_start);
  CHECK_FALSE(fits(endless, 9s));
  CHECK(fits(endless, 1000h));
  Schedule repeating({timed(10s, 5s, 60s)}, k_start);
  CHECK_FALSE(fits(repeating, 70s - 1ns));
  CHECK(fits(repeating, 70s));
  CHECK(fits(repeating, 75s - 1ns));
  CHECK_FALSE(fits(repeating, 75s));
  CHECK(fits(repeating, 610s));
}

TEST_CASE("requests are counted per fault among those that its path and model select") {
  Fault fault;
  fault.requests = {2, 3};
  fault.path = "/v1/chat/completions";
  fault.model = "gpt-*";
  Schedule schedule({fault}, k_start);
  CHECK_FALSE(fits(schedule, 0s, "/chat/completions", "gpt-4o"));  // the first
  CHECK_FALSE(fits(schedule, 0s, "/v1/embeddings", "gpt-4o"));
  CHECK_FALSE(fits(schedule, 0s, "/v1/chat/completions", "claude"));
  CHECK(fits(schedule, 0s, "/v1/chat/completions", "gpt-4o"));
  CHECK(fits(schedule, 0s, "/v1/chat/completions", "gpt-4o"));
  CHECK_FALSE(fits(schedule, 0s, "/v1/chat/completions", "gpt-4o"));
  schedule.restart(k_start);
  CHECK_FALSE(fits(schedule, 0s, "/v1/chat/completions", "gpt-4o"));
  CHECK(fits(schedule, 0s, "/v1/chat/completions", "gpt-4o"));
}

TEST_CASE("every n-th request") {
  Fault fault;
  fault.every = 3;
  Schedule schedule({fault}, k_start);
  for (int round = 0; round < 4; ++round) {
    CHECK_FALSE(fits(schedule, 0s));
    CHECK_FALSE(fits(schedule, 0s));
    CHECK(fits(schedule, 0s));
  }
}

TEST_CASE("the first fault that holds is taken, and the others count the request all the same") {
  Fault first;
  first.requests = {1, 1};
  first.code = "first";
  Fault second;
  second.requests = {1, 2};
  second.code = "second";
  Schedule schedule({first, second}, k_start);
  Rng rng(1);
  CHECK(schedule.match({"/x", {}, {}}, k_start, rng)->code == "first");
  CHECK(schedule.match({"/x", {}, {}}, k_start, rng)->code == "second");
  CHECK(schedule.match({"/x", {}, {}}, k_start, rng) == nullptr);
}

TEST_CASE("a probability is kept in the long run") {
  Fault fault;
  fault.probability = 0.386;
  Schedule schedule({fault}, k_start);
  const std::uint64_t seed = 7;
  INFO("seed " << seed);
  Rng rng(seed);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += schedule.match({"/x", {}, {}}, k_start, rng) != nullptr ? 1 : 0;
  CHECK(hits > 3'660);
  CHECK(hits < 4'060);
}

TEST_CASE("connections are refused only by faults that depend on time alone") {
  Fault outage = timed(10s, 5s);
  outage.refuse = true;
  Schedule schedule({outage}, k_start);
  CHECK_FALSE(schedule.refuses(k_start + 10s - 1ns));
  CHECK(schedule.refuses(k_start + 10s));
  CHECK_FALSE(schedule.refuses(k_start + 15s));
  for (const auto& narrow :
       {+[](Fault& f) { f.path = "x"; }, +[](Fault& f) { f.model = "x"; }, +[](Fault& f) { f.key = "x"; },
        +[](Fault& f) { f.over = 1; }, +[](Fault& f) { f.every = 2; }, +[](Fault& f) { f.probability = 0.5; },
        +[](Fault& f) {
          f.requests = {1, 2};
        }}) {
    Fault fault = outage;
    narrow(fault);
    CHECK_FALSE(Schedule({fault}, k_start).refuses(k_start + 10s));
  }
}

TEST_CASE("a rate limit gives the whole burst, then one at a time") {
  RateLimit limit(60, 3);
  for (std::uint64_t left : {2u, 1u, 0u}) {
    const auto verdict = limit.take(1, k_start);
    CHECK(verdict.allowed);
    CHECK(verdict.remaining == left);
    CHECK(verdict.limit == 60);
  }
  auto refused = limit.take(1, k_start);
  CHECK_FALSE(refused.allowed);
  CHECK(refused.retry_after == 1s);
  CHECK(refused.reset == 3s);
  CHECK_FALSE(limit.take(1, k_start + 1s - 1ns).allowed);
  CHECK(limit.take(1, k_start + 1s).allowed);
  CHECK_FALSE(limit.take(1, k_start + 1s).allowed);
  CHECK(limit.take(1, k_start + 1h).remaining == 2);
}

TEST_CASE("a rate limit takes many units at once, and never asks for more than the burst") {
  RateLimit limit(6000, 100);
  CHECK(limit.take(100, k_start).remaining == 0);
  CHECK(limit.take(50, k_start).retry_after == 500ms);
  CHECK(limit.take(1'000'000, k_start).retry_after == 1s);
  CHECK(limit.take(1'000'000, k_start + 1s).allowed);
}

TEST_CASE("a window limit counts what it refuses") {
  WindowLimit limit(2, 10s);
  CHECK(limit.take(k_start).remaining == 1);
  CHECK(limit.take(k_start + 1s).remaining == 0);
  auto refused = limit.take(k_start + 2s);
  CHECK_FALSE(refused.allowed);
  CHECK(refused.limit == 2);
  CHECK(refused.retry_after == 9s);  // when the request of the first second is out of sight, too
  refused = limit.take(k_start + 11s - 1ns);
  CHECK_FALSE(refused.allowed);
  CHECK(refused.retry_after == 1s + 1ns);  // the refusal of the second second still counts
  CHECK(limit.take(k_start + 12s).allowed);
}

TEST_CASE("a window limit is open again to the instant that it tells") {
  WindowLimit limit(1, 10s);
  CHECK(limit.take(k_start).allowed);
  CHECK(limit.take(k_start + 10s).allowed);
  CHECK_FALSE(limit.take(k_start + 20s - 1ns).allowed);
  CHECK_FALSE(limit.take(k_start + 20s).allowed);
  CHECK(limit.take(k_start + 30s).allowed);
}

TEST_CASE("a fault can be for one key alone") {
  Fault fault;
  fault.key = "sk-a";
  fault.requests = {2, 2};
  Schedule schedule({fault}, k_start);
  Rng rng(1);
  const auto hit = [&](std::string_view key) { return schedule.match({"/x", "m", key}, k_start, rng) != nullptr; };
  CHECK_FALSE(hit("sk-a"));
  CHECK_FALSE(hit("sk-b"));  // is not counted
  CHECK_FALSE(hit(""));
  CHECK(hit("sk-a"));
}

TEST_CASE("a fault can be for what is over a limit within a window of time") {
  Fault fault = timed(10s, 5s);
  fault.over = 2;
  Schedule schedule({fault}, k_start);
  for (int i = 0; i < 5; ++i) CHECK_FALSE(fits(schedule, 8s));
  CHECK_FALSE(fits(schedule, 10s));
  CHECK_FALSE(fits(schedule, 10s));
  CHECK(fits(schedule, 10s));
  CHECK(fits(schedule, 11s - 1ns));
  CHECK_FALSE(fits(schedule, 12s));
  schedule.restart(k_start);
  CHECK_FALSE(fits(schedule, 12s));
}

TEST_CASE("the kind of a fault is what it mainly does") {
  const auto kind_of = [](auto&& change) {
    Fault fault;
    change(fault);
    return kind(fault);
  };
  CHECK(kind_of([](Fault& f) { f.status = 503; }) == "status_503");
  CHECK(kind_of([](Fault& f) {
          f.status = 503;
          f.refuse = true;
        }) == "refuse");
  CHECK(kind_of([](Fault& f) {
          f.crlf = true;
          f.reset_at = 3;
        }) == "reset_at");
  CHECK(kind_of([](Fault& f) { f.first_token = 5s; }) == "slow");
  CHECK(kind_of([](Fault& f) { f.headers = {{"a", "b"}}; }) == "other");
}

}  // namespace
}  // namespace outrigger::sim_provider
