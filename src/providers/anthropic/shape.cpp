// Depths: the body is 1, `messages` 2, a message 3, its `content` 4, a block 5, the content of a tool_result 6, a block in it 7.
// `system` is a content of the depth 2.
#include "providers/anthropic/shape.h"

#include "chat/binding.h"
#include "chat/json.h"
#include "chat/reading.h"
#include "providers/anthropic/calls.h"

namespace outrigger::providers::anthropic {
namespace {

using chat::BypassReason;
using chat::Edges;
using chat::Members;
using chat::Reading;
using chat::text_of;
using chat::TextUse;
using Markers = chat::Reading::Markers;

constexpr int k_message_depth = 3;
constexpr int k_tool_depth = 3;

bool is_text(yyjson_val* value, std::string_view expected) { return yyjson_is_str(value) && text_of(value) == expected; }

std::string_view type_of(yyjson_val* block) {
  yyjson_val* type = yyjson_obj_get(block, "type");
  return yyjson_is_str(type) ? text_of(type) : std::string_view();
}

// A text block with nothing else to it says the same as the bare text.
yyjson_val* only_text(yyjson_val* blocks) {
  if (unsafe_yyjson_get_len(blocks) != 1) return nullptr;
  yyjson_val* block = unsafe_yyjson_get_first(blocks);
  if (type_of(block) != "text") return nullptr;
  yyjson_val* text = yyjson_obj_get(block, "text");
  const std::size_t plain = yyjson_obj_get(block, "cache_control") == nullptr ? 2 : 3;
  return yyjson_is_str(text) && unsafe_yyjson_get_len(block) == plain ? text : nullptr;
}

bool says_ping_only(yyjson_val* message) {
  if (!is_text(yyjson_obj_get(message, "role"), "user")) return false;
  yyjson_val* content = yyjson_obj_get(message, "content");
  if (yyjson_is_arr(content)) content = only_text(content);
  return is_text(content, chat::k_ping);
}

enum class Block : unsigned char { text, call, result, thinking, media, quoted, foreign };

// `quoted` are search results: their `source` is a name, which nobody fetches. `foreign` is what only Anthropic makes something
// of: tools that it has run, hidden thinking, uploads, and kinds that came later than this list.
Block kind_of(std::string_view type) {
  if (type == "text") return Block::text;
  if (type == "tool_use") return Block::call;
  if (type == "tool_result") return Block::result;
  if (type == "thinking") return Block::thinking;
  if (type == "image" || type == "document") return Block::media;
  if (type == "search_result") return Block::quoted;
  return Block::foreign;
}

void note_block(Reading& reading, Block kind, yyjson_val* block) {
  switch (kind) {
    case Block::call:
    case Block::result:
      reading.request.needs.tools = true;
      break;
    case Block::media:
      reading.inspect_media(block);
      reading.request.needs.vision = true;
      reading.request.prompt_tokens += chat::k_media_tokens;
      break;
    case Block::foreign:
      reading.inspect_media(block);
      reading.request.needs.bound = true;
      break;
    default:
      break;
  }
}

// `depth` is that of the list of blocks.
bool content(Reading& reading, yyjson_val* value, int depth, TextUse turn);

// Ids of calls are random; those that tools of the provider have (server_tool_use and its results) are no different.
bool is_call_id(std::string_view name, std::string_view type) {
  return name == "tool_use_id" || (name == "id" && type.ends_with("tool_use"));
}

bool block(Reading& reading, yyjson_val* value, int depth, Edges edges, TextUse turn) {
  const std::string_view type = type_of(value);
  const Block kind = kind_of(type);
  note_block(reading, kind, value);
  if (kind == Block::text && !yyjson_is_str(yyjson_obj_get(value, "text"))) return reading.not_understood();
  Members members;
  if (!members.load(value)) return reading.not_json();
  const std::size_t before = reading.form.size();
  const std::size_t mark = reading.form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    const std::string_view name = member.name();
    if (name == "cache_control" || (kind == Block::text && name == "citations" && yyjson_is_null(member.value))) {
      if (!reading.dropped(member.value, depth)) return false;
      continue;
    }
    ++count;
    reading.see(name, member.value);
    reading.form.name(name);
    if (is_call_id(name, type)) {
      if (!yyjson_is_str(member.value)) return reading.not_understood();
      reading.call_id(text_of(member.value));
    } else if (kind == Block::text && name == "text") {
      reading.text(text_of(member.value), edges, turn);
    } else if (name == "content" && (kind == Block::result || kind == Block::quoted) && !yyjson_is_null(member.value)) {
      if (!content(reading, member.value, depth + 1, TextUse::other)) return false;
    } else {
      // What a model puts into a call is its own: there cache_control is a name like any other.
      const Markers markers = name == "input" ? Markers::kept : Markers::left_out;
      if (!reading.value(member.value, depth, markers)) return false;
    }
  }
  reading.form.close(mark, count);
  if (kind == Block::call || kind == Block::thinking || kind == Block::foreign) {
    reading.request.prompt_tokens += static_cast<std::uint32_t>((reading.form.size() - before) / 4);
  }
  return true;
}

bool content(Reading& reading, yyjson_val* value, int depth, TextUse turn) {
  if (yyjson_is_str(value)) {
    reading.text(text_of(value), {}, turn);
    return true;
  }
  if (!yyjson_is_arr(value)) return reading.not_understood();
  if (depth + 1 >= chat::k_max_depth) return reading.not_json();
  if (yyjson_val* only = only_text(value)) {
    if (!chat::is_strict(unsafe_yyjson_get_first(value), depth + 1)) return reading.not_json();
    reading.text(text_of(only), {}, turn);
    return true;
  }
  // With pictures and the like around it a question is more than its words: it stays `safe`.
  if (turn == TextUse::last_user) turn = TextUse::other;
  const std::size_t mark = reading.form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  bool after_text = false;
  yyjson_arr_foreach(value, index, count, item) {
    if (type_of(item).empty()) return reading.not_understood();
    yyjson_val* next = index + 1 < count ? unsafe_yyjson_get_next(item) : nullptr;
    const Edges edges{.trim_front = !after_text, .trim_back = type_of(next) != "text"};
    if (!block(reading, item, depth + 1, edges, turn)) return false;
    after_text = type_of(item) == "text";
  }
  reading.form.close(mark, count);
  return true;
}

bool message(Reading& reading, yyjson_val* value, bool is_last_user, bool is_last) {
  if (!yyjson_is_obj(value)) return reading.not_understood();
  Members members;
  if (!members.load(value)) return reading.not_json();
  yyjson_val* role = yyjson_obj_get(value, "role");
  yyjson_val* said = yyjson_obj_get(value, "content");
  if (!yyjson_is_str(role) || unsafe_yyjson_get_len(role) == 0 || said == nullptr) return reading.not_understood();
  TextUse turn = TextUse::other;
  if (is_last && text_of(role) == "assistant") turn = TextUse::exact;  // the model is to continue this
  if (is_last_user && text_of(role) == "user") turn = TextUse::last_user;
  reading.request.prompt_tokens += chat::k_message_tokens;
  const std::size_t mark = reading.form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    if (member.name() == "cache_control") {
      if (!reading.dropped(member.value, k_message_depth)) return false;
      continue;
    }
    ++count;
    reading.see(member.name(), member.value);
    reading.form.name(member.name());
    if (!(member.name() == "content" ? content(reading, member.value, k_message_depth + 1, turn)
                                     : reading.value(member.value, k_message_depth))) {
      return false;
    }
  }
  reading.form.close(mark, count);
  return true;
}

bool messages(Reading& reading, yyjson_val* value) {
  if (!yyjson_is_arr(value) || unsafe_yyjson_get_len(value) == 0) return reading.not_understood();
  reading.watch_bindings(true);
  const std::size_t mark = reading.form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  std::size_t last_user = 0;
  yyjson_arr_foreach(value, index, count, item) {
    if (is_text(yyjson_obj_get(item, "role"), "user")) last_user = index;
  }
  yyjson_arr_foreach(value, index, count, item) {
    if (!message(reading, item, index == last_user, index + 1 == count)) return false;
  }
  reading.form.close(mark, count);
  reading.watch_bindings(false);
  reading.says_ping = count == 1 && says_ping_only(unsafe_yyjson_get_first(value));
  return true;
}

// Comes after the messages, since members are read in the order of their names.
bool system(Reading& reading, yyjson_val* value) {
  if (!yyjson_is_ctn(value) || unsafe_yyjson_get_len(value) != 0) reading.says_ping = false;
  reading.request.prompt_tokens += chat::k_message_tokens;
  return content(reading, value, 2, TextUse::other);
}

bool tool(Reading& reading, yyjson_val* value) {
  if (!yyjson_is_obj(value)) return reading.not_understood();
  yyjson_val* type = yyjson_obj_get(value, "type");
  if (type != nullptr && !yyjson_is_str(type) && !yyjson_is_null(type)) return reading.not_understood();
  const bool is_custom = !yyjson_is_str(type) || text_of(type) == "custom";
  reading.request.needs.tools = true;
  if (!is_custom) {
    reading.request.needs.bound = true;
    if (!runs_at_client(text_of(type))) reading.note(BypassReason::hosted_tool);
  }
  Members members;
  if (!members.load(value)) return reading.not_json();
  const std::size_t mark = reading.form.open_object();
  std::size_t count = 0;
  for (const Members::Member& member : members) {
    // Below this, cache_control would be the name of a parameter.
    if (member.name() == "cache_control" || (is_custom && member.name() == "type")) {
      if (!reading.dropped(member.value, k_tool_depth)) return false;
      continue;
    }
    ++count;
    reading.form.name(member.name());
    if (!reading.value(member.value, k_tool_depth)) return false;
  }
  reading.form.close(mark, count);
  return true;
}

bool tools(Reading& reading, yyjson_val* value) {
  if (!yyjson_is_arr(value)) return reading.not_understood();
  const std::size_t before = reading.form.size();
  const std::size_t mark = reading.form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (!tool(reading, item)) return false;
  }
  reading.form.close(mark, count);
  reading.request.prompt_tokens += static_cast<std::uint32_t>((reading.form.size() - before) / 4);
  return true;
}

bool output_format(Reading& reading, yyjson_val* value) {
  chat::note_response_format(reading.request.needs, value);
  return reading.value(value, 1);
}

bool output_config(Reading& reading, yyjson_val* value) {
  chat::note_response_format(reading.request.needs, yyjson_obj_get(value, "format"));
  return reading.value(value, 1);
}

// `inference_geo`, `context_management` and what comes later are unknown to fields.h, and so kept.
constexpr chat::OwnMember k_members[] = {
    {.name = "messages", .read = messages, .asks = true},
    {.name = "system", .read = system},
    {.name = "tools", .read = tools},
    {.name = "stop_sequences"},
    {.name = "output_config", .read = output_config},
    {.name = "output_format", .read = output_format},  // what output_config.format was called first
};

}  // namespace

const chat::Shape k_messages_shape{.endpoint = chat::Endpoint::messages, .own = k_members};

}  // namespace outrigger::providers::anthropic
