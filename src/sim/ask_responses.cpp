// OpenAI's responses.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sim/ask_parts.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::uint64_t k_min_output_tokens = 16;
constexpr std::size_t k_max_open = 1000;  // calls without an output at once; they are looked up one by one

// Members that the response object repeats, with what stands there when the request has none.
constexpr std::array k_echoed{
    std::pair{"background", "false"},
    std::pair{"instructions", "null"},
    std::pair{"max_output_tokens", "null"},
    std::pair{"max_tool_calls", "null"},
    std::pair{"metadata", "{}"},
    std::pair{"parallel_tool_calls", "true"},
    std::pair{"previous_response_id", "null"},
    std::pair{"prompt_cache_key", "null"},
    std::pair{"reasoning", R"({"effort":null,"summary":null})"},
    std::pair{"safety_identifier", "null"},
    std::pair{"service_tier", R"("default")"},
    std::pair{"store", "true"},
    std::pair{"temperature", "1.0"},
    std::pair{"text", R"({"format":{"type":"text"}})"},
    std::pair{"tool_choice", R"("auto")"},
    std::pair{"tools", "[]"},
    std::pair{"top_logprobs", "0"},
    std::pair{"top_p", "1.0"},
    std::pair{"truncation", R"("disabled")"},
    std::pair{"user", "null"},
};

// Items that a client may send, and that say nothing here.
constexpr std::array<std::string_view, 14> k_silent{
    "reasoning",      "item_reference",        "web_search_call",       "file_search_call",
    "computer_call",  "image_generation_call", "code_interpreter_call", "mcp_call",
    "mcp_list_tools", "custom_tool_call",      "computer_call_output",  "custom_tool_call_output",
    "compaction",     "local_shell_call",
};

class Conversation {
 public:
  explicit Conversation(Ask& ask) : ask_(ask) {}

  std::optional<BadAsk> item(yyjson_val* item) {
    std::string_view type = text_at(item, "type");
    if (type.empty() && yyjson_obj_get(item, "role") != nullptr) type = "message";
    std::optional<BadAsk> problem;
    const bool calling = type == "function_call";
    if (type == "message") {
      problem = message(item);
    } else if (calling) {
      // Parallel calls, and those after a text, are one message of the assistant.
      if (!assistant_) say(ask_, "assistant", "");
      open_.emplace_back(text_at(item, "call_id"));
      if (open_.size() > k_max_open) return BadAsk{"Too many function calls without an output.", "input"};
    } else if (type == "function_call_output") {
      problem = result(item);
    } else if (std::ranges::find(k_silent, type) == k_silent.end()) {
      problem = BadAsk{fmt::format("Invalid value: '{}'. Supported values are: 'function_call', 'function_call_output', "
                                   "'message', 'reasoning', ...",
                                   type),
                       fmt::format("input[{}]", index_), "invalid_value"};
    }
    if (type != "reasoning") {
      assistant_ = calling || (type == "message" && text_at(item, "role") == "assistant");
      after_tool_ = type == "function_call_output";
    }
    ++index_;
    return problem;
  }

  std::optional<BadAsk> end() const {
    if (open_.empty()) return std::nullopt;
    return BadAsk{fmt::format("No tool output found for function call {}.", open_.front()), "input"};
  }

  [[nodiscard]] bool after_tool() const { return after_tool_; }

 private:
  std::optional<BadAsk> message(yyjson_val* item) {
    const std::string_view role = text_at(item, "role");
    if (role != "user" && role != "assistant" && role != "system" && role != "developer") {
      return BadAsk{
          fmt::format("Invalid value: '{}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", role),
          fmt::format("input[{}]", index_), "invalid_value"};
    }
    yyjson_val* content = yyjson_obj_get(item, "content");
    const std::string text = content_text(content);
    say(ask_, role, text);
    show_parts(content);
    if (role == "user") ask_.question = text;
    return std::nullopt;
  }

  std::optional<BadAsk> result(yyjson_val* item) {
    const std::string_view id = text_at(item, "call_id");
    const auto call = std::ranges::find(open_, id);
    // The call may stand in an earlier response.
    if (call == open_.end() && ask_.previous.empty()) {
      return BadAsk{fmt::format("No tool call found for function call output with call_id {}.", id), "input"};
    }
    if (call != open_.end()) open_.erase(call);
    yyjson_val* output = yyjson_obj_get(item, "output");
    say(ask_, "tool", content_text(output));
    show_parts(output);
    return std::nullopt;
  }

  void show_parts(yyjson_val* content) {
    yyjson_arr_iter parts = yyjson_arr_iter_with(content);
    while (yyjson_val* part = yyjson_arr_iter_next(&parts)) {
      for (const char* key : {"image_url", "file_data", "file_url", "file_id"}) {
        if (const std::string_view what = text_at(part, key); !what.empty()) show(ask_, what);
      }
    }
  }

  Ask& ask_;
  std::size_t index_ = 0;
  std::vector<std::string> open_;
  bool assistant_ = false, after_tool_ = false;  // of the last item
};

std::vector<Tool> tools_of(yyjson_val* tools) {
  std::vector<Tool> found;
  yyjson_arr_iter list = yyjson_arr_iter_with(tools);
  while (yyjson_val* tool = yyjson_arr_iter_next(&list)) {
    // The provider's own tools (web_search, ...) are never called here.
    if (text_at(tool, "type") == "function") found.push_back({text_at(tool, "name"), yyjson_obj_get(tool, "parameters")});
  }
  return found;
}

void read_reasoning(yyjson_val* root, Ask& ask) {
  yyjson_val* reasoning = yyjson_obj_get(root, "reasoning");
  ask.thinks = is_reasoner(ask.model) || (yyjson_is_obj(reasoning) && text_at(reasoning, "effort") != "none");
  ask.thinks_aloud = !text_at(reasoning, "summary").empty();
  yyjson_arr_iter list = yyjson_arr_iter_with(yyjson_obj_get(root, "include"));
  while (yyjson_val* what = yyjson_arr_iter_next(&list)) {
    if (text_of(what) == "reasoning.encrypted_content") ask.sealed_thoughts = true;
  }
}

void read_echo(yyjson_val* root, Ask& ask) {
  for (const auto& [key, usual] : k_echoed) {
    yyjson_val* value = yyjson_obj_get(root, key);
    const std::string json = value == nullptr || yyjson_is_null(value) ? std::string(usual) : json_of(value);
    ask.echo += fmt::format("{}\"{}\":{}", ask.echo.empty() ? "" : ",", key, json);
  }
}

}  // namespace

std::optional<BadAsk> read_responses(yyjson_val* root, Ask& ask) {
  ask.previous = text_at(root, "previous_response_id");
  ask.store = !yyjson_is_false(yyjson_obj_get(root, "store"));
  yyjson_val* input = yyjson_obj_get(root, "input");
  if (!yyjson_is_str(input) && !yyjson_is_arr(input)) return BadAsk{"Missing required parameter: 'input'.", "input"};
  if (ask.max_tokens && *ask.max_tokens < k_min_output_tokens) {
    return BadAsk{fmt::format("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {} "
                              "instead.",
                              *ask.max_tokens),
                  "max_output_tokens", "integer_below_min_value"};
  }
  if (const std::string_view instructions = text_at(root, "instructions"); !instructions.empty()) {
    say(ask, "system", instructions);
  }
  Conversation conversation(ask);
  if (yyjson_is_str(input)) {
    ask.question = text_of(input);
    say(ask, "user", ask.question);
  }
  yyjson_arr_iter list = yyjson_arr_iter_with(input);
  while (yyjson_val* item = yyjson_arr_iter_next(&list)) {
    if (auto problem = conversation.item(item)) return problem;
  }
  if (auto problem = conversation.end()) return problem;
  yyjson_val* choice = yyjson_obj_get(root, "tool_choice");
  const ToolChoice chosen{text_of(choice) == "none", text_of(choice) == "required", text_at(choice, "name"),
                          yyjson_is_false(yyjson_obj_get(root, "parallel_tool_calls"))};
  if (!conversation.after_tool()) choose_tools(tools_of(yyjson_obj_get(root, "tools")), chosen, ask);
  yyjson_val* format = yyjson_obj_get(yyjson_obj_get(root, "text"), "format");
  ask.json = text_at(format, "type").starts_with("json");
  ask.schema = json_of(yyjson_obj_get(format, "schema"));
  read_reasoning(root, ask);
  read_echo(root, ask);
  return std::nullopt;
}

}  // namespace outrigger::sim_provider
