// The picture of `outrigger top`.
#include "admin/top_view.h"

#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>
#include "admin/columns.h"

namespace outrigger::admin {
namespace {

const std::string k_status = R"({"version":"0.1.0","ready":true,"uptime_seconds":11520.5,
"health":{"state":"bad","reasons":[{"code":"target_open","level":"bad","subject":"relay:gpt-4o",
  "text":"relay:gpt-4o keeps failing: it is left alone and tried again in 3 s."}]},
"cache":{"memory":{"entries":12345,"bytes":125829120,"capacity":268435456},"redis":{"configured":true,"up":true}},
"fleet":{"replicas":3},
"savings":{"usd":45.678,"prompt_tokens":1200000,"completion_tokens":300000},
"spending":{"usd":3.21,"prompt_tokens":10000,"completion_tokens":600},
"targets":[
 {"name":"backup:gpt-4o","breaker":"closed","by_hand":false,"in_flight":2,"queue":{"waiting":0,"depth":100},
  "first_token_seconds":{},"keys":[{"gate_closed_seconds":0}]},
 {"name":"relay:gpt-4o","breaker":"open","by_hand":false,"in_flight":3,"concurrency":8,"queue":{"waiting":7,"depth":100},
  "first_token_seconds":{"p50":0.42,"p95":1.25},"keys":[{"gate_closed_seconds":12.1},{"gate_closed_seconds":0}]}]})";

const std::string k_history =
    R"({"span":"hour","step_seconds":10,"points":[{"requests":40,"hit":20,"miss":20,"saved_usd":2},{},{},{},{},{},
{"requests":120,"hit":40,"coalesced":10,"stale":5,"miss":5,"bypass":60,"errors":2,"saved_usd":1.5,"spent_usd":0.25,
 "saved_tokens":1500,"spent_tokens":900},{"requests":1}]})";

const std::string k_requests = R"({"requests":[
 {"time":"2026-11-26T08:01:02.123Z","model":"gpt-4o","status":200,"cache":"hit","duration_ms":0.021},
 {"time":"2026-11-26T08:01:01.123Z","model":"通义千问","status":503,"cache":"miss","error":"no_target","attempts":3,"duration_ms":2500},
 {"time":"2026-11-26T08:01:00.123Z","path":"/v1/models","status":200,"cache":"bypass","cache_reason":"endpoint","attempts":1,"duration_ms":12.5}]})";

std::vector<std::string> view(std::size_t width, std::size_t height, std::string_view requests = k_requests,
                              std::string_view status = k_status) {
  return top_view({.where = "127.0.0.1:9090", .status = status, .history = k_history, .requests = requests, .problem = {}},
                  {width, height, false});
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// The first line that holds it.
std::string line_with(const std::vector<std::string>& lines, std::string_view part) {
  for (const std::string& line : lines) {
    if (line.contains(part)) return line;
  }
  return {};
}

}  // namespace

TEST_CASE("the picture at 80x24") {
  const std::vector<std::string> lines = view(80, 24);
  INFO(joined(lines));
  CHECK(lines.size() <= 24);
  CHECK(lines[0] == "Outrigger 0.1.0  bad  up 3 h 12 min  127.0.0.1:9090");
  CHECK(lines[1] == "  ! relay:gpt-4o keeps failing: it is left alone and tried again in 3 s.");
  CHECK(line_with(lines, "Requests") == "Requests  2.0/s  161 in the last hour, 2 of them failed");
  // 75 of 160 were answered without being paid for.
  CHECK(line_with(lines, "Cache") == "Cache     46.9 %  hit 60, coalesced 10, stale 5, miss 25, bypass 60");
  CHECK(line_with(lines, "Saved") == "Saved     $3.50, 1.5 k tokens in the last hour; $45.68, 1.5 M since the start");
  CHECK(line_with(lines, "Spent") == "Spent     $0.2500, 900 tokens in the last hour; $3.21, 11 k since the start");
  CHECK(line_with(lines, "Memory") == "Memory    12 k answers, 120 MiB of 256 MiB, Redis is up, 3 replicas");
  // The one in trouble first.
  const std::string table = joined(lines);
  CHECK(table.find("relay:gpt-4o  ") < table.find("backup:gpt-4o  "));
  const std::string target = line_with(lines, "relay:gpt-4o  ");
  for (const char* part : {"open", "13 s", "3/8", "7/100", "420 ms", "1.2 s"}) CHECK(target.contains(part));
  CHECK(line_with(lines, "backup:gpt-4o  ").contains(" -"));
  CHECK(line_with(lines, "08:01:01").contains("no_target"));
  CHECK(line_with(lines, "08:01:01").contains("2.5 s"));
  CHECK(line_with(lines, "08:01:02").contains("<1 ms"));
  CHECK(line_with(lines, "08:01:00").contains("/v1/models"));
}

TEST_CASE("whatever the size, lines fit, and what matters most stays") {
  for (const std::size_t width : {1, 5, 12, 20, 40, 60, 80, 133, 400}) {
    for (const std::size_t height : {0, 1, 2, 5, 10, 24, 60}) {
      CAPTURE(width, height);
      const std::vector<std::string> lines = view(width, height);
      CHECK(lines.size() <= height);
      for (const std::string& line : lines) CHECK(admin::width(line) <= width);
    }
  }
  const std::vector<std::string> narrow = view(40, 24);
  INFO(joined(narrow));
  CHECK(line_with(narrow, "TARGET").contains("BREAKER"));
  CHECK(line_with(narrow, "MODEL").contains("STATUS"));
  CHECK(!line_with(narrow, "MODEL").contains("WHY"));
  const std::vector<std::string> wide = view(200, 24);
  CHECK(line_with(wide, "TARGET").contains("P95"));
}

TEST_CASE("Chinese names take two columns each, and the columns behind them stand in line") {
  const std::vector<std::string> lines = view(80, 24);
  const std::string latin = line_with(lines, "08:01:02");
  const std::string chinese = line_with(lines, "08:01:01");
  REQUIRE(chinese.contains("通义千问"));
  CHECK(width(latin.substr(0, latin.find("08:01"))) == width(chinese.substr(0, chinese.find("08:01"))));
  CHECK(width("通义千问") == 8);
  CHECK(fitted("通义千问", 8) == "通义千问");
  CHECK(fitted("通义千问", 7) == "通义千…");
  CHECK(fitted("通义千问", 6) == "通义… ");
  CHECK(fitted("ab", 4, Side::right) == "  ab");
  CHECK(fitted("abc", 1) == "…");
  CHECK(fitted("abc", 0).empty());
  CHECK(width("e\xcc\x81") == 1);  // é of two
}

TEST_CASE("hostile names are shown and do nothing") {
  const std::string hostile =
      R"({"requests":[{"time":"2026-11-26T08:01:02.123Z","model":"\u001b[2J\u0007\r\n\u009b31m\u202eevil\u0000","status":200,
      "cache":"\u001b]0;x\u0007","error":"\u0085\u2028\ufeff"}]})";
  const std::string status = R"({"version":"\u001b[31m","health":{"state":"\u001b","reasons":[{"text":"\u001b\n"}]},
      "targets":[{"name":"a\u001bc\nb","breaker":"\u001b"}]})";
  const std::vector<std::string> lines = view(200, 30, hostile, status);
  for (const std::string& line : lines) {
    CAPTURE(line);
    for (const char c : line) CHECK((static_cast<unsigned char>(c) >= ' ' && c != 0x7f));
    for (const char* bad : {"\xc2\x9b", "\xc2\x85", "\xe2\x80\xae", "\xe2\x80\xa8", "\xef\xbb\xbf"})
      CHECK(!line.contains(bad));
  }
  CHECK(joined(lines).contains(R"(\x1b[2J\x07\x0d\x0a\x9b31m\u202eevil)"));
  CHECK(printable("a\xff\xfe") == "a\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(printable("\x7f\t") == "\\x7f\\x09");
}

TEST_CASE("nothing yet, nothing new, nothing sensible") {
  CHECK(joined(top_view({.where = "x:1", .status = {}, .history = {}, .requests = {}, .problem = {}}, {80, 24, false})) ==
        "Outrigger x:1\nAsking ...\n");
  CHECK(
      joined(top_view({.where = "x:1", .status = {}, .history = {}, .requests = {}, .problem = "refused"}, {80, 24, false}))
          .contains("refused"));
  // What was known stays to be seen.
  const std::string old = joined(
      top_view({.where = "x:1", .status = k_status, .history = k_history, .requests = k_requests, .problem = "refused"},
               {80, 24, false}));
  CHECK(old.contains("No news: refused"));
  CHECK(old.contains("relay:gpt-4o"));
  const std::string idle = joined(view(80, 24, R"({"requests":[]})", R"({"version":"1","health":{"state":"ok"}})"));
  CHECK(idle.contains("all is well"));
  CHECK(idle.contains("No requests yet"));
  CHECK(idle.contains("No target has been asked yet"));
  for (const char* rubbish : {"", "[]", "{", "null", R"({"version":1,"health":[],"targets":{},"savings":"x"})",
                              R"({"version":"1","targets":[1,null,"x"],"health":{"reasons":[1]},"uptime_seconds":1e308})"}) {
    CAPTURE(rubbish);
    for (const std::string& line : view(80, 24, rubbish, rubbish)) CHECK(width(line) <= 80);
  }
}

TEST_CASE("colours are there when they are wanted") {
  const TopFacts facts{.where = "x", .status = k_status, .history = k_history, .requests = k_requests, .problem = {}};
  CHECK(joined(top_view(facts, {80, 24, true})).contains("\x1b[31;1mbad\x1b[0m"));
  CHECK(!joined(top_view(facts, {80, 24, false})).contains('\x1b'));
}

}  // namespace outrigger::admin
