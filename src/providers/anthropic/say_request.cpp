// A Conversation as a body of Anthropic's messages. What the API would refuse is put right or noted; what would then mean something
// else is refused here.
#include <algorithm>
#include <array>
#include <set>

#include "chat/number.h"
#include "providers/anthropic/calls.h"
#include "providers/anthropic/event.h"
#include "providers/anthropic/object.h"
#include "providers/anthropic/translate.h"
#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

using chat::NotCarried;
using chat::Part;
using chat::Role;
using Kind = chat::Part::Kind;

// The API wants a limit; OpenAI's default is what the model can do. This is what every model since Claude 3.5 can.
constexpr std::uint64_t k_max_tokens = 8192;
constexpr std::uint64_t k_thinking_min = 1024;  // the API's own
constexpr std::size_t k_user_max = 256;         // characters of metadata.user_id, by the API
constexpr std::string_view k_json_instruction = "Answer with one JSON object and nothing else.";
constexpr std::string_view k_first_turn = "(The conversation goes on.)";  // where it begins with an answer
constexpr std::string_view k_empty_schema = R"({"type":"object","properties":{}})";

// What images may be, and how their base64 begins.
struct ImageType {
  std::string_view type, begin;
};
constexpr std::array k_images{ImageType{"image/jpeg", "/9j/"}, ImageType{"image/png", "iVBORw0KGgo"},
                              ImageType{"image/gif", "R0lGOD"}, ImageType{"image/webp", "UklGR"}};

// Models from before there was an effort refuse to be told of one; later ones take it. Names as Anthropic and its resellers write
// them ("claude-haiku-4-5-20251001", "anthropic/claude-sonnet-4.5").
bool takes_effort(std::string_view model) {
  constexpr std::array<std::string_view, 8> k_without{"claude-2", "claude-3",   "haiku-4-5",  "sonnet-4-0",
                                                      "opus-4-0", "sonnet-4-2", "sonnet-4-5", "opus-4-1"};
  std::string name(model);
  std::ranges::replace(name, '.', '-');
  const bool is_first_4 = name.ends_with("sonnet-4") || name.ends_with("opus-4") || name.contains("opus-4-2025");
  return !is_first_4 && std::ranges::none_of(k_without, [&](std::string_view part) { return name.contains(part); });
}

class Writer {
 public:
  Writer(const chat::Conversation& from, chat::Losses& losses) : from_(from), losses_(losses) {}

  std::expected<std::string, NotCarried> run() {
    body_.reserve(size_hint());
    {
      Object object(body_);
      object.string("model", from_.model);
      limits(object);
      messages(object);
      system(object);
      tools(object);
      sampling(object);
      output(object);
      if (!from_.user.empty()) user(object);
      if (from_.stream) object.boolean("stream", true);
    }
    if (refused_) return std::unexpected(*refused_);
    return std::move(body_);
  }

 private:
  void refuse(NotCarried reason) {
    if (!refused_) refused_ = reason;
  }
  [[nodiscard]] std::size_t size_hint() const;

  void limits(Object& to);
  [[nodiscard]] bool can_think();
  void system(Object& to);
  void messages(Object& to);
  void part(const Part& part, List& blocks);
  void result(const Part& part, List& blocks);
  void image(const chat::Media& media, List& blocks);
  void tools(Object& to);
  void tool(const chat::Tool& tool, List& to);
  void called_tools(Object& to);
  void tool_choice(Object& to);
  void sampling(Object& to);
  void output(Object& to);
  void user(Object& to);

  const chat::Conversation& from_;
  chat::Losses& losses_;
  std::string body_;
  std::optional<NotCarried> refused_;
  CallIds ids_;
  bool thinks_ = false;
};

void text_block(std::string_view text, List& to) {
  Object block(to.item());
  block.string("type", "text");
  block.string("text", text);
}

// The API takes no text of nothing but blanks.
bool says_something(const Part& part) { return part.kind != Kind::text || !is_blank(part.text); }

bool speaks(const chat::Turn& turn) { return std::ranges::any_of(turn.parts, says_something); }

bool has(const chat::Turn& turn, Kind kind) {
  return std::ranges::any_of(turn.parts, [kind](const Part& part) { return part.kind == kind; });
}

std::size_t Writer::size_hint() const {
  std::size_t size = 512;
  const auto add = [&size](const Part& part) {
    size += part.text.size() + part.media.base64.size() + part.arguments.size() + part.tool.size() + 96;
  };
  for (const chat::Turn& turn : from_.turns) {
    for (const Part& part : turn.parts) {
      add(part);
      for (const Part& inner : part.content) add(inner);
    }
  }
  for (const chat::Tool& tool : from_.tools) size += tool.description.size() + tool.parameters.size() + 96;
  return size + size / 8;
}

// Thinking needs room, a free choice of tools, and its own signed beginning in an answer that has called one.
bool Writer::can_think() {
  if (from_.thinking_budget.value_or(0) == 0) return false;
  const bool is_forced = from_.tool_choice && (from_.tool_choice->kind == chat::ToolChoice::Kind::required ||
                                               from_.tool_choice->kind == chat::ToolChoice::Kind::named);
  const auto answer = std::ranges::find(from_.turns.rbegin(), from_.turns.rend(), Role::assistant, &chat::Turn::role);
  const bool answers_call = answer != from_.turns.rend() && has(*answer, Kind::call);
  const bool has_room = !from_.max_output || *from_.max_output > k_thinking_min;
  if (!is_forced && !answers_call && has_room) return true;
  losses_.note("thinking_budget");
  return false;
}

void Writer::limits(Object& to) {
  thinks_ = can_think();
  if (!thinks_) {
    to.number("max_tokens", std::max<std::uint64_t>(from_.max_output.value_or(k_max_tokens), 1));
    // Said only where it was: not every model knows of it.
    if (from_.thinking_budget == 0) to.json("thinking", R"({"type":"disabled"})");
    return;
  }
  std::uint64_t budget = std::max(*from_.thinking_budget, k_thinking_min);
  if (from_.max_output) budget = std::min(budget, *from_.max_output - 1);
  budget = std::min(budget, UINT64_MAX - k_max_tokens);
  if (budget != *from_.thinking_budget) losses_.note("thinking_budget");
  to.number("max_tokens", from_.max_output.value_or(budget + k_max_tokens));
  Object thinking(to.name("thinking"));
  thinking.string("type", "enabled");
  thinking.number("budget_tokens", budget);
}

void Writer::system(Object& to) {
  std::vector<std::string_view> texts;
  bool has_begun = false;
  for (const chat::Turn& turn : from_.turns) {
    if (turn.role != Role::instruction) {
      has_begun = true;
      continue;
    }
    for (const Part& part : turn.parts) {
      if (part.kind != Kind::text) refuse(NotCarried::media);
      if (!says_something(part)) continue;
      texts.push_back(part.text);
      if (has_begun) losses_.note("instruction_order");
    }
  }
  if (from_.format && from_.format->kind == chat::Format::Kind::json_object) {
    losses_.note("json_object");
    texts.push_back(k_json_instruction);
  }
  if (texts.empty()) return;
  if (texts.size() == 1) return append_string(to.name("system"), texts.front());
  List blocks(to.name("system"));
  for (const std::string_view text : texts) text_block(text, blocks);
}

// Turns follow each other by turns; those of one role become one.
void Writer::messages(Object& to) {
  List list(to.name("messages"));
  std::optional<Role> last;
  for (auto turn = from_.turns.begin(); turn != from_.turns.end();) {
    const Role role = turn->role;
    if (role == Role::instruction || !speaks(*turn)) {
      ++turn;
      continue;
    }
    // All of this role, whatever instructions and silent turns stand in between.
    auto end = turn;
    while (end != from_.turns.end() && (end->role == role || end->role == Role::instruction || !speaks(*end))) ++end;
    if (!last && role == Role::assistant) {
      losses_.note("first_turn");
      Object message(list.item());
      message.string("role", "user");
      message.string("content", k_first_turn);
    }
    last = role;
    Object message(list.item());
    message.string("role", role == Role::user ? "user" : "assistant");
    const bool is_plain = end - turn == 1 && turn->parts.size() == 1 && turn->parts.front().kind == Kind::text;
    if (is_plain) {
      message.string("content", turn->parts.front().text);
    } else {
      List blocks(message.name("content"));
      // Results come first, also where several turns become one.
      for (const bool results : {true, false}) {
        for (auto one = turn; one != end; ++one) {
          if (one->role != role) continue;
          for (const Part& each : one->parts) {
            if ((each.kind == Kind::result) == results && says_something(each)) part(each, blocks);
          }
        }
      }
    }
    turn = end;
  }
  if (!last) refuse(NotCarried::not_understood);
  if (last == Role::assistant) refuse(NotCarried::continuation);
}

void Writer::part(const Part& part, List& blocks) {
  switch (part.kind) {
    case Kind::text:
      return text_block(part.text, blocks);
    case Kind::image:
      return image(part.media, blocks);
    case Kind::result:
      return result(part, blocks);
    case Kind::call:
      break;
  }
  bool changed = false;
  Object block(blocks.item());
  block.string("type", "tool_use");
  block.string("id", ids_.of_call(part.id));
  block.string("name", part.tool);
  block.json("input", input_of(part.arguments, changed));
  if (changed) losses_.note("arguments");
}

void Writer::result(const Part& part, List& blocks) {
  Object block(blocks.item());
  block.string("type", "tool_result");
  block.string("tool_use_id", ids_.of_result(part.id));
  const auto count = std::ranges::count_if(part.content, says_something);
  if (part.content.size() == 1 && count == 1 && part.content.front().kind == Kind::text) {
    block.string("content", part.content.front().text);
  } else if (count > 0) {
    List content(block.name("content"));
    for (const Part& inner : part.content) {
      if (!says_something(inner)) continue;
      if (inner.kind != Kind::text && inner.kind != Kind::image) {
        refuse(NotCarried::not_understood);
      } else {
        this->part(inner, content);
      }
    }
  }
  if (part.is_error) block.boolean("is_error", true);
}

void Writer::image(const chat::Media& media, List& blocks) {
  if (!media.detail.empty() && media.detail != "auto") losses_.note("image_detail");
  if (media.base64.empty()) {
    const bool is_web = media.url.starts_with("https://") || media.url.starts_with("http://");
    if (!is_web) refuse(NotCarried::media);
    blocks.item() += R"({"type":"image","source":{"type":"url","url":)";
    append_string(body_, media.url);
    body_ += "}}";
    return;
  }
  std::string_view type = media.type == "image/jpg" ? std::string_view("image/jpeg") : std::string_view(media.type);
  if (type.empty()) {
    const auto known =
        std::ranges::find_if(k_images, [&](const ImageType& one) { return media.base64.starts_with(one.begin); });
    if (known != k_images.end()) type = known->type;
  }
  if (std::ranges::find(k_images, type, &ImageType::type) == k_images.end()) refuse(NotCarried::media);
  blocks.item() += R"({"type":"image","source":{"type":"base64","media_type":)";
  append_string(body_, type);
  body_ += R"(,"data":)";
  append_string(body_, media.base64);
  body_ += "}}";
}

void Writer::tools(Object& to) {
  if (from_.tools.empty()) return called_tools(to);
  {
    List list(to.name("tools"));
    for (const chat::Tool& one : from_.tools) tool(one, list);
  }
  tool_choice(to);
}

void Writer::tool(const chat::Tool& tool, List& to) {
  Object object(to.item());
  object.string("name", tool.name);
  if (!tool.description.empty()) object.string("description", tool.description);
  const JsonDoc schema = JsonDoc::read(tool.parameters);
  if (!yyjson_is_obj(schema.root())) {
    if (!trimmed(tool.parameters).empty() && !yyjson_is_null(schema.root())) losses_.note("parameters");
    object.json("input_schema", k_empty_schema);
  } else if (member(schema.root(), "type") != nullptr) {
    object.json("input_schema", tool.parameters);
  } else {
    Object with_type(object.name("input_schema"));
    with_type.string("type", "object");
    for_each_member(schema.root(), [&](std::string_view name, yyjson_val* value) { append_member(with_type, name, value); });
  }
  if (tool.strict.value_or(false)) object.boolean("strict", true);
}

// Where calls are talked about the API wants tools to be declared, even if none may be called.
void Writer::called_tools(Object& to) {
  std::set<std::string_view> names;
  for (const chat::Turn& turn : from_.turns) {
    for (const Part& part : turn.parts) {
      if (part.kind == Kind::call) names.insert(part.tool);
    }
  }
  if (names.empty()) return;
  losses_.note("tools");
  {
    List list(to.name("tools"));
    for (const std::string_view name : names) {
      Object object(list.item());
      object.string("name", name);
      object.json("input_schema", k_empty_schema);
    }
  }
  to.json("tool_choice", R"({"type":"none"})");
}

void Writer::tool_choice(Object& to) {
  using Choice = chat::ToolChoice::Kind;
  // Several calls at once are the default.
  if (!from_.tool_choice && from_.parallel_calls.value_or(true)) return;
  const Choice kind = from_.tool_choice ? from_.tool_choice->kind : Choice::automatic;
  Object object(to.name("tool_choice"));
  switch (kind) {
    case Choice::automatic:
      object.string("type", "auto");
      break;
    case Choice::none:
      object.string("type", "none");
      return;
    case Choice::required:
      object.string("type", "any");
      break;
    case Choice::named:
      object.string("type", "tool");
      object.string("name", from_.tool_choice->tool);
      break;
  }
  if (from_.parallel_calls) object.boolean("disable_parallel_tool_use", !*from_.parallel_calls);
}

void Writer::sampling(Object& to) {
  const auto lose = [this](const auto& value, std::string_view name) {
    if (value) losses_.note(name);
  };
  lose(from_.seed, "seed");
  lose(from_.frequency_penalty, "frequency_penalty");
  lose(from_.presence_penalty, "presence_penalty");
  if (!from_.verbosity.empty()) losses_.note("verbosity");
  if (thinks_) {
    // With thinking the API takes none of the three.
    lose(from_.temperature, "temperature");
    lose(from_.top_p, "top_p");
    lose(from_.top_k, "top_k");
  } else {
    if (from_.temperature) {
      const double asked = chat::to_double(*from_.temperature);
      const bool is_allowed = asked >= 0 && asked <= 1;
      if (!is_allowed) losses_.note("temperature");
      to.json("temperature", is_allowed ? std::string_view(*from_.temperature) : asked > 1 ? "1" : "0");
      // Newer models refuse the two together.
      lose(from_.top_p, "top_p");
    } else if (from_.top_p) {
      to.json("top_p", *from_.top_p);
    }
    if (from_.top_k) to.json("top_k", *from_.top_k);
  }
  const auto is_stop = [](const std::string& stop) { return !is_blank(stop); };
  const auto stops = std::ranges::count_if(from_.stops, is_stop);
  if (static_cast<std::size_t>(stops) != from_.stops.size()) losses_.note("stop_sequences");
  if (stops == 0) return;
  List list(to.name("stop_sequences"));
  for (const std::string& stop : from_.stops) {
    if (is_stop(stop)) append_string(list.item(), stop);
  }
}

void Writer::output(Object& to) {
  std::string_view effort = from_.effort;
  if (effort == "none") {
    effort = {};  // nothing is thought unless it is asked for
  } else if (!effort.empty() && !takes_effort(from_.model)) {
    losses_.note("effort");
    effort = {};
  } else if (effort == "minimal" || effort == "xhigh") {
    losses_.note("effort");
    effort = effort == "minimal" ? "low" : "high";
  } else if (!effort.empty() && effort != "low" && effort != "medium" && effort != "high" && effort != "max") {
    losses_.note("effort");
    effort = {};
  }
  const bool has_schema = from_.format && from_.format->kind == chat::Format::Kind::json_schema;
  if (effort.empty() && !has_schema) return;
  Object config(to.name("output_config"));
  if (!effort.empty()) config.string("effort", effort);
  if (!has_schema) return;
  if (!yyjson_is_obj(JsonDoc::read(from_.format->schema).root())) return refuse(NotCarried::not_understood);
  Object format(config.name("format"));
  format.string("type", "json_schema");
  format.json("schema", from_.format->schema);
}

void Writer::user(Object& to) {
  if (from_.user.size() > k_user_max) return losses_.note("user");
  Object metadata(to.name("metadata"));
  metadata.string("user_id", from_.user);
}

}  // namespace

std::expected<std::string, NotCarried> say_request(const chat::Conversation& conversation, chat::Losses& losses) {
  return Writer(conversation, losses).run();
}

}  // namespace outrigger::providers::anthropic
