// A Conversation as a chat completions body, for OpenAI and for the many that speak its wire: what only some of them take is left
// out, and texts are single strings wherever that says the same.
#include <algorithm>
#include <array>

#include "providers/json_object.h"
#include "providers/openai/translate.h"

namespace outrigger::providers::openai {
namespace {

using chat::NotCarried;
using chat::Part;
using chat::Role;
using Kind = chat::Part::Kind;

constexpr std::size_t k_stops_max = 4;                // OpenAI's limit; others allow more, none less
constexpr std::size_t k_user_max = 64;                // OpenAI's limit
constexpr std::string_view k_between_texts = "\n\n";  // texts of one turn that become one string

class RequestSayer {
 public:
  RequestSayer(const chat::Conversation& conversation, chat::Losses& losses)
      : said_(conversation), losses_(losses), is_reasoning_(is_reasoning_model(conversation.model)) {}

  std::expected<std::string, NotCarried> write() {
    if (said_.stops.size() > (is_reasoning_ ? 0 : k_stops_max)) return std::unexpected(NotCarried::stop_sequences);
    if (!said_.turns.empty() && said_.turns.back().role == Role::assistant) return std::unexpected(NotCarried::continuation);
    if (std::ranges::any_of(said_.turns, holds_strange_part)) return std::unexpected(NotCarried::media);
    {
      JsonObject body(text_);
      body.string("model", said_.model);
      body.name("messages");
      messages();
      tools(body);
      if (said_.format) format(body);
      if (said_.max_output) body.number(is_reasoning_ ? "max_completion_tokens" : "max_tokens", *said_.max_output);
      sampling(body);
      if (said_.user.size() > k_user_max) {
        losses_.note("user");
      } else if (!said_.user.empty()) {
        body.string("user", said_.user);
      }
      if (said_.stream) {
        body.boolean("stream", true);
        // The wire that the answer goes to always tells it.
        body.json("stream_options", R"({"include_usage":true})");
      }
    }
    return std::move(text_);
  }

 private:
  void sampling(JsonObject& body) {
    if (is_reasoning_) {
      if (said_.temperature) losses_.note("temperature");
      if (said_.top_p) losses_.note("top_p");
      if (said_.frequency_penalty) losses_.note("frequency_penalty");
      if (said_.presence_penalty) losses_.note("presence_penalty");
      if (!said_.effort.empty()) body.string("reasoning_effort", said_.effort);
    } else {
      body.json_if("temperature", said_.temperature);
      body.json_if("top_p", said_.top_p);
      body.json_if("frequency_penalty", said_.frequency_penalty);
      body.json_if("presence_penalty", said_.presence_penalty);
      if (!said_.effort.empty()) losses_.note("effort");
    }
    body.json_if("seed", said_.seed);
    if (said_.top_k) losses_.note("top_k");
    if (said_.thinking_budget.value_or(0) > 0) losses_.note("thinking_budget");
    if (!said_.verbosity.empty()) losses_.note("verbosity");
    if (said_.stops.empty()) return;
    JsonList stops(body.name("stop"));
    for (const std::string& stop : said_.stops) stops.string(stop);
  }

  // ---- messages ------------------------------------------------------------------------------------------------------

  void messages() {
    JsonList list(text_);
    for (const chat::Turn& turn : said_.turns) {
      switch (turn.role) {
        case Role::instruction:
          instruction(list, joined(turn.parts));
          break;
        case Role::user:
          user(list, turn);
          break;
        case Role::assistant:
          assistant(list, turn);
          break;
      }
    }
  }

  // Pictures have a place in what the user says, and nowhere else.
  static bool holds_strange_part(const chat::Turn& turn) {
    return turn.role != Role::user &&
           std::ranges::any_of(turn.parts, [](const Part& part) { return part.kind == Kind::image; });
  }

  static void instruction(JsonList& list, std::string_view text) {
    if (text.empty()) return;
    JsonObject message(list.item());
    message.string("role", "system");
    message.string("content", text);
  }

  // Each result is a message of its own and holds nothing but text; its pictures go into the message after it.
  void user(JsonList& list, const chat::Turn& turn) {
    std::vector<const Part*> rest;
    for (const Part& part : turn.parts) {
      if (part.kind != Kind::result) {
        rest.push_back(&part);
        continue;
      }
      JsonObject message(list.item());
      message.string("role", "tool");
      message.string("tool_call_id", part.id);
      message.string("content", joined(part.content));
      if (part.is_error) losses_.note("is_error");
      for (const Part& inner : part.content) {
        if (inner.kind == Kind::image) rest.push_back(&inner);
      }
    }
    if (rest.empty()) return;
    JsonObject message(list.item());
    message.string("role", "user");
    const bool only_text = std::ranges::all_of(rest, [](const Part* part) { return part->kind == Kind::text; });
    if (only_text) {
      std::string all;
      for (const Part* part : rest) append_text(all, part->text);
      message.string("content", all);
      return;
    }
    JsonList parts(message.name("content"));
    for (const Part* part : rest) content_part(parts, *part);
  }

  static void content_part(JsonList& list, const Part& part) {
    JsonObject object(list.item());
    if (part.kind == Kind::text) {
      object.string("type", "text");
      object.string("text", part.text);
      return;
    }
    object.string("type", "image_url");
    JsonObject image(object.name("image_url"));
    image.string("url",
                 !part.media.url.empty() ? part.media.url : "data:" + part.media.type + ";base64," + part.media.base64);
    if (!part.media.detail.empty()) image.string("detail", part.media.detail);
  }

  void assistant(JsonList& list, const chat::Turn& turn) {
    JsonObject message(list.item());
    message.string("role", "assistant");
    const std::string text = joined(turn.parts);
    const bool calls = std::ranges::any_of(turn.parts, [](const Part& part) { return part.kind == Kind::call; });
    if (text.empty() && calls) {
      message.json("content", "null");
    } else {
      message.string("content", text);
    }
    if (!calls) return;
    JsonList list_of_calls(message.name("tool_calls"));
    for (const Part& part : turn.parts) {
      if (part.kind != Kind::call) continue;
      JsonObject call(list_of_calls.item());
      call.string("id", part.id);
      call.string("type", "function");
      JsonObject function(call.name("function"));
      function.string("name", part.tool);
      function.string("arguments", part.arguments.empty() ? "{}" : std::string_view(part.arguments));
    }
  }

  static void append_text(std::string& to, std::string_view text) {
    if (text.empty()) return;
    if (!to.empty()) to += k_between_texts;
    to += text;
  }
  static std::string joined(const std::vector<Part>& parts) {
    std::string all;
    for (const Part& part : parts) {
      if (part.kind == Kind::text) append_text(all, part.text);
    }
    return all;
  }

  // ---- what may be called, and what the answer must look like ----------------------------------------------------------

  void tools(JsonObject& body) {
    using ChoiceKind = chat::ToolChoice::Kind;
    if (said_.tools.empty()) return;  // without tools the wire takes no choice either
    {
      JsonList list(body.name("tools"));
      for (const chat::Tool& tool : said_.tools) {
        JsonObject object(list.item());
        object.string("type", "function");
        JsonObject function(object.name("function"));
        function.string("name", tool.name);
        if (!tool.description.empty()) function.string("description", tool.description);
        if (!tool.parameters.empty()) function.json("parameters", tool.parameters);
        if (tool.strict) function.boolean("strict", *tool.strict);
      }
    }
    if (said_.parallel_calls) body.boolean("parallel_tool_calls", *said_.parallel_calls);
    if (!said_.tool_choice) return;
    const chat::ToolChoice& choice = *said_.tool_choice;
    if (choice.kind != ChoiceKind::named) {
      static constexpr std::array<std::string_view, 3> k_words{"auto", "none", "required"};
      body.string("tool_choice", k_words[static_cast<std::size_t>(choice.kind)]);
      return;
    }
    JsonObject object(body.name("tool_choice"));
    object.string("type", "function");
    JsonObject function(object.name("function"));
    function.string("name", choice.tool);
  }

  void format(JsonObject& body) {
    using FormatKind = chat::Format::Kind;
    const chat::Format& wanted = *said_.format;
    JsonObject object(body.name("response_format"));
    if (wanted.kind != FormatKind::json_schema) {
      object.string("type", wanted.kind == FormatKind::text ? "text" : "json_object");
      return;
    }
    object.string("type", "json_schema");
    JsonObject schema(object.name("json_schema"));
    schema.string("name", wanted.name.empty() ? "answer" : std::string_view(wanted.name));  // the wire wants one
    if (!wanted.description.empty()) schema.string("description", wanted.description);
    schema.json("schema", wanted.schema);
    if (wanted.strict) schema.boolean("strict", *wanted.strict);
  }

  const chat::Conversation& said_;
  chat::Losses& losses_;
  bool is_reasoning_;
  std::string text_;
};

}  // namespace

std::expected<std::string, chat::NotCarried> say_chat_request(const chat::Conversation& conversation, chat::Losses& losses) {
  return RequestSayer(conversation, losses).write();
}

bool is_reasoning_model(std::string_view model) {
  const std::string_view own = model.substr(model.rfind('/') + 1);  // npos + 1 is 0: no vendor in front
  const auto is_series = [&](std::string_view series) {
    return own.starts_with(series) &&
           (own.size() == series.size() || own[series.size()] == '-' || own[series.size()] == '.');
  };
  const bool plain_chat = own.find("-chat") != own.npos;  // gpt-5-chat-latest does not reason
  return !plain_chat && (is_series("o1") || is_series("o3") || is_series("o4") || is_series("gpt-5"));
}

}  // namespace outrigger::providers::openai
