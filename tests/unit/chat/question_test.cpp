#include "chat/question.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>
#include <vector>

#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

void check_merge(Level level, const Pairs& pairs) {
  for (const auto& [a, b] : pairs) {
    INFO(a << " | " << b);
    CHECK(same(ask(a), ask(b), level));
  }
}
void check_apart(Level level, const Pairs& pairs) {
  for (const auto& [a, b] : pairs) {
    INFO(a << " | " << b);
    CHECK(differ(ask(a), ask(b), level));
  }
}

const Pairs k_faq_pairs{
    {"How do I return it", "how do i return it"},
    {"How?", "how"},
    {"HOW TO PAY", "how to pay"},
    {"如何退货？", "如何退货"},
    {"如何退货?", "如何退货？"},
    {"如何退货。", "如何退货！"},
    {"你好，如何退货", "你好,如何退货"},
    {"ＶＩＰ是什么", "VIP是什么"},
    {"vip是什么", "VIP是什么"},
    {"退货 流程", "退货流程"},
    {"买 3 个", "买3个"},
    {"你好, 请问", "你好，请问"},
    {"如何使用 API", "如何使用API"},
    {"“包邮”吗", "\"包邮\"吗"},
    {"１２３", "123"},
    {"ｶﾞｽ", "ガス"},
    {"真的……", "真的"},
    {"苹果、梨", "苹果，梨"},
    {"why\u3000not", "why not"},
    {"退货吗～", "退货吗"},
};

const Pairs k_faq_plus_pairs{
    {"你好，请问如何退货", "如何退货"}, {"您好！如何退货", "如何退货"},   {"请问一下如何退货呢？", "如何退货"},
    {"如何退货呀", "如何退货"},         {"“会员”怎么买", "会员怎么买"},   {"你好 请问 怎么退款", "怎么退款"},
    {"hello, world", "hello world"},    {"《会员》怎么买", "会员怎么买"}, {"下午好，我想问一下怎么退款", "怎么退款"},
};

const Pairs k_synonym_pairs{
    {"如何退货", "怎么退货"}, {"咋退货", "怎么退货"},       {"为啥退不了", "为什么退不了"},       {"这是啥", "这是什么"},
    {"登陆失败", "登录失败"}, {"您能退货吗", "你能退货吗"}, {"请问您如何登陆啊？", "你怎么登录"},
};

// At no level.
const Pairs k_never{
    {"可以退货", "不可以退货"},
    {"可以退货吗", "可以退货"},
    {"退货了", "退货"},
    {"退货的", "退货"},
    {"我能退吗", "你能退吗"},
    {"不，可以退", "不可以退"},
    {"买3个", "买4个"},
    {"3.5元", "35元"},
    {"3,5", "35"},
    {"1、2", "12"},
    {"10:30", "1030"},
    {"-5度", "5度"},
    {"5!", "5"},
    {"计算(a+b)*c", "计算a+b*c"},
    {".5", "5"},
    {"2²", "22"},
    {"½杯", "12杯"},
    {"①", "1"},
    {"10²", "102"},
    {"怎么样", "怎么了"},
    {"你好友在线吗", "友在线吗"},
    {"Contact US please", "contact us please"},
    {"R是r的几倍", "r是R的几倍"},
    {"5 MW", "5 mW"},
    {"100Mb", "100MB"},
    {"多少mW", "多少MW"},
    {"Σ是什么", "σ是什么"},
    {"C++怎么学", "C怎么学"},
    {"a-b", "ab"},
    {"a b", "ab"},
    {"谁和谁", "谁"},
    {"???", "!!!"},
    {"50%", "50"},
    {"$5", "5"},
    {"@all", "all"},
    {"5′", "5″"},
    {"ㄱㅏ", "가"},
    {"怎么 a b", "怎么 ab"},
    {"请看 {\"a\": 1}？", "请看 {\"a\": 1}"},
    {"`A`", "`a`"},
    {"看 https://x.com/A", "看 https://x.com/a"},
    {"看 x.com/A", "看 x.com/a"},
    {"/etc/Hosts", "/etc/hosts"},
    {"a==B", "a==b"},
    {"f(); X", "f(); x"},
    {"ｆ（）； X", "ｆ（）； x"},
    {"<B>x", "<b>x"},
    {"a[1]？", "a[1]"},
    {"x\n    Code", "x\n    code"},
};

}  // namespace

TEST_CASE("faq merges forms of the same question") {
  check_merge(Level::faq, k_faq_pairs);
  check_merge(Level::faq_plus, k_faq_pairs);
  check_merge(Level::synonyms, k_faq_pairs);
  check_apart(Level::safe, k_faq_pairs);
}

TEST_CASE("faq+ merges what politeness and punctuation add") {
  check_merge(Level::faq_plus, k_faq_plus_pairs);
  check_merge(Level::synonyms, k_faq_plus_pairs);
  check_apart(Level::faq, k_faq_plus_pairs);
}

TEST_CASE("synonyms merges interchangeable words") {
  check_merge(Level::synonyms, k_synonym_pairs);
  check_apart(Level::faq_plus, k_synonym_pairs);
}

TEST_CASE("questions with different answers merge at no level") {
  for (const Level level : {Level::exact, Level::safe, Level::faq, Level::faq_plus, Level::synonyms})
    check_apart(level, k_never);
}

TEST_CASE("only the last user turn is folded") {
  const auto turns = [](std::string_view system, std::string_view first, std::string_view answer, std::string_view last) {
    return R"({"model":"m","messages":[{"role":"system","content":)" + json_quoted(system) +
           R"(},{"role":"user","content":)" + json_quoted(first) + R"(},{"role":"assistant","content":)" +
           json_quoted(answer) + R"(},{"role":"user","content":)" + json_quoted(last) + "}]}";
  };
  const std::string plain = turns("s", "a", "b", "c");
  for (const Level level : {Level::faq, Level::faq_plus, Level::synonyms}) {
    CHECK(same(plain, turns("s", "a", "b", "C?"), level));
    CHECK(differ(plain, turns("S", "a", "b", "c"), level));
    CHECK(differ(plain, turns("s", "A?", "b", "c"), level));
    CHECK(differ(plain, turns("s", "a", "B", "c"), level));
  }
  // It stays the last user turn when an assistant or a tool has spoken after it.
  const auto after = [](std::string_view last) {
    return R"({"model":"m","messages":[{"role":"user","content":)" + json_quoted(last) +
           R"(},{"role":"assistant","content":"x"}]})";
  };
  CHECK(same(after("How?"), after("how"), Level::faq));
}

TEST_CASE("a question with a picture stays safe") {
  const auto with_picture = [](std::string_view text) {
    return R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":)" + json_quoted(text) +
           R"(},{"type":"image_url","image_url":{"url":"data:,A"}}]}]})";
  };
  CHECK(differ(with_picture("How?"), with_picture("how"), Level::faq));
  CHECK(same(with_picture("How  to"), with_picture("How to"), Level::faq));
}

TEST_CASE("a question of up to 512 characters is folded, a longer one is not") {
  std::string at_limit;
  for (int i = 0; i < 511; ++i) at_limit += "货";
  CHECK(same(ask(at_limit + "A"), ask(at_limit + "a"), Level::faq));
  CHECK(differ(ask(at_limit + "货A"), ask(at_limit + "货a"), Level::faq));
}

TEST_CASE("a folded question is never taken for one that stayed safe") {
  // Level faq keeps the second as it is, because it is code; the first folds to the same characters.
  const std::string folded = *fold_question("A b", Level::faq);
  CHECK(folded == "a b");
  CHECK(form(ask("A b"), Level::faq) != form(ask("a b"), Level::safe));
  CHECK_FALSE(fold_question("`a b`", Level::faq).has_value());
  CHECK_FALSE(fold_question("", Level::faq).has_value());
}
