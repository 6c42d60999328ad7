#include "dify_sim/dify.h"

#include "core/check.h"

namespace outrigger::dify_sim {

Dify::Dify(sim::SimWorld& world, Book& book, std::string name, sim_dify::Settings settings)
    : world_(world), at_{name, 5001, false}, door_(world.world(), std::move(settings)) {
  auto listener = world.net.listen(at_, std::nullopt, [this, &book, name](std::unique_ptr<io::Stream> stream) {
    door_.accept(std::make_unique<Tap>(world_.loop, book, name, std::move(stream)));
  });
  OR_CHECK(listener.has_value());
  listener_ = std::move(*listener);
}

std::vector<sim_dify::App> every_app() {
  std::vector<sim_dify::App> apps;
  for (const std::string name : {"chat", "agent-chat", "advanced-chat", "completion", "workflow"}) {
    sim_dify::App& app = apps.emplace_back();
    app.key = "app-" + name;
    app.name = name;
    app.mode = *sim_dify::mode_from(name);
  }
  return apps;
}

}  // namespace outrigger::dify_sim
