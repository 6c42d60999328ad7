#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "providers/json_text.h"
#include "providers/openai/translate.h"
#include "providers/responses/translation.h"
#include "providers/responses/wire.h"

namespace outrigger::providers::responses {
namespace {

using chat::Conversation;
using chat::NotCarried;
using chat::Part;
using chat::Role;
using Refusal = std::optional<NotCarried>;

constexpr std::uint64_t k_output_min = 16;  // the provider refuses less
constexpr std::size_t k_user_max = 64;      // and more

bool is_text(const Part& part) { return part.kind == Part::Kind::text; }
bool is_content(const Part& part) { return part.kind == Part::Kind::text || part.kind == Part::Kind::image; }

void append_image(std::string& to, const chat::Media& media) {
  Object object(to);
  object.string("type", "input_image");
  if (!media.url.empty()) {
    object.string("image_url", media.url);
  } else {
    std::string& url = object.name("image_url");
    append_string(url, "data:" + (media.type.empty() ? std::string("image/png") : media.type) + ";base64,");
    url.pop_back();  // the text goes on
    const std::size_t joint = url.size();
    append_string(url, media.base64);
    url.erase(joint, 1);
  }
  object.string("detail", media.detail.empty() ? std::string_view("auto") : media.detail);
}

// A lone text is written as one, several parts stay apart.
void append_content(std::string& to, std::span<const Part> parts, std::string_view text_type) {
  if (parts.size() == 1 && is_text(parts.front())) return append_string(to, parts.front().text);
  List list(to);
  for (const Part& part : parts) {
    std::string& next = list.item();
    if (is_text(part)) {
      Object(next).string("type", text_type).string("text", part.text);
    } else {
      append_image(next, part.media);
    }
  }
}

std::string_view role_name(Role role) {
  switch (role) {
    case Role::instruction:
      return "developer";
    case Role::assistant:
      return "assistant";
    default:
      return "user";
  }
}

// What of a turn is no place for what it holds; nothing when all has one.
Refusal judge(const chat::Turn& turn) {
  for (const Part& part : turn.parts) {
    switch (part.kind) {
      case Part::Kind::text:
        break;
      case Part::Kind::image:
        if (turn.role != Role::user) return NotCarried::media;
        break;
      case Part::Kind::call:
        if (turn.role != Role::assistant) return NotCarried::not_understood;
        break;
      case Part::Kind::result:
        if (turn.role != Role::user || !std::ranges::all_of(part.content, is_content)) return NotCarried::not_understood;
        break;
    }
  }
  return std::nullopt;
}

void append_items(List& list, const chat::Turn& turn, chat::Losses& losses) {
  const std::span<const Part> parts(turn.parts);
  for (std::size_t i = 0; i < parts.size();) {
    const Part& part = parts[i];
    if (part.kind == Part::Kind::call) {
      Object item(list.item());
      item.string("type", "function_call").string("call_id", part.id).string("name", part.tool);
      item.string("arguments", part.arguments.empty() ? "{}" : std::string_view(part.arguments));
      ++i;
    } else if (part.kind == Part::Kind::result) {
      Object item(list.item());
      item.string("type", "function_call_output").string("call_id", part.id);
      std::string& output = item.name("output");
      part.content.empty() ? append_string(output, "") : append_content(output, part.content, "input_text");
      if (part.is_error) losses.note("is_error");
      ++i;
    } else {
      std::size_t end = i;
      while (end < parts.size() && is_content(parts[end])) ++end;
      Object item(list.item());
      item.string("role", role_name(turn.role));
      const std::string_view type = turn.role == Role::assistant ? "output_text" : "input_text";
      append_content(item.name("content"), parts.subspan(i, end - i), type);
      i = end;
    }
  }
}

void append_tool(std::string& to, const chat::Tool& tool) {
  Object object(to);
  object.string("type", "function").string("name", tool.name);
  if (!tool.description.empty()) object.string("description", tool.description);
  object.json("parameters", tool.parameters.empty() ? std::string_view("null") : tool.parameters);
  // Here alone a tool is strict when nothing is said.
  object.json("strict", tool.strict.value_or(false) ? "true" : "false");
}

void append_choice(std::string& to, const chat::ToolChoice& choice) {
  switch (choice.kind) {
    case chat::ToolChoice::Kind::automatic:
      to += "\"auto\"";
      break;
    case chat::ToolChoice::Kind::none:
      to += "\"none\"";
      break;
    case chat::ToolChoice::Kind::required:
      to += "\"required\"";
      break;
    case chat::ToolChoice::Kind::named:
      Object(to).string("type", "function").string("name", choice.tool);
      break;
  }
}

void append_format(std::string& to, const chat::Format& format) {
  Object object(to);
  switch (format.kind) {
    case chat::Format::Kind::text:
      object.string("type", "text");
      break;
    case chat::Format::Kind::json_object:
      object.string("type", "json_object");
      break;
    case chat::Format::Kind::json_schema:
      object.string("type", "json_schema").string("name", format.name.empty() ? std::string_view("answer") : format.name);
      if (!format.description.empty()) object.string("description", format.description);
      object.json("schema", format.schema.empty() ? std::string_view("{}") : format.schema);
      if (format.strict) object.json("strict", *format.strict ? "true" : "false");
      break;
  }
}

void append_options(Object& body, const Conversation& said, chat::Losses& losses) {
  if (said.max_output) {
    if (*said.max_output < k_output_min) losses.note("max_output");
    body.number("max_output_tokens", std::max(*said.max_output, k_output_min));
  }
  const bool is_reasoning = openai::is_reasoning_model(said.model);
  const auto sampling = [&](std::string_view name, const std::optional<std::string>& value) {
    if (value && is_reasoning) losses.note(name);
    if (value && !is_reasoning) body.json(name, *value);
  };
  sampling("temperature", said.temperature);
  sampling("top_p", said.top_p);
  if (!said.effort.empty()) Object(body.name("reasoning")).string("effort", said.effort);
  if (said.format || !said.verbosity.empty()) {
    Object text(body.name("text"));
    if (said.format) append_format(text.name("format"), *said.format);
    if (!said.verbosity.empty()) text.string("verbosity", said.verbosity);
  }
  if (said.user.size() > k_user_max) {
    losses.note("user");
  } else if (!said.user.empty()) {
    body.string("safety_identifier", said.user);
  }
  if (said.top_k) losses.note("top_k");
  if (said.frequency_penalty) losses.note("frequency_penalty");
  if (said.presence_penalty) losses.note("presence_penalty");
  if (said.seed) losses.note("seed");
  if (said.thinking_budget) losses.note("thinking_budget");
}

void append_tools(Object& body, const Conversation& said) {
  if (!said.tools.empty()) {
    List tools(body.name("tools"));
    for (const chat::Tool& tool : said.tools) append_tool(tools.item(), tool);
  }
  if (said.tool_choice) append_choice(body.name("tool_choice"), *said.tool_choice);
  if (said.parallel_calls) body.json("parallel_tool_calls", *said.parallel_calls ? "true" : "false");
}

// `instructions` holds one text; what is more, or stands alone, is a message. So is what asks for any JSON object: providers want
// the word "JSON" in the messages then, and do not look for it in `instructions`.
bool leads(const Conversation& said) {
  if (said.format && said.format->kind == chat::Format::Kind::json_object) return false;
  const chat::Turn& first = said.turns.front();
  return said.turns.size() > 1 && first.role == Role::instruction && first.parts.size() == 1 &&
         !first.parts.front().text.empty();
}

}  // namespace

std::expected<std::string, NotCarried> say_request(const Conversation& said, chat::Losses& losses) {
  if (!said.stops.empty()) return std::unexpected(NotCarried::stop_sequences);
  if (said.turns.empty()) return std::unexpected(NotCarried::not_understood);
  if (said.turns.back().role == Role::assistant) return std::unexpected(NotCarried::continuation);
  for (const chat::Turn& turn : said.turns) {
    if (const Refusal refusal = judge(turn)) return std::unexpected(*refusal);
  }
  std::string text;
  {
    Object body(text);
    body.string("model", said.model);
    std::span<const chat::Turn> turns(said.turns);
    if (leads(said)) {
      body.string("instructions", turns.front().parts.front().text);
      turns = turns.subspan(1);
    }
    {
      List items(body.name("input"));
      for (const chat::Turn& turn : turns) append_items(items, turn, losses);
    }
    append_tools(body, said);
    append_options(body, said, losses);
    body.json("stream", said.stream ? "true" : "false").json("store", "false");
  }
  return text;
}

}  // namespace outrigger::providers::responses
