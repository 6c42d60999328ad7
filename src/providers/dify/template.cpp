#include "providers/dify/template.h"

#include <algorithm>
#include <optional>

#include "chat/json.h"
#include "providers/json_doc.h"
#include "providers/json_text.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::string_view k_nobody = "00000000-0000-0000-0000-000000000000";
constexpr std::size_t k_time_size = 10;

bool is_time(std::string_view name, yyjson_val* value) {
  const auto digits = number_of(value);
  return (name == "created_at" || name == "finished_at") && digits && digits->size() == k_time_size &&
         whole_number_of(value).has_value();
}

// A model's usage as Dify writes it, wherever a node has put it.
bool is_usage(yyjson_val* value) {
  return member(value, "prompt_tokens") != nullptr && member(value, "total_price") != nullptr;
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
}

bool counts(std::string_view name) { return name == "total_tokens" || name == "total_price"; }

}  // namespace

bool TemplateWriter::event(yyjson_val* root, bool has_piece, bool has_shared) {
  mark_piece_ = has_piece;
  mark_shared_ = has_shared;
  const auto name = string_of(providers::member(root, "event")).value_or(std::string_view());
  of_node_ = name.starts_with("node_") || name.starts_with("iteration_") || name.starts_with("loop_");
  return value(root, Place::of_event, 0);
}

bool TemplateWriter::value(yyjson_val* value, Place place, int depth) {
  if (const auto words = string_of(value)) {
    if (place == Place::of_usage && is_decimal(*words)) {
      to_ += "\"0\"";
    } else {
      text(*words);
    }
    return true;
  }
  if (const auto number = number_of(value)) {
    to_ += place == Place::of_usage ? std::string_view("0") : *number;
    return true;
  }
  if (!yyjson_is_ctn(value)) {
    to_ += yyjson_is_true(value) ? "true" : yyjson_is_false(value) ? "false" : "null";
    return true;
  }
  if (depth >= chat::k_max_depth) return false;
  if (yyjson_is_obj(value))
    return object(value, place == Place::of_node && is_usage(value) ? Place::of_usage : place, depth);
  to_ += '[';
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (index != 0) to_ += ',';
    if (!this->value(item, place, depth + 1)) return false;
  }
  to_ += ']';
  return true;
}

bool TemplateWriter::object(yyjson_val* value, Place place, int depth) {
  to_ += '{';
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* name = nullptr;
  yyjson_val* content = nullptr;
  yyjson_obj_foreach(value, index, count, name, content) {
    if (index != 0) to_ += ',';
    const std::string_view known(yyjson_get_str(name), yyjson_get_len(name));
    append_string(to_, known);
    to_ += ':';
    if (!member(known, content, place, depth)) return false;
  }
  to_ += '}';
  return true;
}

bool TemplateWriter::member(std::string_view name, yyjson_val* value, Place place, int depth) {
  const bool at_top = place == Place::of_event && depth == 0;
  const bool in_data = place == Place::of_data && depth == 1;
  if (name == "sys.user_id" && yyjson_is_str(value)) {
    to_ += '"';
    mark(Mark::user);
    to_ += '"';
    return true;
  }
  if (at_top) {
    if (is_time(name, value)) return mark(Mark::time), true;
    if (mark_piece_ && name == "answer") return mark(Mark::piece), true;
    if (name == "metadata") {
      if (mark_shared_) return mark(Mark::shared), true;
      return this->value(value, Place::of_event, depth + 1);
    }
    return this->value(value, name == "data" ? Place::of_data : place, depth + 1);
  }
  if (in_data) {
    if (is_time(name, value)) return mark(Mark::time), true;
    if (counts(name)) return this->value(value, Place::of_usage, depth + 1);
    if (mark_piece_ && name == "text") return mark(Mark::piece), true;
    if (mark_shared_ && name == "outputs") return mark(Mark::shared), true;
    if (name == "created_by" && yyjson_is_obj(value)) return asker(), true;
    if (name == "execution_metadata") return this->value(value, Place::of_data, depth + 1);
    const bool of_app = name == "inputs" || name == "outputs" || name == "process_data";
    return this->value(value, of_app ? (of_node_ ? Place::of_node : Place::of_app) : Place::of_event, depth + 1);
  }
  if (place == Place::of_data && counts(name)) return this->value(value, Place::of_usage, depth + 1);
  if (place == Place::of_event && name == "usage" && yyjson_is_obj(value)) {
    return this->value(value, Place::of_usage, depth + 1);
  }
  return this->value(value, place, depth + 1);
}

void TemplateWriter::text(std::string_view text) {
  const auto marked = [&](Mark mark) {
    to_ += '"';
    to_ += byte(mark);
    to_ += '"';
  };
  if (text.empty()) return append_string(to_, text);
  // A plain chat's task, message and conversation are three; where two ids are the same, the first of these is meant.
  if (text == ids_.message) return marked(Mark::message);
  if (text == ids_.conversation) return marked(Mark::conversation);
  if (text == ids_.run) return marked(Mark::run);
  if (text == ids_.task) return marked(Mark::task);
  append_string(to_, text);
}

// The person's row at Dify is nobody else's business.
void TemplateWriter::asker() {
  to_ += R"({"id":")";
  to_ += k_nobody;
  to_ += R"(","user":")";
  mark(Mark::user);
  to_ += "\"}";
}

}  // namespace outrigger::providers::dify
