#include "chat/binding.h"

#include <algorithm>
#include <array>

#include "chat/json.h"
#include "chat/number.h"

namespace outrigger::chat {
namespace {

// reference: what Dify's plugins and the SDKs send back from earlier answers.
constexpr std::array<std::string_view, 9> k_bound_names{
    "encrypted_content",  // OpenAI's reasoning
    "signature",          // Anthropic's thinking
    "thinking_blocks",    // the same, by way of a gateway
    "thought_signature",  // Gemini, in extra_content of a tool call
    "reasoning_content",  // DeepSeek, Moonshot
    "reasoning",          // several gateways
    "reasoning_details",  // OpenRouter
    "file_id",            // of the Files API
    "file_ids",
};

constexpr double k_most_tokens = 9e15;  // whole numbers in a double

bool has(std::string_view text, std::string_view word) { return text.find(word) != text.npos; }

}  // namespace

bool binds(std::string_view name, yyjson_val* value) {
  if (std::find(k_bound_names.begin(), k_bound_names.end(), name) == k_bound_names.end()) return false;
  return (yyjson_is_str(value) || yyjson_is_ctn(value)) && unsafe_yyjson_get_len(value) != 0;
}

void note_part(Needs& needs, std::string_view type) {
  if (has(type, "audio")) {
    needs.audio = true;
  } else if (has(type, "thinking") || has(type, "reasoning")) {
    needs.bound = true;
  } else if (has(type, "image") || has(type, "video") || has(type, "file") || has(type, "document")) {
    needs.vision = true;
  }
}

bool is_own_place(std::string_view reference) {
  // oss: Alibaba, ms: Moonshot, gs: Google, fileid: Qwen-long, as the whole of a system message
  constexpr std::array<std::string_view, 4> k_schemes{"oss://", "ms://", "gs://", "fileid://"};
  reference.remove_prefix(std::min(reference.find_first_not_of(" \t\r\n"), reference.size()));
  return std::any_of(k_schemes.begin(), k_schemes.end(), [&](auto scheme) { return reference.starts_with(scheme); });
}

void note_output_limit(Needs& needs, yyjson_val* value) {
  if (!is_number(value)) return;
  const double asked = to_double(text_of(value));
  if (!(asked >= 0)) return;
  const auto tokens = static_cast<std::uint64_t>(std::min(asked, k_most_tokens));
  needs.max_output = std::max(needs.max_output.value_or(0), tokens);
}

void note_response_format(Needs& needs, yyjson_val* value) {
  yyjson_val* type = yyjson_obj_get(value, "type");
  if (!yyjson_is_str(type)) return;
  if (text_of(type) == "json_schema") needs.json_schema = true;
  if (text_of(type) == "json_object") needs.json_object = true;
}

}  // namespace outrigger::chat
