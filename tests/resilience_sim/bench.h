// Bench: the whole program, as src/app composes it, in virtual time, with a file of settings that a test writes. Providers and
// visitors are the test's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/instance.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

class Bench {
 public:
  // `toml`: upstreams, models and so on; the doors are added.
  Bench(std::uint64_t seed, std::string_view toml);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  [[nodiscard]] static io::Address door() { return {"outrigger", 8080, false}; }
  // Of one target ("upstream:model"); null: nobody has asked for it.
  [[nodiscard]] const proxy::Lane* lane(std::string_view target);
  [[nodiscard]] app::Instance& instance() { return *instance_; }
  // What is under way, waits, or is held anywhere; empty: nothing, as it must be when nobody is there.
  [[nodiscard]] std::string unrest();

  SimWorld world;
  // What operators were told: warnings and errors.
  [[nodiscard]] const std::vector<std::string>& told() const { return log_.lines; }

 private:
  struct Log final : obs::Log {
    void line(LogLevel level, std::string_view words) override {
      if (level != LogLevel::info) lines.emplace_back(words);
    }
    std::vector<std::string> lines;
  };
  Log log_;
  std::unique_ptr<app::Instance> instance_;
};

}  // namespace outrigger::sim
