// Anthropic's messages: one message object, or message_start ... message_stop.
// The order of events and their members: Anthropic's reference "Streaming messages" (API version 2023-06-01).
#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/base64.h"
#include "sim/answers.h"
#include "sim/delivery.h"
#include "sim/hash.h"
#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

struct Delta {
  std::string json;
  bool token = false;
};

// One content block: how it opens in a stream, what is added to it there, and the whole of it.
struct Block {
  std::string opening, whole;
  std::vector<Delta> deltas;
};

// In chat completions' words, and in Anthropic's. Words that are not here stand as they are.
constexpr std::array k_reasons{
    std::pair<std::string_view, std::string_view>{"stop", "end_turn"},
    std::pair<std::string_view, std::string_view>{"length", "max_tokens"},
    std::pair<std::string_view, std::string_view>{"tool_calls", "tool_use"},
    std::pair<std::string_view, std::string_view>{"content_filter", "refusal"},
};

std::string stop_json(const Reply& reply) {
  std::string_view reason = reply.finish_reason;
  if (reason == "stop" && reply.refusal) reason = "refusal";
  if (reason == "stop" && !reply.stop_sequence.empty()) reason = "stop_sequence";
  for (const auto& [openai, anthropic] : k_reasons) {
    if (reason == openai) reason = anthropic;
  }
  return fmt::format(R"("stop_reason":{},"stop_sequence":{})", reason.empty() ? "null" : json_quoted(reason),
                     reason == "stop_sequence" ? json_quoted(reply.stop_sequence) : "null");
}

std::string usage_json(const Reply& reply, std::uint64_t output_tokens) {
  return fmt::format(R"({{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},)"
                     R"("cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":0}},)"
                     R"("output_tokens":{},"service_tier":"standard"}})",
                     reply.prompt_tokens - reply.cache_written - reply.cache_read, reply.cache_written, reply.cache_read,
                     reply.cache_written, output_tokens);
}

Block thinking_block(const Reply& reply, const Ask& ask) {
  const std::string signature = base64("sim-signature:" + sha256_hex(reply.thought()));
  const std::string told = json_quoted(ask.thinks_aloud ? reply.thought() : "");
  Block block{R"({"type":"thinking","thinking":"","signature":""})",
              fmt::format(R"({{"type":"thinking","thinking":{},"signature":"{}"}})", told, signature),
              {}};
  for (const std::string& token : reply.thoughts) {
    if (!ask.thinks_aloud) break;
    block.deltas.push_back({fmt::format(R"({{"type":"thinking_delta","thinking":{}}})", json_quoted(token)), true});
  }
  block.deltas.push_back({fmt::format(R"({{"type":"signature_delta","signature":"{}"}})", signature)});
  return block;
}

Block text_block(const Reply& reply) {
  Block block{R"({"type":"text","text":""})", fmt::format(R"({{"type":"text","text":{}}})", json_quoted(reply.text())), {}};
  for (const std::string& token : reply.tokens) {
    block.deltas.push_back({fmt::format(R"({{"type":"text_delta","text":{}}})", json_quoted(token)), true});
  }
  return block;
}

Block call_block(const ToolCall& call, std::string_view id) {
  const auto block_with = [&](std::string_view input) {
    return fmt::format(R"({{"type":"tool_use","id":"{}","name":{},"input":{}}})", id, json_quoted(call.name), input);
  };
  // What is no JSON can only stand there as a text.
  const bool well = parse_json(call.arguments) != nullptr;
  Block block{block_with("{}"), block_with(well ? call.arguments : json_quoted(call.arguments)), {}};
  block.deltas.push_back({R"({"type":"input_json_delta","partial_json":""})"});
  for (const std::string_view piece : tokens_of(call.arguments)) {
    block.deltas.push_back({fmt::format(R"({{"type":"input_json_delta","partial_json":{}}})", json_quoted(piece)), true});
  }
  return block;
}

std::vector<Block> blocks_of(const Reply& reply, const Ask& ask, const Stamp& stamp) {
  std::vector<Block> blocks;
  if (reply.novelty) {
    blocks.push_back({R"({"type":"novelty","shape":""})",
                      R"({"type":"novelty","shape":"round"})",
                      {{R"({"type":"novelty_delta","shape":"round"})"}}});
  }
  if (!reply.thoughts.empty()) blocks.push_back(thinking_block(reply, ask));
  if (!reply.tokens.empty()) blocks.push_back(text_block(reply));
  for (std::size_t i = 0; i < reply.calls.size(); ++i) {
    blocks.push_back(call_block(reply.calls[i], fmt::format("toolu_{}{}", stamp.id, i)));
  }
  return blocks;
}

// The message object; in a stream's beginning without content and reasons.
std::string message_json(const Ask& ask, const Stamp& stamp, std::string_view content, std::string_view stop,
                         const std::string& usage) {
  std::string json = fmt::format(R"({{"id":"msg_{}","type":"message","role":"assistant","model":{},"content":[{}],{})",
                                 stamp.id, json_quoted(ask.model), content, stop);
  if (!usage.empty()) json += ",\"usage\":" + usage;
  return json + "}";
}

class Events {
 public:
  // `members`: what stands beside the type.
  StreamEvent& add(std::string_view type, std::string_view members) {
    return events_.emplace_back(StreamEvent{
        std::string(type), fmt::format(R"({{"type":"{}"{}{}}})", type, members.empty() ? "" : ",", members), false, false});
  }
  void add_block(const Block& block, std::size_t index) {
    add("content_block_start", fmt::format(R"("index":{},"content_block":{})", index, block.opening)).opens = true;
    if (index == 0) add("ping", {});
    for (const Delta& delta : block.deltas) {
      add("content_block_delta", fmt::format(R"("index":{},"delta":{})", index, delta.json)).token = delta.token;
    }
    add("content_block_stop", fmt::format(R"("index":{})", index));
  }
  std::vector<StreamEvent> take() { return std::move(events_); }

 private:
  std::vector<StreamEvent> events_;
};

Stream stream_of(const Reply& reply, const Ask& ask, const Fault& fault, const Stamp& stamp) {
  Events events;
  const std::string begun_usage = fault.no_usage ? "" : usage_json(reply, 1);
  events.add("message_start",
             "\"message\":" + message_json(ask, stamp, {}, R"("stop_reason":null,"stop_sequence":null)", begun_usage));
  const std::vector<Block> blocks = blocks_of(reply, ask, stamp);
  for (std::size_t i = 0; i < blocks.size(); ++i) events.add_block(blocks[i], i);
  std::string last = fmt::format(R"("delta":{{{}}})", stop_json(reply));
  if (!fault.no_usage) last += fmt::format(R"(,"usage":{{"output_tokens":{}}})", reply.completion_tokens);
  events.add("message_delta", last);
  return {Wire::anthropic, events.take(), StreamEvent{"message_stop", R"({"type":"message_stop"})"}};
}

}  // namespace

Spoken answer_messages(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const Reply reply = compose(ask, settings, fault);
  Spoken spoken{{}, reply.prompt_tokens, reply.completion_tokens};
  if (ask.stream) {
    spoken.script = streamed(stream_of(reply, ask, fault, stamp), settings, fault);
    return spoken;
  }
  std::string content;
  for (const Block& block : blocks_of(reply, ask, stamp)) content += (content.empty() ? "" : ",") + block.whole;
  const std::string usage = fault.no_usage ? "" : usage_json(reply, reply.completion_tokens);
  spoken.script =
      blocking(message_json(ask, stamp, content, stop_json(reply), usage), reply.completion_tokens, settings, fault);
  return spoken;
}

Script answer_token_count(const Ask& ask, const Settings& settings, const Fault& fault) {
  return blocking(fmt::format(R"({{"input_tokens":{}}})", ask.prompt_tokens), 1, settings, fault);
}

}  // namespace outrigger::sim_provider
