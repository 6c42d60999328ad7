#include "providers/responses/notices.h"

#include "providers/responses/wire.h"

namespace outrigger::providers::responses {

std::string error_event(const ErrorSaid& error, std::size_t events) {
  std::string text;
  Wire wire(text);
  wire.count_from(events);
  wire.error(error.code.empty() ? error.type : error.code, error.message);
  return text;
}

void append_response(std::string& to, const ObjectSaid& said) {
  Object object(to);
  object.string("id", said.id).string("object", "response");
  object.number("created_at", said.created < 0 ? 0 : static_cast<std::uint64_t>(said.created));
  object.string("status", said.status).json("background", "false").json("error", "null");
  if (said.incomplete.empty()) {
    object.json("incomplete_details", "null");
  } else {
    Object(object.name("incomplete_details")).string("reason", said.incomplete);
  }
  object.json("instructions", "null").json("max_output_tokens", "null").string("model", said.model);
  object.json("output", said.output).json("parallel_tool_calls", "true").json("previous_response_id", "null");
  object.json("reasoning", R"({"effort":null,"summary":null})").json("store", "false").json("temperature", "null");
  object.json("text", R"({"format":{"type":"text"}})").string("tool_choice", "auto").json("tools", "[]");
  object.json("top_p", "null").string("truncation", "disabled").json("usage", said.usage).json("user", "null");
  object.json("metadata", "{}");
}

std::string answer_body(std::string_view model, std::string_view text) {
  std::string output = "[";
  {
    Object item(output);
    item.string("id", "msg_fixed").string("type", "message").string("status", "completed").string("role", "assistant");
    std::string& content = item.name("content");
    content += '[';
    append_part(content, k_output_text, text);
    content += ']';
  }
  output += ']';
  std::string body;
  append_response(body, {.id = "resp_fixed",
                         .created = 1,
                         .model = model,
                         .status = "completed",
                         .incomplete = {},
                         .output = output,
                         .usage = "null"});
  return body;
}

}  // namespace outrigger::providers::responses
