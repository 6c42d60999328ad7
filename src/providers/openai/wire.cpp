#include "providers/openai/wire.h"

#include <utility>

#include "providers/json_object.h"

namespace outrigger::providers::openai {
namespace {

// `Value` and `Any`: of a piece or of a merged answer.
template <class Value, class Any>
void append_call(JsonObject& to, std::string_view name, const std::optional<Value>& called,
                 const std::optional<Value>& arguments, const Any& extras) {
  if (!called && !arguments && extras.empty()) return;
  JsonObject call(to.name(name));
  call.string_if("name", called);
  call.string_if(name == "custom" ? "input" : "arguments", arguments);
  call.extras(extras);
}

void append_tool(std::string& to, const ToolPiece& tool) {
  JsonObject object(to);
  if (tool.index) object.number("index", *tool.index);
  object.string_if("id", tool.id);
  object.string_if("type", tool.type);
  append_call(object, tool.custom ? "custom" : "function", tool.name, tool.arguments, tool.call_extras);
  object.extras(tool.extras);
}

void append_tool(std::string& to, const MergedTool& tool) {
  JsonObject object(to);
  object.string("id", tool.id);
  object.string("type", !tool.type.empty() ? std::string_view(tool.type) : tool.custom ? "custom" : "function");
  append_call(object, tool.custom ? "custom" : "function", std::optional(std::string_view(tool.name)),
              std::optional(std::string_view(tool.arguments)), tool.call_extras);
  object.extras(tool.extras);
}

template <class Tool>
void append_tools(JsonObject& to, const std::vector<Tool>& tools) {
  if (tools.empty()) return;
  std::string& text = to.name("tool_calls");
  text += '[';
  for (const Tool& tool : tools) {
    if (&tool != &tools.front()) text += ',';
    append_tool(text, tool);
  }
  text += ']';
}

void append_logprobs(JsonObject& to, const MergedExtras& logprobs) {
  if (logprobs.empty()) {
    to.json("logprobs", "null");
    return;
  }
  JsonObject object(to.name("logprobs"));
  object.extras(logprobs);
}

constexpr std::string_view k_id_blank = "000000000000000000000000";
static_assert(k_id_blank.size() == k_id_size);
constexpr std::string_view k_created_blank = "1000000000";
constexpr UsageShown k_no_usage{};

std::string_view usual_object(Form form, bool stream) {
  if (form == Form::text) return "\"text_completion\"";
  return stream ? "\"chat.completion.chunk\"" : "\"chat.completion\"";
}

}  // namespace

void append_usage(std::string& to, const UsageShown& usage) {
  JsonObject object(to);
  object.number("prompt_tokens", usage.prompt_tokens);
  object.number("completion_tokens", usage.completion_tokens);
  object.number("total_tokens", usage.total_tokens);
  if (usage.details == nullptr) return;
  for (const auto& [name, json] : usage.details->details) object.extra(name, json);
}

Wire::Wire(const Head& head, const RenderOptions& options)
    : form_(head.form), stream_(options.stream), zero_usage_(options.usage == UsagePolicy::zero) {
  if (zero_usage_) usage_in_chunks_ = UsageInChunks::zero;
  if (options.include_usage) usage_in_chunks_ = UsageInChunks::null;
  append_string(model_, head.model);
}

void Wire::begin(const Text& object, const Text& model) {
  text_ += stream_ ? "data: {\"id\":\"" : "{\"id\":\"";
  text_ += form_ == Form::chat ? "chatcmpl-" : "cmpl-";
  out_.ids.push_back(static_cast<std::uint32_t>(text_.size()));
  text_ += k_id_blank;
  text_ += "\",\"object\":";
  text_ += object.value_or(usual_object(form_, stream_));
  text_ += ",\"created\":";
  out_.createds.push_back(static_cast<std::uint32_t>(text_.size()));
  text_ += k_created_blank;
  if (!model) return;
  text_ += ",\"model\":";
  text_ += *model;
}

template <class Extras>
void Wire::root_extras(const Extras& extras) {
  for (const auto& [name, json] : extras) {
    text_ += ',';
    append_string(text_, name);
    text_ += ':';
    text_ += json;
  }
}

void Wire::chunk(const Piece& piece) {
  begin(piece.object, piece.model);
  root_extras(piece.extras);
  choices(piece);
  if (piece.usage) {
    const bool counts = *piece.usage != "null";
    text_ += ",\"usage\":";
    if (counts && usage_in_chunks_ == UsageInChunks::zero) {
      append_usage(text_, k_no_usage);
    } else {
      text_ += usage_in_chunks_ == UsageInChunks::null ? "null" : *piece.usage;
    }
  }
  text_ += "}\n\n";
}

void Wire::choices(const Piece& piece) {
  text_ += ",\"choices\":[";
  for (const ChoicePiece& one : piece.choices) {
    if (&one != &piece.choices.front()) text_ += ',';
    choice(one);
  }
  text_ += ']';
}

void Wire::choice(const ChoicePiece& piece) {
  JsonObject object(text_);
  object.number("index", piece.index);
  if (form_ == Form::text) {
    object.string_if("text", piece.content);
  } else if (!stream_ || !piece.without_delta) {
    object.name(stream_ ? "delta" : "message");
    message(piece);
  }
  if (piece.logprobs) object.json("logprobs", *piece.logprobs);
  if (piece.finish_reason) {
    object.string("finish_reason", *piece.finish_reason);
  } else {
    object.json("finish_reason", "null");
  }
  if (piece.usage && zero_usage_ && *piece.usage != "null") {
    append_usage(object.name("usage"), k_no_usage);
  } else if (piece.usage) {
    object.json("usage", *piece.usage);
  }
  object.extras(piece.extras);
}

void Wire::message(const ChoicePiece& piece) {
  JsonObject object(text_);
  object.string_if("role", piece.role);
  object.string_if("content", piece.content);
  // Parsers ask a whole message for both without looking whether they are there.
  if (!stream_ && !piece.role && !has(piece.delta_extras, "role")) object.string("role", "assistant");
  if (!stream_ && !piece.content && !has(piece.delta_extras, "content")) object.json("content", "null");
  object.string_if("reasoning_content", piece.reasoning_content);
  object.string_if("reasoning", piece.reasoning);
  object.string_if("refusal", piece.refusal);
  append_tools(object, piece.tools);
  append_call(object, "function_call", piece.function_name, piece.function_arguments, piece.function_extras);
  object.extras(piece.delta_extras);
}

void Wire::usage_chunk(const Piece& piece, const UsageShown& usage) {
  begin(piece.object, piece.model);
  root_extras(piece.extras);
  text_ += ",\"choices\":[],\"usage\":";
  append_usage(text_, usage);
  text_ += "}\n\n";
}

void Wire::done() { text_ += "data: [DONE]\n\n"; }

void Wire::body(const Piece& answer, const UsageShown& usage) {
  begin(answer.object, answer.model);
  choices(answer);
  text_ += ",\"usage\":";
  append_usage(text_, usage);
  root_extras(answer.extras);
  text_ += '}';
}

void Wire::body(const Merged& answer, const UsageShown& usage) {
  begin(std::nullopt, model_);
  text_ += ",\"choices\":[";
  for (const MergedChoice& one : answer.choices) {
    if (&one != &answer.choices.front()) text_ += ',';
    JsonObject object(text_);
    object.number("index", one.index);
    if (form_ == Form::chat) {
      object.name("message");
      message(one);
    } else {
      object.string("text", one.content.value_or(std::string()));
    }
    append_logprobs(object, one.logprobs);
    object.string("finish_reason", one.finish_reason);
    object.extras(one.extras);
  }
  text_ += "],\"usage\":";
  append_usage(text_, usage);
  root_extras(answer.extras);
  text_ += '}';
}

void Wire::message(const MergedChoice& choice) {
  JsonObject object(text_);
  object.string("role", choice.role.empty() ? std::string_view("assistant") : choice.role);
  if (choice.content) {
    object.string("content", *choice.content);
  } else {
    object.json("content", "null");
  }
  object.string_if("reasoning_content", choice.reasoning_content);
  object.string_if("reasoning", choice.reasoning);
  object.string_if("refusal", choice.refusal);
  append_tools(object, choice.tools);
  append_call(object, "function_call", choice.function_name, choice.function_arguments, choice.function_extras);
  object.extras(choice.delta_extras);
}

Rendered Wire::rendered() && {
  out_.text = Bytes::copy(text_);
  return std::move(out_);
}

}  // namespace outrigger::providers::openai
