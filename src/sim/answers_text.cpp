// Chat completions and completions.
#include <algorithm>

#include "sim/answers.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::string_view k_json = "application/json";
constexpr std::string_view k_bad_chunk = "this is no length\r\n";

Duration first_wait(const Settings& settings, const Fault& fault) {
  if (fault.first_token) return *fault.first_token;
  return settings.fast ? Duration(0) : settings.first_token;
}
Duration pace(const Settings& settings, const Fault& fault) {
  if (fault.between_tokens) return *fault.between_tokens;
  return settings.fast ? Duration(0) : settings.between_tokens;
}

std::string framed(std::string_view json, const Fault& fault) {
  const std::string_view line_end = fault.crlf ? "\r\n" : "\n";
  std::string out;
  out.reserve(json.size() + 32);
  const auto line = [&](std::string_view text) { out.append(text).append(line_end); };
  if (fault.comments) {
    line(": keepalive");
    line("");
  }
  if (fault.event_lines) line("event: message");
  out += "data: ";
  line(json);
  line("");
  return out;
}

std::string stream_error() {
  return error_body("The server had an error while processing your request.", "server_error", {}, {});
}

// Adds the events, and between the `after`-th token and the next what the fault does there.
void add_events(Script& script, const std::vector<StreamEvent>& events, const Settings& settings, const Fault& fault) {
  const auto all = static_cast<std::uint64_t>(std::ranges::count_if(events, &StreamEvent::token));
  const std::uint64_t turn = std::min(fault.after, all);
  const Duration gap = pace(settings, fault);
  std::uint64_t sent = 0;
  bool turned = false;
  for (const StreamEvent& event : events) {
    Duration wait = event.token && sent > 0 ? gap : Duration(0);
    if (!turned && sent == turn && (event.token || sent > 0 || all == 0)) {
      turned = true;
      if (fault.truncate) return;
      if (fault.error_in_stream) {
        script.steps.push_back({wait, framed(stream_error(), fault)});
        return;
      }
      if (fault.malformed_chunk) script.steps.push_back({wait, std::string(k_bad_chunk), true});
      wait += fault.stall.value_or(0s);
    }
    script.steps.push_back({wait, framed(event.json, fault)});
    if (event.token) ++sent;
  }
  if (!fault.no_done) script.steps.push_back({{}, framed("[DONE]", fault)});
}

Script streamed(const Reply& reply, const Form& form, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  Script script;
  script.head.emplace().headers.add("content-type", "text/event-stream; charset=utf-8");
  script.head->headers.add("cache-control", "no-cache");
  script.length = http::BodyLength::streamed();
  script.wait = first_wait(settings, fault);
  add_events(script, stream_events(reply, form, stamp), settings, fault);
  return script;
}

Script blocking(const Reply& reply, const Form& form, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const auto gaps = static_cast<Duration::rep>(std::max<std::uint64_t>(reply.completion_tokens, 1) - 1);
  Script script =
      whole(200, k_json, blocking_body(reply, form, stamp), first_wait(settings, fault) + pace(settings, fault) * gaps);
  std::string& body = script.steps.front().data;
  const std::size_t half = body.size() / 2;
  if (fault.truncate) {
    body.resize(half);
    script.length = http::BodyLength::known(half);
  } else if (fault.stall || fault.malformed_chunk) {
    std::string rest = body.substr(half);
    body.resize(half);
    if (fault.malformed_chunk) {
      script.length = http::BodyLength::streamed();
      script.steps.push_back({{}, std::string(k_bad_chunk), true});
    }
    script.steps.push_back({fault.stall.value_or(0s), std::move(rest)});
  }
  return script;
}

}  // namespace

Spoken answer_text(const Ask& ask, bool chat, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const Reply reply = compose(ask, settings, fault);
  const Form form{chat, ask.logprobs, !fault.no_usage && (!ask.stream || ask.include_usage), ask.model};
  Spoken spoken{ask.stream ? streamed(reply, form, settings, fault, stamp) : blocking(reply, form, settings, fault, stamp),
                reply.prompt_tokens, reply.completion_tokens};
  return spoken;
}

std::optional<Script> answer_instead(const Fault& fault, const Ask& ask, const Settings& settings) {
  const Duration wait = fault.first_token.value_or(0s);
  if (fault.refuse) {
    Script script;
    script.end = Script::End::abort;
    return script;
  }
  if (fault.garbage) {
    Script script;
    script.wait = wait;
    script.steps.push_back({{}, "SSH-2.0-OpenSSH_9.2\r\n\x16\x03\x01\x02 this is not HTTP\r\n\r\n", true});
    script.end = Script::End::abort;
    return script;
  }
  if (fault.endless_headers) {
    Script script;
    script.wait = wait;
    script.steps.push_back({{}, "HTTP/1.1 200 OK\r\n", true});
    // 32 MiB, a block a millisecond: far beyond every limit on header fields, and still an end.
    const std::string field = "x-endless: " + std::string(1011, 'e') + "\r\n";
    std::string block;
    for (int i = 0; i < 16; ++i) block += field;
    for (int i = 0; i < 2048; ++i) script.steps.push_back({1ms, block, true});
    script.end = Script::End::abort;
    return script;
  }
  if (fault.status) {
    Script script = answer_error(*fault.status, {}, {}, fault.code);
    script.wait = wait;
    return script;
  }
  if (!fault.error_in_200) return std::nullopt;
  Script script = whole(200, k_json, stream_error(), first_wait(settings, fault));
  if (ask.stream) {
    script.head->headers.set("content-type", "text/event-stream; charset=utf-8");
    script.length = http::BodyLength::streamed();
    script.steps.front().data = framed(stream_error(), fault);
  }
  return script;
}

}  // namespace outrigger::sim_provider
