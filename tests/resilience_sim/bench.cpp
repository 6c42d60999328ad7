#include "resilience_sim/bench.h"

#include <fmt/format.h>

#include <cstdio>

#include "core/check.h"

namespace outrigger::sim {

Bench::Bench(std::uint64_t seed, std::string_view toml) : world(seed) {
  const auto load = [text = fmt::format("[listen]\nllm = \"{}\"\nadmin = \"127.0.0.1:9090\"\n{}", io::to_string(door()),
                                        toml)] { return config::load_text(text, "test.toml", {}); };
  const config::Loaded loaded = load();
  for (const auto& diagnostic : loaded.diagnostics) std::fputs((config::to_string(diagnostic) + "\n").c_str(), stderr);
  OR_CHECK(loaded.config != nullptr);
  instance_ = std::make_unique<app::Instance>(app::InstanceParts{.world = world.world(),
                                                                 .config = loaded.config,
                                                                 .log = log_,
                                                                 .access = nullptr,
                                                                 .load = load,
                                                                 .resident_bytes = {},
                                                                 .fresh_secret = "a secret of the test that is long enough",
                                                                 .version = "sim"},
                                              [](int) {});
  instance_->start();
  OR_CHECK(world.loop.run_until([this] { return instance_->serving(); }, 5s));
}

Bench::~Bench() = default;

const proxy::Lane* Bench::lane(std::string_view target) {
  const proxy::Lane* found = nullptr;
  instance_->llm_door().lanes().each([&](const proxy::Lane& lane) {
    if (lane.name() == target) found = &lane;
  });
  return found;
}

std::string Bench::unrest() {
  std::string words;
  const auto note = [&](std::string_view what, std::size_t n) {
    if (n != 0) words += fmt::format("{} {}; ", n, what);
  };
  instance_->llm_door().lanes().each([&](const proxy::Lane& lane) {
    note("in flight to " + lane.name(), lane.concurrency().in_flight());
    note("in the queue of " + lane.name(), lane.queue().size());
    note("not reported to the health of " + lane.name(), lane.health().pending());
  });
  instance_->dify_door().apps().each([&](const std::string&, const proxy::Lane& lane) {
    note("in flight of app " + lane.name(), lane.concurrency().in_flight());
    note("in the queue of app " + lane.name(), lane.queue().size());
    note("not reported to the health of app " + lane.name(), lane.health().pending());
  });
  note("requests at the dify door", instance_->dify_door().flows());
  note("stops", instance_->dify_door().stops().size());
  note("fills", instance_->llm_door().fills().size());
  note("bytes held", instance_->llm_door().fills().recorded_bytes());
  return words;
}

}  // namespace outrigger::sim
