// OpenAI's responses: one response object, or response.created ... response.completed.
// The order of events and their members: OpenAI's reference "Responses, streaming events". sequence_number is set where the
// events are framed.
#include <fmt/format.h>

#include <utility>

#include "core/base64.h"
#include "sim/answers.h"
#include "sim/delivery.h"
#include "sim/hash.h"
#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

// How a response ended.
struct Ending {
  std::string status;      // empty: it does not say
  std::string incomplete;  // incomplete_details.reason
  std::string_view event = "response.completed";
};

Ending ending_of(const Reply& reply) {
  const std::string& reason = reply.finish_reason;
  if (reason == "length") return {"incomplete", "max_output_tokens", "response.incomplete"};
  if (reason == "content_filter") return {"incomplete", "content_filter", "response.incomplete"};
  if (reason == "failed") return {"failed", {}, "response.failed"};
  if (reason == "stop" || reason == "tool_calls") return {"completed", {}};
  return {reason, {}};
}

std::string or_null(std::string_view text) { return text.empty() ? "null" : json_quoted(text); }

std::string usage_json(const Reply& reply) {
  return fmt::format(R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":0}},"output_tokens":{},)"
                     R"("output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}})",
                     reply.prompt_tokens, reply.completion_tokens, reply.thoughts.size(),
                     reply.prompt_tokens + reply.completion_tokens);
}

// `usage`: empty: null, or left out when `no_usage`.
std::string response_json(const Ask& ask, const Stamp& stamp, const Ending& ending, std::string_view output,
                          std::string_view usage, bool no_usage) {
  const bool failed = ending.status == "failed";
  std::string json = fmt::format(
      R"({{"id":"resp_{}","object":"response","created_at":{},"status":{},"error":{},"incomplete_details":{},"model":{},)"
      R"("output":[{}],{})",
      stamp.id, stamp.created, or_null(ending.status),
      failed ? R"({"code":"server_error","message":"The model failed to generate a response."})" : "null",
      ending.incomplete.empty() ? "null" : fmt::format(R"({{"reason":"{}"}})", ending.incomplete), json_quoted(ask.model),
      output, ask.echo);
  if (!no_usage) json += fmt::format(",\"usage\":{}", usage.empty() ? "null" : usage);
  return json + "}";
}

// Makes the output items, and the events that tell them.
class Output {
 public:
  Output(const Ask& ask, const Stamp& stamp, const Ending& ending) : ask_(ask), stamp_(stamp), ending_(ending) {}

  StreamEvent& add(std::string_view type, std::string_view members) {
    return events_.emplace_back(
        StreamEvent{std::string(type), fmt::format(R"({{"type":"{}",{}}})", type, members), false, false});
  }

  void novelty() {
    const std::string item = fmt::format(R"({{"id":"nov_{}","type":"novelty","shape":"round"}})", stamp_.id);
    open(item);
    close(item);
  }

  void reasoning(const Reply& reply) {
    const std::string id = "rs_" + stamp_.id;
    const auto item = [&](std::string_view summary) {
      std::string json = fmt::format(R"({{"id":"{}","type":"reasoning","summary":[{}])", id, summary);
      if (ask_.sealed_thoughts) {
        json += fmt::format(R"(,"encrypted_content":"{}")", base64("sim-sealed:" + sha256_hex(reply.thought())));
      }
      return json + "}";
    };
    open(item({}));
    if (!ask_.thinks_aloud) return close(item({}));
    const auto part = [](std::string_view text) {
      return fmt::format(R"({{"type":"summary_text","text":{}}})", json_quoted(text));
    };
    const std::string place = fmt::format(R"("item_id":"{}","output_index":{},"summary_index":0)", id, index_);
    add("response.reasoning_summary_part.added", fmt::format(R"({},"part":{})", place, part("")));
    for (const std::string& token : reply.thoughts) {
      add("response.reasoning_summary_text.delta", fmt::format(R"({},"delta":{})", place, json_quoted(token))).token = true;
    }
    const std::string thought = reply.thought();
    add("response.reasoning_summary_text.done", fmt::format(R"({},"text":{})", place, json_quoted(thought)));
    add("response.reasoning_summary_part.done", fmt::format(R"({},"part":{})", place, part(thought)));
    close(item(part(thought)));
  }

  void message(const Reply& reply) {
    const std::string id = "msg_" + stamp_.id;
    const auto item = [&](std::string_view status, std::string_view content) {
      return fmt::format(R"({{"id":"{}","type":"message","status":{},"role":"assistant","content":[{}]}})", id,
                         or_null(status), content);
    };
    const auto part = [&](std::string_view text) {
      if (reply.refusal) return fmt::format(R"({{"type":"refusal","refusal":{}}})", json_quoted(text));
      return fmt::format(R"({{"type":"output_text","annotations":[],"logprobs":[],"text":{}}})", json_quoted(text));
    };
    open(item("in_progress", ""));
    const std::string place = fmt::format(R"("item_id":"{}","output_index":{},"content_index":0)", id, index_);
    const std::string_view what = reply.refusal ? "refusal" : "output_text";
    const std::string_view more = reply.refusal ? "" : R"(,"logprobs":[])";
    add("response.content_part.added", fmt::format(R"({},"part":{})", place, part("")));
    for (const std::string& token : reply.tokens) {
      add(fmt::format("response.{}.delta", what), fmt::format(R"({},"delta":{}{})", place, json_quoted(token), more)).token =
          true;
    }
    const std::string text = reply.text();
    add(fmt::format("response.{}.done", what),
        fmt::format(R"({},"{}":{}{})", place, reply.refusal ? "refusal" : "text", json_quoted(text), more));
    add("response.content_part.done", fmt::format(R"({},"part":{})", place, part(text)));
    close(item(ending_.status == "failed" ? "incomplete" : ending_.status, part(text)));
  }

  void call(const ToolCall& call, std::size_t number) {
    const std::string id = fmt::format("fc_{}{}", stamp_.id, number);
    const auto item = [&](std::string_view status, std::string_view arguments) {
      return fmt::format(
          R"({{"id":"{}","type":"function_call","status":{},"arguments":{},"call_id":"call_{}{}","name":{}}})", id,
          or_null(status), json_quoted(arguments), stamp_.id, number, json_quoted(call.name));
    };
    open(item("in_progress", ""));
    const std::string place = fmt::format(R"("item_id":"{}","output_index":{})", id, index_);
    for (const std::string_view piece : tokens_of(call.arguments)) {
      add("response.function_call_arguments.delta", fmt::format(R"({},"delta":{})", place, json_quoted(piece))).token = true;
    }
    add("response.function_call_arguments.done",
        fmt::format(R"({},"name":{},"arguments":{})", place, json_quoted(call.name), json_quoted(call.arguments)));
    close(item(ending_.status == "failed" ? "incomplete" : ending_.status, call.arguments));
  }

  [[nodiscard]] const std::string& items() const { return items_; }
  std::vector<StreamEvent> take() { return std::move(events_); }

 private:
  void open(std::string_view item) {
    add("response.output_item.added", fmt::format(R"("output_index":{},"item":{})", index_, item)).opens = true;
  }
  void close(std::string_view item) {
    add("response.output_item.done", fmt::format(R"("output_index":{},"item":{})", index_, item));
    items_.append(items_.empty() ? "" : ",").append(item);
    ++index_;
  }

  const Ask& ask_;
  const Stamp& stamp_;
  const Ending& ending_;
  std::vector<StreamEvent> events_;
  std::string items_;  // the whole ones, joined by commas
  std::size_t index_ = 0;
};

}  // namespace

Spoken answer_response(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const Reply reply = compose(ask, settings, fault);
  const Ending ending = ending_of(reply);
  Output output(ask, stamp, ending);
  const std::string begun = "\"response\":" + response_json(ask, stamp, {"in_progress", {}}, {}, {}, fault.no_usage);
  output.add("response.created", begun);
  output.add("response.in_progress", begun);
  if (reply.novelty) output.novelty();
  if (!reply.thoughts.empty()) output.reasoning(reply);
  if (!reply.tokens.empty()) output.message(reply);
  for (std::size_t i = 0; i < reply.calls.size(); ++i) output.call(reply.calls[i], i);
  const std::string body = response_json(ask, stamp, ending, output.items(), usage_json(reply), fault.no_usage);
  Spoken spoken{{}, reply.prompt_tokens, reply.completion_tokens};
  if (ask.stream) {
    StreamEvent last{std::string(ending.event), fmt::format(R"({{"type":"{}","response":{}}})", ending.event, body)};
    spoken.script = streamed({Wire::responses, output.take(), std::move(last)}, settings, fault);
  } else {
    spoken.script = blocking(body, reply.completion_tokens, settings, fault);
  }
  return spoken;
}

}  // namespace outrigger::sim_provider
