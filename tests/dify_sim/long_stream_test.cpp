// A stream of an hour, with keep-alives every ten seconds and a word now and then, passes whole.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "dify_sim/dify.h"
#include "dify_sim/laws.h"
#include "resilience_sim/bench.h"

namespace outrigger::dify_sim {

TEST_CASE("a stream of an hour passes whole, every keep-alive when it comes") {
  const io::Address door{"outrigger", 8081, false};
  sim::Bench bench(
      1, "dify = \"outrigger:8081\"\n[[upstream]]\nname = \"a\"\nurl = \"http://dify-a:5001\"\ndialect = \"dify\"\n");
  sim_dify::Settings settings;
  settings.apps = every_app();
  settings.think = 20min;
  settings.between_tokens = 2min;
  settings.tokens = 24;
  Book book;
  Dify dify(bench.world, book, "dify-a", settings);
  Callers callers(bench.world, door);
  callers.call(turn(1, Kind::chat, "u", true));
  CHECK(bench.world.loop.run_until([&] { return callers.busy() == 0; }, 3h));
  const Outcome& outcome = callers.outcomes().front();
  REQUIRE(outcome.end == Outcome::End::whole);
  CHECK(outcome.ended - outcome.began > 1h);
  CHECK(outcome.answer.body() == book.seen.front().answer.body());
  const std::string& body = outcome.answer.body();
  std::size_t pings = 0;
  for (std::size_t at = 0; (at = body.find("event: ping\n\n", at)) != std::string::npos; ++at) ++pings;
  CHECK(pings >= 360);
  // Ten seconds without a byte are the most that lay between two pieces, on this side of the door, too.
  CHECK(outcome.silence <= 10s + 10ms);
  CHECK(dify.runs() == 1);
  CHECK(bench.unrest() == "");
}

}  // namespace outrigger::dify_sim
