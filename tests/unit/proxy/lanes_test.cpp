// Which lane a link has, from one configuration to the next.
#include "proxy/lanes.h"

#include <catch2/catch_test_macros.hpp>

#include "config/config.h"
#include "sim/world/sim_world.h"

namespace outrigger::proxy {
namespace {

std::shared_ptr<const Snapshot> snapshot(std::string_view url, int concurrency) {
  auto loaded = config::load_text(fmt::format("[[upstream]]\nname = \"u\"\nurl = \"{}\"\n"
                                              "[[model]]\nname = \"m\"\nconcurrency = {}\n",
                                              url, concurrency),
                                  "test.toml", {});
  REQUIRE(loaded.config != nullptr);
  return std::make_shared<const Snapshot>(loaded.config);
}

struct Bench {
  std::shared_ptr<Lane> of(const Snapshot& from) {
    return lanes.of(chain_for(from, "/v1/chat/completions", from.config().model_for("m"), "m", 0).front(), {});
  }
  sim::SimWorld world;
  Lanes lanes{world.world()};
};

constexpr std::string_view k_url = "http://a:1/v1";

TEST_CASE("a request from before a reload does not bring its settings back") {
  Bench b;
  const auto before = snapshot(k_url, 1);
  const auto after = snapshot(k_url, 5);
  b.lanes.reconfigure(*before);
  const auto lane = b.of(*before);
  CHECK(lane->settings().concurrency.limit == 1);
  b.lanes.reconfigure(*after);
  CHECK(b.of(*before) == lane);
  CHECK(lane->settings().concurrency.limit == 1);
  CHECK(b.of(*after) == lane);
  CHECK(lane->settings().concurrency.limit == 5);
  CHECK(b.of(*before) == lane);
  CHECK(lane->settings().concurrency.limit == 5);
}

TEST_CASE("a lane that such a request begins is configured by the next one") {
  Bench b;
  const auto before = snapshot(k_url, 1);
  const auto after = snapshot(k_url, 5);
  b.lanes.reconfigure(*after);
  CHECK(b.of(*before)->settings().concurrency.limit == 1);
  CHECK(b.of(*after)->settings().concurrency.limit == 5);
}

TEST_CASE("what was learned at a wrong URL does not hold for the right one") {
  Bench b;
  const auto wrong = snapshot("http://wrong:1/v1", 1);
  const auto right = snapshot(k_url, 1);
  b.lanes.reconfigure(*wrong);
  const auto lane = b.of(*wrong);
  for (int i = 0; i < 3; ++i) {
    lane->acquire({}, false)->failed({providers::SignalKind::health, "connect_refused", {}});
  }
  REQUIRE(lane->state() == resilience::Health::State::open);
  b.lanes.reconfigure(*right);
  const auto mended = b.of(*right);
  CHECK(mended != lane);
  CHECK(mended->state() == resilience::Health::State::closed);
  CHECK(b.lanes.size() == 1);
  // Who began before has nothing to do with it.
  CHECK(b.of(*wrong) != mended);
  CHECK(b.of(*right) == mended);
  CHECK(b.lanes.size() == 1);
}

TEST_CASE("a target that an operator shut stays shut at its new URL") {
  Bench b;
  const auto before = snapshot("http://old:1/v1", 1);
  const auto after = snapshot(k_url, 1);
  b.lanes.reconfigure(*before);
  b.of(*before);
  REQUIRE(b.lanes.force_open("u:m"));
  b.lanes.reconfigure(*after);
  CHECK(b.of(*after)->health().forced_open());
}

}  // namespace
}  // namespace outrigger::proxy
