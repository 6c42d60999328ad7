// What is remembered of requests that are over.
#include "obs/journal.h"

#include <catch2/benchmark/catch_benchmark.hpp>
#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace outrigger::obs {
namespace {

constexpr WallTime k_noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 26} + 12h};

struct Lines final : LineSink {
  void write(std::string_view line) override { all.emplace_back(line); }
  std::vector<std::string> all;
};

struct Heard final : Journal::Listener {
  void on_record(std::string_view line) override { all.emplace_back(line); }
  std::vector<std::string> all;
};

AccessRecord record(std::string_view cache, std::string_view outcome) {
  AccessRecord record;
  record.time = k_noon;
  record.request_id = "or-1";
  record.door = "llm";
  record.model = "gpt-4o";
  record.cache = cache;
  record.outcome = outcome;
  record.prompt_tokens = 10;
  record.completion_tokens = 5;
  return record;
}

std::vector<std::string> newest(const Journal& journal, std::size_t limit) {
  std::vector<std::string> lines;
  journal.recent().newest(limit, [&](std::string_view line) { lines.emplace_back(line); });
  return lines;
}

}  // namespace

TEST_CASE("a record is counted, remembered and told, with or without an access log") {
  Lines log;
  Heard heard;
  Journal journal;
  Outlet outlet(nullptr);
  CHECK(!outlet.is_open());
  outlet.set_journal(&journal);
  CHECK(outlet.is_open());
  journal.set_listener(&heard);
  AccessRecord hit = record("hit", "ok");
  hit.saved_usd = 0.25;
  hit.saved_tokens = 15;
  outlet.tell(hit);
  outlet.set_log(&log);
  AccessRecord failed = record("miss", "upstream_error");
  failed.request_id = "or-2";
  failed.spent_usd = 0.5;
  failed.spent_tokens = 15;
  outlet.tell(failed);

  CHECK(log.all.size() == 1);
  REQUIRE(heard.all.size() == 2);
  CHECK(heard.all[1] + "\n" == log.all[0]);
  const std::vector<std::string> lines = newest(journal, 10);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].contains("or-2"));
  CHECK(lines[1].contains("or-1"));
  CHECK(newest(journal, 1).size() == 1);
  CHECK(newest(journal, 0).empty());
  CHECK(journal.totals().requests == 2);
  CHECK(journal.totals().outcomes == std::array<std::uint64_t, 6>{1, 0, 1, 0, 0, 0});
  CHECK(journal.totals().cache == std::array<std::uint64_t, 6>{1, 0, 0, 1, 0, 0});
  const HistoryPoint point = journal.history().view(History::Span::hour, k_noon).points.back();
  CHECK(point.saved_tokens == 15);
  CHECK(point.spent_tokens == 15);
  CHECK(point.saved_usd == 0.25);
  CHECK(point.spent_usd == 0.5);
  CHECK(point.errors == 1);
}

TEST_CASE("tokens count as they were booked, whatever else is known of them") {
  struct Case {
    std::string_view cache;
    std::uint64_t prompt, completion, saved, spent;
  };
  const Case table[] = {
      {"miss", 7, 2, 0, 9},  {"miss", 0, 0, 0, 40},
      {"miss", 7, 2, 0, 0},  // of a run: its model calls are booked at the llm door
      {"hit", 0, 0, 9, 0},   // of one that the cache has answered
      {"hit", 7, 2, 9, 0},   {"coalesced", 7, 2, 9, 0},
      {"stale", 7, 2, 9, 5},  // after a try that came to nothing
  };
  for (const Case& row : table) {
    Journal journal;
    AccessRecord one = record(row.cache, "ok");
    one.prompt_tokens = row.prompt;
    one.completion_tokens = row.completion;
    one.saved_tokens = row.saved;
    one.spent_tokens = row.spent;
    journal.add(one, "{}");
    const HistoryPoint point = journal.history().last(1min, k_noon);
    CAPTURE(row.cache, row.prompt, row.saved, row.spent);
    CHECK(point.saved_tokens == row.saved);
    CHECK(point.spent_tokens == row.spent);
  }
}

TEST_CASE("what nobody has asked the cache says nothing of it") {
  Journal journal;
  AccessRecord page = record("bypass", "ok");
  page.counts_for_cache = false;
  journal.add(page, "{}");
  CHECK(journal.totals().requests == 1);
  CHECK(journal.totals().cache == std::array<std::uint64_t, 6>{});
  CHECK(journal.history().last(10s, k_noon).bypass == 0);
  page.counts_for_cache = true;
  journal.add(page, "{}");
  CHECK(journal.totals().cache == std::array<std::uint64_t, 6>{0, 0, 0, 0, 1, 0});
  CHECK(journal.history().last(10s, k_noon).bypass == 1);
}

TEST_CASE("an app of the dify door stands where a model would") {
  Journal journal;
  AccessRecord run = record("hit", "ok");
  run.model = {};
  run.app = "FAQ";
  journal.add(run, "{}");
  CHECK(journal.history().view(History::Span::hour, k_noon).models.at(0).name == "FAQ");
}

TEST_CASE("records are bounded in number and in bytes, whatever their texts hold") {
  Journal journal;
  Outlet outlet(nullptr);
  outlet.set_journal(&journal);
  for (int i = 0; i < 600; ++i) outlet.tell(record("miss", "ok"));
  CHECK(journal.recent().size() == Recent::k_records);
  const std::string control(4000, '\x01');
  AccessRecord hostile = record("miss", "ok");
  for (std::string_view* text : {&hostile.path, &hostile.model, &hostile.peer, &hostile.client, &hostile.route})
    *text = control;
  outlet.tell(hostile);
  const std::string line = newest(journal, 1).at(0);
  CHECK(line.size() < 4096);
  CHECK(line.ends_with('}'));
  for (int i = 0; i < 600; ++i) outlet.tell(hostile);
  CHECK(journal.recent().bytes() <= Recent::k_bytes);
  CHECK(journal.recent().size() > 300);
  Recent recent;
  recent.add(std::string(Recent::k_bytes + 1, 'x'));
  CHECK(recent.size() == 0);
}

TEST_CASE("what a record costs", "[.bench]") {
  Journal journal;
  Outlet outlet(nullptr);
  outlet.set_journal(&journal);
  AccessRecord hit = record("hit", "ok");
  hit.method = "POST";
  hit.path = "/v1/chat/completions";
  hit.peer = "127.0.0.1:50000";
  hit.upstream = "openai";
  hit.served_by = "openai:gpt-4o";
  hit.status = 200;
  hit.duration = 21us;
  hit.first_byte = 20us;
  BENCHMARK("write, count and keep") { outlet.tell(hit); };
  std::string line;
  BENCHMARK("write alone, as for the access log") {
    line.clear();
    write_json(hit, line);
    return line.size();
  };
}

}  // namespace outrigger::obs
