#include "chat/reading.h"

#include "chat/number.h"
#include "chat/question.h"

namespace outrigger::chat {

void Reading::note(BypassReason reason) {
  if (!request.bypass || reason < *request.bypass) request.bypass = reason;
}

bool Reading::value(yyjson_val* value, int depth) {
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
      break;
  }
  const int inner = depth + 1;
  if (inner > k_max_depth) return not_json();
  if (unsafe_yyjson_is_obj(value)) {
    Members members;
    if (!members.load(value)) return not_json();
    const std::size_t mark = form.open_object();
    for (const Members::Member& member : members) {
      form.name(member.name());
      if (!this->value(member.value, inner)) return false;
    }
    form.close(mark, members.size());
    return true;
  }
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (!this->value(item, inner)) return false;
  }
  form.close(mark, count);
  return true;
}

bool Reading::number(yyjson_val* value, int depth) {
  if (!is_number(value)) return this->value(value, depth);
  form.decimal(Decimal(text_of(value)).text());
  return true;
}

void Reading::text(std::string_view text, Edges edges, Turn turn) {
  request.prompt_tokens += estimate_tokens(text);
  if (level == Level::exact || turn == Turn::exact) {
    form.text(text);
    return;
  }
  if (level >= Level::faq && turn == Turn::last_user) {
    if (const auto folded = fold_question(text, level)) {
      form.question(*folded);
      return;
    }
  }
  form.text_made_by('s', [&](std::string& out) { append_safe(out, text, edges); });
}

}  // namespace outrigger::chat
