#include "dify_sim/crowd.h"

#include <fmt/format.h>

#include "resilience_sim/provider_model.h"

namespace outrigger::dify_sim {
namespace {

Duration up_to(Rng& rng, Duration most) {
  return Duration(static_cast<Duration::rep>(rng.below(static_cast<std::uint64_t>(most.count()))));
}

bool is_turn(Kind kind) { return kind == Kind::chat || kind == Kind::agent || kind == Kind::chatflow; }

}  // namespace

void Crowd::start(double per_second, bool calm) {
  per_second_ = per_second;
  calm_ = calm;
  arrive();
}

void Crowd::arrive() {
  next_ = world_.loop.after(sim::exponential(rng_, per_second_), [this] {
    const std::uint64_t burst = !calm_ && rng_.chance(0.05) ? 2 + rng_.below(8) : 1;
    for (std::uint64_t i = 0; i < burst; ++i) {
      Ask ask = any_ask();
      behave(ask);
      send(std::move(ask));
    }
    arrive();
  });
}

Ask Crowd::any_run() {
  const std::string user = fmt::format("u{}", rng_.below(12));
  const auto kind = static_cast<Kind>(rng_.below(5));
  // An agent knows no other way.
  const bool stream = kind == Kind::agent || rng_.chance(0.6);
  return is_turn(kind) ? turn(++last_mark_, kind, user, stream) : inputs(++last_mark_, kind, user, stream);
}

Ask Crowd::any_ask() {
  switch (rng_.below(12)) {
    case 0:
      return console(++last_mark_, rng_.chance(0.3));
    case 1:
      return about_app(++last_mark_);
    case 2:
      return rng_.chance(0.5) ? health(++last_mark_) : console(++last_mark_, false);
    case 3:
      return upload(++last_mark_, fmt::format("u{}", rng_.below(12)), rng_.below(100'000), rng_.chance(0.5));
    default:
      return any_run();
  }
}

void Crowd::behave(Ask& ask) {
  ask.calm = calm_;
  if (rng_.chance(0.1)) {
    for (std::size_t at = 1 + rng_.below(300); at < ask.wire.size() && ask.cuts.size() < 5; at += 1 + rng_.below(400)) {
      ask.cuts.push_back(at);
    }
  }
  if (calm_) return;
  switch (rng_.below(14)) {
    case 0:
      ask.leaves_in = up_to(rng_, 3s);
      break;
    case 1:
      ask.leaves_after = rng_.below(4000);
      break;
    case 2:
      ask.read_pause = 1ms + up_to(rng_, 800ms);
      break;
    case 3:
      // The door gives it up; it does not notice, for it does not look.
      ask.reads = !rng_.chance(0.2);
      if (!ask.reads) ask.leaves_in = 150s;
      break;
    default:
      break;
  }
}

void Crowd::send(Ask ask) {
  const bool goes_on = is_turn(ask.kind) && ask.is_run && rng_.chance(0.4);
  const bool is_stopped = ask.stream && !ask.calm && rng_.chance(0.1);
  Callers::Done done;
  if (goes_on) done = [this](const Outcome& outcome) { go_on(outcome); };
  Callers::Spoke spoke;
  if (is_stopped) spoke = [this, run = ask](const std::string& told) { stop_soon(run, told); };
  callers_.call(std::move(ask), std::move(done), std::move(spoke));
}

void Crowd::go_on(const Outcome& first) {
  const std::string conversation = word_of(first.answer.body(), "conversation_id");
  if (first.end != Outcome::End::whole || first.answer.status() != 200 || conversation.empty()) return;
  Ask next = turn(++last_mark_, first.ask.kind, first.ask.user, first.ask.stream, conversation, first.ask.mark);
  next.calm = first.ask.calm;
  callers_.call(std::move(next));
}

void Crowd::stop_soon(const Ask& run, const std::string& told) {
  const std::string task = word_of(told, "task_id");
  if (task.empty()) return;
  Ask ask = dify_sim::stop(++last_mark_, run.kind, run.user, task);
  later_.push_back(world_.loop.after(up_to(rng_, 300ms), [this, ask] { callers_.call(ask); }));
}

}  // namespace outrigger::dify_sim
