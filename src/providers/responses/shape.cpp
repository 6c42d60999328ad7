// Depths: the body is 1, `input` 2, an item 3, its `content` or `output` 4, a part 5.
//
// One form for what says the same: `input` as a string is the one user message with that content; a content that is one text part
// with nothing else to it is the bare text; the `type` of a message, the ids of replayed items and the status "completed" say
// nothing. But of reasoning that does not come with the item, the id says where the provider has it.
#include "providers/responses/shape.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "chat/binding.h"
#include "chat/json.h"
#include "chat/reading.h"

namespace outrigger::providers::responses {
namespace {

using namespace chat;

constexpr int k_item_depth = 3;
constexpr int k_part_depth = 5;

bool is_text(yyjson_val* value, std::string_view expected) { return yyjson_is_str(value) && text_of(value) == expected; }
std::string_view text_or_empty(yyjson_val* value) { return yyjson_is_str(value) ? text_of(value) : std::string_view{}; }

bool is_empty(yyjson_val* value) {
  return yyjson_is_null(value) || (yyjson_is_ctn(value) && unsafe_yyjson_get_len(value) == 0);
}

bool is_text_part(yyjson_val* part) {
  const std::string_view type = text_or_empty(yyjson_obj_get(part, "type"));
  return type == "input_text" || type == "output_text";
}

// A member of a text part that says nothing: what the provider adds to its own texts and clients send back.
bool is_blank_member(std::string_view name, yyjson_val* value) {
  return (name == "annotations" || name == "logprobs") && is_empty(value);
}

// A text part with nothing else to it says the same as the bare text.
yyjson_val* only_text(yyjson_val* parts) {
  if (unsafe_yyjson_get_len(parts) != 1 || !is_text_part(unsafe_yyjson_get_first(parts))) return nullptr;
  yyjson_val* text = nullptr;
  yyjson_obj_iter iterator = yyjson_obj_iter_with(unsafe_yyjson_get_first(parts));
  while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
    yyjson_val* value = yyjson_obj_iter_get_val(name);
    if (text_of(name) == "text" && yyjson_is_str(value)) {
      text = value;
    } else if (text_of(name) != "type" && !is_blank_member(text_of(name), value)) {
      return nullptr;
    }
  }
  return text;
}

bool is_message(yyjson_val* item) {
  yyjson_val* type = yyjson_obj_get(item, "type");
  if (type == nullptr || yyjson_is_null(type)) return yyjson_is_str(yyjson_obj_get(item, "role"));
  return is_text(type, "message");
}

bool is_users(yyjson_val* item) { return is_message(item) && is_text(yyjson_obj_get(item, "role"), "user"); }

bool says_ping_only(yyjson_val* item) {
  if (!is_users(item)) return false;
  yyjson_val* content = yyjson_obj_get(item, "content");
  if (yyjson_is_arr(content)) content = only_text(content);
  return is_text(content, k_ping);
}

// Reasoning that the provider has kept, by its id.
bool refers_to_reasoning(yyjson_val* item) {
  if (!is_text(yyjson_obj_get(item, "type"), "reasoning")) return false;
  yyjson_val* sealed = yyjson_obj_get(item, "encrypted_content");
  return !text_or_empty(yyjson_obj_get(item, "id")).empty() && text_or_empty(sealed).empty();
}

// What stands in an item and says nothing.
bool is_blank_of_item(std::string_view name, yyjson_val* value, bool message, bool refers) {
  if (name == "id") return !refers;
  if (name == "status") return yyjson_is_null(value) || is_text(value, "completed");
  return message && name == "type";
}

// The items that clients themselves make. All others are traces of tools that the provider runs, or its own state.
constexpr std::array<std::string_view, 5> k_client_items{"function_call", "function_call_output", "custom_tool_call",
                                                         "custom_tool_call_output", "reasoning"};

class Input {
 public:
  explicit Input(Reading& reading) : reading_(reading) {}

  bool read(yyjson_val* value);

 private:
  bool lone_question(std::string_view text);
  bool items(yyjson_val* value);
  bool item(yyjson_val* value, TextUse turn);
  bool note_item(yyjson_val* value);
  bool item_member(const Members::Member& member, TextUse turn);
  bool content(yyjson_val* value, TextUse turn);
  bool part(yyjson_val* value, Edges edges, TextUse turn);

  Reading& reading_;
};

bool Input::read(yyjson_val* value) {
  if (yyjson_is_str(value)) return lone_question(text_of(value));
  if (!yyjson_is_arr(value) || unsafe_yyjson_get_len(value) == 0) return reading_.not_understood();
  reading_.watch_bindings(true);
  const bool good = items(value);
  reading_.watch_bindings(false);
  return good;
}

bool Input::lone_question(std::string_view text) {
  reading_.says_ping = text == k_ping;
  reading_.request.prompt_tokens += k_message_tokens;
  FormWriter& form = reading_.form;
  const std::size_t list = form.open_array();
  const std::size_t message = form.open_object();
  form.name("content");
  reading_.text(text, {}, TextUse::last_user);
  form.name("role");
  form.text("user");
  form.close(message, 2);
  form.close(list, 1);
  return true;
}

bool Input::items(yyjson_val* value) {
  const std::size_t mark = reading_.form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* one = nullptr;
  std::size_t last_user = unsafe_yyjson_get_len(value);
  yyjson_arr_foreach(value, index, count, one) {
    if (!yyjson_is_obj(one)) return reading_.not_understood();
    if (is_users(one)) last_user = index;
  }
  yyjson_arr_foreach(value, index, count, one) {
    const bool goes_on = index + 1 == count && is_message(one) && is_text(yyjson_obj_get(one, "role"), "assistant");
    if (!item(one, index == last_user ? TextUse::last_user : goes_on ? TextUse::exact : TextUse::other)) return false;
  }
  reading_.form.close(mark, count);
  reading_.says_ping = count == 1 && says_ping_only(unsafe_yyjson_get_first(value));
  return true;
}

bool Input::item(yyjson_val* value, TextUse turn) {
  if (!note_item(value)) return false;
  Members members;
  if (!members.load(value)) return reading_.not_json();
  const bool message = is_message(value);
  const bool refers = refers_to_reasoning(value);
  const std::size_t before = reading_.form.size();
  const std::size_t mark = reading_.form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    if (is_blank_of_item(member.name(), member.value, message, refers)) {
      if (!reading_.dropped(member.value, k_item_depth)) return false;
      continue;
    }
    ++count;
    reading_.see(member.name(), member.value);
    reading_.form.name(member.name());
    if (!item_member(member, turn)) return false;
  }
  reading_.form.close(mark, count);
  reading_.request.prompt_tokens += k_message_tokens;
  if (!message) reading_.request.prompt_tokens += static_cast<std::uint32_t>((reading_.form.size() - before) / 4);
  return true;
}

// What the item as a whole says about the request. False: not of a known shape.
bool Input::note_item(yyjson_val* value) {
  Needs& needs = reading_.request.needs;
  if (is_message(value)) {
    yyjson_val* content = yyjson_obj_get(value, "content");
    const bool has_content = yyjson_is_str(content) || yyjson_is_arr(content);
    return (has_content && !text_or_empty(yyjson_obj_get(value, "role")).empty()) || reading_.not_understood();
  }
  const std::string_view type = text_or_empty(yyjson_obj_get(value, "type"));
  if (type.empty() || type == "item_reference") {
    // Without a type and a role it is a reference too.
    if (!yyjson_is_str(yyjson_obj_get(value, "id"))) return reading_.not_understood();
    reading_.note(BypassReason::stateful);
    needs.bound = true;
  } else if (std::ranges::find(k_client_items, type) == k_client_items.end()) {
    reading_.note(BypassReason::hosted_tool);
    reading_.inspect_media(value);
    needs.bound = true;
    needs.tools = true;
  } else if (type != "reasoning") {
    if (!yyjson_is_str(yyjson_obj_get(value, "call_id"))) return reading_.not_understood();
    needs.tools = true;
  } else if (refers_to_reasoning(value)) {
    needs.bound = true;
  }
  return true;
}

bool Input::item_member(const Members::Member& member, TextUse turn) {
  const std::string_view name = member.name();
  yyjson_val* value = member.value;
  if (name == "call_id" && yyjson_is_str(value)) {
    reading_.call_id(text_of(value));
    return true;
  }
  const bool words = name == "content" || name == "output";
  if (words && (yyjson_is_str(value) || yyjson_is_arr(value))) return content(value, turn);
  return reading_.value(value, k_item_depth);
}

bool Input::content(yyjson_val* value, TextUse turn) {
  if (yyjson_is_str(value)) {
    if (is_own_place(text_of(value))) reading_.request.needs.bound = true;
    reading_.text(text_of(value), {}, turn);
    return true;
  }
  if (yyjson_val* only = only_text(value)) {
    if (!is_strict(unsafe_yyjson_get_first(value), k_part_depth)) return reading_.not_json();
    reading_.text(text_of(only), {}, turn);
    return true;
  }
  // With pictures and the like around it a question is more than its words: it stays `safe`.
  if (turn == TextUse::last_user) turn = TextUse::other;
  const std::size_t mark = reading_.form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* one = nullptr;
  bool after_text = false;
  yyjson_arr_foreach(value, index, count, one) {
    if (!yyjson_is_obj(one) || !yyjson_is_str(yyjson_obj_get(one, "type"))) return reading_.not_understood();
    yyjson_val* next = index + 1 < count ? unsafe_yyjson_get_next(one) : nullptr;
    if (!part(one, {.trim_front = !after_text, .trim_back = !is_text_part(next)}, turn)) return false;
    after_text = is_text_part(one);
  }
  reading_.form.close(mark, count);
  return true;
}

bool Input::part(yyjson_val* value, Edges edges, TextUse turn) {
  const bool words = is_text_part(value);
  if (words && !yyjson_is_str(yyjson_obj_get(value, "text"))) return reading_.not_understood();
  const std::string_view type = text_of(yyjson_obj_get(value, "type"));
  if (!words && type != "refusal" && type != "summary_text" && type != "reasoning_text") {
    reading_.inspect_media(value);
    note_part(reading_.request.needs, type);
    reading_.request.prompt_tokens += k_media_tokens;
  }
  Members members;
  if (!members.load(value)) return reading_.not_json();
  const std::size_t mark = reading_.form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    if (words && is_blank_member(member.name(), member.value)) continue;
    ++count;
    reading_.see(member.name(), member.value);
    reading_.form.name(member.name());
    if (words && member.name() == "text") {
      reading_.text(text_of(member.value), edges, turn);
    } else if (!reading_.value(member.value, k_part_depth)) {
      return false;
    }
  }
  reading_.form.close(mark, count);
  return true;
}

bool instructions(Reading& reading, yyjson_val* value) {
  if (!yyjson_is_str(value)) return reading.value(value, 1);
  reading.request.prompt_tokens += k_message_tokens;
  reading.text(text_of(value), {}, TextUse::other);
  return true;
}

// A prompt that lies at the provider.
bool prompt(Reading& reading, yyjson_val* value) {
  reading.note(BypassReason::stateful);
  reading.request.needs.bound = true;
  return reading.value(value, 1);
}

bool text_options(Reading& reading, yyjson_val* value) {
  note_response_format(reading.request.needs, yyjson_obj_get(value, "format"));
  return reading.value(value, 1);
}

bool include(Reading& reading, yyjson_val* value) {
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* one = nullptr;
  yyjson_arr_foreach(value, index, count, one) {
    if (is_text(one, "message.output_text.logprobs")) reading.request.needs.logprobs = true;
  }
  return reading.value(value, 1);
}

constexpr OwnMember k_members[] = {
    {.name = "input", .read = [](Reading& reading, yyjson_val* value) { return Input(reading).read(value); }, .asks = true},
    {.name = "prompt", .read = prompt, .asks = true},
    {.name = "instructions", .read = instructions},
    {.name = "text", .read = text_options},
    {.name = "include", .read = include},
    {.name = "truncation", .field = Field::plain},
    {.name = "max_tool_calls", .field = Field::number},
};

}  // namespace

const Shape k_shape{.endpoint = Endpoint::responses, .own = k_members};

}  // namespace outrigger::providers::responses
