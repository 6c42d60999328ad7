// Provider: a ProviderModel on the simulated net, behind as little HTTP as a proxy needs: chat completions and Anthropic's messages,
// streamed or not, and embeddings.
// Its answers repeat the question, so that a client can tell that it got the whole of the right one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resilience_sim/provider_model.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

// What it was asked: times since the start.
struct ProviderCall {
  Duration at{};
  Fate fate = Fate::answers;
  std::size_t under_way = 0;  // others of its kind, when it came
  std::string question;
};

class Provider {
 public:
  struct Habits {
    bool tells_limits = false;                 // x-ratelimit-* with every answer
    Duration between_tokens = 10ms;            // of a stream
    Duration down_after = 0ms;                 // when it is down: says nothing for so long before it says so
    std::optional<ProviderPlan> embeddings{};  // a model with limits of its own
  };
  // Listens at once at "<name>:9000".
  Provider(SimWorld& world, const std::string& name, const ProviderPlan& plan, Habits habits);
  Provider(SimWorld& world, const std::string& name, const ProviderPlan& plan) : Provider(world, name, plan, Habits{}) {}
  ~Provider();
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  [[nodiscard]] const std::vector<ProviderCall>& calls() const { return calls_; }
  [[nodiscard]] std::uint64_t count(Fate fate) const { return counts_.at(static_cast<std::size_t>(fate)); }
  // When an error had been written to its last byte.
  [[nodiscard]] const std::vector<Duration>& refusals() const { return refusals_; }
  [[nodiscard]] std::size_t under_way() const { return chat_.under_way + embeddings_.under_way; }

 private:
  class Connection;
  friend class Connection;

  [[nodiscard]] Duration now() const { return world_.loop.now() - start_; }
  void leave(std::uint64_t number);

  struct Served {
    ProviderModel model;
    std::size_t under_way = 0;
  };
  SimWorld& world_;
  Rng rng_;
  Served chat_, embeddings_;
  Habits habits_;
  MonoTime start_;
  std::vector<ProviderCall> calls_;
  std::array<std::uint64_t, 9> counts_{};
  std::vector<Duration> refusals_;
  std::uint64_t next_connection_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::unique_ptr<io::Listener> listener_;
};

// The text that answers a question.
[[nodiscard]] std::string answer_to(std::string_view question);

}  // namespace outrigger::sim
