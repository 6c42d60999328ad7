#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "chat/json.h"
#include "providers/responses/json.h"
#include "providers/responses/translation.h"

namespace outrigger::providers::responses {
namespace {

using chat::Conversation;
using chat::NotCarried;
using chat::Part;
using chat::Role;
// Why not, or nothing.
using Refusal = std::optional<NotCarried>;

// "data:image/png;base64,…". Nothing when it is a data URL of another kind.
std::optional<chat::Media> media_of(std::string_view url) {
  constexpr std::string_view k_scheme = "data:";
  constexpr std::string_view k_base64 = ";base64";
  if (!url.starts_with(k_scheme)) return chat::Media{.type = {}, .base64 = {}, .url = std::string(url), .detail = {}};
  const std::size_t comma = url.find(',');
  if (comma == url.npos) return std::nullopt;
  std::string_view type = url.substr(k_scheme.size(), comma - k_scheme.size());
  if (!type.ends_with(k_base64)) return std::nullopt;
  type.remove_suffix(k_base64.size());
  return chat::Media{.type = std::string(type), .base64 = std::string(url.substr(comma + 1)), .url = {}, .detail = {}};
}

// Members that only say how to deliver or whom to count, and are left out without a word: nearly every client sends them.
constexpr std::array<std::string_view, 5> k_silent{"store", "prompt_cache_key", "prompt_cache_retention", "stream_options",
                                                   "background"};
// Those that are missed.
constexpr std::array<std::string_view, 4> k_lost{"metadata", "service_tier", "truncation", "max_tool_calls"};
// Those by which a request refers to what lies at the provider.
constexpr std::array<std::string_view, 3> k_ids{"previous_response_id", "conversation", "prompt"};

bool is_usual(std::string_view name, yyjson_val* value) {
  const std::string_view text = string_of(value).value_or(std::string_view());
  if (name == "service_tier") return text == "auto" || text == "default";
  return name == "truncation" ? text == "disabled" : is_nothing(value);
}

class RequestHearer {
 public:
  RequestHearer(yyjson_val* root, chat::Losses& losses) : root_(root), losses_(losses) {}

  std::expected<Conversation, NotCarried> run() {
    if (const Refusal refusal = read()) return std::unexpected(*refusal);
    return std::move(said_);
  }

 private:
  Refusal read();
  Refusal option(std::string_view name, yyjson_val* value);
  Refusal include(yyjson_val* value);
  Refusal text_options(yyjson_val* value);
  Refusal format(yyjson_val* value);
  Refusal reasoning_options(yyjson_val* value);
  Refusal tools(yyjson_val* value);
  Refusal tool(yyjson_val* value);
  Refusal tool_choice(yyjson_val* value);
  Refusal number(yyjson_val* value, std::optional<std::string>& to);

  Refusal input(yyjson_val* value);
  Refusal item(yyjson_val* value);
  Refusal message(yyjson_val* value);
  Refusal call(yyjson_val* value);
  Refusal result(yyjson_val* value);
  Refusal content(yyjson_val* value, std::vector<Part>& to);
  Refusal part(yyjson_val* value, std::vector<Part>& to);
  Refusal image(yyjson_val* value, std::vector<Part>& to);
  // The turn that `role` goes on with, if the last one is his and ends with a part of this kind; else a new one.
  chat::Turn& turn_after(Role role, std::optional<Part::Kind> last);

  yyjson_val* root_;
  chat::Losses& losses_;
  Conversation said_;
};

Refusal RequestHearer::read() {
  // What two parsers could read differently says nothing for sure.
  if (!yyjson_is_obj(root_) || !chat::is_strict(root_, 1)) return NotCarried::not_understood;
  Refusal refusal;
  each_member(root_, [&](std::string_view name, yyjson_val* value) {
    if (!yyjson_is_null(value)) refusal = option(name, value);
    return !refusal;
  });
  if (refusal) return refusal;
  if (said_.model.empty()) return NotCarried::not_understood;
  said_.include_usage = true;
  if (yyjson_val* instructions = member(root_, "instructions"); !is_nothing(instructions)) {
    const auto text = string_of(instructions);
    if (!text) return NotCarried::not_understood;
    turn_after(Role::instruction, std::nullopt).parts.push_back({.text = std::string(*text)});
  }
  return input(member(root_, "input"));
}

Refusal RequestHearer::option(std::string_view name, yyjson_val* value) {
  if (name == "background" && yyjson_is_true(value)) return NotCarried::provider_id;
  if (std::ranges::find(k_silent, name) != k_silent.end() || name == "input" || name == "instructions") return std::nullopt;
  if (std::ranges::find(k_ids, name) != k_ids.end()) {
    return is_nothing(value) ? Refusal() : NotCarried::provider_id;
  }
  if (const auto lost = std::ranges::find(k_lost, name); lost != k_lost.end()) {
    if (!is_usual(name, value)) losses_.note(*lost);
    return std::nullopt;
  }
  if (name == "model") {
    said_.model = string_of(value).value_or(std::string_view());
  } else if (name == "stream") {
    said_.stream = yyjson_is_true(value);
  } else if (name == "user" || name == "safety_identifier") {
    const std::string_view asker = string_of(value).value_or(std::string_view());
    if (!asker.empty() && (said_.user.empty() || name == "user")) said_.user = asker;
  } else if (name == "max_output_tokens") {
    said_.max_output = whole_number_of(value);
    if (!said_.max_output) return NotCarried::not_understood;
  } else if (name == "temperature") {
    return number(value, said_.temperature);
  } else if (name == "top_p") {
    return number(value, said_.top_p);
  } else if (name == "top_logprobs") {
    if (whole_number_of(value) != 0U) return NotCarried::logprobs;
  } else if (name == "parallel_tool_calls") {
    if (!yyjson_is_bool(value)) return NotCarried::not_understood;
    said_.parallel_calls = yyjson_is_true(value);
  } else if (name == "include") {
    return include(value);
  } else if (name == "text") {
    return text_options(value);
  } else if (name == "reasoning") {
    return reasoning_options(value);
  } else if (name == "tools") {
    return tools(value);
  } else if (name == "tool_choice") {
    return tool_choice(value);
  } else {
    losses_.note("unknown");
  }
  return std::nullopt;
}

Refusal RequestHearer::number(yyjson_val* value, std::optional<std::string>& to) {
  const auto digits = number_of(value);
  if (!digits) return NotCarried::not_understood;
  to = *digits;
  return std::nullopt;
}

Refusal RequestHearer::include(yyjson_val* value) {
  Refusal refusal;
  each(value, [&](std::uint32_t, yyjson_val* one) {
    if (string_of(one) == "message.output_text.logprobs") refusal = NotCarried::logprobs;
    losses_.note("include");
  });
  return refusal;
}

Refusal RequestHearer::text_options(yyjson_val* value) {
  said_.verbosity = text_in(value, "verbosity");
  yyjson_val* told = member(value, "format");
  return is_nothing(told) ? Refusal() : format(told);
}

Refusal RequestHearer::format(yyjson_val* value) {
  chat::Format& to = said_.format.emplace();
  const std::string_view type = text_in(value, "type");
  if (type == "text") return std::nullopt;
  if (type == "json_object") {
    to.kind = chat::Format::Kind::json_object;
    return std::nullopt;
  }
  yyjson_val* schema = member(value, "schema");
  if (type != "json_schema" || !yyjson_is_obj(schema)) return NotCarried::not_understood;
  to.kind = chat::Format::Kind::json_schema;
  to.name = text_in(value, "name");
  to.description = text_in(value, "description");
  to.schema = text_of(schema);
  if (yyjson_val* strict = member(value, "strict"); yyjson_is_bool(strict)) to.strict = yyjson_is_true(strict);
  return std::nullopt;
}

Refusal RequestHearer::reasoning_options(yyjson_val* value) {
  said_.effort = text_in(value, "effort");
  if (!is_nothing(member(value, "summary")) || !is_nothing(member(value, "generate_summary")))
    losses_.note("reasoning_summary");
  return std::nullopt;
}

Refusal RequestHearer::tools(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return NotCarried::not_understood;
  Refusal refusal;
  each(value, [&](std::uint32_t, yyjson_val* one) {
    if (!refusal) refusal = tool(one);
  });
  return refusal;
}

Refusal RequestHearer::tool(yyjson_val* value) {
  const std::string_view type = text_in(value, "type");
  if (type == "custom") return NotCarried::custom_tool;
  if (type.empty()) return NotCarried::not_understood;
  if (type != "function") return NotCarried::hosted_tool;
  chat::Tool& tool = said_.tools.emplace_back();
  tool.name = text_in(value, "name");
  tool.description = text_in(value, "description");
  if (yyjson_val* parameters = member(value, "parameters"); yyjson_is_obj(parameters)) tool.parameters = text_of(parameters);
  if (yyjson_val* strict = member(value, "strict"); yyjson_is_bool(strict)) tool.strict = yyjson_is_true(strict);
  return tool.name.empty() ? NotCarried::not_understood : Refusal();
}

Refusal RequestHearer::tool_choice(yyjson_val* value) {
  using Kind = chat::ToolChoice::Kind;
  chat::ToolChoice& choice = said_.tool_choice.emplace();
  if (const auto text = string_of(value)) {
    if (*text != "auto" && *text != "none" && *text != "required") return NotCarried::not_understood;
    choice.kind = *text == "auto" ? Kind::automatic : *text == "none" ? Kind::none : Kind::required;
    return std::nullopt;
  }
  const std::string_view type = text_in(value, "type");
  if (type == "custom") return NotCarried::custom_tool;
  if (type.empty() || type == "allowed_tools") return NotCarried::not_understood;
  if (type != "function") return NotCarried::hosted_tool;
  choice.kind = Kind::named;
  choice.tool = text_in(value, "name");
  return choice.tool.empty() ? NotCarried::not_understood : Refusal();
}

chat::Turn& RequestHearer::turn_after(Role role, std::optional<Part::Kind> last) {
  if (last && !said_.turns.empty() && said_.turns.back().role == role) {
    const std::vector<Part>& parts = said_.turns.back().parts;
    if (!parts.empty() && parts.back().kind == *last) return said_.turns.back();
  }
  return said_.turns.emplace_back(chat::Turn{.role = role});
}

Refusal RequestHearer::input(yyjson_val* value) {
  if (const auto text = string_of(value)) {
    turn_after(Role::user, std::nullopt).parts.push_back({.text = std::string(*text)});
    return std::nullopt;
  }
  if (!yyjson_is_arr(value) || yyjson_arr_size(value) == 0) return NotCarried::not_understood;
  Refusal refusal;
  each(value, [&](std::uint32_t, yyjson_val* one) {
    if (!refusal) refusal = item(one);
  });
  return refusal;
}

Refusal RequestHearer::item(yyjson_val* value) {
  const std::string_view type = text_in(value, "type");
  if (type == "message" || (type.empty() && member(value, "role") != nullptr)) return message(value);
  if (type == "function_call") return call(value);
  if (type == "function_call_output") return result(value);
  if (type == "reasoning") {
    if (!is_nothing(member(value, "encrypted_content"))) return NotCarried::encrypted_reasoning;
    losses_.note("reasoning");
    return std::nullopt;
  }
  if (type == "compaction") return NotCarried::encrypted_reasoning;
  if (type.starts_with("custom_tool_call")) return NotCarried::custom_tool;
  if (type == "item_reference" || (type.empty() && !text_in(value, "id").empty())) return NotCarried::provider_id;
  const bool hosted = type.ends_with("_call") || type.ends_with("_call_output") || type.starts_with("mcp_");
  return hosted ? NotCarried::hosted_tool : NotCarried::not_understood;
}

Refusal RequestHearer::message(yyjson_val* value) {
  const std::string_view role = text_in(value, "role");
  std::vector<Part> parts;
  if (const Refusal refusal = content(member(value, "content"), parts)) return refusal;
  if (parts.empty()) return std::nullopt;
  chat::Turn* turn = nullptr;
  if (role == "user") {
    turn = &turn_after(Role::user, Part::Kind::result);
  } else if (role == "assistant") {
    turn = &turn_after(Role::assistant, Part::Kind::call);
  } else if (role == "system" || role == "developer") {
    turn = &turn_after(Role::instruction, std::nullopt);
  } else {
    return NotCarried::not_understood;
  }
  const auto is_text = [](const Part& part) { return part.kind == Part::Kind::text; };
  if (turn->role != Role::user && !std::ranges::all_of(parts, is_text)) return NotCarried::media;
  std::ranges::move(parts, std::back_inserter(turn->parts));
  return std::nullopt;
}

Refusal RequestHearer::call(yyjson_val* value) {
  Part part{.kind = Part::Kind::call};
  part.id = text_in(value, "call_id");
  part.tool = text_in(value, "name");
  part.arguments = text_in(value, "arguments");
  if (part.id.empty() || part.tool.empty()) return NotCarried::not_understood;
  const bool goes_on = !said_.turns.empty() && said_.turns.back().role == Role::assistant;
  chat::Turn& turn = goes_on ? said_.turns.back() : turn_after(Role::assistant, std::nullopt);
  turn.parts.push_back(std::move(part));
  return std::nullopt;
}

Refusal RequestHearer::result(yyjson_val* value) {
  Part part{.kind = Part::Kind::result};
  part.id = text_in(value, "call_id");
  if (part.id.empty()) return NotCarried::not_understood;
  if (const Refusal refusal = content(member(value, "output"), part.content)) return refusal;
  turn_after(Role::user, Part::Kind::result).parts.push_back(std::move(part));
  return std::nullopt;
}

Refusal RequestHearer::content(yyjson_val* value, std::vector<Part>& to) {
  if (const auto text = string_of(value)) {
    to.push_back({.text = std::string(*text)});
    return std::nullopt;
  }
  if (!yyjson_is_arr(value)) return NotCarried::not_understood;
  Refusal refusal;
  each(value, [&](std::uint32_t, yyjson_val* one) {
    if (!refusal) refusal = part(one, to);
  });
  return refusal;
}

Refusal RequestHearer::part(yyjson_val* value, std::vector<Part>& to) {
  const std::string_view type = text_in(value, "type");
  if (!is_nothing(member(value, "file_id"))) return NotCarried::provider_id;
  if (type == "input_image") return image(value, to);
  if (type == "input_audio") return NotCarried::audio;
  if (type == "input_file" || type == "input_video") return NotCarried::media;
  const bool refused = type == "refusal";
  if (!refused && type != "input_text" && type != "output_text") return NotCarried::not_understood;
  const auto text = string_of(member(value, refused ? "refusal" : "text"));
  if (!text) return NotCarried::not_understood;
  if (refused) losses_.note("refusal");
  if (!is_nothing(member(value, "annotations"))) losses_.note("citations");
  to.push_back({.text = std::string(*text)});
  return std::nullopt;
}

Refusal RequestHearer::image(yyjson_val* value, std::vector<Part>& to) {
  const auto url = string_of(member(value, "image_url"));
  if (!url || url->empty()) return NotCarried::not_understood;
  std::optional<chat::Media> media = media_of(*url);
  if (!media) return NotCarried::media;
  media->detail = text_in(value, "detail");
  to.push_back({.kind = Part::Kind::image, .media = std::move(*media)});
  return std::nullopt;
}

}  // namespace

std::expected<Conversation, NotCarried> hear_request(std::string_view body, chat::Losses& losses) {
  const JsonDoc doc = JsonDoc::read(body);
  return RequestHearer(doc.root(), losses).run();
}

}  // namespace outrigger::providers::responses
