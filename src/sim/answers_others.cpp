// Wires that a proxy only passes on: Gemini's generateContent and Ollama's chat. Minimal, but true to their shape.
#include <fmt/format.h>

#include <utility>

#include "sim/answers.h"
#include "sim/delivery.h"
#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

// What does not parse can only stand in an object's place as a text.
std::string object_or_text(const std::string& json) { return parse_json(json) == nullptr ? json_quoted(json) : json; }

std::string gemini_call(const ToolCall& call) {
  return fmt::format(R"({{"functionCall":{{"name":{},"args":{}}}}})", json_quoted(call.name),
                     object_or_text(call.arguments));
}

std::string gemini_text(std::string_view text) { return fmt::format(R"({{"text":{}}})", json_quoted(text)); }

std::string gemini_reason(const Reply& reply) {
  if (reply.refusal || reply.finish_reason == "content_filter") return "SAFETY";
  if (reply.finish_reason == "length") return "MAX_TOKENS";
  return reply.finish_reason == "stop" || reply.finish_reason == "tool_calls" ? "STOP" : reply.finish_reason;
}

}  // namespace

Spoken answer_gemini(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const Reply reply = compose(ask, settings, fault);
  const std::string reason = gemini_reason(reply);
  const auto chunk = [&](std::string_view parts, bool last) {
    std::string json = fmt::format(R"({{"candidates":[{{"content":{{"parts":[{}],"role":"model"}},"index":0)", parts);
    if (last && !reason.empty()) json += ",\"finishReason\":" + json_quoted(reason);
    json += "}]";
    if (!fault.no_usage) {
      json += fmt::format(R"(,"usageMetadata":{{"promptTokenCount":{},"candidatesTokenCount":{},"totalTokenCount":{}}})",
                          reply.prompt_tokens, reply.completion_tokens, reply.prompt_tokens + reply.completion_tokens);
    }
    return json + fmt::format(R"(,"modelVersion":{},"responseId":"{}"}})", json_quoted(ask.model), stamp.id);
  };
  Spoken spoken{{}, reply.prompt_tokens, reply.completion_tokens};
  std::string calls;
  for (const ToolCall& call : reply.calls) calls += (calls.empty() ? "" : ",") + gemini_call(call);
  if (!ask.stream) {
    const std::string parts = reply.tokens.empty() ? calls : gemini_text(reply.text());
    spoken.script = blocking(chunk(parts, true), reply.completion_tokens, settings, fault);
    return spoken;
  }
  Stream stream{Wire::gemini, {}, {}, ask.as_array};
  for (const std::string& token : reply.tokens) stream.events.push_back({{}, chunk(gemini_text(token), false), true});
  stream.events.push_back({{}, chunk(calls.empty() ? gemini_text("") : calls, true)});
  spoken.script = streamed(std::move(stream), settings, fault);
  return spoken;
}

Spoken answer_ollama(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const Reply reply = compose(ask, settings, fault);
  std::string calls;
  for (const ToolCall& call : reply.calls) {
    calls += fmt::format(R"({}{{"function":{{"name":{},"arguments":{}}}}})", calls.empty() ? "" : ",",
                         json_quoted(call.name), object_or_text(call.arguments));
  }
  if (!calls.empty()) calls = ",\"tool_calls\":[" + calls + "]";
  const auto line = [&](std::string_view text, std::string_view more, bool done) {
    std::string json =
        fmt::format(R"({{"model":{},"created_at":"{}.000000Z","message":{{"role":"assistant","content":{}{}}},"done":{})",
                    json_quoted(ask.model), utc_text(stamp.created), json_quoted(text), more, done);
    if (done && !reply.finish_reason.empty()) {
      json += ",\"done_reason\":" + json_quoted(reply.finish_reason == "tool_calls" ? "stop" : reply.finish_reason);
    }
    if (done && !fault.no_usage) {
      json += fmt::format(R"(,"total_duration":1000000,"load_duration":1000,"prompt_eval_count":{},)"
                          R"("prompt_eval_duration":1000,"eval_count":{},"eval_duration":1000)",
                          reply.prompt_tokens, reply.completion_tokens);
    }
    return json + "}";
  };
  Spoken spoken{{}, reply.prompt_tokens, reply.completion_tokens};
  if (!ask.stream) {
    spoken.script = blocking(line(reply.text(), calls, true), reply.completion_tokens, settings, fault);
    return spoken;
  }
  Stream stream{Wire::ollama, {}, StreamEvent{{}, line("", "", true)}};
  for (const std::string& token : reply.tokens) stream.events.push_back({{}, line(token, "", false), true});
  if (!calls.empty()) stream.events.push_back({{}, line("", calls, false), true});
  spoken.script = streamed(std::move(stream), settings, fault);
  return spoken;
}

}  // namespace outrigger::sim_provider
