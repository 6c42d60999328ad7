// Levels `faq+` and `synonyms`: what people say around a question, and the words in which they may ask it.
// The lists are short on purpose. What merges questions with different answers is not in them: dropping 吗, 了, 的 or 吧,
// swapping 你 and 我, 怎么样 and 怎么了, or an opening such as 我想问 that can be the question itself.
#include <algorithm>
#include <array>

#include "chat/question.h"

namespace outrigger::chat {
namespace {

using View = std::u32string_view;

// A question keeps at least this many characters; what would be left is too little to ask anything.
constexpr std::size_t k_min_rest = 3;

constexpr std::array<View, 12> k_openings{U"我想请问一下", U"麻烦问一下", U"我想问一下", U"想请问一下",
                                          U"请问一下",     U"想问一下",   U"麻烦问下",   U"我想问下",
                                          U"请问下",       U"想问下",     U"想请问",     U"请问"};
// Greetings only where something sets them off: 你好 is also the beginning of 你好友.
constexpr std::array<View, 12> k_greetings{U"早上好", U"上午好", U"中午好", U"下午好", U"晚上好", U"您好啊",
                                           U"你好啊", U"你好呀", U"您好",   U"你好",   U"哈喽",   U"嗨"};
constexpr View k_particles = U"呢啊呀哦噢喔";
constexpr View k_negations = U"不没无非未别勿莫甭毋否";
constexpr View k_operators = U"+-*/=<>%$#@&^_|~";
constexpr View k_marks = U".,:;!?()\"'…·・–—―¿¡〈〉《》【】〔〕〖〗";

struct Synonym {
  View from;
  View to;
};
// The longer first where one begins like another.
constexpr std::array<Synonym, 8> k_synonyms{{{U"为啥", U"为什么"},
                                             {U"干啥", U"干什么"},
                                             {U"如何", U"怎么"},
                                             {U"咋", U"怎么"},
                                             {U"啥", U"什么"},
                                             {U"登陆", U"登录"},
                                             {U"您", U"你"},
                                             {U"怎麼", U"怎么"}}};

bool is_one_of(char32_t c, View set) { return set.find(c) != View::npos; }
bool is_mark(char32_t c) { return is_one_of(c, k_marks); }
bool is_word(char32_t c) { return is_ascii_letter(c) || is_ascii_digit(c); }
bool is_gap(char32_t c) { return is_mark(c) || c == ' ' || c == '\n' || c == '~'; }

std::size_t words_in(View text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char32_t c) { return !is_gap(c); }));
}

View after_gaps(View text) {
  const auto first = std::find_if(text.begin(), text.end(), [](char32_t c) { return !is_gap(c); });
  return text.substr(static_cast<std::size_t>(first - text.begin()));
}

template <std::size_t N>
View begins_with(View text, const std::array<View, N>& phrases) {
  const auto found = std::find_if(phrases.begin(), phrases.end(), [&](View phrase) { return text.starts_with(phrase); });
  return found == phrases.end() ? View{} : *found;
}

// One greeting or opening off the front; the same text when there is none, or too little would be left.
View without_one_greeting(View text) {
  View rest = text;
  if (const View opening = begins_with(text, k_openings); !opening.empty()) {
    rest.remove_prefix(opening.size());
  } else if (const View greeting = begins_with(text, k_greetings); !greeting.empty()) {
    rest.remove_prefix(greeting.size());
    if (!rest.empty() && !is_gap(rest.front()) && begins_with(rest, k_openings).empty()) return text;
  } else {
    return text;
  }
  return words_in(rest) >= k_min_rest ? after_gaps(rest) : text;
}

View without_greetings(View text) {
  for (;;) {
    const View rest = without_one_greeting(text);
    if (rest.size() == text.size()) return text;
    text = rest;
  }
}

// Marks stay inside and beside what they may belong to: 3.5, node.js, don't, (a+b)*c, and beside a negation, where a comma turns the
// meaning round (不，可以).
bool stays(View text, std::size_t at) {
  const auto near = [&](std::size_t i, int step) -> char32_t {
    i += static_cast<std::size_t>(step);
    if (i < text.size() && text[i] == ' ') i += static_cast<std::size_t>(step);
    return i < text.size() ? text[i] : 0;  // stepping below 0 wraps round and is out of range too
  };
  const char32_t before = near(at, -1);
  const char32_t after = near(at, 1);
  const auto binds = [&](char32_t c) {
    const bool bracket = text[at] == '(' || text[at] == ')';
    return is_ascii_digit(c) || is_one_of(c, k_negations) || (c != 0 && is_one_of(c, k_operators)) ||
           (bracket && is_ascii_letter(c));
  };
  const bool inside_word = at > 0 && at + 1 < text.size() && is_word(text[at - 1]) && is_word(text[at + 1]);
  return inside_word || binds(before) || binds(after);
}

std::u32string without_marks(View text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_mark(text[at]) && !stays(text, at)) continue;
    if (text[at] == ' ' && (out.empty() || out.back() == ' ')) continue;  // beside a mark that has gone
    out.push_back(text[at]);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::u32string without_politeness(std::u32string_view question) {
  std::u32string rest = without_marks(without_greetings(question));
  while (rest.size() > k_min_rest && is_one_of(rest.back(), k_particles)) rest.pop_back();
  return rest.empty() ? std::u32string(question) : rest;
}

std::u32string without_synonyms(std::u32string_view question) {
  std::u32string out;
  while (!question.empty()) {
    const auto found = std::find_if(k_synonyms.begin(), k_synonyms.end(),
                                    [&](const Synonym& synonym) { return question.starts_with(synonym.from); });
    if (found == k_synonyms.end()) {
      out.push_back(question.front());
      question.remove_prefix(1);
    } else {
      out += found->to;
      question.remove_prefix(found->from.size());
    }
  }
  return out;
}

}  // namespace outrigger::chat
