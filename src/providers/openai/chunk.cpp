#include "providers/openai/chunk.h"

namespace outrigger::providers::openai {
namespace {

// Calls visit(name, value) for each member.
template <class Visit>
void for_each_member(yyjson_val* object, Visit&& visit) {
  yyjson_obj_iter iterator = yyjson_obj_iter_with(object);
  while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
    visit(std::string_view(yyjson_get_str(name), yyjson_get_len(name)), yyjson_obj_iter_get_val(name));
  }
}

bool has_text(const Text& text) { return text && !text->empty(); }

std::uint64_t first_number(yyjson_val* object, std::string_view name, std::string_view other_name) {
  const std::optional<std::uint64_t> number = whole_number_of(member(object, name));
  return number ? *number : whole_number_of(member(object, other_name)).value_or(0);
}

}  // namespace

bool is_error(yyjson_val* root) {
  yyjson_val* error = member(root, "error");
  if (!is_nothing(error) && (yyjson_is_obj(error) || yyjson_is_str(error))) return true;
  // MiniMax: 200, and {"base_resp":{"status_code":1002,...}}.
  const std::optional<std::string_view> status = number_of(member(member(root, "base_resp"), "status_code"));
  if (status && *status != "0") return true;
  if (!is_nothing(member(root, "choices")) || !is_nothing(member(root, "data"))) return false;
  // vLLM and its kin: {"object":"error",...}; Zhipu's gateway: {"success":false,...}.
  return string_of(member(root, "object")) == "error" || string_of(member(root, "type")) == "error" ||
         yyjson_is_false(member(root, "success"));
}

std::optional<UsageTold> usage_in(yyjson_val* usage) {
  if (!yyjson_is_obj(usage)) return std::nullopt;
  UsageTold told;
  told.usage.prompt_tokens = first_number(usage, "prompt_tokens", "input_tokens");
  told.usage.completion_tokens = first_number(usage, "completion_tokens", "output_tokens");
  if (told.usage.prompt_tokens == 0 && told.usage.completion_tokens == 0) return std::nullopt;
  const std::uint64_t sum = told.usage.prompt_tokens + told.usage.completion_tokens;
  told.total_tokens = whole_number_of(member(usage, "total_tokens")).value_or(sum);
  for_each_member(usage, [&](std::string_view name, yyjson_val* value) {
    if (name == "prompt_tokens" || name == "completion_tokens" || name == "total_tokens") return;
    if (is_nothing(value) || told.details.size() == k_extras_max) return;
    told.details.emplace_back(name, text_of(value));
  });
  return told;
}

void Chunk::read(std::string_view json, bool streamed) {
  kept_.clear();
  piece_.extras.clear();
  piece_.choices.clear();
  model_ = {};
  usage_.reset();
  has_usage_ = has_choice_list_ = error_ = understood_ = has_token_ = worth_keeping_ = has_summary_ = false;
  doc_ = JsonDoc::read(json);
  yyjson_val* root = doc_.root();
  if (!yyjson_is_obj(root)) return;
  error_ = is_error(root);
  understood_ = true;
  read_root(root, streamed);
  look_over();
}

void Chunk::read_root(yyjson_val* root, bool streamed) {
  for_each_member(root, [&](std::string_view name, yyjson_val* value) {
    if (name == "choices") {
      has_choice_list_ = yyjson_is_arr(value);
      if (yyjson_is_null(value)) return;
      if (!has_choice_list_ || yyjson_get_len(value) > k_choices_max) {
        understood_ = false;
        return;
      }
      yyjson_arr_iter iterator = yyjson_arr_iter_with(value);
      for (std::size_t i = 0; yyjson_val* choice = yyjson_arr_iter_next(&iterator); ++i) read_choice(choice, i, streamed);
    } else if (name == "model") {
      model_ = string_of(value).value_or(std::string_view());
    } else if (name == "usage") {
      usage_ = usage_in(value);
      has_usage_ = yyjson_is_obj(value);
    } else if (name != "id" && name != "object" && name != "created" && name != "error") {
      take_extra(name, value, piece_.extras);
    }
  });
}

void Chunk::read_choice(yyjson_val* from, std::size_t position, bool streamed) {
  if (!yyjson_is_obj(from)) {
    understood_ = false;
    return;
  }
  ChoicePiece& to = piece_.choices.emplace_back();
  yyjson_val* message = nullptr;
  yyjson_val* delta = nullptr;
  std::uint64_t index = position;
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "index") {
      if (!yyjson_is_null(value)) index = whole_number_of(value).value_or(k_choices_max);
    } else if (name == "delta") {
      delta = value;
    } else if (name == "message") {
      message = value;
    } else if (name == "text") {
      take_text(value, to.content);
    } else if (name == "finish_reason") {
      if (!is_nothing(value)) take_text(value, to.finish_reason);
    } else if (name == "logprobs") {
      if (!is_nothing(value)) to.logprobs = keep(value);
    } else if (name == "usage") {
      if (!usage_) usage_ = usage_in(value);
    } else {
      take_extra(name, value, to.extras);
    }
  });
  if (index >= k_choices_max) {
    understood_ = false;
    index = 0;
  }
  to.index = static_cast<std::uint32_t>(index);
  if (is_nothing(delta) && !is_nothing(message)) {
    has_summary_ = has_summary_ || streamed;
    delta = message;
  }
  if (delta == nullptr || yyjson_is_null(delta)) return;
  if (yyjson_is_obj(delta)) {
    read_delta(delta, to);
  } else {
    understood_ = false;
  }
}

void Chunk::read_delta(yyjson_val* from, ChoicePiece& to) {
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "content") {
      take_text(value, to.content);
    } else if (name == "role") {
      if (!is_nothing(value)) take_text(value, to.role);
    } else if (name == "reasoning_content") {
      take_text(value, to.reasoning_content);
    } else if (name == "reasoning") {
      take_text(value, to.reasoning);
    } else if (name == "refusal") {
      if (!is_nothing(value)) take_text(value, to.refusal);
    } else if (name == "tool_calls") {
      read_tools(value, to);
    } else if (name == "function_call") {
      if (!is_nothing(value)) read_function(value, to.function_name, to.function_arguments, "arguments");
    } else {
      take_extra(name, value, to.delta_extras);
    }
  });
}

void Chunk::read_tools(yyjson_val* from, ChoicePiece& to) {
  if (is_nothing(from)) return;
  if (!yyjson_is_arr(from) || yyjson_get_len(from) > k_tools_max) {
    understood_ = false;
    return;
  }
  yyjson_arr_iter iterator = yyjson_arr_iter_with(from);
  while (yyjson_val* tool = yyjson_arr_iter_next(&iterator)) {
    if (yyjson_is_obj(tool)) {
      read_tool(tool, to.tools.emplace_back());
    } else {
      understood_ = false;
    }
  }
}

void Chunk::read_tool(yyjson_val* from, ToolPiece& to) {
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "index") {
      if (yyjson_is_null(value)) return;
      const std::optional<std::uint64_t> index = whole_number_of(value);
      understood_ = understood_ && index && *index < k_tools_max;
      if (understood_) to.index = static_cast<std::uint32_t>(*index);
    } else if (name == "id") {
      take_text(value, to.id);
    } else if (name == "type") {
      take_text(value, to.type);
    } else if (name == "function" && !is_nothing(value)) {
      read_function(value, to.name, to.arguments, "arguments");
    } else if (name == "custom" && !is_nothing(value)) {
      to.custom = true;
      read_function(value, to.name, to.arguments, "input");
    } else {
      take_extra(name, value, to.extras);
    }
  });
}

void Chunk::read_function(yyjson_val* from, Text& name, Text& arguments, std::string_view arguments_name) {
  if (!yyjson_is_obj(from)) {
    understood_ = false;
    return;
  }
  take_text(member(from, "name"), name);
  take_text(member(from, arguments_name), arguments);
}

void Chunk::take_text(yyjson_val* from, Text& to) {
  if (from == nullptr || yyjson_is_null(from)) return;
  if (const std::optional<std::string_view> text = string_of(from)) {
    to = *text;
  } else {
    understood_ = false;
  }
}

void Chunk::take_extra(std::string_view name, yyjson_val* from, Extras& to) {
  if (is_nothing(from)) return;
  if (to.size() == k_extras_max) {
    understood_ = false;
  } else {
    to.push_back({name, keep(from)});
  }
}

void Chunk::drop_summary() {
  for (ChoicePiece& choice : piece_.choices) {
    ChoicePiece kept;
    kept.index = choice.index;
    kept.finish_reason = choice.finish_reason;
    kept.logprobs = choice.logprobs;
    kept.extras = std::move(choice.extras);
    choice = std::move(kept);
  }
  look_over();
}

void Chunk::look_over() {
  has_token_ = false;
  // A chunk without choices may carry a vendor's metadata; the usage chunk is made anew when a stream is written.
  worth_keeping_ = has_choice_list_ && !piece_.extras.empty() && !(piece_.choices.empty() && has_usage_);
  for (const ChoicePiece& choice : piece_.choices) {
    has_token_ = has_token_ || has_text(choice.content) || has_text(choice.reasoning_content) ||
                 has_text(choice.reasoning) || has_text(choice.refusal) || choice.function_name ||
                 choice.function_arguments || !choice.tools.empty() || choice.finish_reason || !choice.delta_extras.empty();
    error_ = error_ || choice.finish_reason == "error";
    worth_keeping_ = worth_keeping_ || choice.role || choice.content || choice.logprobs || !choice.extras.empty();
  }
  worth_keeping_ = worth_keeping_ || has_token_;
}

std::string_view Chunk::keep(yyjson_val* value) { return kept_.emplace_back(text_of(value)); }

}  // namespace outrigger::providers::openai
