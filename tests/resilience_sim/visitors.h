// Visitors: clients that come at random, ask one thing each over raw HTTP, and judge for themselves what they get: an answer counts
// when all of it has come and it is the one to their question.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resilience_sim/provider_model.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

struct Ask {
  std::string question;  // letters and digits
  std::string model = "m";
  bool stream = true;
  bool embedding = false;
  bool messages = false;    // on Anthropic's wire
  std::size_t padding = 0;  // bytes that the prompt is longer
  std::optional<Duration> leaves_in{};
};

struct Outcome {
  std::string question;
  bool answered = false;
  bool gone = false;        // the client left
  int status = 0;           // 0: nothing came
  std::string why;          // not answered: in a few words
  Duration began{};         // since the start
  Duration first_token{};   // from then on; of a blocking answer: the whole
  Duration took{};          // to the end, whatever it was
  std::string cache;        // x-outrigger-cache
  std::string served_by;    // x-outrigger-served-by
  std::string retry_after;  // Retry-After
  int attempts = 0;         // x-outrigger-attempts
};

class Visitors {
 public:
  Visitors(SimWorld& world, io::Address door, Rng rng);
  ~Visitors();
  Visitors(const Visitors&) = delete;
  Visitors& operator=(const Visitors&) = delete;

  // From now on and for `span`, independently of each other, `per_second(time since now)` at a time and never more than `most`.
  void come(Duration span, double most, std::function<double(Duration)> per_second, std::function<Ask(Rng&)> what);
  // One asks now, over a connection of its own. What comes back is for leave().
  std::uint64_t ask(const Ask& ask);
  void leave(std::uint64_t visitor);

  // Runs the world until all that were to come have come and nobody is left; at most `limit`.
  bool run(Duration limit);
  [[nodiscard]] std::size_t busy() const { return busy_; }
  // In the order in which they ended; each came once.
  [[nodiscard]] const std::vector<Outcome>& outcomes() const { return outcomes_; }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }
  // What no answer may be followed by, and the like.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  class Visitor;
  friend class Visitor;

  void await_next();
  Visitor& visitor_for(bool of_its_own);
  void on_outcome(Outcome outcome);
  void on_gone(std::uint64_t visitor);

  SimWorld& world_;
  io::Address door_;
  Rng rng_;
  MonoTime start_;
  MonoTime until_{};
  double most_ = 0;
  std::function<double(Duration)> per_second_;
  std::function<Ask(Rng&)> what_;
  MonoTime begun_{};
  bool coming_ = false;
  io::Timer next_;
  std::uint64_t asked_ = 0;
  std::size_t busy_ = 0;
  std::uint64_t next_visitor_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Visitor>> visitors_;
  std::vector<std::uint64_t> idle_;
  std::vector<Outcome> outcomes_;
  std::vector<std::string> complaints_;
};

}  // namespace outrigger::sim
