// A body of Anthropic's messages as a Conversation. What other wires have no place for is refused or noted, member by member.
#include <algorithm>
#include <optional>

#include "chat/json.h"
#include "providers/anthropic/calls.h"
#include "providers/anthropic/object.h"
#include "providers/anthropic/translate.h"
#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

using chat::NotCarried;
using chat::Part;
using chat::Role;

bool is_true_in(yyjson_val* object, std::string_view name) { return yyjson_is_true(member(object, name)); }

class Listener {
 public:
  explicit Listener(chat::Losses& losses) : losses_(losses) {}

  std::expected<chat::Conversation, NotCarried> run(yyjson_val* root) {
    // What two parsers could read differently says nothing for sure.
    if (!yyjson_is_obj(root) || !chat::is_strict(root, 1)) return std::unexpected(NotCarried::not_understood);
    out_.include_usage = true;
    system(member(root, "system"));
    for_each_member(root, [this](std::string_view name, yyjson_val* value) {
      if (!yyjson_is_null(value)) top(name, value);
    });
    messages(member(root, "messages"));
    if (out_.model.empty()) refuse(NotCarried::not_understood);
    if (refused_) return std::unexpected(*refused_);
    return std::move(out_);
  }

 private:
  // The first reason stands.
  void refuse(NotCarried reason) {
    if (!refused_) refused_ = reason;
  }
  void misunderstood() { refuse(NotCarried::not_understood); }

  void top(std::string_view name, yyjson_val* value);
  void whole_number(yyjson_val* value, std::optional<std::uint64_t>& to) {
    to = whole_number_of(value);
    if (!to) misunderstood();
  }
  void number(yyjson_val* value, std::optional<std::string>& to) {
    const auto digits = number_of(value);
    if (!digits) return misunderstood();
    to = *digits;
  }
  void stops(yyjson_val* value);
  void tools(yyjson_val* value);
  void tool(yyjson_val* value);
  void tool_choice(yyjson_val* value);
  void thinking(yyjson_val* value);
  void output_config(yyjson_val* value);
  void format(yyjson_val* value);

  void system(yyjson_val* value);
  void messages(yyjson_val* value);
  void message(yyjson_val* value);
  void user_block(yyjson_val* block, std::vector<Part>& to);
  void assistant_block(yyjson_val* block, std::vector<Part>& to);
  void text(yyjson_val* block, std::vector<Part>& to);
  void result(yyjson_val* block, std::vector<Part>& to);
  void image(yyjson_val* block, std::vector<Part>& to);
  void document(yyjson_val* block, std::vector<Part>& to);
  void search_result(yyjson_val* block, std::vector<Part>& to);
  // What only Anthropic makes something of.
  void foreign(std::string_view type);
  void markers(yyjson_val* block) {
    if (!is_nothing(member(block, "cache_control"))) losses_.note("cache_control");
  }

  chat::Losses& losses_;
  chat::Conversation out_;
  std::optional<NotCarried> refused_;
};

void Listener::top(std::string_view name, yyjson_val* value) {
  if (name == "messages" || name == "system") return;
  if (name == "model") {
    out_.model = string_of(value).value_or(std::string_view());
  } else if (name == "max_tokens") {
    whole_number(value, out_.max_output);
  } else if (name == "temperature") {
    number(value, out_.temperature);
  } else if (name == "top_p") {
    number(value, out_.top_p);
  } else if (name == "top_k") {
    number(value, out_.top_k);
  } else if (name == "stop_sequences") {
    stops(value);
  } else if (name == "stream") {
    out_.stream = yyjson_is_true(value);
    if (!yyjson_is_bool(value)) misunderstood();
  } else if (name == "tools") {
    tools(value);
  } else if (name == "tool_choice") {
    tool_choice(value);
  } else if (name == "thinking") {
    thinking(value);
  } else if (name == "output_config") {
    output_config(value);
  } else if (name == "output_format") {
    format(value);
  } else if (name == "metadata") {
    out_.user = text_in(value, "user_id");
  } else if (name == "container") {
    refuse(NotCarried::provider_id);
  } else if (name == "mcp_servers") {
    if (!is_nothing(value)) refuse(NotCarried::hosted_tool);
  } else if (name == "service_tier") {
    losses_.note("service_tier");
  } else if (name == "inference_geo") {
    losses_.note("inference_geo");
  } else if (name == "context_management") {
    losses_.note("context_management");
  } else if (name == "cache_control") {
    losses_.note("cache_control");
  } else {
    losses_.note("unknown");
  }
}

void Listener::stops(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return misunderstood();
  for_each_item(value, [this](yyjson_val* item) {
    const auto stop = string_of(item);
    if (!stop) return misunderstood();
    out_.stops.emplace_back(*stop);
  });
}

void Listener::tools(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return misunderstood();
  for_each_item(value, [this](yyjson_val* item) { tool(item); });
}

void Listener::tool(yyjson_val* value) {
  const auto type = string_of(member(value, "type"));
  if (type && *type != "custom") {
    // Those that the client runs have no schema that could be told.
    return refuse(runs_at_client(*type) ? NotCarried::custom_tool : NotCarried::hosted_tool);
  }
  chat::Tool& tool = out_.tools.emplace_back();
  for_each_member(value, [&](std::string_view name, yyjson_val* from) {
    if (yyjson_is_null(from) || name == "type") return;
    if (name == "name") {
      tool.name = string_of(from).value_or(std::string_view());
    } else if (name == "description") {
      tool.description = string_of(from).value_or(std::string_view());
    } else if (name == "input_schema") {
      tool.parameters = json_of(from);
    } else if (name == "strict") {
      tool.strict = yyjson_is_true(from);
    } else {
      losses_.note(name == "cache_control" ? "cache_control" : "unknown");
    }
  });
  if (tool.name.empty()) misunderstood();
}

void Listener::tool_choice(yyjson_val* value) {
  using Kind = chat::ToolChoice::Kind;
  const std::string_view type = text_in(value, "type");
  chat::ToolChoice& choice = out_.tool_choice.emplace();
  if (type == "auto") {
    choice.kind = Kind::automatic;
  } else if (type == "none") {
    choice.kind = Kind::none;
  } else if (type == "any") {
    choice.kind = Kind::required;
  } else if (type == "tool" && !text_in(value, "name").empty()) {
    choice.kind = Kind::named;
    choice.tool = text_in(value, "name");
  } else {
    misunderstood();
  }
  yyjson_val* disable = member(value, "disable_parallel_tool_use");
  if (yyjson_is_bool(disable)) out_.parallel_calls = !yyjson_is_true(disable);
}

void Listener::thinking(yyjson_val* value) {
  const std::string_view type = text_in(value, "type");
  if (type == "enabled") {
    whole_number(member(value, "budget_tokens"), out_.thinking_budget);
  } else if (type == "disabled") {
    out_.thinking_budget = 0;
  } else if (type == "adaptive") {
    // The model decides, which is what it does elsewhere; `effort` says how much.
    losses_.note("thinking");
  } else {
    misunderstood();
  }
}

void Listener::output_config(yyjson_val* value) {
  if (!yyjson_is_obj(value)) return misunderstood();
  for_each_member(value, [this](std::string_view name, yyjson_val* from) {
    if (yyjson_is_null(from)) return;
    if (name == "effort") {
      out_.effort = string_of(from).value_or(std::string_view());
    } else if (name == "format") {
      format(from);
    } else {
      losses_.note("unknown");
    }
  });
}

void Listener::format(yyjson_val* value) {
  if (text_in(value, "type") != "json_schema" || !yyjson_is_obj(member(value, "schema"))) return misunderstood();
  out_.format = chat::Format{.kind = chat::Format::Kind::json_schema, .schema = json_of(member(value, "schema"))};
}

void Listener::system(yyjson_val* value) {
  if (is_nothing(value)) return;
  chat::Turn turn{.role = Role::instruction};
  if (const auto whole = string_of(value)) {
    turn.parts.push_back({.text = std::string(*whole)});
  } else if (yyjson_is_arr(value)) {
    for_each_item(value, [&](yyjson_val* block) {
      if (text_in(block, "type") != "text") return misunderstood();
      text(block, turn.parts);
    });
  } else {
    misunderstood();
  }
  out_.turns.push_back(std::move(turn));
}

void Listener::messages(yyjson_val* value) {
  if (!yyjson_is_arr(value) || yyjson_get_len(value) == 0) return misunderstood();
  for_each_item(value, [this](yyjson_val* item) { message(item); });
  if (!out_.turns.empty() && out_.turns.back().role == Role::assistant) refuse(NotCarried::continuation);
}

void Listener::message(yyjson_val* value) {
  const std::string_view role = text_in(value, "role");
  if (role != "user" && role != "assistant" && role != "system") return misunderstood();
  chat::Turn& turn = out_.turns.emplace_back();
  turn.role = role == "user" ? Role::user : role == "assistant" ? Role::assistant : Role::instruction;
  markers(value);
  yyjson_val* content = member(value, "content");
  if (const auto whole = string_of(content)) {
    turn.parts.push_back({.text = std::string(*whole)});
    return;
  }
  if (!yyjson_is_arr(content)) return misunderstood();
  turn.parts.reserve(yyjson_get_len(content));
  for_each_item(content, [&](yyjson_val* block) {
    markers(block);
    if (text_in(block, "type") == "text") {
      text(block, turn.parts);
    } else if (turn.role == Role::assistant) {
      assistant_block(block, turn.parts);
    } else if (turn.role == Role::user) {
      user_block(block, turn.parts);
    } else {
      misunderstood();
    }
  });
  std::ranges::stable_partition(turn.parts, [](const Part& part) { return part.kind == Part::Kind::result; });
}

void Listener::user_block(yyjson_val* block, std::vector<Part>& to) {
  const std::string_view type = text_in(block, "type");
  if (type == "tool_result") {
    result(block, to);
  } else if (type == "image") {
    image(block, to);
  } else if (type == "document") {
    document(block, to);
  } else if (type == "search_result") {
    search_result(block, to);
  } else {
    foreign(type);
  }
}

void Listener::assistant_block(yyjson_val* block, std::vector<Part>& to) {
  const std::string_view type = text_in(block, "type");
  if (type == "tool_use") {
    yyjson_val* input = member(block, "input");
    const std::string_view tool = text_in(block, "name");
    if (tool.empty()) return misunderstood();
    to.push_back({.kind = Part::Kind::call,
                  .id = std::string(text_in(block, "id")),
                  .tool = std::string(tool),
                  .arguments = is_nothing(input) ? "{}" : json_of(input)});
  } else if (type == "thinking") {
    if (!text_in(block, "signature").empty()) return refuse(NotCarried::signed_thinking);
    losses_.note("reasoning");
  } else {
    foreign(type);
  }
}

void Listener::foreign(std::string_view type) {
  if (type == "redacted_thinking") return refuse(NotCarried::signed_thinking);
  if (type == "container_upload") return refuse(NotCarried::provider_id);
  const bool hosted =
      type == "server_tool_use" || type == "mcp_tool_use" || type.ends_with("_tool_result") || type == "tool_reference";
  refuse(hosted ? NotCarried::hosted_tool : NotCarried::not_understood);
}

void Listener::text(yyjson_val* block, std::vector<Part>& to) {
  const auto piece = string_of(member(block, "text"));
  if (!piece) return misunderstood();
  if (!is_nothing(member(block, "citations"))) losses_.note("citations");
  to.push_back({.text = std::string(*piece)});
}

void Listener::result(yyjson_val* block, std::vector<Part>& to) {
  Part part{.kind = Part::Kind::result,
            .id = std::string(text_in(block, "tool_use_id")),
            .is_error = is_true_in(block, "is_error")};
  yyjson_val* content = member(block, "content");
  if (const auto whole = string_of(content)) {
    part.content.push_back({.text = std::string(*whole)});
  } else if (yyjson_is_arr(content)) {
    for_each_item(content, [&](yyjson_val* inner) {
      const std::string_view type = text_in(inner, "type");
      markers(inner);
      if (type == "text") {
        text(inner, part.content);
      } else if (type == "tool_result") {
        misunderstood();
      } else {
        user_block(inner, part.content);
      }
    });
  } else if (!is_nothing(content)) {
    misunderstood();
  }
  to.push_back(std::move(part));
}

void Listener::image(yyjson_val* block, std::vector<Part>& to) {
  yyjson_val* source = member(block, "source");
  const std::string_view type = text_in(source, "type");
  if (type == "file") return refuse(NotCarried::provider_id);
  Part part{.kind = Part::Kind::image};
  part.media.type = text_in(source, "media_type");
  if (type == "base64") part.media.base64 = text_in(source, "data");
  if (type == "url") part.media.url = text_in(source, "url");
  if (part.media.base64.empty() && part.media.url.empty()) return misunderstood();
  to.push_back(std::move(part));
}

// Those of plain text are text; what the others look like, only who reads PDF knows.
void Listener::document(yyjson_val* block, std::vector<Part>& to) {
  yyjson_val* source = member(block, "source");
  const std::string_view type = text_in(source, "type");
  if (type == "file") return refuse(NotCarried::provider_id);
  if (type != "text" && type != "content") return refuse(NotCarried::media);
  losses_.note("documents");
  std::string whole;
  for (const std::string_view name : {"title", "context"}) {
    if (const std::string_view said = text_in(block, name); !said.empty()) whole.append(said) += '\n';
  }
  if (type == "text") {
    whole += text_in(source, "data");
  } else if (const auto content = string_of(member(source, "content"))) {
    whole += *content;
  } else {
    for_each_item(member(source, "content"), [&](yyjson_val* inner) {
      const auto piece = string_of(member(inner, "text"));
      if (!piece) return refuse(NotCarried::media);
      whole.append(*piece) += '\n';
    });
  }
  to.push_back({.text = std::move(whole)});
}

void Listener::search_result(yyjson_val* block, std::vector<Part>& to) {
  losses_.note("search_results");
  std::string whole;
  for (const std::string_view name : {"title", "source"}) {
    if (const std::string_view said = text_in(block, name); !said.empty()) whole.append(said) += '\n';
  }
  for_each_item(member(block, "content"), [&](yyjson_val* inner) {
    const auto piece = string_of(member(inner, "text"));
    if (!piece) return misunderstood();
    whole.append(*piece) += '\n';
  });
  to.push_back({.text = std::move(whole)});
}

}  // namespace

std::expected<chat::Conversation, NotCarried> hear_request(std::string_view body, chat::Losses& losses) {
  const JsonDoc doc = JsonDoc::read(body);
  return Listener(losses).run(doc.root());
}

}  // namespace outrigger::providers::anthropic
