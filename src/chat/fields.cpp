#include "chat/fields.h"

#include <array>
#include <cstddef>

namespace outrigger::chat {
namespace {

struct Row {
  std::string_view name;
  Field field;
};

// Names of OpenAI's API and of the extensions that Dify's plugins and compatible servers use.
constexpr Row k_rows[] = {
    {"user", Field::user},
    {"user_id", Field::user},
    {"safety_identifier", Field::user},
    {"metadata", Field::metadata},
    {"stream", Field::stream},
    {"stream_options", Field::stream_options},
    {"prompt_cache_key", Field::dropped},
    {"prompt_cache_retention", Field::dropped},
    {"prompt_cache_options", Field::dropped},
    {"store", Field::dropped},
    {"service_tier", Field::dropped},
    {"cache_control", Field::dropped},

    {"model", Field::model},
    {"messages", Field::plain},  // where it is not what asks
    {"prompt", Field::plain},    // where it is not what asks
    {"input", Field::plain},     // where it is not what asks
    {"suffix", Field::plain},
    {"temperature", Field::temperature},
    {"n", Field::answers},
    {"best_of", Field::answers},
    {"max_tokens", Field::output_limit},
    {"max_completion_tokens", Field::output_limit},
    {"max_output_tokens", Field::output_limit},
    {"tools", Field::tools},
    {"modalities", Field::modalities},
    {"audio", Field::audio},

    {"web_search", Field::hosted},          // several gateways
    {"web_search_options", Field::hosted},  // OpenAI
    {"enable_search", Field::hosted},       // Qwen
    {"search_options", Field::hosted},
    {"enable_code_interpreter", Field::hosted},
    {"search_parameters", Field::hosted},  // xAI
    {"plugins", Field::hosted},            // OpenRouter
    {"mcp_servers", Field::hosted},
    {"previous_response_id", Field::state},
    {"conversation", Field::state},
    {"conversation_id", Field::state},
    {"container", Field::state},
    {"background", Field::state},

    {"top_p", Field::number},
    {"top_k", Field::number},
    {"top_a", Field::number},
    {"min_p", Field::number},
    {"typical_p", Field::number},
    {"frequency_penalty", Field::number},
    {"presence_penalty", Field::number},
    {"repetition_penalty", Field::number},
    {"length_penalty", Field::number},
    {"seed", Field::number},
    {"random_seed", Field::number},
    {"min_tokens", Field::number},
    {"logprobs", Field::logprobs},
    {"top_logprobs", Field::logprobs},
    {"dimensions", Field::number},
    {"thinking_budget", Field::number},

    {"response_format", Field::response_format},
    {"tool_choice", Field::plain},
    {"parallel_tool_calls", Field::plain},
    {"functions", Field::functions},
    {"function_call", Field::plain},
    {"stop", Field::plain},
    {"logit_bias", Field::plain},
    {"reasoning_effort", Field::plain},
    {"reasoning", Field::plain},
    {"reasoning_format", Field::plain},
    {"thinking", Field::plain},
    {"enable_thinking", Field::plain},
    {"chat_template_kwargs", Field::plain},
    {"verbosity", Field::plain},
    {"prediction", Field::plain},
    {"echo", Field::plain},
    {"encoding_format", Field::plain},
    {"include", Field::plain},
};

constexpr std::size_t k_slots = 256;

// Three letters and the length tell nearly all of these names apart; what collides moves on one slot.
constexpr std::size_t slot_of(std::string_view name) {
  const auto letter = [&](std::size_t i) -> std::size_t { return static_cast<unsigned char>(name[i]); };
  return (letter(0) * 7 + letter(name.size() / 2) * 31 + letter(name.size() - 1) * 3 + name.size() * 17) % k_slots;
}

// Places in k_rows, plus one; 0 is empty.
constexpr std::array<unsigned char, k_slots> make_index() {
  std::array<unsigned char, k_slots> index{};
  for (std::size_t row = 0; row < std::size(k_rows); ++row) {
    std::size_t slot = slot_of(k_rows[row].name);
    while (index[slot] != 0) slot = (slot + 1) % k_slots;
    index[slot] = static_cast<unsigned char>(row + 1);
  }
  return index;
}
constexpr auto k_index = make_index();
constexpr std::size_t k_longest = 24;  // no name of the table is longer; the others need no look

}  // namespace

Field field_named(std::string_view name) {
  if (name.empty() || name.size() > k_longest) return Field::unknown;
  for (std::size_t slot = slot_of(name); k_index[slot] != 0; slot = (slot + 1) % k_slots) {
    const Row& row = k_rows[k_index[slot] - 1U];
    if (row.name == name) return row.field;
  }
  return Field::unknown;
}

bool is_searching_model(std::string_view model) {
  const std::string_view own = model.substr(model.rfind('/') + 1);  // npos + 1 is 0: no vendor in front
  return model.ends_with(":online") || own.find("-search-preview") != own.npos || own.find("-search-api") != own.npos ||
         own == "sonar" || own.starts_with("sonar-");
}

}  // namespace outrigger::chat
