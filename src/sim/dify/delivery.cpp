#include "sim/dify/delivery.h"

#include <algorithm>
#include <utility>

#include "sim/delivery.h"
#include "sim/dify/errors.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::Script;

constexpr std::string_view k_ping = "event: ping\n\n";
constexpr std::string_view k_unknown = R"({"event":"something_new","data":{}})";

std::string framed(std::string_view json) { return std::string("data: ").append(json).append("\n\n"); }

// Writes events into a script; what is waited for in between is filled with keep-alives.
class Pen {
 public:
  Pen(Script& script, Duration ping) : script_(script), ping_(ping) {}

  void wait(Duration time) {
    while (time > ping_) {
      script_.steps.push_back({std::exchange(silent_, Duration(0)) + ping_, std::string(k_ping)});
      time -= ping_;
    }
    silent_ += time;
  }
  // Without keep-alives.
  void fall_silent(Duration time) { silent_ += time; }
  void write(std::string_view json) { script_.steps.push_back({std::exchange(silent_, Duration(0)), framed(json)}); }

 private:
  Script& script_;
  Duration ping_;
  Duration silent_{};  // before what comes next
};

void write_events(Pen& pen, const Answer& answer, const Pace& pace, const Fault& fault) {
  const std::vector<Event> events = stream_events(answer, fault.after);
  const auto all = static_cast<std::uint64_t>(std::ranges::count_if(events, &Event::token));
  const std::uint64_t turn = std::min(fault.after, all);
  const auto failure = [&] { return error_event(answer, 400, "completion_request_error", k_provider_failure); };
  if (fault.error_in_200) {
    pen.wait(pace.think);
    return pen.write(failure());
  }
  // The model thinks before its first token; without one, before the end.
  const auto first = std::ranges::find_if(events, &Event::token);
  const auto thinks_at = first != events.end() ? first : events.end() - 1;
  std::uint64_t sent = 0;
  bool turned = false;
  for (auto event = events.begin(); event != events.end(); ++event) {
    // After no tokens means: before everything.
    if (!turned && sent == turn && (turn == 0 || event->token || sent > 0)) {
      turned = true;
      if (fault.truncate) return;
      if (fault.unknown_event) pen.write(k_unknown);
      pen.fall_silent(fault.stall.value_or(0s));
      if (fault.error_in_stream) {
        if (event <= thinks_at) pen.wait(pace.think);
        return pen.write(failure());
      }
    }
    if (event == thinks_at) {
      pen.wait(pace.think);
    } else if (event->token) {
      pen.wait(pace.gap);
    }
    pen.write(event->json);
    if (event->token) ++sent;
  }
}

}  // namespace

Pace pace_of(const App& app, const Settings& settings, const Fault& fault) {
  return {fault.first_token.value_or(app.think.value_or(settings.think)),
          fault.between_tokens.value_or(app.between_tokens.value_or(settings.between_tokens)), settings.ping};
}

bool fails(const Fault& fault) { return fault.run_failed || fault.error_in_stream || fault.error_in_200; }

Script streamed(const Answer& answer, const Pace& pace, const Fault& fault) {
  Script script;
  script.head.emplace().headers.add("content-type", "text/event-stream; charset=utf-8");
  script.head->headers.add("cache-control", "no-cache");
  script.length = http::BodyLength::streamed();
  // An error of the stream's own takes the place of the failing run's events.
  Answer told = answer;
  if (fault.error_in_stream || fault.error_in_200) told.fails = false;
  Pen pen(script, pace.ping);
  write_events(pen, told, pace, fault);
  // The head comes with the first event, as it does from a server that asks an application for pieces.
  if (!script.steps.empty()) script.wait = std::exchange(script.steps.front().wait, Duration(0));
  return script;
}

Script blocking(const Answer& answer, const Pace& pace, const Fault& fault) {
  if (answer.fails && answer.app->mode != Mode::workflow) {
    Script script = answer_error(400);
    script.wait = pace.think;
    return script;
  }
  sim_provider::Settings times;
  times.first_token = pace.think;
  times.between_tokens = pace.gap;
  return sim_provider::blocking(blocking_body(answer), answer.tokens.size(), times, fault);
}

std::vector<Script::Step> farewell(const Answer& answer) {
  std::vector<Script::Step> steps;
  for (const Event& event : stopped_events(answer)) steps.push_back({{}, framed(event.json)});
  return steps;
}

Duration length_of(const Script& script) {
  Duration length = script.wait;
  for (const Script::Step& step : script.steps) length += step.wait;
  return length;
}

}  // namespace outrigger::sim_dify
