#include "providers/openai/verdict.h"

#include <algorithm>
#include <array>

namespace outrigger::providers::openai {
namespace {

using enum chat::NoStoreReason;

// OpenAI's own, and those that gateways pass on from their engines.
constexpr std::array<std::string_view, 6> k_good_reasons{"stop", "tool_calls",    "function_call",
                                                         "eos",  "stop_sequence", "end_turn"};

// Wide and invisible blanks: U+3000, U+00A0, U+200B, U+FEFF.
constexpr std::array<std::string_view, 4> k_wide_blanks{"\xe3\x80\x80", "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"};
constexpr std::string_view k_blanks = " \t\r\n\v\f";

std::size_t blank_at_front(std::string_view text) {
  if (k_blanks.contains(text.front())) return 1;
  for (const std::string_view wide : k_wide_blanks) {
    if (text.starts_with(wide)) return wide.size();
  }
  return 0;
}

std::string_view without_leading_blanks(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = blank_at_front(text);
    if (size == 0) break;
    text.remove_prefix(size);
  }
  return text;
}

// Some engines leave the reasoning in the text, between marks.
bool is_empty(std::string_view text) {
  text = without_leading_blanks(text);
  if (text.starts_with("<think>")) {
    constexpr std::string_view k_end = "</think>";
    const std::size_t end = text.find(k_end);
    text = end == std::string_view::npos ? std::string_view() : without_leading_blanks(text.substr(end + k_end.size()));
  }
  return text.empty();
}

std::optional<chat::NoStoreReason> judge_choice(const MergedChoice& choice, bool open_end) {
  if (choice.finish_reason.empty()) return open_end ? cut : unfinished;
  if (open_end && choice.text_after_finish) return cut;
  if (const auto verdict = verdict_of(choice.finish_reason)) return verdict;
  if (choice.refusal && !choice.refusal->empty()) return refused;
  if (std::ranges::any_of(choice.tools, [](const MergedTool& tool) { return tool.name.empty(); })) return not_understood;
  if (!choice.tools.empty() || choice.function_name) return std::nullopt;
  if (!choice.content || is_empty(*choice.content)) return empty;
  return std::nullopt;
}

}  // namespace

std::optional<chat::NoStoreReason> verdict_of(std::string_view finish_reason) {
  if (std::ranges::find(k_good_reasons, finish_reason) != k_good_reasons.end()) return std::nullopt;
  if (finish_reason == "length" || finish_reason == "max_tokens") return length;
  if (finish_reason == "content_filter" || finish_reason == "sensitive") return filtered;
  if (finish_reason == "refusal") return refused;
  return unfinished;
}

std::optional<chat::NoStoreReason> judge(const Merged& answer, bool streamed, Ending ending) {
  if (streamed && ending == Ending::in_event) return cut;
  const bool open_end = streamed && ending != Ending::whole;
  if (answer.choices.empty()) return open_end ? cut : streamed ? unfinished : empty;
  for (const MergedChoice& choice : answer.choices) {
    if (const auto reason = judge_choice(choice, open_end)) return reason;
  }
  return std::nullopt;
}

}  // namespace outrigger::providers::openai
