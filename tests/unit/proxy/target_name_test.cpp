// What targets are called: never two of them the same, and harmless wherever it is written.
#include "proxy/target_name.h"

#include <catch2/catch_test_macros.hpp>

#include <set>

#include "obs/utf8.h"
#include "unit/proxy/chain_bench.h"

namespace outrigger::proxy::test {
namespace {

std::string in_header(std::string_view name) {
  std::string to;
  append_header_safe(to, name);
  return to;
}

TEST_CASE("a target is called by upstream and model, as they are") {
  CHECK(target_name("main", "gpt-4o") == "main:gpt-4o");
  CHECK(target_name("main", "") == "main");
  CHECK(target_name("main", "文心一言") == "main:文心一言");
  CHECK(target_name("main", "a b:c/d?e") == "main:a b:c/d?e");
  CHECK(target_name("main", "50%") == "main:50%");
}

TEST_CASE("what could do harm in a name is written as an escape") {
  CHECK(target_name("main", "a\r\nb\x1b[0m\x7f") == "main:a%0D%0Ab%1B[0m%7F");
  CHECK(target_name("main",
                    "a\xc2\x9b"
                    "b") == "main:a%C2%9Bb");  // a terminal's CSI, as one character
  CHECK(target_name("main", "\xe6\x96x\xff") == "main:%E6%96x%FF");
  // What looks like an escape already is told from it.
  CHECK(target_name("main", "a%0Ab") == "main:a%250Ab");
}

TEST_CASE("long names are cut between characters and stay different") {
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "文";
  std::set<std::string> all;
  for (const std::string& model : {wide + "a", wide + "b", wide, std::string(500, 'a'), std::string(501, 'a')}) {
    const std::string name = target_name("main", model);
    CHECK(name.size() <= k_target_name_max);
    CHECK(obs::valid_utf8(name) == name);
    CHECK(all.insert(name).second);
    // Nobody can ask for a model that is called like a long one.
    CHECK(target_name("main", name.substr(5)) != name);
  }
  CHECK(target_name("main", std::string(103, 'a')) == "main:" + std::string(103, 'a'));
}

TEST_CASE("names in headers are visible ASCII and can be read back") {
  CHECK(in_header("main:gpt-4o") == "main:gpt-4o");
  CHECK(in_header("main:文心 4") == "main:%E6%96%87%E5%BF%83%204");
  CHECK(in_header(target_name("main", "a\r\nx-evil: 1")) == "main:a%0D%0Ax-evil:%201");
  CHECK(in_header("from\r\nelsewhere\xff") == "from%0D%0Aelsewhere%FF");
}

// ---- through the door -------------------------------------------------------------------------------------------------

const std::string k_wide = R"(
[[model]]
name = "文心一言"
fallback = ["main:通义千问"]
[[model]]
name = "*"
retry = { attempts = 1 }
)";

std::string question(std::string_view model, std::string_view text = "hello") {
  return post({}, fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"{}"}}]}})", model, text));
}

TEST_CASE("a fallback whose name is as long, in a script that is not Latin, is asked") {
  ChainBench b(k_wide);
  const auto client = b.send(question("文心一言"));
  b.last().answer(k_error, 503);
  b.settle();
  REQUIRE(b.asked.size() == 2);
  CHECK(b.last().body.find("通义千问") != std::string::npos);
  b.last().answer(answer_json("hi"));
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 200"));
  CHECK(field_of(client->received(), "x-outrigger-served-by") == in_header("main:通义千问"));
  CHECK(b.metric("outrigger_attempts_total{target=\"main:通义千问\",outcome=\"ok\"}") == "1");
  CHECK(b.log.lines.back().find("\"served_by\":\"main:通义千问\"") != std::string::npos);
}

TEST_CASE("one model's outage is not another's") {
  ChainBench b(k_wide);
  const auto ask = [&](std::string_view model, int status) {
    const std::size_t before = b.asked.size();
    const auto client = b.send(question(model, std::to_string(before)));
    if (b.asked.size() > before) b.last().answer(status == 200 ? answer_json("hi") : k_error, status);
    b.settle();
    return client->received().substr(9, 3);
  };
  CHECK(ask("星火大模", 200) == "200");
  for (int i = 0; i < 3; ++i) CHECK(ask("百川智能", 500) == "500");
  std::map<std::string, resilience::Health::State> states;
  b.door.lanes().each([&](const Lane& lane) { states[lane.name()] = lane.state(); });
  CHECK(states["main:百川智能"] == resilience::Health::State::open);
  CHECK(states["main:星火大模"] == resilience::Health::State::closed);
  CHECK(ask("星火大模", 200) == "200");
  // By hand, too.
  CHECK(b.door.lanes().force_open("main:星火大模"));
  CHECK(b.door.lanes().force_close("main:百川智能"));
  CHECK(ask("百川智能", 200) == "200");
  CHECK(ask("星火大模", 200) == "503");
}

TEST_CASE("a hit says in its header who answered") {
  ChainBench b(k_wide);
  const auto first = b.send(question("星火大模"));
  b.last().answer(answer_json("hi"));
  b.settle();
  const auto hit = b.send(question("星火大模"));
  CHECK(field_of(hit->received(), "x-outrigger-cache") == "hit");
  CHECK(field_of(hit->received(), "x-outrigger-served-by") == in_header("main:星火大模"));
}

TEST_CASE("a model's name that a client made up does no harm") {
  ChainBench b(k_wide);
  const auto client = b.send(question(R"(a\r\nx-evil: 1\u0000\u009b31m)"));
  b.last().answer(answer_json("hi"));
  b.settle();
  const std::string served_by = "main:a%0D%0Ax-evil:%201%00%C2%9B31m";
  CHECK(field_of(client->received(), "x-outrigger-served-by") == served_by);
  CHECK(field_of(client->received(), "x-evil").empty());
  const std::string name = "main:a%0D%0Ax-evil: 1%00%C2%9B31m";
  CHECK(b.metric("outrigger_attempts_total{target=\"" + name + "\",outcome=\"ok\"}") == "1");
  CHECK(b.log.lines.back().find("\"served_by\":\"" + name + "\"") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::proxy::test
