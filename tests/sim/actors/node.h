// Node: one instance of the program in the simulated world, with the people around it: who starts and kills it, changes its
// configuration, and reads its logs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "app/instance.h"
#include "sim/history.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

struct NodePlan {
  std::size_t number = 0;
  bool redis = false;
  bool secret = false;  // stands in the file; else made or agreed upon
  std::string cache_memory = "512KiB";
  Duration redis_timeout = 20ms;
};

// What the file says; drawn anew for a reload.
struct Settings {
  Duration ttl = 15s;
  Duration stale_if_error = 30s;
  std::string mode = "on";
  std::string epoch = "1";
  std::string usage = "original";
  bool broken = false;  // a mistake in it
};

class Node {
 public:
  static constexpr std::uint64_t k_max_entry = 64 * 1024;
  static constexpr Duration k_total_limit = 20s;

  Node(SimWorld& world, History& history, NodePlan plan);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void start();
  // As a process that is killed: everything that it has is gone.
  void kill();
  [[nodiscard]] bool running() const { return instance_ != nullptr; }
  [[nodiscard]] app::Instance& instance() { return *instance_; }
  [[nodiscard]] bool over() const { return over_; }

  [[nodiscard]] static io::Address llm_address(std::size_t number);
  [[nodiscard]] static io::Address admin_address(std::size_t number);

  // What the next reload (or start) reads.
  Settings settings;

  struct LogLine {
    int status;
    std::string cache;
  };
  // By the id that the client was told.
  [[nodiscard]] const std::map<std::string, LogLine>& access_log() const { return access_.lines; }

 private:
  // Notes the lines and complains about those that are not JSON or come twice.
  class Access final : public obs::LineSink {
   public:
    explicit Access(History& history) : history_(history) {}
    void write(std::string_view line) override;
    std::map<std::string, LogLine> lines;

   private:
    History& history_;
  };
  class Silent final : public obs::Log {
   public:
    void line(LogLevel, std::string_view) override {}
  };

  [[nodiscard]] config::Loaded load() const;
  [[nodiscard]] std::string file() const;

  SimWorld& world_;
  History& history_;
  NodePlan plan_;
  std::uint64_t starts_ = 0;
  bool over_ = false;
  Access access_;
  Silent log_;
  std::unique_ptr<app::Instance> instance_;
};

}  // namespace outrigger::sim
