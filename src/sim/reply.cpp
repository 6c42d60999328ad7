#include "sim/reply.h"

#include <algorithm>
#include <numeric>

#include "sim/json.h"
#include "sim/prose.h"
#include "sim/schema.h"

namespace outrigger::sim_provider {
namespace {

std::string spoken(const Ask& ask, const Settings& settings) {
  switch (settings.mode) {
    case AnswerMode::derived:
      return derived_answer(ask.question, ask.hash, settings.tokens);
    case AnswerMode::echo:
      return ask.question;
    case AnswerMode::fixed:
      return settings.text;
    case AnswerMode::size:
      return sized_answer(ask.hash, settings.size);
  }
  return {};
}

std::vector<std::string> pieces(std::string_view text) {
  const auto views = tokens_of(text);
  return {views.begin(), views.end()};
}

std::string json_answer(const Ask& ask, const std::string& text) {
  if (ask.schema.empty()) return "{\"answer\": " + json_quoted(text) + "}";
  const Json schema = parse_json(ask.schema);
  return example_of(schema == nullptr ? nullptr : yyjson_doc_get_root(schema.get()), text);
}

// Ends the text before the first of the stop sequences.
void stop_at(Reply& reply, const Ask& ask, std::string& text) {
  std::size_t end = text.size();
  for (const std::string& stop : ask.stops) {
    const std::size_t at = text.find(stop);
    if (at >= end) continue;
    end = at;
    reply.stop_sequence = stop;
  }
  text.resize(end);
}

void cut_to(Reply& reply, const Ask& ask) {
  if (!ask.max_tokens || reply.tokens.size() <= *ask.max_tokens) return;
  reply.tokens.resize(*ask.max_tokens);
  reply.finish_reason = "length";
  reply.stop_sequence.clear();
}

std::ptrdiff_t offset(std::uint64_t after, const std::vector<std::string>& tokens) {
  return static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(after, tokens.size()));
}

}  // namespace

std::string Reply::text() const { return std::accumulate(tokens.begin(), tokens.end(), std::string()); }
std::string Reply::thought() const { return std::accumulate(thoughts.begin(), thoughts.end(), std::string()); }

Reply compose(const Ask& ask, const Settings& settings, const Fault& fault) {
  Reply reply;
  reply.prompt_tokens = ask.prompt_tokens;
  reply.cache_written = ask.cache_written;
  reply.cache_read = ask.cache_read;
  reply.novelty = fault.unknown_event;
  if (ask.thinks) reply.thoughts = pieces(derived_thought(ask.question));
  if (fault.refusal) {
    reply.refusal = true;
    reply.tokens = pieces("I cannot help with that.");
  } else if (!ask.calls.empty()) {
    reply.calls = ask.calls;
    reply.finish_reason = "tool_calls";
    // Half of an object's text is never JSON.
    for (ToolCall& call : reply.calls) {
      if (fault.bad_arguments) call.arguments = shortened(call.arguments, call.arguments.size() / 2);
    }
  } else {
    std::string text = spoken(ask, settings);
    if (ask.json) text = json_answer(ask, text);
    stop_at(reply, ask, text);
    reply.tokens = pieces(text);
    cut_to(reply, ask);
  }
  // The first two of the three bytes of U+4F60.
  if (fault.half_utf8) reply.tokens.insert(reply.tokens.begin() + offset(fault.after, reply.tokens), "\xe4\xbd");
  if (fault.empty) {
    reply.tokens.clear();
    reply.calls.clear();
  }
  if (!fault.finish_reason.empty()) reply.finish_reason = fault.finish_reason;
  if (fault.no_finish_reason) reply.finish_reason.clear();
  reply.completion_tokens = reply.thoughts.size() + reply.tokens.size();
  for (const ToolCall& call : reply.calls) reply.completion_tokens += count_tokens(call.name) + count_tokens(call.arguments);
  return reply;
}

}  // namespace outrigger::sim_provider
