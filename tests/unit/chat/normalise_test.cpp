#include "chat/normalise.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "chat/code_spans.h"
#include "chat/unicode.h"
#include "core/rng.h"

using namespace outrigger;
using namespace outrigger::chat;

namespace {

std::string safe(std::string_view text, Edges edges = {}) {
  std::string out;
  append_safe(out, text, edges);
  return out;
}

std::string utf8(char32_t c) {
  std::string out;
  append_utf8(out, c);
  return out;
}

std::vector<std::string> code_in(std::string_view text) {
  std::vector<std::string> found;
  for (const Span& span : code_spans(text)) found.emplace_back(text.substr(span.begin, span.end - span.begin));
  return found;
}
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("texts that have their form stay byte for byte") {
  for (const std::string_view text : {
           "",
           "a",
           "hello world",
           "a\tb",
           "a\t\tb",
           "a\nb",
           "a\n\n\nb",
           "a\n  b\n   c",
           "如何退货？",
           "退货，换货。「好」",
           "（１２３）",
           "café",
           "Ünïcode",
           "がぎぐ カタカナ",
           "한국어",
           "русский й",
           "😀👍🏽",
           "a😀b",
           "1 2",
           "Don't -- do",
           "a\n\tb",
           "- a\n    - b",
           "`a  b`",
           "~~~",
           "㎡²①",
       }) {
    INFO(text);
    CHECK(safe(text) == text);
  }
  const std::string long_text = "The quick brown fox jumps over the lazy dog, again and again; 0123456789 times.";
  CHECK(safe(long_text + long_text) == long_text + long_text);
  CHECK(safe(std::string("a\0b", 3)) == std::string("a\0b", 3));
}

TEST_CASE("outer blanks go, and with them nothing that may be code") {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"Be brief. ", "Be brief."},
           {"Be brief.\n\n", "Be brief."},
           {" \t\r\n", ""},
           {"\n\n Be brief.\r\n", "Be brief."},
           {"如何退货？ ", "如何退货？"},
           {"a\n    code \n", "a\n    code"},
           {"    code\n    more\n", "    code\n    more"},
           {"    a\nb \n", "a\nb"},
           {"a `b` ", "a `b`"},
           {"```\ncode  \n", "```\ncode  \n"},
           {"~~~\ncode \n", "~~~\ncode \n"},
           {"```\ncode\n``` \n", "```\ncode\n```"},
       }) {
    CAPTURE(from);
    CHECK(safe(from) == to);
    CHECK(safe(from, {.trim_front = false, .trim_back = false}).size() >= to.size());
  }
  CHECK(safe("a ", {.trim_back = false}) == "a ");
  CHECK(safe(" a", {.trim_front = false}) == " a");
}

TEST_CASE("differences that say nothing are folded at level safe") {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           // Form C.
           {"cafe\u0301", "café"},
           {"\u1112\u1161\u11ab", "한"},
           {"か\u3099", "が"},
           {"\u212b", "Å"},
           {"q\u0307\u0323", "q\u0323\u0307"},
           {"\u0958", "क\u093c"},
           // Line ends.
           {"a\r\nb", "a\nb"},
           {"a\rb", "a\nb"},
           {"a\r\r\nb", "a\n\nb"},
           {"a\u0085b", "a\nb"},
           {"a\u2028b\u2029c", "a\nb\nc"},
           // Invisible characters.
           {"\ufeffa", "a"},
           {"a\u200bb", "ab"},
           {"a\u200cb", "ab"},
           {"a\u200db", "ab"},
           {"a\u2060b", "ab"},
           {"a\u00adb", "ab"},
           {"a\u200e\u200f\u202a\u202cb", "ab"},
           {"a\u2066b\u2069", "ab"},
           {"a\x01\x08\x1f\x7f"
            "b",
            "ab"},
           {"a\u0080\u009fb", "ab"},
           {"退\u200b货", "退货"},
           {"\u200b", ""},
           {" def f():\n    return 1 \n", "def f():\n    return 1"},
           {"x:\n    a  b \t\n\n", "x:\n    a  b"},
           {"   a\n   b", "a\n   b"},
           {"\u200d a", "a"},
           {"  a\n  \u200c\nb", "a\n  \nb"},
           {"a \u200b b", "a b"},
           {"e\u200b\u0301", "é"},
           // Outer blanks.
           {"  a", "a"},
           {"a  ", "a"},
           {"\n\n a\t\n ", "a"},
           {"\u3000如何\u3000", "如何"},
           {"\u00a0a\u00a0", "a"},
           {"   ", ""},
           {"\r\n", ""},
           {"    indented alone", "indented alone"},
           {"  a\nb", "a\nb"},
           {"\n\n    a\nb", "a\nb"},
           // Repeated spaces.
           {"a  b", "a b"},
           {"a     b", "a b"},
           {"a\u3000\u3000b", "a\u3000b"},
           {"a\nb  c", "a\nb c"},
           {"a  \nb", "a \nb"},
           {"怎么  退货", "怎么 退货"},
       }) {
    INFO(from);
    CHECK(safe(from) == to);
    CHECK(safe(safe(from)) == safe(from));
  }
}

TEST_CASE("differences that may say something stay at level safe") {
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"a b", "ab"},
           {"a\tb", "a b"},
           {"a\t\tb", "a\tb"},
           {"a\nb", "a b"},
           {"a\n\nb", "a\nb"},
           {"A", "a"},
           {"１", "1"},
           {"。", "."},
           {"a\u3000b", "a b"},
           {"a\u00a0b", "a b"},
           {"²", "2"},
           {"①", "1"},
           {"ﬁ", "fi"},
           {"a\n  b", "a\nb"},
           {"a\n  b", "a\n b"},
           {"    a\n    b", "a\n    b"},
           {"    a\n    b", "a\nb"},
           {"x:\n\ta", "x:\n    a"},
           {"`a  b`", "`a b`"},
           {"```\na  b\n```", "```\na b\n```"},
           {"```\na\r\nb\n```", "```\na\nb\n```"},
           {"x\n    a  b", "x\n    a b"},
           {"~~~\na  b\n~~~", "~~~\na b\n~~~"},
           {"```\ncafe\u0301\n```", "```\ncafé\n```"},
           {"`a\u200bb`", "`ab`"},
           {"```\na\n\n", "```\na\n"},
           // Joiners and marks that are part of the spelling.
           {"می\u200cخواهم", "میخواهم"},
           {"क्\u200dष", "क्ष"},
           {"👩\u200d💻", "👩💻"},
           {"👩🏽\u200d💻", "👩🏽💻"},
           {"❤\ufe0f\u200d🔥", "❤\ufe0f🔥"},
           {"❤\ufe0f", "❤"},
           {"🏴\U000e0067\U000e0062\U000e007f", "🏴"},
           {"葛\U000e0100", "葛"},
           {"\u0600"
            "1",
            "1"},
           {"a\u034fb", "ab"},
           {std::string("a\0b", 3), "ab"},
       }) {
    INFO(a << " | " << b);
    CHECK(safe(a) != safe(b));
  }
}

TEST_CASE("every code point is either kept in some form or invisible") {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    const std::string text = "a" + utf8(c) + "b";
    const std::string out = safe(text);
    const bool joiner = c == k_zwj || c == k_zwnj;
    if ((out == "ab") != (is_invisible(c) || joiner)) FAIL("code point " << static_cast<std::uint32_t>(c));
    if (safe(out) != out) FAIL("not settled: code point " << static_cast<std::uint32_t>(c));
  }
}

TEST_CASE("blanks at an edge that means something stay") {
  CHECK(safe(" a ", {.trim_front = false, .trim_back = true}) == " a");
  CHECK(safe(" a ", {.trim_front = true, .trim_back = false}) == "a ");
  CHECK(safe(" a \n", {.trim_front = false, .trim_back = false}) == " a \n");
  CHECK(safe("a  b ", {.trim_front = false, .trim_back = false}) == "a b ");
  CHECK(safe("```\na\n``` \n") == "```\na\n```");
  CHECK(safe("`a` ") == "`a`");
}

TEST_CASE("spaces around code are folded, those inside are not") {
  CHECK(safe("use  `a  b`  now") == "use `a  b` now");
  CHECK(safe("a  b\n```\nc  d\n```\ne  f") == "a b\n```\nc  d\n```\ne f");
  CHECK(safe("看  代码：```python\nx  =  1\n```\n怎么  改") == "看 代码：```python\nx  =  1\n```\n怎么 改");
  CHECK(safe("a  b\r\n```\r\nc  d\r\n```\r\ne  f") == "a b\n```\r\nc  d\r\n```\ne f");
}

TEST_CASE("code is found where people put it") {
  CHECK(code_in("no code, it's plain") == Texts{});
  CHECK(code_in("use `x` and ``y ` z``") == Texts{"`x`", "``y ` z``"});
  CHECK(code_in("a stray ` here") == Texts{});
  CHECK(code_in("over `two\nlines` here") == Texts{"`two\nlines`"});
  CHECK(code_in("not over `a\n\nparagraph` end") == Texts{});
  CHECK(code_in("```\na\n```\nb") == Texts{"```\na\n```"});
  CHECK(code_in("   ```c\na\n   ```  \nb") == Texts{"   ```c\na\n   ```"});
  CHECK(code_in("```\na\n``\n```x\n````\nb") == Texts{"```\na\n``\n```x\n````"});
  CHECK(code_in("````\na\n```\n````\nb") == Texts{"````\na\n```\n````"});
  CHECK(code_in("~~~\n```\n~~~\nb") == Texts{"~~~\n```\n~~~"});
  CHECK(code_in("```\nnever closed\n\n") == Texts{"```\nnever closed\n\n"});
  CHECK(code_in("```one line``` after") == Texts{"```one line```"});
  CHECK(code_in("see:```py\na\n```\nb") == Texts{"```py\na\n```"});
  CHECK(code_in("hello~~~ world") == Texts{});
  CHECK(code_in("text\n    indented\n\tby tab\n   not") == Texts{"    indented", "\tby tab"});
  CHECK(code_in("    \n    a") == Texts{"    a"});
  CHECK(code_in("    a \n    b \n \n") == Texts{"    a ", "    b"});
  CHECK(code_in("- list\n    ```\nless indented\n    ```\nb") == Texts{"    ```\nless indented\n    ```"});
  CHECK(code_in("a ` b\n```\nc ` d\n```") == Texts{"```\nc ` d\n```"});
  CHECK(code_in("```\r\na\r\n```\r\nb") == Texts{"```\r\na\r\n```"});
}

TEST_CASE("a text whose cleaning would change what is code stands as it came") {
  // Without the zero-width space the last two backticks are one mark, and what was code is none any more.
  const std::string text = "`a  b`\u200b`";
  CHECK(safe(text) == text);
  CHECK(safe("`a  b``") == "`a b``");
}

TEST_CASE("cleaning settles: doing it again changes nothing") {
  const std::uint64_t seed = 4711;
  INFO("seed " << seed);
  Rng rng(seed);
  const std::vector<std::string> pieces{"a",      "b",      " ",      "  ",     "\n",     "\r\n",   "\r",     "\t",
                                        "`",      "``",     "```",    "~~~",    "货",     "\u3000", "\u200b", "\u200d",
                                        "\u0301", "\ufeff", "\u00a0", "\u2000", "\u1fef", "    ",   "👩",      "💻"};
  for (int i = 0; i < 30000; ++i) {
    std::string text;
    for (std::uint64_t n = rng.below(14); n > 0; --n) text += pieces[rng.below(pieces.size())];
    const Edges edges{.trim_front = rng.chance(0.7), .trim_back = rng.chance(0.7)};
    const std::string once = safe(text, edges);
    if (safe(once, edges) != once) {
      FAIL("not settled: " << text);
    }
  }
}

TEST_CASE("texts made to be slow are not") {
  const std::size_t size = 400000;
  std::string marks = "a";
  while (marks.size() < size) marks += "\u0301\u0327";
  std::string ticks;
  for (std::size_t n = 1; ticks.size() < size; n = n % 50 + 1) ticks += std::string(n, '`') + " ";
  std::string lines;
  while (lines.size() < size) lines += "` ``\nx\n\n";
  std::string stray = "`" + std::string(size, '\n');
  std::string broken;
  while (broken.size() < size) broken += "a  \r\n";
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& text : {marks, ticks, lines, stray, broken}) (void)safe(text);
  CHECK(safe(marks + " ") == marks);
  // Quadratic behaviour would take minutes; the limit is wide because test machines are slow and sanitizers slower.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}
