#include "obs/prices.h"

#include <algorithm>
#include <array>
#include <string>

namespace outrigger::obs {
namespace {

struct Row {
  std::string_view prefix;  // in lower case
  TokenPrice price;
};

// List prices of the makers' own APIs in USD per million tokens, as of November 2025 (Claude 4.6: of February 2026): standard tier,
// shortest context, no cache or batch discount, because a saved request is compared with an ordinary one. Where a maker lists in CNY
// only, 7.1 CNY are one USD. Names that cost nothing stand here with 0, so that they are known.
constexpr std::array k_prices{
    // OpenAI
    Row{"gpt-5", {1.25, 10}},
    Row{"gpt-5-chat", {1.25, 10}},
    Row{"gpt-5-codex", {1.25, 10}},
    Row{"gpt-5.1", {1.25, 10}},
    Row{"gpt-5.1-chat", {1.25, 10}},
    Row{"gpt-5.1-codex", {1.25, 10}},
    Row{"gpt-5.1-codex-mini", {0.25, 2}},
    Row{"gpt-5-mini", {0.25, 2}},
    Row{"gpt-5-nano", {0.05, 0.4}},
    Row{"gpt-5-pro", {15, 120}},
    Row{"gpt-4.5-preview", {75, 150}},
    Row{"gpt-4.1", {2, 8}},
    Row{"gpt-4.1-mini", {0.4, 1.6}},
    Row{"gpt-4.1-nano", {0.1, 0.4}},
    Row{"gpt-4o", {2.5, 10}},
    Row{"gpt-4o-2024-05-13", {5, 15}},
    Row{"gpt-4o-mini", {0.15, 0.6}},
    Row{"chatgpt-4o-latest", {5, 15}},
    Row{"gpt-4-turbo", {10, 30}},
    Row{"gpt-4-vision", {10, 30}},
    Row{"gpt-4-1106-preview", {10, 30}},
    Row{"gpt-4-1106-vision", {10, 30}},
    Row{"gpt-4-0125-preview", {10, 30}},
    Row{"gpt-4-32k", {60, 120}},
    Row{"gpt-4", {30, 60}},
    Row{"gpt-3.5-turbo", {0.5, 1.5}},
    Row{"gpt-3.5-turbo-0301", {1.5, 2}},
    Row{"gpt-3.5-turbo-0613", {1.5, 2}},
    Row{"gpt-3.5-turbo-1106", {1, 2}},
    Row{"gpt-3.5-turbo-16k", {3, 4}},
    Row{"gpt-3.5-turbo-instruct", {1.5, 2}},
    Row{"o1", {15, 60}},
    Row{"o1-mini", {1.1, 4.4}},
    Row{"o1-pro", {150, 600}},
    Row{"o3", {2, 8}},
    Row{"o3-mini", {1.1, 4.4}},
    Row{"o3-pro", {20, 80}},
    Row{"o3-deep-research", {10, 40}},
    Row{"o4-mini", {1.1, 4.4}},
    Row{"o4-mini-deep-research", {2, 8}},
    Row{"text-embedding-3-small", {0.02, 0}},
    Row{"text-embedding-3-large", {0.13, 0}},
    Row{"text-embedding-ada-002", {0.1, 0}},
    Row{"text-embedding-ada-002-v2", {0.1, 0}},
    // Anthropic
    Row{"claude-opus-4", {15, 75}},
    Row{"claude-opus-4-0", {15, 75}},
    Row{"claude-opus-4-1", {15, 75}},
    Row{"claude-opus-4-5", {5, 25}},
    Row{"claude-opus-4-6", {5, 25}},
    Row{"claude-sonnet-4", {3, 15}},
    Row{"claude-sonnet-4-0", {3, 15}},
    Row{"claude-sonnet-4-5", {3, 15}},
    Row{"claude-sonnet-4-6", {3, 15}},
    Row{"claude-haiku-4-5", {1, 5}},
    Row{"claude-3-7-sonnet", {3, 15}},
    Row{"claude-3-5-sonnet", {3, 15}},
    Row{"claude-3-5-sonnet-v2", {3, 15}},
    Row{"claude-3-5-haiku", {0.8, 4}},
    Row{"claude-3-opus", {15, 75}},
    Row{"claude-3-sonnet", {3, 15}},
    Row{"claude-3-haiku", {0.25, 1.25}},
    // Google
    Row{"gemini-3-pro", {2, 12}},
    Row{"gemini-2.5-pro", {1.25, 10}},
    Row{"gemini-2.5-flash", {0.3, 2.5}},
    Row{"gemini-2.5-flash-lite", {0.1, 0.4}},
    Row{"gemini-2.0-flash", {0.1, 0.4}},
    Row{"gemini-2.0-flash-lite", {0.075, 0.3}},
    Row{"gemini-1.5-pro", {1.25, 5}},
    Row{"gemini-1.5-flash", {0.075, 0.3}},
    Row{"gemini-1.5-flash-8b", {0.0375, 0.15}},
    Row{"gemini-embedding-001", {0.15, 0}},
    // DeepSeek
    Row{"deepseek-chat", {0.28, 0.42}},
    Row{"deepseek-reasoner", {0.28, 0.42}},
    Row{"deepseek-v3", {0.27, 1.1}},
    Row{"deepseek-v3.1", {0.56, 1.68}},
    Row{"deepseek-v3.1-terminus", {0.56, 1.68}},
    Row{"deepseek-v3.2", {0.28, 0.42}},
    Row{"deepseek-v3.2-exp", {0.28, 0.42}},
    Row{"deepseek-r1", {0.55, 2.19}},
    // Alibaba
    Row{"qwen3-max", {1.2, 6}},
    Row{"qwen-max", {1.6, 6.4}},
    Row{"qwen-plus", {0.4, 1.2}},
    Row{"qwen-flash", {0.05, 0.4}},
    Row{"qwen-turbo", {0.05, 0.2}},
    Row{"text-embedding-v3", {0.07, 0}},
    Row{"text-embedding-v4", {0.07, 0}},
    // Zhipu
    Row{"glm-4.6", {0.6, 2.2}},
    Row{"glm-4.5", {0.6, 2.2}},
    Row{"glm-4.5-x", {2.2, 8.9}},
    Row{"glm-4.5-air", {0.2, 1.1}},
    Row{"glm-4.5-airx", {1.1, 4.5}},
    Row{"glm-4.5-flash", {0, 0}},
    Row{"glm-4-plus", {0.7, 0.7}},
    Row{"glm-4-air", {0.07, 0.07}},
    Row{"glm-4-flash", {0, 0}},
    // Moonshot
    Row{"kimi-k2", {0.6, 2.5}},
    Row{"kimi-k2-instruct", {0.6, 2.5}},
    Row{"kimi-k2-thinking", {0.6, 2.5}},
    Row{"kimi-k2-turbo", {1.15, 8}},
    Row{"kimi-k2-thinking-turbo", {1.15, 8}},
    Row{"moonshot-v1-8k", {0.2, 2}},
    Row{"moonshot-v1-32k", {1, 3}},
    Row{"moonshot-v1-128k", {2, 5}},
    // Others
    Row{"mistral-large", {2, 6}},
    Row{"mistral-medium", {0.4, 2}},
    Row{"mistral-medium-3", {0.4, 2}},
    Row{"mistral-medium-3.1", {0.4, 2}},
    Row{"mistral-small", {0.1, 0.3}},
    Row{"mistral-embed", {0.1, 0}},
    Row{"codestral", {0.3, 0.9}},
    Row{"codestral-embed", {0.15, 0}},
    Row{"grok-4", {3, 15}},
    Row{"grok-4-fast", {0.2, 0.5}},
    Row{"grok-4-fast-reasoning", {0.2, 0.5}},
    Row{"grok-4-fast-non-reasoning", {0.2, 0.5}},
    Row{"grok-4-1-fast", {0.2, 0.5}},
    Row{"grok-4-1-fast-reasoning", {0.2, 0.5}},
    Row{"grok-4-1-fast-non-reasoning", {0.2, 0.5}},
    Row{"grok-3", {3, 15}},
    Row{"grok-3-fast", {5, 25}},
    Row{"grok-3-mini", {0.3, 0.5}},
    Row{"grok-3-mini-fast", {0.6, 4}},
    Row{"command-a", {2.5, 10}},
    Row{"command-r", {0.15, 0.6}},
    Row{"command-r-03-2024", {0.5, 1.5}},
    Row{"command-r-plus", {2.5, 10}},
    Row{"command-r-plus-04-2024", {3, 15}},
    Row{"bge-m3", {0, 0}},
    Row{"bge-large-en", {0, 0}},
    Row{"bge-large-en-v1.5", {0, 0}},
    Row{"bge-large-zh", {0, 0}},
    Row{"bge-large-zh-v1.5", {0, 0}},
    Row{"bge-reranker-v2-m3", {0, 0}},
};

constexpr std::size_t k_max_name = 128;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// What may follow: a date or the number of a snapshot ("-2024-07-18", "-0613", with Bedrock's "-v1" behind it), "-preview",
// "-latest", and a tag ("@20240620", ":free"). Any other word makes another model, whose price would be a guess: o3-deep-research
// costs five times as much as o3, and what hears or draws is paid otherwise than what reads. So does a short number
// ("claude-opus-4-5" is not "claude-opus-4"). Those of them that are known have rows of their own.
bool ends_here(std::string_view rest) {
  constexpr std::size_t k_digits_least = 3;  // of a date or a snapshot, all together
  rest = rest.substr(0, rest.find_first_of("@:"));
  std::size_t digits = 0;
  while (!rest.empty()) {
    if (rest.front() != '-') return false;
    rest.remove_prefix(1);
    const std::string_view word = rest.substr(0, rest.find('-'));
    rest.remove_prefix(word.size());
    if (word.size() > 1 && is_number(word)) {
      digits += word.size();
    } else if (!(word == "preview" || word == "latest" ||
                 (digits > 0 && word.front() == 'v' && is_number(word.substr(1))))) {
      return false;
    }
  }
  return digits == 0 || digits >= k_digits_least;
}

}  // namespace

std::optional<TokenPrice> built_in_price(std::string_view model) {
  if (model.size() > k_max_name) return std::nullopt;
  const std::string name = lower(model);
  std::string_view text = name;
  // "openai/gpt-4o", "Pro/BAAI/bge-m3", "models/gemini-2.5-pro"; Bedrock: "us.anthropic.claude-3-haiku-…".
  if (const std::size_t slash = text.rfind('/'); slash != std::string_view::npos) text.remove_prefix(slash + 1);
  if (const std::size_t vendor = text.find("anthropic."); vendor != std::string_view::npos) text.remove_prefix(vendor + 10);

  const Row* best = nullptr;
  for (const Row& row : k_prices) {
    if (!text.starts_with(row.prefix) || !ends_here(text.substr(row.prefix.size()))) continue;
    if (best == nullptr || row.prefix.size() > best->prefix.size()) best = &row;
  }
  return best == nullptr ? std::nullopt : std::optional(best->price);
}

}  // namespace outrigger::obs
