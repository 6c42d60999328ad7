#include "sim/prose.h"

#include <fmt/format.h>

#include <array>

#include "core/rng.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::array<std::string_view, 12> k_sentences{
    "You can change this at any time under Settings.",
    "It usually takes no more than two minutes.",
    "If the message does not arrive, please look into the spam folder first.",
    "Our team answers on working days between nine and six.",
    "Please have your customer number at hand.",
    "There is no charge for this within the first thirty days.",
    "The same steps work in the app and in the browser.",
    "Your data stays as it is.",
    "An administrator may have to confirm the change.",
    "Write to us if anything remains unclear.",
    "The link in the mail is valid for one hour.",
    "You will get a confirmation as soon as it is done.",
};

constexpr std::array<std::string_view, 8> k_sentences_zh{
    "您可以随时在设置中修改。",           "一般两分钟之内即可完成。",     "如果没有收到邮件，请先查看垃圾邮件。",
    "客服工作时间为工作日九点至十八点。", "三十天内不收取任何费用。",     "您的数据不会受到任何影响。",
    "管理员可能需要确认此项更改。",       "如仍有疑问，请随时联系我们。",
};

constexpr std::array<std::string_view, 16> k_words{"river",  "stone",  "cloud",  "harbour", "lantern", "meadow",
                                                   "copper", "window", "garden", "letter",  "silver",  "bridge",
                                                   "candle", "forest", "paper",  "island"};

// Bytes of longer words are split so that a token is never much longer than a real one.
constexpr std::size_t k_max_word = 8;
constexpr std::size_t k_quote = 60;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '\'';
}

// Is there a character from U+2E80 on (CJK and what is near it)?
bool is_cjk(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0xe3 && byte <= 0xe9) return true;
  }
  return false;
}

std::size_t token_end(std::string_view text, std::size_t from) {
  std::size_t i = from;
  if (text[i] == ' ' && i + 1 < text.size() && text[i + 1] != ' ') ++i;
  if (is_word(text[i])) {
    const std::size_t start = i;
    while (i < text.size() && is_word(text[i]) && i - start < k_max_word) ++i;
    return i;
  }
  const bool ascii = is_ascii(text[i]);
  ++i;
  while (!ascii && i < text.size() && is_continuation(text[i])) ++i;
  return i;
}

}  // namespace

std::vector<std::string_view> tokens_of(std::string_view text) {
  std::vector<std::string_view> tokens;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = token_end(text, i);
    tokens.push_back(text.substr(i, end - i));
    i = end;
  }
  return tokens;
}

std::uint64_t count_tokens(std::string_view text) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < text.size(); i = token_end(text, i)) ++count;
  return count;
}

std::string_view shortened(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && is_continuation(text[size])) --size;
  return text.substr(0, size);
}

std::string derived_answer(std::string_view question, std::uint64_t hash, std::uint64_t tokens) {
  const bool chinese = is_cjk(question);
  const std::string_view quote = shortened(question, k_quote);
  const auto reference = static_cast<std::uint32_t>(hash);
  std::string text = chinese ? fmt::format("关于“{}”（编号 {:08x}）：", quote, reference)
                             : fmt::format("About \"{}\" (reference {:08x}):", quote, reference);
  // A step without a factor in common with either list's length visits every sentence before one comes again.
  static constexpr std::array<std::size_t, 4> k_steps{1, 5, 7, 11};
  Rng rng(hash);
  const std::size_t step = k_steps[rng.below(k_steps.size())];
  std::size_t at = rng.below(k_sentences.size() * k_sentences_zh.size());
  std::uint64_t have = count_tokens(text);
  while (have < tokens) {
    std::string sentence(chinese ? "" : " ");
    at += step;
    sentence += chinese ? k_sentences_zh[at % k_sentences_zh.size()] : k_sentences[at % k_sentences.size()];
    text += sentence;
    have += count_tokens(sentence);
  }
  const auto all = tokens_of(text);
  std::string cut;
  for (std::size_t i = 0; i + 1 < tokens; ++i) cut += all[i];
  const std::string_view last = all[tokens - 1];
  return cut.append(last == "." || last == "。" ? last : "…");
}

std::string sized_answer(std::uint64_t hash, std::uint64_t size) {
  Rng rng(hash);
  std::string text;
  text.reserve(size + 16);
  while (text.size() < size) {
    if (!text.empty()) text += ' ';
    text += k_words[rng.below(k_words.size())];
  }
  text.resize(size);
  if (size > 0) text.back() = '.';
  return text;
}

std::string derived_thought(std::string_view question) {
  return fmt::format("The question is \"{}\". I look up what is known and answer briefly.", shortened(question, k_quote));
}

}  // namespace outrigger::sim_provider
