// Runs: what the simulated Dify has run and is running. A run lives as long as it was planned to, whether or not somebody still
// listens to it, as Dify's do; only `stop` ends one early. No timers: the owner passes the time, and runs whose end is past are
// over at the next look.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "core/time.h"

namespace outrigger::sim_dify {

class Runs {
 public:
  struct Tally {
    std::uint64_t total = 0, running = 0, running_max = 0;
  };
  struct Run {
    std::string app, path, user;  // the app's name
    bool fails = false;           // in the end
    MonoTime ends{};
    std::function<void()> on_stop = {};  // its stream, if it has one that is being played
  };

  void begin(std::string task_id, Run run, MonoTime now);
  // Null: there is no such run, or it is over. Valid until the next call.
  Run* find(std::string_view task_id, MonoTime now);
  // Ends it, and tells its stream.
  void stop(std::string_view task_id, MonoTime now);
  // What was begun without an end (MonoTime::max()) has one now.
  void set_end(std::string_view task_id, MonoTime ends, bool fails);
  // Its stream is gone.
  void detach(std::string_view task_id);

  // Ever begun.
  [[nodiscard]] std::uint64_t total() const { return all_.total; }
  [[nodiscard]] std::uint64_t running(std::string_view app, MonoTime now);
  std::string json(MonoTime now);
  // Counts from the beginning; what runs is forgotten.
  void reset() { *this = Runs(); }

 private:
  using Tallies = std::map<std::string, Tally, std::less<>>;
  using Table = std::map<std::string, Run, std::less<>>;

  void settle(MonoTime now);
  void end(Table::iterator run, std::uint64_t& outcome);
  static void add(Tallies& to, std::string_view name);
  static void remove(Tallies& from, std::string_view name);

  Table table_;
  std::multimap<MonoTime, std::string> ends_;  // task ids; stopped ones stay until their time
  Tally all_;
  Tallies by_app_, by_path_, by_user_;
  std::uint64_t completed_ = 0, failed_ = 0, stopped_ = 0;
};

}  // namespace outrigger::sim_dify
