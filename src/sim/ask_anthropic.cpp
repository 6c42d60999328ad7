// Anthropic's messages (API version 2023-06-01), with the checks of the real one that a proxy can trip over.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sim/ask_parts.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::uint64_t k_min_budget = 1024;
constexpr std::size_t k_max_calls = 1000;  // of one message; they are looked up one by one

constexpr std::array<std::string_view, 16> k_blocks{
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "container_upload",
    "mid_conv_system",
};

bool has(const std::vector<std::string_view>& ids, std::string_view id) { return std::ranges::find(ids, id) != ids.end(); }

// Reads one request's conversation.
class Conversation {
 public:
  explicit Conversation(Ask& ask) : ask_(ask) {}

  void system(yyjson_val* content) {
    if (content == nullptr) return;
    say(ask_, "system", content_text(content));
    yyjson_arr_iter blocks = yyjson_arr_iter_with(content);
    while (yyjson_val* block = yyjson_arr_iter_next(&blocks)) look_for_mark(block);
    end_message();
  }

  std::optional<BadAsk> message(yyjson_val* message) {
    const std::string_view role = text_at(message, "role");
    yyjson_val* content = yyjson_obj_get(message, "content");
    if (role == "system") {
      return bad(
          "Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an "
          "input message role.",
          "");
    }
    if (role != "user" && role != "assistant") return bad("Input should be 'user' or 'assistant'", ".role");
    if (!yyjson_is_str(content) && !yyjson_is_arr(content)) {
      return bad(content == nullptr ? "Field required" : "Input should be a valid list", ".content");
    }
    texts_.clear();
    shown_.clear();
    results_.clear();
    calls_.clear();
    if (yyjson_is_str(content)) texts_ = text_of(content);
    block_ = 0;
    yyjson_arr_iter blocks = yyjson_arr_iter_with(content);
    while (yyjson_val* block = yyjson_arr_iter_next(&blocks)) {
      if (auto problem = read_block(role, block)) return problem;
      ++block_;
    }
    for (const std::string_view id : open_calls_) {
      if (!has(results_, id)) return no_result(id);
    }
    open_calls_ = calls_;
    say_message(role, yyjson_is_str(content));
    ++index_;
    return std::nullopt;
  }

  // A call that was the last word has no result.
  std::optional<BadAsk> end() {
    if (open_calls_.empty()) return std::nullopt;
    return no_result(open_calls_.front());
  }

  [[nodiscard]] bool after_tool() const { return after_tool_; }

 private:
  [[nodiscard]] std::optional<BadAsk> bad(std::string_view words, std::string_view where) const {
    const std::string place = fmt::format("messages.{}{}", index_, where);
    return BadAsk{fmt::format("{}: {}", place, words), place};
  }

  // The message before this one is at fault.
  [[nodiscard]] std::optional<BadAsk> no_result(std::string_view id) const {
    const std::string place = fmt::format("messages.{}", index_ - 1);
    return BadAsk{fmt::format("{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each "
                              "`tool_use` block must have a corresponding `tool_result` block in the next message.",
                              place, id),
                  place};
  }

  std::optional<BadAsk> read_block(std::string_view role, yyjson_val* block) {
    const std::string where = fmt::format(".content.{}", block_);
    const std::string_view type = text_at(block, "type");
    look_for_mark(block);
    if (std::ranges::find(k_blocks, type) == k_blocks.end()) {
      return bad(fmt::format("Input tag '{}' found using 'type' does not match any of the expected tags", type), where);
    }
    if (type == "text") {
      if (!yyjson_is_str(yyjson_obj_get(block, "text"))) return bad("Field required", where + ".text.text");
      texts_ += text_at(block, "text");
    } else if (type == "image" || type == "document") {
      shown_.push_back(source_url(yyjson_obj_get(block, "source")));
    } else if (type == "tool_use") {
      if (role != "assistant") return bad("`tool_use` blocks can only be in `assistant` messages", where);
      if (!yyjson_is_obj(yyjson_obj_get(block, "input"))) return bad("Input should be an object", where + ".tool_use.input");
      calls_.push_back(text_at(block, "id"));
      if (calls_.size() > k_max_calls) return bad("too many `tool_use` blocks", where);
    } else if (type == "tool_result") {
      return read_result(block, where);
    }
    return std::nullopt;
  }

  std::optional<BadAsk> read_result(yyjson_val* block, const std::string& where) {
    const std::string_view id = text_at(block, "tool_use_id");
    if (!has(open_calls_, id)) {
      return bad(
          fmt::format("unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` block must have "
                      "a corresponding `tool_use` block in the previous message.",
                      id),
          where);
    }
    results_.push_back(id);
    yyjson_val* content = yyjson_obj_get(block, "content");
    say(ask_, "tool", content_text(content));
    yyjson_arr_iter parts = yyjson_arr_iter_with(content);
    while (yyjson_val* part = yyjson_arr_iter_next(&parts)) {
      if (yyjson_val* source = yyjson_obj_get(part, "source")) show(ask_, source_url(source));
    }
    return std::nullopt;
  }

  void say_message(std::string_view role, bool plain) {
    const bool only_results = !results_.empty() && texts_.empty() && shown_.empty();
    if (!only_results) {
      say(ask_, role, texts_);
      for (const std::string& url : shown_) show(ask_, url);
      if (role == "user") ask_.question = texts_;
    }
    after_tool_ = only_results;
    if (!plain) end_message();
  }

  // As chat completions would have it: a URL, which may be a data: URL.
  static std::string source_url(yyjson_val* source) {
    if (text_at(source, "type") != "base64") {
      for (const char* key : {"url", "file_id", "data"}) {
        if (const std::string_view text = text_at(source, key); !text.empty()) return std::string(text);
      }
      return json_of(source);
    }
    return fmt::format("data:{};base64,{}", text_at(source, "media_type"), text_at(source, "data"));
  }

  void look_for_mark(yyjson_val* block) { marked_ = marked_ || yyjson_is_obj(yyjson_obj_get(block, "cache_control")); }
  void end_message() {
    if (!std::exchange(marked_, false)) return;
    ask_.cacheable_tokens = ask_.prompt_tokens;
    ask_.cacheable_hash = ask_.hash;
  }

  Ask& ask_;
  std::size_t index_ = 0, block_ = 0;
  std::string texts_;
  std::vector<std::string> shown_;
  std::vector<std::string_view> results_, calls_, open_calls_;
  bool after_tool_ = false;
  bool marked_ = false;
};

std::vector<Tool> tools_of(yyjson_val* tools) {
  std::vector<Tool> found;
  yyjson_arr_iter list = yyjson_arr_iter_with(tools);
  while (yyjson_val* tool = yyjson_arr_iter_next(&list)) {
    // The provider's own tools (web_search_20250305, ...) have no schema, and are never called here.
    if (yyjson_val* schema = yyjson_obj_get(tool, "input_schema")) found.push_back({text_at(tool, "name"), schema});
  }
  return found;
}

std::optional<BadAsk> read_thinking(yyjson_val* thinking, Ask& ask) {
  const std::string_view type = text_at(thinking, "type");
  ask.thinks = type == "enabled" || type == "adaptive";
  ask.thinks_aloud = text_at(thinking, "display") != "omitted";
  if (type != "enabled") return std::nullopt;
  const std::uint64_t budget = yyjson_get_uint(yyjson_obj_get(thinking, "budget_tokens"));
  if (budget < k_min_budget) {
    return BadAsk{"thinking.enabled.budget_tokens: Input should be greater than or equal to 1024", "thinking"};
  }
  if (ask.max_tokens && *ask.max_tokens <= budget) {
    return BadAsk{"`max_tokens` must be greater than `thinking.budget_tokens`.", "max_tokens"};
  }
  return std::nullopt;
}

void read_format(yyjson_val* root, Ask& ask) {
  yyjson_val* format = yyjson_obj_get(yyjson_obj_get(root, "output_config"), "format");
  if (format == nullptr) format = yyjson_obj_get(root, "output_format");
  if (text_at(format, "type") != "json_schema") return;
  ask.json = true;
  ask.schema = json_of(yyjson_obj_get(format, "schema"));
}

}  // namespace

std::optional<BadAsk> read_messages(yyjson_val* root, const Aside& aside, bool counting, Ask& ask) {
  if (!aside.versioned) return BadAsk{"anthropic-version: header is required", ""};
  if (!counting) {
    yyjson_val* most = yyjson_obj_get(root, "max_tokens");
    if (most == nullptr) return BadAsk{"max_tokens: Field required", "max_tokens"};
    if (!yyjson_is_uint(most)) return BadAsk{"max_tokens: Input should be a valid integer", "max_tokens"};
    if (yyjson_get_uint(most) == 0) {
      return BadAsk{"max_tokens: Input should be greater than or equal to 1", "max_tokens"};
    }
  }
  yyjson_val* messages = yyjson_obj_get(root, "messages");
  if (messages == nullptr) return BadAsk{"messages: Field required", "messages"};
  if (!yyjson_is_arr(messages)) return BadAsk{"messages: Input should be a valid list", "messages"};
  if (yyjson_arr_size(messages) == 0) return BadAsk{"messages: at least one message is required", "messages"};
  Conversation conversation(ask);
  conversation.system(yyjson_obj_get(root, "system"));
  yyjson_arr_iter list = yyjson_arr_iter_with(messages);
  while (yyjson_val* message = yyjson_arr_iter_next(&list)) {
    if (auto problem = conversation.message(message)) return problem;
  }
  if (auto problem = conversation.end()) return problem;
  if (yyjson_is_obj(yyjson_obj_get(root, "cache_control"))) {
    ask.cacheable_tokens = ask.prompt_tokens;
    ask.cacheable_hash = ask.hash;
  }
  yyjson_val* choice = yyjson_obj_get(root, "tool_choice");
  const std::string_view type = text_at(choice, "type");
  const ToolChoice chosen{type == "none", type == "any", type == "tool" ? text_at(choice, "name") : std::string_view(),
                          yyjson_is_true(yyjson_obj_get(choice, "disable_parallel_tool_use"))};
  if (!conversation.after_tool()) choose_tools(tools_of(yyjson_obj_get(root, "tools")), chosen, ask);
  read_stops(yyjson_obj_get(root, "stop_sequences"), ask);
  read_format(root, ask);
  return read_thinking(yyjson_obj_get(root, "thinking"), ask);
}

}  // namespace outrigger::sim_provider
