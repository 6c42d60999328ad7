#include <fmt/format.h>

#include "sim/checkers/checkers.h"

namespace outrigger::sim {
namespace {

// Timers of an instance that has nothing to do: secret, Redis link, and the like.
constexpr std::size_t k_periodic_timers = 6;

void complain_unless_zero(Complaints& complaints, std::string_view what, std::size_t value) {
  if (value != 0) complaints.push_back(fmt::format("at rest there are {} {}", value, what));
}

}  // namespace

void check_log(const History& history, const std::vector<std::unique_ptr<Node>>& nodes, Complaints& complaints) {
  for (const Request& request : history.requests) {
    if (request.end != Request::End::whole || request.request_id.empty()) continue;
    const auto& log = nodes.at(request.instance)->access_log();
    const auto line = log.find(request.request_id);
    if (line == log.end()) {
      complaints.push_back(describe(request) + ": it does not stand in the access log");
    } else if (line->second.status != request.status || !request.cache.starts_with(line->second.cache)) {
      complaints.push_back(describe(request) +
                           fmt::format(": in the access log it is {} {}", line->second.status, line->second.cache));
    }
  }
}

void check_calm(const History& history, Duration bound, Complaints& complaints) {
  for (const Request& request : history.requests) {
    if (!request.calm || request.kind == Kind::odd_http) continue;
    const bool good = request.kind == Kind::not_json ? request.status == 400 : request.status == 200 && !request.told.error;
    if (request.end != Request::End::whole || !good) {
      complaints.push_back(describe(request) + fmt::format(": in calm times it ended with {} ({})", request.status,
                                                           static_cast<int>(request.end)));
    } else if (request.ended - request.sent > bound) {
      complaints.push_back(describe(request) +
                           fmt::format(": in calm times it took {:.3f} s", seconds(request.ended - request.sent)));
    }
  }
}

void check_bounds(Node& node, Complaints& complaints) {
  if (!node.running()) return;
  app::Instance& instance = node.instance();
  const cache::StoreStats stats = instance.store().stats();
  if (stats.bytes > stats.capacity)
    complaints.push_back(fmt::format("the memory tier holds {} of {} bytes", stats.bytes, stats.capacity));
  proxy::Fills& fills = instance.llm_door().fills();
  // One answer may be under way beyond the budget for each that began below it; these are small.
  constexpr std::size_t k_recorded_max = 80u << 20;
  if (fills.recorded_bytes() > k_recorded_max)
    complaints.push_back(fmt::format("{} bytes are recorded", fills.recorded_bytes()));
  if (instance.connections() > 300) complaints.push_back(fmt::format("{} connections", instance.connections()));
}

void check_rest(SimWorld& world, const std::vector<std::unique_ptr<Node>>& nodes, SimRedis* redis, Complaints& complaints) {
  for (const auto& node : nodes) {
    if (!node->running()) continue;
    app::Instance& instance = node->instance();
    complain_unless_zero(complaints, "client connections", instance.connections());
    complain_unless_zero(complaints, "fills", instance.llm_door().fills().size());
    complain_unless_zero(complaints, "recorded bytes", instance.llm_door().fills().recorded_bytes());
    const std::string metrics = instance.registry().expose();
    for (const std::string_view gauge : {"outrigger_upstream_calls", "outrigger_connections{door=\"llm\"}"}) {
      if (metrics.find(fmt::format("\n{} 0\n", gauge)) == std::string::npos) {
        complaints.push_back(fmt::format("at rest the gauge {} is not zero", gauge));
      }
    }
  }
  const std::size_t redis_ends = redis == nullptr ? 0 : 2 * redis->connections();
  if (world.net.open_streams() != redis_ends) {
    complaints.push_back(
        fmt::format("at rest {} ends of connections are open, {} of them Redis'", world.net.open_streams(), redis_ends));
  }
  if (world.loop.timers() > nodes.size() * k_periodic_timers) {
    complaints.push_back(fmt::format("at rest {} timers are set", world.loop.timers()));
  }
  if (redis == nullptr) return;
  for (const std::string& key : redis->keys_without_ttl()) complaints.push_back("a key without a time to live: " + key);
  for (const std::string& key : redis->data(5).keys(world.loop.now())) {
    if (!key.starts_with("sim:")) complaints.push_back("a key without the prefix: " + key);
  }
}

}  // namespace outrigger::sim
