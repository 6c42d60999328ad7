#include "providers/dify/told.h"

#include <algorithm>

#include "providers/json_doc.h"
#include "providers/signals.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::size_t k_message_max = 1500;

// It is shown to operators: nothing but a name may pass, no sentence and no key.
bool is_code(std::string_view word) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == ':' ||
           c == '-';
  };
  return !word.empty() && word.size() <= Signal::k_code_max && std::ranges::all_of(word, allowed) &&
         !word.starts_with("sk-") && !word.starts_with("app-");
}

}  // namespace

Told read_told(std::string_view json) {
  const JsonDoc doc = JsonDoc::read(json);
  return read_told(doc.root());
}

Told read_told(yyjson_val* root) {
  Told told;
  if (!yyjson_is_obj(root)) return told;
  const auto event = string_of(member(root, "event"));
  if (!event || event == "error") {
    if (const auto code = string_of(member(root, "code")); code && is_code(*code)) told.code = *code;
    if (const auto text = string_of(member(root, "message"))) told.message = text->substr(0, k_message_max);
    const auto status = whole_number_of(member(root, "status")).value_or(0);
    if (status >= 400 && status < 600) told.status = static_cast<int>(status);
  }
  told.is_error = event == "error" || (told.status != 0 && !told.code.empty());
  if (told.is_error) return told;
  yyjson_val* data = member(root, "data");
  const bool of_run = event == "workflow_finished" || (!event && member(root, "workflow_run_id") != nullptr);
  told.run_failed = of_run && string_of(member(data, "status")) == "failed";
  return told;
}

}  // namespace outrigger::providers::dify
