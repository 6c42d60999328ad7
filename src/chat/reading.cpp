#include "chat/reading.h"

#include "chat/binding.h"
#include "chat/number.h"
#include "chat/question.h"

namespace outrigger::chat {

void Reading::note(BypassReason reason) {
  if (!request.bypass || reason < *request.bypass) request.bypass = reason;
}

void Reading::see(std::string_view name, yyjson_val* value) {
  if (binds(name, value)) request.needs.bound = true;
}

bool Reading::value(yyjson_val* value, int depth, Markers markers) {
  switch (unsafe_yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
      form.null();
      return true;
    case YYJSON_TYPE_BOOL:
      form.boolean(unsafe_yyjson_get_bool(value));
      return true;
    case YYJSON_TYPE_RAW:
      form.raw_number(text_of(value));
      return true;
    case YYJSON_TYPE_STR:
      form.text(text_of(value));
      return true;
    default:
      return depth < k_max_depth ? container(value, depth + 1, markers) : not_json();
  }
}

// `depth` is that of the container itself.
bool Reading::container(yyjson_val* value, int depth, Markers markers) {
  if (unsafe_yyjson_is_obj(value)) {
    Members members;
    if (!members.load(value)) return not_json();
    const std::size_t mark = form.open_object();
    std::size_t count = 0;
    for (const Members::Member& member : members) {
      if (markers == Markers::left_out && member.name() == "cache_control") {
        if (!dropped(member.value, depth)) return false;
        continue;
      }
      ++count;
      if (in_messages_) see(member.name(), member.value);
      form.name(member.name());
      if (!this->value(member.value, depth, markers)) return false;
    }
    form.close(mark, count);
    return true;
  }
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (!this->value(item, depth, markers)) return false;
  }
  form.close(mark, count);
  return true;
}

bool Reading::number(yyjson_val* value, int depth) {
  if (!is_number(value)) return this->value(value, depth);
  form.decimal(Decimal(text_of(value)).text());
  return true;
}

void Reading::text(std::string_view text, Edges edges, TextUse turn) {
  request.prompt_tokens += estimate_tokens(text);
  if (level == Level::exact || turn == TextUse::exact) {
    form.text(text);
    return;
  }
  if (level >= Level::faq && turn == TextUse::last_user) {
    std::string safe;
    append_safe(safe, text, edges);
    if (const auto folded = fold_question(safe, level)) {
      form.question(*folded);
    } else {
      form.text(safe);
    }
    return;
  }
  form.text_made_by('s', [&](std::string& out) { append_safe(out, text, edges); });
}

}  // namespace outrigger::chat
