#include "sim/wire.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "sim/hash.h"
#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::string_view k_fingerprint = "fp_0123456789";

std::string or_null(const std::string& text) { return text.empty() ? "null" : json_quoted(text); }

std::string usage_json(const Reply& reply) {
  return fmt::format(
      R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":0}},)"
      R"("completion_tokens_details":{{"reasoning_tokens":{}}}}})",
      reply.prompt_tokens, reply.completion_tokens, reply.prompt_tokens + reply.completion_tokens, reply.thoughts.size());
}

// A probability that depends on the token alone.
double logprob(std::string_view token) { return -static_cast<double>(stable_hash(token) % 1000) / 1000.0; }

std::string logprob_entry(std::string_view token) {
  std::string bytes;
  for (const char c : token) fmt::format_to(std::back_inserter(bytes), "{}{}", bytes.empty() ? "" : ",", c & 0xff);
  const std::string text = json_quoted(token);
  return fmt::format(
      R"({{"token":{0},"logprob":{1},"bytes":[{2}],"top_logprobs":[{{"token":{0},"logprob":{1},"bytes":[{2}]}}]}})", text,
      logprob(token), bytes);
}

std::string chat_logprobs(std::span<const std::string> tokens) {
  std::string list;
  for (const std::string& token : tokens) {
    if (!list.empty()) list += ',';
    list += logprob_entry(token);
  }
  return fmt::format(R"({{"content":[{}],"refusal":null}})", list);
}

std::string completion_logprobs(std::span<const std::string> tokens) {
  std::string names, values, offsets;
  std::size_t offset = 0;
  for (const std::string& token : tokens) {
    const char* comma = names.empty() ? "" : ",";
    names += comma + json_quoted(token);
    values += fmt::format("{}{}", comma, logprob(token));
    offsets += fmt::format("{}{}", comma, offset);
    offset += token.size();
  }
  return fmt::format(R"({{"tokens":[{}],"token_logprobs":[{}],"top_logprobs":null,"text_offset":[{}]}})", names, values,
                     offsets);
}

std::string logprobs_of(std::span<const std::string> tokens, const Form& form) {
  if (!form.logprobs || tokens.empty()) return "null";
  return form.chat ? chat_logprobs(tokens) : completion_logprobs(tokens);
}

std::string call_id(const Stamp& stamp, std::size_t index) { return fmt::format("call_{}{}", stamp.id, index); }

std::string message_json(const Reply& reply, const Stamp& stamp) {
  const std::string text = reply.text();
  const bool has_text = reply.calls.empty() && !reply.refusal;
  std::string message = fmt::format(R"({{"role":"assistant","content":{})", has_text ? json_quoted(text) : "null");
  if (!reply.thoughts.empty()) message += ",\"reasoning_content\":" + json_quoted(reply.thought());
  if (!reply.calls.empty()) {
    message += ",\"tool_calls\":[";
    for (std::size_t i = 0; i < reply.calls.size(); ++i) {
      const ToolCall& call = reply.calls[i];
      message += fmt::format(R"({}{{"id":"{}","type":"function","function":{{"name":{},"arguments":{}}}}})",
                             i == 0 ? "" : ",", call_id(stamp, i), json_quoted(call.name), json_quoted(call.arguments));
    }
    message += ']';
  }
  return message + fmt::format(R"(,"refusal":{},"annotations":[]}})", reply.refusal ? json_quoted(text) : "null");
}

// Makes the events of one stream.
class Events {
 public:
  Events(const Form& form, const Stamp& stamp) : form_(form) {
    head_ =
        fmt::format(R"({{"id":"{}-{}","object":"{}","created":{},"model":{},)", form.chat ? "chatcmpl" : "cmpl", stamp.id,
                    form.chat ? "chat.completion.chunk" : "text_completion", stamp.created, json_quoted(form.model));
    if (form.chat) head_ += fmt::format(R"("system_fingerprint":"{}",)", k_fingerprint);
    tail_ = form.usage ? ",\"usage\":null}" : "}";
  }

  // `delta` is the delta object of a chat, or the text member of a completion.
  void add(std::string_view delta, std::string_view logprobs, const std::string& finish_reason, bool token) {
    events_.push_back({{},
                       fmt::format(R"({}"choices":[{{"index":0,{}{},"logprobs":{},"finish_reason":{}}}]{})", head_,
                                   form_.chat ? "\"delta\":" : "\"text\":", delta, logprobs, or_null(finish_reason), tail_),
                       token});
  }
  void add_usage(const Reply& reply) {
    events_.push_back({{}, fmt::format(R"({}"choices":[],"usage":{}}})", head_, usage_json(reply))});
  }
  void mark_opening() { events_.back().opens = true; }
  std::vector<StreamEvent> take() { return std::move(events_); }

 private:
  const Form& form_;
  std::string head_, tail_;
  std::vector<StreamEvent> events_;
};

void add_call(Events& events, const ToolCall& call, std::size_t index, const Stamp& stamp) {
  events.add(
      fmt::format(R"({{"tool_calls":[{{"index":{},"id":"{}","type":"function","function":{{"name":{},"arguments":""}}}}]}})",
                  index, call_id(stamp, index), json_quoted(call.name)),
      "null", {}, true);
  events.mark_opening();
  for (const std::string_view piece : tokens_of(call.arguments)) {
    events.add(fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})", index, json_quoted(piece)),
               "null", {}, true);
  }
}

}  // namespace

std::string utc_text(std::int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

std::string blocking_body(const Reply& reply, const Form& form, const Stamp& stamp) {
  const std::string logprobs = logprobs_of(reply.tokens, form);
  const std::string body = form.chat ? "\"message\":" + message_json(reply, stamp) : "\"text\":" + json_quoted(reply.text());
  std::string out =
      fmt::format(R"({{"id":"{}-{}","object":"{}","created":{},"model":{},"choices":[{{"index":0,{},"logprobs":{},)"
                  R"("finish_reason":{}}}])",
                  form.chat ? "chatcmpl" : "cmpl", stamp.id, form.chat ? "chat.completion" : "text_completion",
                  stamp.created, json_quoted(form.model), body, logprobs, or_null(reply.finish_reason));
  if (form.usage) out += ",\"usage\":" + usage_json(reply);
  if (form.chat) out += fmt::format(R"(,"service_tier":"default","system_fingerprint":"{}")", k_fingerprint);
  return out + "}";
}

std::vector<StreamEvent> stream_events(const Reply& reply, const Form& form, const Stamp& stamp) {
  Events events(form, stamp);
  if (form.chat) {
    events.add(reply.calls.empty() ? R"({"role":"assistant","content":"","refusal":null})"
                                   : R"({"role":"assistant","content":null,"refusal":null})",
               "null", {}, false);
    events.mark_opening();
  }
  for (const std::string& token : reply.thoughts) {
    if (form.chat) events.add("{\"reasoning_content\":" + json_quoted(token) + "}", "null", {}, true);
  }
  const std::string_view member = reply.refusal ? "{\"refusal\":" : "{\"content\":";
  for (const std::string& token : reply.tokens) {
    const std::string delta = form.chat ? std::string(member) + json_quoted(token) + "}" : json_quoted(token);
    events.add(delta, logprobs_of(std::span(&token, 1), form), {}, true);
  }
  for (std::size_t i = 0; i < reply.calls.size(); ++i) add_call(events, reply.calls[i], i, stamp);
  if (!reply.finish_reason.empty()) events.add(form.chat ? "{}" : "\"\"", "null", reply.finish_reason, false);
  if (form.usage) events.add_usage(reply);
  return events.take();
}

}  // namespace outrigger::sim_provider
