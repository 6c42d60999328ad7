#include "chat/canonical.h"

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>

#include "chat/form.h"
#include "core/rng.h"
#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

using Paths = std::vector<std::string>;

TEST_CASE("a canonical form is printed for people") {
  const std::string body =
      R"({"model":"m","user":"u","temperature":0.70,"x":[1.0,true,null,{}],"messages":[{"role":"user","content":"a\n\"b\" 你"},)"
      R"({"role":"assistant","tool_calls":[{"id":"abc","type":"function"}]},{"role":"tool","tool_call_id":"abc","content":""}]})";
  CHECK(print_canonical(form(body)) == R"(chat_completions {
  "messages": [
    {
      "content": "a\n\"b\" 你",
      "role": "user"
    },
    {
      "role": "assistant",
      "tool_calls": [
        {
          "id": call 1,
          "type": "function"
        }
      ]
    },
    {
      "content": "",
      "role": "tool",
      "tool_call_id": call 1
    }
  ],
  "model": "m",
  "temperature": 0.7,
  "x": [
    1.0,
    true,
    null,
    {}
  ]
})");
  CHECK(print_canonical(form(ask("How?"), Level::faq)).find(R"("content": folded "how")") != std::string::npos);
  CHECK(print_canonical("") == "(not a canonical form)");
}

TEST_CASE("differences between two forms are paths") {
  const auto differences = [](std::string_view a, std::string_view b) { return canonical_differences(form(a), form(b)); };
  CHECK(differences(ask("a"), ask("a")) == Paths{});
  CHECK(differences(ask("a"), ask("b")) == Paths{"messages[0].content"});
  CHECK(differences(ask("a", R"(,"temperature":0.7)"), ask("a", R"(,"temperature":0.8)")) == Paths{"temperature"});
  CHECK(differences(ask("a", R"(,"seed":1)"), ask("a")) == Paths{"seed"});
  CHECK(differences(ask("a"), ask("a", R"(,"a":1,"z":2)")) == Paths{"a", "z"});
  CHECK(differences(ask("a", R"(,"x":{"y":[1,2,3]})"), ask("b", R"(,"x":{"y":[1,3],"z":1})")) ==
        Paths{"messages[0].content", "x.y[1]", "x.y[2]", "x.z"});
  CHECK(differences(ask("a", R"(,"x":[])"), ask("a", R"(,"x":{})")) == Paths{"x"});
  CHECK(differences(ask("a", R"(,"x":[1],"y":1)"), ask("a", R"(,"x":1,"y":2)")) == Paths{"x", "y"});
  CHECK(canonical_differences(form(ask("a", R"(,"a":1,"b":2,"c":3)")), form(ask("a")), 2) == Paths{"a", "b"});
  CHECK(canonical_differences(form(R"({"model":"m","prompt":"x"})", Level::safe, Endpoint::completions), form(ask("x"))) ==
        Paths{"endpoint"});
  CHECK(canonical_differences("", form(ask("x"))) == Paths{"endpoint"});
}

TEST_CASE("a broken form is read to where it breaks and no further") {
  const std::string whole = form(ask("hello", R"(,"x":{"y":[1,2,{"z":null}]},"tools":[{"type":"function"}])"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    CHECK(print_canonical(cut).ends_with("(not a canonical form)"));
    CHECK_FALSE(canonical_differences(whole, cut).empty());
    CHECK_FALSE(canonical_differences(cut, whole).empty());
  }
  const std::uint64_t seed = 20260801;
  INFO("seed " << seed);
  Rng rng(seed);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 3; ++flips) damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
    (void)print_canonical(damaged);
    (void)canonical_differences(damaged, whole);
    (void)canonical_differences(whole, damaged);
  }
  // Containers that claim to be nested for ever.
  std::string deep(form(ask("x")).substr(0, 4));
  for (int i = 0; i < 100000; ++i) deep += std::string("a\x01\0\0\0", 5);
  CHECK(print_canonical(deep).ends_with("(not a canonical form)"));
  CHECK(canonical_differences(deep, deep) == Paths{"(broken)"});
  FormReader reader(std::string_view(deep).substr(4));
  CHECK_FALSE(reader.skip());
}

TEST_CASE("a form that outgrows its room is the same") {
  std::string body = R"({"model":"m","messages":[{"role":"user","content":"hello"}],"x":[{},{)";
  for (int i = 0; i < 400; ++i) body += fmt::format("{}\"{}\":1", i == 0 ? "" : ",", i);
  body += "}]}";
  std::string room;
  room.reserve(16 * body.size());
  const Request roomy = understand(Endpoint::chat_completions, body, Level::safe, std::move(room));
  const Request grown = understand(Endpoint::chat_completions, body, Level::safe);
  REQUIRE(grown.canonical.size() > body.size() + body.size() / 4 + 64);
  CHECK(grown.canonical == roomy.canonical);
  FormReader reader(grown.canonical);
  CHECK(reader.head());
  CHECK(reader.skip());
  CHECK(reader.rest().empty());
}
