#include "providers/anthropic/notices.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "providers/anthropic/object.h"
#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

struct Row {
  int status;
  std::string_view type;
};
// Anthropic's own table, and what is nearest for the statuses that it does not use (402, 408, 503).
constexpr std::array k_types{
    Row{400, "invalid_request_error"}, Row{401, "authentication_error"}, Row{402, "billing_error"},
    Row{403, "permission_error"},      Row{404, "not_found_error"},      Row{408, "timeout_error"},
    Row{413, "request_too_large"},     Row{429, "rate_limit_error"},     Row{500, "api_error"},
    Row{503, "overloaded_error"},      Row{504, "timeout_error"},        Row{529, "overloaded_error"},
};

// The status says it better than a word of another dialect; where several mean one status, the word says which.
std::string_view type_of(const ErrorSaid& error) {
  const auto by_status = std::ranges::find(k_types, error.status, &Row::status);
  const bool is_vague = error.status == 400 || error.status == 500;
  if (by_status != k_types.end() && !is_vague) return by_status->type;
  const auto by_name = std::ranges::find(k_types, error.type, &Row::type);
  if (by_name != k_types.end()) return by_name->type;
  return error.status >= 400 && error.status < 500 ? "invalid_request_error" : "api_error";
}

std::string text_in(yyjson_val* object, std::string_view name) {
  return std::string(string_of(member(object, name)).value_or(std::string_view()));
}

}  // namespace

std::string error_body(const ErrorSaid& error) {
  std::string text = R"({"type":"error","error":{"type":)";
  append_string(text, type_of(error));
  text += R"(,"message":)";
  append_string(text, error.message);
  if (!error.code.empty()) {
    text += R"(,"code":)";
    append_string(text, error.code);
  }
  text += "}}";
  return text;
}

std::string error_event(const ErrorSaid& error) { return "event: error\ndata: " + error_body(error) + "\n\n"; }

ErrorSaid hear_error(int status, std::string_view body) {
  ErrorSaid said{.status = status};
  const JsonDoc doc = JsonDoc::read(body);
  yyjson_val* error = member(doc.root(), "error");
  if (const auto text = string_of(error)) {
    said.message = *text;
  } else {
    said.type = text_in(error, "type");
    said.code = text_in(error, "code");
    said.message = text_in(error, "message");
  }
  if (said.message.empty()) said.message = text_in(doc.root(), "message");  // gateways: AWS, and others
  if (said.message.empty()) said.message = traits(ErrorCode::upstream_status).message;
  if (status == 0) {
    const auto known = std::ranges::find(k_types, said.type, &Row::type);
    if (known != k_types.end()) said.status = said.type == "overloaded_error" ? 529 : known->status;
  }
  return said;
}

std::string answer_body(std::string_view model, std::string_view text) {
  std::string body;
  {
    Object object(body);
    object.string("type", "message");
    object.string("role", "assistant");
    object.string("model", model);
    object.json("content", R"([{"type":"text","text":)");
    append_string(body, text);
    body += "}]";
    object.string("stop_reason", "end_turn");
    object.json("stop_sequence", "null");
  }
  return body;
}

}  // namespace outrigger::providers::anthropic
