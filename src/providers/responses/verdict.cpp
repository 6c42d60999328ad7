#include "providers/responses/verdict.h"

#include <string>

#include "chat/request.h"
#include "providers/responses/json.h"

namespace outrigger::providers::responses {
namespace {

using enum chat::NoStoreReason;
using Reason = std::optional<chat::NoStoreReason>;

// Calls visit(value) for each element, until it returns a reason.
template <class Visit>
Reason first_reason(yyjson_val* list, Visit&& visit) {
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  while (yyjson_val* one = yyjson_arr_iter_next(&iterator)) {
    if (const Reason reason = visit(one)) return reason;
  }
  return std::nullopt;
}

Reason judge_status(yyjson_val* response) {
  const std::string_view status = text_in(response, "status");
  if (status == "completed") return std::nullopt;
  if (status == "failed") return error_in_answer;
  if (status != "incomplete") return unfinished;  // queued, in_progress, cancelled
  const std::string_view why = text_in(member(response, "incomplete_details"), "reason");
  if (why == "max_output_tokens" || why == "max_tokens") return length;
  return why == "content_filter" ? filtered : unfinished;
}

Reason judge_message(yyjson_val* item, bool& says_something) {
  yyjson_val* content = member(item, "content");
  if (content != nullptr && !yyjson_is_arr(content)) return not_understood;
  return first_reason(content, [&](yyjson_val* part) -> Reason {
    const std::string_view type = text_in(part, "type");
    if (type == "refusal") return refused;
    if (type != "output_text") {
      if (type.empty()) return not_understood;
      says_something = true;
      return std::nullopt;
    }
    const auto text = string_of(member(part, "text"));
    if (!text) return not_understood;
    says_something = says_something || text->find_first_not_of(" \t\r\n\v\f") != std::string_view::npos;
    return std::nullopt;
  });
}

bool is_json(std::string_view text) { return JsonDoc::read(text).root() != nullptr; }

Reason judge_item(yyjson_val* item, bool& says_something) {
  const std::string_view type = text_in(item, "type");
  if (type.empty()) return not_understood;
  const std::string_view status = text_in(item, "status");
  if (status == "in_progress" || status == "incomplete") return unfinished;
  if (type == "message") return judge_message(item, says_something);
  if (type == "reasoning") return std::nullopt;
  if (type == "function_call" || type == "custom_tool_call") {
    if (text_in(item, "name").empty() || text_in(item, "call_id").empty()) return not_understood;
    const auto said = string_of(member(item, type == "function_call" ? "arguments" : "input"));
    // A tool that takes nothing may be called with nothing.
    if (!said || (type == "function_call" && !said->empty() && !is_json(*said))) return not_understood;
  }
  says_something = true;  // what is no call of the client's is the work of a tool that the provider runs
  return std::nullopt;
}

void append_texts(std::string& to, yyjson_val* parts) {
  yyjson_arr_iter iterator = yyjson_arr_iter_with(parts);
  while (yyjson_val* part = yyjson_arr_iter_next(&iterator)) {
    to += text_in(part, "text");
    to += text_in(part, "refusal");
  }
}

}  // namespace

Reason judge(yyjson_val* response) {
  if (const Reason reason = judge_status(response)) return reason;
  yyjson_val* output = member(response, "output");
  if (!yyjson_is_arr(output) || yyjson_arr_size(output) > k_items_max) return not_understood;
  bool says_something = false;
  const Reason reason = first_reason(output, [&](yyjson_val* item) { return judge_item(item, says_something); });
  if (reason) return reason;
  return says_something ? std::nullopt : Reason(empty);
}

std::uint64_t estimate_output(yyjson_val* response) {
  std::string text;
  yyjson_arr_iter iterator = yyjson_arr_iter_with(member(response, "output"));
  while (yyjson_val* item = yyjson_arr_iter_next(&iterator)) {
    append_texts(text, member(item, "content"));
    append_texts(text, member(item, "summary"));
    for (const std::string_view name : {"name", "arguments", "input"}) text += text_in(item, name);
  }
  return chat::estimate_tokens(text);
}

}  // namespace outrigger::providers::responses
