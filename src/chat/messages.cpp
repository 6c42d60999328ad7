// The chat shapes: messages with their parts and tool calls, and tools. Depths: the body is 1, `messages` 2, a message 3,
// its `content` or `tool_calls` 4, a part 5.
#include <algorithm>
#include <array>

#include "chat/binding.h"
#include "chat/reading.h"
#include "chat/shape.h"

namespace outrigger::chat {
namespace {

constexpr int k_message_depth = 3;
constexpr int k_part_depth = 5;

// Members of a message whose null means the same as their absence.
constexpr std::array<std::string_view, 11> k_nullable{"annotations", "audio",      "content",           "function_call",
                                                      "name",        "parsed",     "reasoning_content", "reasoning",
                                                      "refusal",     "tool_calls", "tool_call_id"};

yyjson_val* find(Members& members, std::string_view name) {
  const auto* found =
      std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.name() == name; });
  return found == members.end() ? nullptr : found->value;
}

bool is_text(yyjson_val* value, std::string_view expected) { return yyjson_is_str(value) && text_of(value) == expected; }

bool is_text_part(yyjson_val* part) { return is_text(yyjson_obj_get(part, "type"), "text"); }

// A text part with nothing else to it says the same as the bare text.
yyjson_val* only_text(yyjson_val* parts) {
  if (unsafe_yyjson_get_len(parts) != 1) return nullptr;
  yyjson_val* part = unsafe_yyjson_get_first(parts);
  if (!is_text_part(part)) return nullptr;
  yyjson_val* text = yyjson_obj_get(part, "text");
  const std::size_t plain = yyjson_obj_get(part, "cache_control") == nullptr ? 2 : 3;
  return yyjson_is_str(text) && unsafe_yyjson_get_len(part) == plain ? text : nullptr;
}

bool says_ping_only(yyjson_val* message) {
  if (!is_text(yyjson_obj_get(message, "role"), "user")) return false;
  yyjson_val* content = yyjson_obj_get(message, "content");
  if (yyjson_is_arr(content)) content = only_text(content);
  return is_text(content, k_ping);
}

// "https://…", "gs://…": what stands there may change. A "data:" URL is the content itself.
bool is_reference(std::string_view text) {
  constexpr std::size_t k_scheme = 16;
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  const std::size_t colon = text.substr(0, k_scheme).find("://");
  if (colon == text.npos || colon == 0) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

}  // namespace

bool Reading::messages(yyjson_val* value) {
  if (!yyjson_is_arr(value) || unsafe_yyjson_get_len(value) == 0) return not_understood();
  in_messages_ = true;
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  std::size_t last_user = 0;
  if (level >= Level::faq) {
    yyjson_arr_foreach(value, index, count, item) {
      if (is_text(yyjson_obj_get(item, "role"), "user")) last_user = index;
    }
  }
  yyjson_arr_foreach(value, index, count, item) {
    if (!message(item, index == last_user, index + 1 == count)) return false;
  }
  form.close(mark, count);
  in_messages_ = false;
  says_ping = count == 1 && says_ping_only(unsafe_yyjson_get_first(value));
  return true;
}

bool Reading::message(yyjson_val* value, bool is_last_user, bool is_last) {
  if (!yyjson_is_obj(value)) return not_understood();
  Members members;
  if (!members.load(value)) return not_json();
  yyjson_val* role_value = find(members, "role");
  if (!yyjson_is_str(role_value) || unsafe_yyjson_get_len(role_value) == 0) return not_understood();
  const std::string_view role = text_of(role_value);
  const bool asks = role == "user" || role == "system" || role == "developer";
  yyjson_val* content = find(members, "content");
  if (asks && (content == nullptr || yyjson_is_null(content))) return not_understood();

  if (role == "tool" || role == "function") request.needs.tools = true;
  TextUse turn = TextUse::other;
  if (is_last && role == "assistant") turn = TextUse::exact;  // the model is to continue this
  if (is_last_user && role == "user") turn = TextUse::last_user;
  request.prompt_tokens += k_message_tokens;
  // Who only calls tools says nothing: providers write null for it in one form of an answer, and "" in the other.
  const bool says_nothing = yyjson_is_arr(find(members, "tool_calls")) && is_text(content, "");
  const std::size_t mark = form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    if (says_nothing && member.name() == "content") continue;
    if (!message_member(member, count, turn)) return false;
  }
  form.close(mark, count);
  return true;
}

bool Reading::message_member(const Members::Member& member, std::size_t& count, TextUse turn) {
  const std::string_view name = member.name();
  yyjson_val* value = member.value;
  if (name == "cache_control") return dropped(value, k_message_depth);
  if (yyjson_is_null(value) && std::find(k_nullable.begin(), k_nullable.end(), name) != k_nullable.end()) return true;
  ++count;
  see(name, value);
  form.name(name);
  if (name == "content") return content(value, turn);
  if (name == "tool_call_id") {
    if (!yyjson_is_str(value)) return not_understood();
    call_id(text_of(value));
    return true;
  }
  if (name == "tool_calls") return tool_calls(value);
  if (name == "audio") {  // an answer that the provider has spoken before, by its id
    note(BypassReason::stateful);
    request.needs.bound = true;
  }
  return this->value(value, k_message_depth);
}

bool Reading::content(yyjson_val* value, TextUse turn) {
  if (yyjson_is_str(value)) {
    if (is_own_place(text_of(value))) request.needs.bound = true;
    text(text_of(value), {}, turn);
    return true;
  }
  if (!yyjson_is_arr(value)) return not_understood();
  if (yyjson_val* only = only_text(value)) {
    yyjson_val* part = unsafe_yyjson_get_first(value);
    if (!is_strict(part, k_part_depth)) return not_json();
    text(text_of(only), {}, turn);
    return true;
  }
  // With pictures and the like around it a question is more than its words: it stays `safe`.
  if (turn == TextUse::last_user) turn = TextUse::other;
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  bool after_text = false;
  yyjson_arr_foreach(value, index, count, item) {
    if (!yyjson_is_obj(item) || !yyjson_is_str(yyjson_obj_get(item, "type"))) return not_understood();
    yyjson_val* next = index + 1 < count ? unsafe_yyjson_get_next(item) : nullptr;
    if (!part(item, {.trim_front = !after_text, .trim_back = !is_text_part(next)}, turn)) return false;
    after_text = is_text_part(item);
  }
  form.close(mark, count);
  return true;
}

bool Reading::part(yyjson_val* value, Edges edges, TextUse turn) {
  const bool is_text = is_text_part(value);
  if (is_text && !yyjson_is_str(yyjson_obj_get(value, "text"))) return not_understood();
  if (!is_text) {
    inspect_media(value);
    note_part(request.needs, text_of(yyjson_obj_get(value, "type")));
    request.prompt_tokens += k_media_tokens;
  }
  Members members;
  if (!members.load(value)) return not_json();
  const std::size_t mark = form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    if (member.name() == "cache_control") {
      if (!dropped(member.value, k_part_depth)) return false;
      continue;
    }
    ++count;
    see(member.name(), member.value);
    form.name(member.name());
    if (is_text && member.name() == "text") {
      text(text_of(member.value), edges, turn);
    } else if (!this->value(member.value, k_part_depth, Markers::left_out)) {
      return false;
    }
  }
  form.close(mark, count);
  return true;
}

void Reading::inspect_media(yyjson_val* part) {
  for (yyjson_val* value = part; value < unsafe_yyjson_get_next(part); ++value) {  // a value's content follows it in memory
    if (!unsafe_yyjson_is_str(value)) continue;
    const std::string_view text = text_of(value);
    // The value of a member follows its name.
    const bool is_named = value + 1 < unsafe_yyjson_get_next(part) && !unsafe_yyjson_is_null(value + 1);
    if (text == "file_id" && is_named) note(BypassReason::stateful);
    if (is_reference(text)) note(BypassReason::mutable_url);
    if (is_own_place(text)) request.needs.bound = true;
  }
}

bool Reading::tool_calls(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return not_understood();
  if (unsafe_yyjson_get_len(value) != 0) request.needs.tools = true;
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (!tool_call(item)) return false;
  }
  form.close(mark, count);
  return true;
}

bool Reading::tool_call(yyjson_val* value) {
  if (!yyjson_is_obj(value)) return not_understood();
  Members members;
  if (!members.load(value)) return not_json();
  const std::size_t mark = form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    const std::string_view name = member.name();
    const bool is_id = name == "id";
    if (is_id && yyjson_is_null(member.value)) continue;
    if (is_id && !yyjson_is_str(member.value)) return not_understood();
    if (name == "function" && !yyjson_is_obj(member.value)) return not_understood();
    ++count;
    see(name, member.value);
    form.name(name);
    if (is_id) {
      call_id(text_of(member.value));
    } else if (!this->value(member.value, k_part_depth)) {
      return false;
    }
  }
  form.close(mark, count);
  return true;
}

void Reading::call_id(std::string_view id) {
  const auto [place, is_new] = calls_.try_emplace(id, static_cast<std::uint32_t>(calls_.size()));
  form.call(place->second);
}

bool Reading::tools(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return not_understood();
  const std::size_t before = form.size();
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    yyjson_val* type = yyjson_obj_get(item, "type");
    if (!yyjson_is_str(type)) return not_understood();
    request.needs.tools = true;
    if (text_of(type) != "function" && text_of(type) != "custom") {
      note(BypassReason::hosted_tool);
      request.needs.bound = true;
    }
    if (!without_cache_control(item, 3)) return false;
  }
  form.close(mark, count);
  request.prompt_tokens += static_cast<std::uint32_t>((form.size() - before) / 4);
  return true;
}

// A tool, and its `function`: below that, cache_control would be the name of a parameter. `depth` is that of the object.
bool Reading::without_cache_control(yyjson_val* object, int depth) {
  Members members;
  if (!members.load(object)) return not_json();
  const std::size_t mark = form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    if (member.name() == "cache_control") {
      if (!dropped(member.value, depth)) return false;
      continue;
    }
    ++count;
    form.name(member.name());
    const bool is_function = depth == 3 && member.name() == "function" && yyjson_is_obj(member.value);
    if (!(is_function ? without_cache_control(member.value, depth + 1) : this->value(member.value, depth))) return false;
  }
  form.close(mark, count);
  return true;
}

namespace {
constexpr OwnMember k_chat_members[] = {
    {.name = "messages", .read = [](Reading& reading, yyjson_val* value) { return reading.messages(value); }, .asks = true},
};
}  // namespace
const Shape k_chat_shape{.endpoint = Endpoint::chat_completions, .own = k_chat_members};

}  // namespace outrigger::chat
