#include "sim/delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/errors.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::string_view k_json = "application/json";
constexpr std::string_view k_bad_chunk = "this is no length\r\n";

Duration pace(const Settings& settings, const Fault& fault) {
  if (fault.between_tokens) return *fault.between_tokens;
  return settings.fast ? Duration(0) : settings.between_tokens;
}

// Writes events into a script as their wire frames them.
class Pen {
 public:
  Pen(Script& script, Wire wire, bool as_array, const Fault& fault)
      : script_(script), wire_(wire), as_array_(as_array), fault_(fault) {}

  void write(Duration wait, const StreamEvent& event) {
    std::string data;
    if (as_array_) {
      data = (number_ == 0 ? "[" : ",\r\n") + event.json;
    } else if (wire_ == Wire::ollama) {
      data = event.json + "\n";
    } else {
      data = framed(event);
    }
    ++number_;
    script_.steps.push_back({wait, std::move(data)});
  }
  void write_raw(Duration wait, std::string_view data) { script_.steps.push_back({wait, std::string(data), true}); }
  void end() {
    if (as_array_) script_.steps.push_back({{}, number_ == 0 ? "[]" : "]"});
  }

 private:
  std::string framed(const StreamEvent& event) const {
    const std::string_view line_end = fault_.crlf ? "\r\n" : "\n";
    std::string out;
    out.reserve(event.json.size() + 64);
    const auto line = [&](std::string_view text) { out.append(text).append(line_end); };
    if (fault_.comments) {
      line(": keepalive");
      line("");
    }
    if (!event.name.empty()) {
      line("event: " + event.name);
    } else if (fault_.event_lines) {
      line("event: message");
    }
    out += "data: ";
    if (wire_ == Wire::responses) {
      out += fmt::format("{{\"sequence_number\":{},", number_);
      line(std::string_view(event.json).substr(1));
    } else {
      line(event.json);
    }
    line("");
    return out;
  }

  Script& script_;
  Wire wire_;
  bool as_array_;
  const Fault& fault_;
  std::uint64_t number_ = 0;  // of events written
};

// The first token before what opens it.
void mix_up(std::vector<StreamEvent>& events) {
  const auto token = std::ranges::find_if(events, [](const StreamEvent& e) { return e.token && !e.opens; });
  if (token == events.end()) return;
  auto opening = token;
  while (opening != events.begin() && !opening->opens) --opening;
  if (opening->opens) std::rotate(opening, token, token + 1);
}

// Writes the events, and between the `after`-th token and the next what the fault does there.
void write_events(Pen& pen, const Stream& stream, const Settings& settings, const Fault& fault) {
  const auto all = static_cast<std::uint64_t>(std::ranges::count_if(stream.events, &StreamEvent::token));
  const std::uint64_t turn = std::min(fault.after, all);
  const Duration gap = pace(settings, fault);
  std::uint64_t sent = 0;
  bool turned = false;
  for (const StreamEvent& event : stream.events) {
    Duration wait = event.token && sent > 0 ? gap : Duration(0);
    if (!turned && sent == turn && (event.token || sent > 0 || all == 0)) {
      turned = true;
      if (fault.truncate) return;
      if (fault.error_in_stream) return pen.write(wait, stream_error(stream.wire));
      if (fault.malformed_chunk) pen.write_raw(wait, k_bad_chunk);
      if (fault.unknown_event) pen.write({}, unknown_event(stream.wire));
      wait += fault.stall.value_or(0s);
    }
    pen.write(wait, event);
    if (event.token) ++sent;
  }
  if (fault.no_done) return;
  if (stream.done) pen.write({}, *stream.done);
  pen.end();
}

Script begun(Wire wire, bool as_array, const Settings& settings, const Fault& fault) {
  Script script;
  std::string_view type = "text/event-stream; charset=utf-8";
  if (wire == Wire::ollama) type = "application/x-ndjson";
  if (as_array) type = k_json;
  script.head.emplace().headers.add("content-type", type);
  script.head->headers.add("cache-control", "no-cache");
  script.length = http::BodyLength::streamed();
  script.wait = first_wait(settings, fault);
  return script;
}

}  // namespace

Duration first_wait(const Settings& settings, const Fault& fault) {
  if (fault.first_token) return *fault.first_token;
  return settings.fast ? Duration(0) : settings.first_token;
}

Script streamed(Stream stream, const Settings& settings, const Fault& fault) {
  Script script = begun(stream.wire, stream.as_array, settings, fault);
  if (fault.out_of_order) mix_up(stream.events);
  Pen pen(script, stream.wire, stream.as_array, fault);
  write_events(pen, stream, settings, fault);
  return script;
}

Script streamed_alone(Wire wire, const StreamEvent& event, const Settings& settings, const Fault& fault) {
  Script script = begun(wire, false, settings, fault);
  Pen(script, wire, false, fault).write({}, event);
  return script;
}

Script blocking(std::string body, std::uint64_t tokens, const Settings& settings, const Fault& fault) {
  const auto gaps = static_cast<Duration::rep>(std::max<std::uint64_t>(tokens, 1) - 1);
  Script script = whole(200, k_json, std::move(body), first_wait(settings, fault) + pace(settings, fault) * gaps);
  std::string& sent = script.steps.front().data;
  const std::size_t half = sent.size() / 2;
  if (fault.truncate) {
    sent.resize(half);
    script.length = http::BodyLength::known(half);
  } else if (fault.stall || fault.malformed_chunk) {
    std::string rest = sent.substr(half);
    sent.resize(half);
    if (fault.malformed_chunk) {
      script.length = http::BodyLength::streamed();
      script.steps.push_back({{}, std::string(k_bad_chunk), true});
    }
    script.steps.push_back({fault.stall.value_or(0s), std::move(rest)});
  }
  return script;
}

}  // namespace outrigger::sim_provider
