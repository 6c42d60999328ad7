#include "providers/openai/chunk.h"

#include <algorithm>

#include "providers/json_text.h"

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
    if (told.details.size() == k_extras_max) return;
    told.details.emplace_back(name, text_of(value));
  });
  return told;
}

void Chunk::read(std::string_view json, Form form, bool streamed) {
  form_ = form;
  streamed_ = streamed;
  kept_.clear();
  piece_ = {};
  model_ = {};
  usage_.reset();
  has_usage_ = has_choice_list_ = error_ = understood_ = has_token_ = worth_keeping_ = has_summary_ = false;
  doc_ = JsonDoc::read(json);
  yyjson_val* root = doc_.root();
  if (!yyjson_is_obj(root)) return;
  error_ = is_error(root);
  understood_ = true;
  read_root(root);
  piece_.usage_only = streamed && has_usage_ && piece_.choices.empty();
  if (piece_.usage_only) piece_.usage.reset();
  look_over();
}

void Chunk::read_root(yyjson_val* root) {
  for_each_member(root, [&](std::string_view name, yyjson_val* value) {
    if (name == "choices") {
      read_choices(value);
    } else if (name == "object") {
      piece_.object = keep(value);
    } else if (name == "model") {
      model_ = string_of(value).value_or(std::string_view());
      piece_.model = keep(value);
    } else if (name == "usage") {
      if (std::optional<UsageTold> told = usage_in(value)) usage_ = std::move(told);
      has_usage_ = yyjson_is_obj(value);
      if (streamed_) piece_.usage = keep(value);
    } else if (name != "id" && name != "created") {
      take_extra(name, value, piece_.extras);
    }
  });
}

void Chunk::read_choices(yyjson_val* list) {
  has_choice_list_ = yyjson_is_arr(list);
  if (yyjson_is_null(list)) return;
  if (!has_choice_list_ || yyjson_get_len(list) > k_choices_max) {
    understood_ = false;
    return;
  }
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  for (std::size_t i = 0; yyjson_val* choice = yyjson_arr_iter_next(&iterator); ++i) read_choice(choice, i);
}

void Chunk::read_choice(yyjson_val* from, std::size_t position) {
  if (!yyjson_is_obj(from)) {
    understood_ = false;
    return;
  }
  ChoicePiece& to = piece_.choices.emplace_back();
  std::uint64_t index = position;
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "index") {
      if (!yyjson_is_null(value)) index = whole_number_of(value).value_or(k_choices_max);
    } else if (name == "finish_reason") {
      // Null needs no place: where there is no reason, null is written.
      if (!yyjson_is_null(value)) take_text(name, value, to.finish_reason, to.extras);
    } else if (name == "logprobs" && !is_nothing(value)) {
      to.logprobs = keep(value);
    } else if (name == "usage") {
      if (!usage_) usage_ = usage_in(value);
      to.usage = keep(value);
    } else if (name != "delta" && name != "message" && name != "text") {
      take_extra(name, value, to.extras);
    }
  });
  if (index >= k_choices_max) {
    understood_ = false;
    index = 0;
  }
  to.index = static_cast<std::uint32_t>(index);
  read_saying(from, to);
}

void Chunk::read_saying(yyjson_val* from, ChoicePiece& to) {
  yyjson_val* text = member(from, "text");
  if (form_ == Form::text && text != nullptr && !yyjson_is_null(text)) {
    take_text("text", text, to.content, to.extras);
    take_extra_if("delta", member(from, "delta"), to.extras);
    take_extra_if("message", member(from, "message"), to.extras);
    return;
  }
  const std::string_view usual = streamed_ ? "delta" : "message";
  const std::string_view other = streamed_ ? "message" : "delta";
  yyjson_val* saying = member(from, usual);
  if (is_nothing(saying) && !is_nothing(member(from, other))) {
    saying = member(from, other);
    has_summary_ = has_summary_ || streamed_;
  } else {
    take_extra_if(other, member(from, other), to.extras);
  }
  if (saying != nullptr && !yyjson_is_null(saying)) {
    if (form_ == Form::chat) take_extra_if("text", text, to.extras);
    if (yyjson_is_obj(saying)) return read_delta(saying, to);
    understood_ = false;
  } else if (text != nullptr && !yyjson_is_null(text)) {
    take_text("text", text, to.content, to.extras);
  } else {
    to.without_delta = true;
    take_extra_if("text", text, to.extras);
    take_extra_if(usual, saying, to.extras);
  }
}

void Chunk::read_delta(yyjson_val* from, ChoicePiece& to) {
  Extras& extras = to.delta_extras;
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "content") {
      take_text(name, value, to.content, extras);
    } else if (name == "role") {
      take_text(name, value, to.role, extras);
    } else if (name == "reasoning_content") {
      take_text(name, value, to.reasoning_content, extras);
    } else if (name == "reasoning") {
      take_text(name, value, to.reasoning, extras);
    } else if (name == "refusal") {
      take_text(name, value, to.refusal, extras);
    } else if (name == "tool_calls" && !is_nothing(value)) {
      read_tools(value, to);
    } else if (name == "function_call" && !is_nothing(value)) {
      read_call(value, {"arguments", to.function_name, to.function_arguments, to.function_extras});
    } else {
      take_extra(name, value, extras);
    }
  });
}

void Chunk::read_tools(yyjson_val* from, ChoicePiece& to) {
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
  bool has_call = false;  // a call is one of both kinds
  const auto call = [&](yyjson_val* value, std::string_view arguments_name) {
    understood_ = understood_ && !has_call;
    has_call = true;
    read_call(value, {arguments_name, to.name, to.arguments, to.call_extras});
  };
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "index" && !yyjson_is_null(value)) {
      const std::optional<std::uint64_t> index = whole_number_of(value);
      understood_ = understood_ && index && *index < k_tools_max;
      if (understood_) to.index = static_cast<std::uint32_t>(*index);
    } else if (name == "id") {
      take_text(name, value, to.id, to.extras);
    } else if (name == "type") {
      take_text(name, value, to.type, to.extras);
    } else if (name == "function" && !is_nothing(value)) {
      call(value, "arguments");
    } else if (name == "custom" && !is_nothing(value)) {
      to.custom = true;
      call(value, "input");
    } else {
      take_extra(name, value, to.extras);
    }
  });
}

void Chunk::read_call(yyjson_val* from, const Call& to) {
  if (!yyjson_is_obj(from)) {
    understood_ = false;
    return;
  }
  for_each_member(from, [&](std::string_view name, yyjson_val* value) {
    if (name == "name") {
      take_text(name, value, to.name, to.extras);
    } else if (name == to.arguments_name) {
      take_text(name, value, to.arguments, to.extras);
    } else {
      take_extra(name, value, to.extras);
    }
  });
}

void Chunk::take_text(std::string_view name, yyjson_val* from, Text& to, Extras& extras) {
  if (yyjson_is_null(from)) return take_extra(name, from, extras);
  if (const std::optional<std::string_view> text = string_of(from)) {
    to = *text;
  } else {
    understood_ = false;
  }
}

void Chunk::take_extra(std::string_view name, yyjson_val* from, Extras& to) {
  if (to.size() == k_extras_max) {
    understood_ = false;
  } else {
    to.push_back({name, keep(from)});
  }
}

void Chunk::drop_summary() {
  piece_.object.reset();  // it called itself a whole answer
  for (ChoicePiece& choice : piece_.choices) {
    ChoicePiece kept;
    kept.index = choice.index;
    kept.finish_reason = choice.finish_reason;
    kept.logprobs = choice.logprobs;
    kept.usage = choice.usage;
    kept.extras = std::move(choice.extras);
    choice = std::move(kept);
  }
  look_over();
}

void Chunk::look_over() {
  const auto tells = [](const Extra& extra) { return !says_nothing(extra.json); };
  has_token_ = false;
  // Without a list of choices and without usage it is a keep-alive, which readers of answers stumble over.
  worth_keeping_ = has_choice_list_ || has_usage_;
  for (const ChoicePiece& choice : piece_.choices) {
    has_token_ = has_token_ || has_text(choice.content) || has_text(choice.reasoning_content) ||
                 has_text(choice.reasoning) || has_text(choice.refusal) || choice.function_name ||
                 choice.function_arguments || !choice.tools.empty() || has_text(choice.finish_reason) ||
                 std::ranges::any_of(choice.delta_extras, tells);
    error_ = error_ || choice.finish_reason == "error";
  }
}

std::string_view Chunk::keep(yyjson_val* value) {
  const std::optional<std::string_view> text = string_of(value);
  if (!text) return kept_.emplace_back(text_of(value));
  std::string& kept = kept_.emplace_back();
  append_string(kept, *text);
  return kept;
}

}  // namespace outrigger::providers::openai
