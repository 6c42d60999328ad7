// A chat completions body as a Conversation.
#include <algorithm>
#include <charconv>

#include "chat/fields.h"
#include "chat/json.h"
#include "providers/json_doc.h"
#include "providers/openai/translate.h"

namespace outrigger::providers::openai {
namespace {

using chat::NotCarried;
using chat::Part;
using Kind = chat::Part::Kind;

// Thrown away with the whole reading; a reason is remembered once.
class RequestHearer {
 public:
  explicit RequestHearer(chat::Losses& losses) : losses_(losses) {}

  std::expected<chat::Conversation, NotCarried> read(std::string_view body) {
    const JsonDoc doc = JsonDoc::read(body);
    // What two parsers could read differently says nothing for sure.
    if (!yyjson_is_obj(doc.root()) || !chat::is_strict(doc.root(), 1)) return std::unexpected(NotCarried::not_understood);
    for_each_member(doc.root(), [this](std::string_view name, yyjson_val* value) {
      if (!yyjson_is_null(value)) top_level(name, value);
    });
    if (said_.turns.empty() || said_.model.empty()) refuse(NotCarried::not_understood);
    if (!said_.turns.empty() && said_.turns.back().role == chat::Role::assistant) refuse(NotCarried::continuation);
    if (refused_) return std::unexpected(*refused_);
    return std::move(said_);
  }

 private:
  void refuse(NotCarried reason) {
    if (!refused_) refused_ = reason;
  }
  std::string text_or_refuse(yyjson_val* value) {
    if (const auto text = string_of(value)) return std::string(*text);
    refuse(NotCarried::not_understood);
    return {};
  }
  void number(std::optional<std::string>& to, yyjson_val* value) {
    if (const auto digits = number_of(value)) {
      to = std::string(*digits);
    } else {
      refuse(NotCarried::not_understood);
    }
  }
  // That it thinks, without a word about how much, is what no other wire has.
  void thinking(std::optional<std::uint64_t> budget) {
    if (budget) {
      said_.thinking_budget = budget;
    } else {
      losses_.note("thinking");
    }
  }
  static bool is_on(yyjson_val* value) { return !yyjson_is_false(value) && !is_nothing(value); }
  static double as_double(yyjson_val* value) {
    const auto digits = number_of(value);
    double result = 0;
    if (digits) std::from_chars(digits->data(), digits->data() + digits->size(), result);
    return result;
  }

  void top_level(std::string_view name, yyjson_val* value) {
    if (name == "model") {
      said_.model = text_or_refuse(value);
    } else if (name == "messages") {
      messages(value);
    } else if (name == "tools") {
      tools(value);
    } else if (name == "tool_choice") {
      tool_choice(value);
    } else if (name == "parallel_tool_calls") {
      said_.parallel_calls = yyjson_is_true(value);
    } else if (name == "response_format") {
      format(value);
    } else if (name == "max_tokens" || name == "max_completion_tokens" || name == "max_output_tokens") {
      const auto limit = whole_number_of(value);
      if (limit) said_.max_output = std::max(said_.max_output.value_or(0), *limit);
      if (!limit) refuse(NotCarried::not_understood);
    } else if (name == "stop") {
      stops(value);
    } else if (name == "stream") {
      said_.stream = yyjson_is_true(value);
    } else if (name == "stream_options") {
      said_.include_usage = yyjson_is_true(member(value, "include_usage"));
    } else if (name == "user" || name == "safety_identifier" || name == "user_id") {
      if (said_.user.empty()) said_.user = string_of(value).value_or(std::string_view());
    } else if (!sampling(name, value)) {
      other(name, value);
    }
  }

  bool sampling(std::string_view name, yyjson_val* value) {
    if (name == "temperature") {
      number(said_.temperature, value);
    } else if (name == "top_p") {
      number(said_.top_p, value);
    } else if (name == "top_k") {
      number(said_.top_k, value);
    } else if (name == "frequency_penalty") {
      number(said_.frequency_penalty, value);
    } else if (name == "presence_penalty") {
      number(said_.presence_penalty, value);
    } else if (name == "seed") {
      number(said_.seed, value);
    } else if (name == "reasoning_effort") {
      said_.effort = string_of(value).value_or(std::string_view());
    } else if (name == "verbosity") {
      said_.verbosity = string_of(value).value_or(std::string_view());
    } else if (name == "thinking_budget") {
      thinking(whole_number_of(value));
    } else if (name == "thinking") {
      const bool is_off = string_of(member(value, "type")) == "disabled";
      thinking(is_off ? 0 : whole_number_of(member(value, "budget_tokens")));
    } else if (name == "enable_thinking") {
      thinking(yyjson_is_false(value) ? std::optional<std::uint64_t>(0) : std::nullopt);
    } else {
      return false;
    }
    return true;
  }

  // What has no place in a Conversation: it refuses, is of no consequence, or is noted.
  void other(std::string_view name, yyjson_val* value) {
    using chat::Field;
    switch (chat::field_named(name)) {
      case Field::dropped:
      case Field::metadata:
      case Field::user:
        return;
      case Field::hosted:
        if (is_on(value)) refuse(NotCarried::hosted_tool);
        return;
      case Field::state:
        if (is_on(value)) refuse(NotCarried::provider_id);
        return;
      case Field::answers:
        if (as_double(value) > 1) refuse(NotCarried::several_answers);
        return;
      case Field::logprobs:
        if (is_on(value) && number_of(value) != "0") refuse(NotCarried::logprobs);
        return;
      case Field::functions:
        if (is_on(value)) refuse(NotCarried::not_understood);
        return;
      case Field::audio:
        refuse(NotCarried::audio);
        return;
      case Field::modalities:
        for_each_item(value, [this](yyjson_val* item) {
          if (string_of(item) != "text") refuse(NotCarried::audio);
        });
        return;
      case Field::unknown:
        losses_.note("unknown");
        return;
      default:
        break;
    }
    if (is_nothing(value)) return;
    if (name == "logit_bias") {
      losses_.note("logit_bias");
    } else if (name == "prediction") {
      losses_.note("prediction");
    } else if (name == "reasoning" || name == "chat_template_kwargs" || name == "reasoning_format") {
      losses_.note("thinking");
    } else if (chat::field_named(name) == Field::number) {
      losses_.note("sampling");  // what only engines of others have: min_p, repetition_penalty, ...
    } else {
      losses_.note("unknown");
    }
  }

  // ---- messages ------------------------------------------------------------------------------------------------------

  void messages(yyjson_val* list) {
    if (!yyjson_is_arr(list)) return refuse(NotCarried::not_understood);
    for_each_item(list, [this](yyjson_val* item) { message(item); });
  }

  void message(yyjson_val* from) {
    const auto role = string_of(member(from, "role"));
    if (!role) return refuse(NotCarried::not_understood);
    if (!is_nothing(member(from, "name"))) losses_.note("name");
    if (*role == "system" || *role == "developer") {
      content(member(from, "content"), turn(chat::Role::instruction).parts);
    } else if (*role == "user") {
      content(member(from, "content"), user_turn().parts);
    } else if (*role == "assistant") {
      assistant(from);
    } else if (*role == "tool") {
      result(from);
    } else {
      refuse(NotCarried::not_understood);  // `function`, and whatever else is said
    }
  }

  chat::Turn& turn(chat::Role role) { return said_.turns.emplace_back(chat::Turn{role}); }
  // Results and what the user says after them are one turn.
  chat::Turn& user_turn() {
    const bool goes_on = !said_.turns.empty() && said_.turns.back().role == chat::Role::user &&
                         !said_.turns.back().parts.empty() && said_.turns.back().parts.back().kind == Kind::result;
    return goes_on ? said_.turns.back() : turn(chat::Role::user);
  }

  void assistant(yyjson_val* from) {
    chat::Turn& to = turn(chat::Role::assistant);
    if (yyjson_val* said = member(from, "content"); !is_nothing(said)) content(said, to.parts);
    if (const auto refusal = string_of(member(from, "refusal")); refusal && !refusal->empty()) {
      losses_.note("refusal");
      to.parts.push_back({.kind = Kind::text, .text = std::string(*refusal)});
    }
    if (!is_nothing(member(from, "annotations"))) losses_.note("citations");
    if (!is_nothing(member(from, "audio"))) refuse(NotCarried::provider_id);
    if (!is_nothing(member(from, "function_call"))) refuse(NotCarried::not_understood);
    for (const std::string_view name : {"reasoning_content", "reasoning", "reasoning_details"}) {
      if (!is_nothing(member(from, name))) losses_.note("reasoning");
    }
    if (!is_nothing(member(from, "thinking_blocks"))) refuse(NotCarried::signed_thinking);
    for_each_item(member(from, "tool_calls"), [&](yyjson_val* item) {
      yyjson_val* function = member(item, "function");
      const auto name = string_of(member(function, "name"));
      if (!is_nothing(member(item, "custom"))) return refuse(NotCarried::custom_tool);
      if (!name) return refuse(NotCarried::not_understood);
      if (!is_nothing(member(item, "extra_content"))) refuse(NotCarried::signed_thinking);
      to.parts.push_back({.kind = Kind::call,
                          .id = std::string(string_of(member(item, "id")).value_or("")),
                          .tool = std::string(*name),
                          .arguments = std::string(string_of(member(function, "arguments")).value_or(""))});
    });
    if (to.parts.empty()) said_.turns.pop_back();
  }

  void result(yyjson_val* from) {
    Part part{.kind = Kind::result};
    part.id = text_or_refuse(member(from, "tool_call_id"));
    content(member(from, "content"), part.content);
    user_turn().parts.push_back(std::move(part));
  }

  void content(yyjson_val* from, std::vector<Part>& to) {
    if (const auto text = string_of(from)) {
      to.push_back({.kind = Kind::text, .text = std::string(*text)});
      return;
    }
    if (!yyjson_is_arr(from) || yyjson_arr_size(from) == 0) return refuse(NotCarried::not_understood);
    for_each_item(from, [&](yyjson_val* item) { content_part(item, to); });
  }

  void content_part(yyjson_val* from, std::vector<Part>& to) {
    const std::string_view type = string_of(member(from, "type")).value_or(std::string_view());
    if (type == "text") {
      to.push_back({.kind = Kind::text, .text = text_or_refuse(member(from, "text"))});
    } else if (type == "refusal") {
      losses_.note("refusal");
      to.push_back({.kind = Kind::text, .text = text_or_refuse(member(from, "refusal"))});
    } else if (type == "image_url") {
      image(member(from, "image_url"), to);
    } else if (type == "input_audio") {
      refuse(NotCarried::audio);
    } else if (type == "file") {
      refuse(is_nothing(member(member(from, "file"), "file_id")) ? NotCarried::media : NotCarried::provider_id);
    } else if (type.find("video") != type.npos || type.find("document") != type.npos) {
      refuse(NotCarried::media);
    } else {
      refuse(NotCarried::not_understood);
    }
  }

  void image(yyjson_val* from, std::vector<Part>& to) {
    Part part{.kind = Kind::image};
    const std::string url = text_or_refuse(yyjson_is_obj(from) ? member(from, "url") : from);
    part.media.detail = string_of(member(from, "detail")).value_or(std::string_view());
    if (!set_data_url(part.media, url)) part.media.url = url;
    to.push_back(std::move(part));
  }

  // "data:image/png;base64,…"
  static bool set_data_url(chat::Media& media, std::string_view url) {
    constexpr std::string_view k_data = "data:";
    constexpr std::string_view k_base64 = ";base64,";
    const std::size_t comma = url.find(k_base64);
    if (!url.starts_with(k_data) || comma == url.npos) return false;
    media.type = url.substr(k_data.size(), comma - k_data.size());
    media.base64 = url.substr(comma + k_base64.size());
    return true;
  }

  // ---- what may be called, and what the answer must look like ----------------------------------------------------------

  void tools(yyjson_val* list) {
    if (!yyjson_is_arr(list)) return refuse(NotCarried::not_understood);
    for_each_item(list, [this](yyjson_val* item) {
      const auto type = string_of(member(item, "type"));
      if (type == "custom") return refuse(NotCarried::custom_tool);
      if (type != "function") return refuse(NotCarried::hosted_tool);
      yyjson_val* from = member(item, "function");
      chat::Tool& tool = said_.tools.emplace_back();
      tool.name = text_or_refuse(member(from, "name"));
      tool.description = string_of(member(from, "description")).value_or(std::string_view());
      if (yyjson_val* parameters = member(from, "parameters"); !is_nothing(parameters))
        tool.parameters = text_of(parameters);
      if (yyjson_val* strict = member(from, "strict"); yyjson_is_bool(strict)) tool.strict = yyjson_is_true(strict);
    });
  }

  void tool_choice(yyjson_val* from) {
    using ChoiceKind = chat::ToolChoice::Kind;
    if (const auto word = string_of(from)) {
      if (*word == "auto") {
        said_.tool_choice = {ChoiceKind::automatic};
      } else if (*word == "none") {
        said_.tool_choice = {ChoiceKind::none};
      } else if (*word == "required") {
        said_.tool_choice = {ChoiceKind::required};
      } else {
        refuse(NotCarried::not_understood);
      }
      return;
    }
    const auto name = string_of(member(member(from, "function"), "name"));
    if (!name) return refuse(NotCarried::not_understood);
    said_.tool_choice = {ChoiceKind::named, std::string(*name)};
  }

  void format(yyjson_val* from) {
    using FormatKind = chat::Format::Kind;
    const std::string_view type = string_of(member(from, "type")).value_or(std::string_view());
    if (type == "text") {
      said_.format = {FormatKind::text};
    } else if (type == "json_object") {
      said_.format = {FormatKind::json_object};
    } else if (type == "json_schema") {
      yyjson_val* schema = member(from, "json_schema");
      chat::Format& format = said_.format.emplace(chat::Format{FormatKind::json_schema});
      format.name = string_of(member(schema, "name")).value_or(std::string_view());
      format.description = string_of(member(schema, "description")).value_or(std::string_view());
      if (yyjson_val* value = member(schema, "schema")) format.schema = text_of(value);
      if (format.schema.empty()) refuse(NotCarried::not_understood);
      if (yyjson_val* strict = member(schema, "strict"); yyjson_is_bool(strict)) format.strict = yyjson_is_true(strict);
    } else {
      refuse(NotCarried::not_understood);
    }
  }

  void stops(yyjson_val* from) {
    if (const auto one = string_of(from)) {
      said_.stops.emplace_back(*one);
    } else if (yyjson_is_arr(from)) {
      for_each_item(from, [this](yyjson_val* item) { said_.stops.push_back(text_or_refuse(item)); });
    } else {
      refuse(NotCarried::not_understood);
    }
  }

  chat::Losses& losses_;
  chat::Conversation said_;
  std::optional<NotCarried> refused_;
};

}  // namespace

std::expected<chat::Conversation, chat::NotCarried> hear_chat_request(std::string_view body, chat::Losses& losses) {
  return RequestHearer(losses).read(body);
}

}  // namespace outrigger::providers::openai
