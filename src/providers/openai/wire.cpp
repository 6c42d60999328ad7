#include "providers/openai/wire.h"

#include <utility>

#include "providers/json_text.h"

namespace outrigger::providers::openai {
namespace {

// Comma-separated members of one object.
class Object {
 public:
  explicit Object(std::string& to) : to_(to) { to_ += '{'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { to_ += '}'; }

  std::string& name(std::string_view name) {
    if (!std::exchange(first_, false)) to_ += ',';
    to_ += '"';
    to_ += name;
    to_ += "\":";
    return to_;
  }
  void string(std::string_view known_name, std::string_view value) { append_string(name(known_name), value); }
  template <class Value>
  void string_if(std::string_view known_name, const std::optional<Value>& value) {
    if (value) string(known_name, *value);
  }
  void number(std::string_view known_name, std::uint64_t value) { append_number(name(known_name), value); }
  void json(std::string_view known_name, std::string_view value) { name(known_name) += value; }
  // Names from outside need escapes.
  void extra(std::string_view any_name, std::string_view json) {
    if (!std::exchange(first_, false)) to_ += ',';
    append_string(to_, any_name);
    to_ += ':';
    to_ += json;
  }
  void extras(const Extras& all) {
    for (const Extra& one : all) extra(one.name, one.json);
  }
  void extras(const MergedExtras& all) {
    for (const auto& [any_name, value] : all) extra(any_name, value);
  }

 private:
  std::string& to_;
  bool first_ = true;
};

void append_call(Object& to, bool custom, const Text& name, const Text& arguments) {
  if (!name && !arguments) return;
  Object call(to.name(custom ? "custom" : "function"));
  call.string_if("name", name);
  call.string_if(custom ? "input" : "arguments", arguments);
}

void append_tool(std::string& to, const ToolPiece& tool) {
  Object object(to);
  if (tool.index) object.number("index", *tool.index);
  object.string_if("id", tool.id);
  object.string_if("type", tool.type);
  append_call(object, tool.custom, tool.name, tool.arguments);
  object.extras(tool.extras);
}

void append_tool(std::string& to, const MergedTool& tool) {
  Object object(to);
  object.string("id", tool.id);
  object.string("type", !tool.type.empty() ? std::string_view(tool.type) : tool.custom ? "custom" : "function");
  append_call(object, tool.custom, tool.name, tool.arguments);
  object.extras(tool.extras);
}

template <class Tool>
void append_tools(Object& to, const std::vector<Tool>& tools) {
  if (tools.empty()) return;
  std::string& text = to.name("tool_calls");
  text += '[';
  for (const Tool& tool : tools) {
    if (&tool != &tools.front()) text += ',';
    append_tool(text, tool);
  }
  text += ']';
}

template <class Value>
void append_function_call(Object& to, const std::optional<Value>& name, const std::optional<Value>& arguments) {
  if (!name && !arguments) return;
  Object call(to.name("function_call"));
  call.string_if("name", name);
  call.string_if("arguments", arguments);
}

void append_logprobs(Object& to, const MergedExtras& logprobs) {
  if (logprobs.empty()) {
    to.json("logprobs", "null");
    return;
  }
  Object object(to.name("logprobs"));
  object.extras(logprobs);
}

constexpr std::string_view k_id_blank = "000000000000000000000000";
static_assert(k_id_blank.size() == k_id_size);
constexpr std::string_view k_created_blank = "1000000000";

}  // namespace

void append_usage(std::string& to, const UsageShown& usage) {
  Object object(to);
  object.number("prompt_tokens", usage.prompt_tokens);
  object.number("completion_tokens", usage.completion_tokens);
  object.number("total_tokens", usage.total_tokens);
  if (usage.details == nullptr) return;
  for (const auto& [name, json] : usage.details->details) object.extra(name, json);
}

Wire::Wire(Form form, bool stream, std::string_view model) : form_(form), stream_(stream) {
  head_ = stream ? "data: {\"id\":\"" : "{\"id\":\"";
  head_ += form == Form::chat ? "chatcmpl-" : "cmpl-";
  id_offset_ = static_cast<std::uint32_t>(head_.size());
  head_ += k_id_blank;
  head_ += "\",\"object\":\"";
  head_ += form == Form::text ? "text_completion" : stream ? "chat.completion.chunk" : "chat.completion";
  head_ += "\",\"created\":";
  created_offset_ = static_cast<std::uint32_t>(head_.size());
  head_ += k_created_blank;
  head_ += ",\"model\":";
  append_string(head_, model);
}

void Wire::begin() {
  const auto at = static_cast<std::uint32_t>(text_.size());
  out_.ids.push_back(at + id_offset_);
  out_.createds.push_back(at + created_offset_);
  text_ += head_;
}

void Wire::chunk(const Piece& piece) {
  begin();
  for (const Extra& extra : piece.extras) {
    text_ += ',';
    append_string(text_, extra.name);
    text_ += ':';
    text_ += extra.json;
  }
  text_ += ",\"choices\":[";
  for (const ChoicePiece& one : piece.choices) {
    if (&one != &piece.choices.front()) text_ += ',';
    choice(one);
  }
  text_ += "]}\n\n";
}

void Wire::choice(const ChoicePiece& piece) {
  Object object(text_);
  object.number("index", piece.index);
  if (form_ == Form::chat) {
    object.name("delta");
    delta(piece);
  } else {
    object.string("text", piece.content.value_or(std::string_view()));
  }
  if (piece.logprobs) {
    object.json("logprobs", *piece.logprobs);
  } else if (form_ == Form::text) {
    object.json("logprobs", "null");
  }
  if (piece.finish_reason) {
    object.string("finish_reason", *piece.finish_reason);
  } else {
    object.json("finish_reason", "null");
  }
  object.extras(piece.extras);
}

void Wire::delta(const ChoicePiece& piece) {
  Object object(text_);
  object.string_if("role", piece.role);
  object.string_if("content", piece.content);
  object.string_if("reasoning_content", piece.reasoning_content);
  object.string_if("reasoning", piece.reasoning);
  object.string_if("refusal", piece.refusal);
  append_tools(object, piece.tools);
  append_function_call(object, piece.function_name, piece.function_arguments);
  object.extras(piece.delta_extras);
}

void Wire::usage_chunk(const UsageShown& usage) {
  begin();
  text_ += ",\"choices\":[],\"usage\":";
  append_usage(text_, usage);
  text_ += "}\n\n";
}

void Wire::done() { text_ += "data: [DONE]\n\n"; }

void Wire::body(const Merged& answer, const UsageShown& usage) {
  begin();
  text_ += ",\"choices\":[";
  for (const MergedChoice& one : answer.choices) {
    if (&one != &answer.choices.front()) text_ += ',';
    Object object(text_);
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
  for (const auto& [name, json] : answer.extras) {
    text_ += ',';
    append_string(text_, name);
    text_ += ':';
    text_ += json;
  }
  text_ += '}';
}

void Wire::message(const MergedChoice& choice) {
  Object object(text_);
  object.string("role", choice.role.empty() ? std::string_view("assistant") : choice.role);
  const bool calls = !choice.tools.empty() || choice.function_name;
  const bool says = choice.content && !(choice.content->empty() && calls);
  if (says) {
    object.string("content", *choice.content);
  } else {
    object.json("content", "null");
  }
  object.string_if("reasoning_content", choice.reasoning_content);
  object.string_if("reasoning", choice.reasoning);
  object.string_if("refusal", choice.refusal);
  append_tools(object, choice.tools);
  append_function_call(object, choice.function_name, choice.function_arguments);
  object.extras(choice.delta_extras);
}

Rendered Wire::rendered() && {
  out_.text = Bytes::copy(text_);
  return std::move(out_);
}

}  // namespace outrigger::providers::openai
