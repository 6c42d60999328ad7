// Callers: the clients. Each makes one request on a connection of its own, behaves as the Ask says, and notes what it got. They never
// judge.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "dify_sim/asks.h"
#include "sim/actors/answer_wire.h"
#include "sim/world/sim_world.h"

namespace outrigger::dify_sim {

struct Outcome {
  Ask ask;  // without its wire
  enum class End : unsigned char { none, whole, broken, left, impatient, not_connected } end = End::none;
  MonoTime began{}, sent{}, first_event{}, ended{};  // first_event: of a stream
  Duration silence{};                                // the longest between two pieces of the answer
  sim::AnswerWire answer;
  bool has_more = false;  // something came behind the answer

  // The door's own words, not a Dify's.
  [[nodiscard]] bool is_own() const { return !answer.header("x-should-retry").empty(); }
  [[nodiscard]] bool is_event_stream() const { return answer.header("content-type").starts_with("text/event-stream"); }
};

class Callers {
 public:
  // No limit of these tests lets silence last longer; who hears nothing for so long has been forgotten.
  static constexpr Duration k_patience = 200s;
  static constexpr std::size_t k_slow_reads = 12;

  Callers(sim::SimWorld& world, io::Address to);
  ~Callers();
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  using Done = std::function<void(const Outcome&)>;
  // What has come of the body when its first event is there.
  using Spoke = std::function<void(const std::string& body)>;
  void call(Ask ask, Done done = {}, Spoke spoke = {});

  [[nodiscard]] std::size_t busy() const { return callers_.size(); }
  // In the order in which they began; those that go on have no end yet.
  [[nodiscard]] const std::deque<Outcome>& outcomes() const { return outcomes_; }

 private:
  class Caller;
  void on_over(std::uint64_t caller);

  sim::SimWorld& world_;
  io::Address to_;
  std::deque<Outcome> outcomes_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Caller>> callers_;
};

}  // namespace outrigger::dify_sim
