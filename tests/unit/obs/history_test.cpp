// The last hour, day and month, in all and by model and route.
#include "obs/history.h"

#include <fmt/format.h>
#include <catch2/catch_test_macros.hpp>

namespace outrigger::obs {
namespace {

constexpr WallTime k_noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 26} + 12h};

HistoryEvent event(std::string_view model, std::string_view cache = "miss", double saved = 0, double spent = 0) {
  HistoryEvent event;
  event.model = model;
  event.cache = cache;
  event.was_answered = true;
  event.amounts = {.requests = 1, .saved_usd = saved, .spent_usd = spent, .saved_tokens = 7, .spent_tokens = 3};
  return event;
}

Amounts sum(const std::vector<Amounts>& points) {
  Amounts all;
  for (const Amounts& one : points) all += one;
  return all;
}

const History::Row* row(const std::vector<History::Row>& rows, std::string_view name) {
  for (const History::Row& one : rows) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a request is in the newest step of all three spans") {
  History history;
  history.add(event("gpt-4o", "hit", 0.5), k_noon + 3s);
  HistoryEvent failed = event("gpt-4o");
  failed.was_answered = false;
  failed.was_error = true;
  history.add(failed, k_noon + 9s);
  for (const auto span : {History::Span::hour, History::Span::day, History::Span::month}) {
    const History::View view = history.view(span, k_noon + 9s);
    const History::Shape shape = History::k_shapes[static_cast<std::size_t>(span)];
    REQUIRE(view.points.size() == shape.steps);
    CHECK(view.step == shape.step);
    CHECK(view.from + shape.step * (shape.steps - 1) == k_noon);
    CHECK(view.points.back().requests == 2);
    CHECK(view.points.back().hit == 1);
    CHECK(view.points.back().miss == 1);
    CHECK(view.points.back().errors == 1);
    CHECK(view.points.back().saved_usd == 0.5);
    CHECK(view.points.front().requests == 0);
    REQUIRE(view.models.size() == 1);
    CHECK(view.models[0].name == "gpt-4o");
    CHECK(view.models[0].points.back().requests == 2);
    REQUIRE(view.routes.size() == 1);
    CHECK(view.routes[0].name.empty());
  }
}

TEST_CASE("steps without requests are empty, and what is older than the span is gone") {
  History history;
  history.add(event("a"), k_noon);
  history.add(event("a"), k_noon + 35s);
  History::View view = history.view(History::Span::hour, k_noon + 59s);
  const std::size_t last = view.points.size() - 1;
  CHECK(view.points[last].requests == 0);      // 12:00:50
  CHECK(view.points[last - 2].requests == 1);  // 12:00:30
  CHECK(view.points[last - 3].requests == 0);
  CHECK(view.points[last - 5].requests == 1);  // 12:00:00
  CHECK(view.models[0].points[last - 5].requests == 1);

  view = history.view(History::Span::hour, k_noon + 1h);
  CHECK(view.points.front().requests == 0);  // 11:00:10 to now: the one at noon has just left
  CHECK(sum(view.models[0].points).requests == 1);
  view = history.view(History::Span::hour, k_noon + 3h);
  CHECK(view.models.empty());
  CHECK(sum(history.view(History::Span::day, k_noon + 3h).models[0].points).requests == 2);
  CHECK(history.view(History::Span::day, k_noon + 25h).models.empty());
  CHECK(sum(history.view(History::Span::month, k_noon + 25h).models[0].points).requests == 2);
  CHECK(history.view(History::Span::month, k_noon + 24h * 31).models.empty());
}

TEST_CASE("a clock that jumps") {
  History history;
  history.add(event("a"), k_noon);
  SECTION("back by less than the span: the newest step takes it") {
    history.add(event("a"), k_noon - 10min);
    CHECK(history.view(History::Span::hour, k_noon).points.back().requests == 2);
  }
  SECTION("back by more than the span: it begins anew") {
    history.add(event("a"), k_noon - 2h);
    const History::View view = history.view(History::Span::hour, k_noon - 2h);
    CHECK(view.points.back().requests == 1);
    CHECK(sum(view.models[0].points).requests == 1);
    CHECK(history.view(History::Span::day, k_noon).points.back().requests == 2);
  }
  SECTION("by years and back") {
    history.add(event("a"), k_noon + 24h * 3650);
    CHECK(sum(history.view(History::Span::month, k_noon + 24h * 3650).models[0].points).requests == 1);
    history.add(event("a"), k_noon);
    CHECK(history.view(History::Span::month, k_noon).points.back().requests == 1);
  }
  SECTION("before 1970") {
    history.add(event("a"), WallTime(-5h));
    CHECK(history.view(History::Span::hour, WallTime(-5h)).points.back().requests == 1);
  }
}

TEST_CASE("eight names are shown, those with most money first, and the rest together") {
  History history;
  for (int i = 0; i < 12; ++i) {
    for (int times = 0; times <= i; ++times) history.add(event(fmt::format("m{}", i), "hit", i < 2 ? 9 : 0), k_noon);
  }
  const History::View view = history.view(History::Span::hour, k_noon);
  REQUIRE(view.models.size() == 9);
  CHECK(view.models[0].name == "m1");
  CHECK(view.models[1].name == "m0");
  CHECK(view.models[2].name == "m11");
  CHECK(view.models[8].name == "other");
  CHECK(view.models[8].points.back().requests == 3 + 4 + 5 + 6);
  std::uint64_t all = 0;
  for (const History::Row& one : view.models) all += sum(one.points).requests;
  CHECK(all == view.points.back().requests);
}

TEST_CASE("a flood of names costs no more memory, and loses no request") {
  History history;
  for (int i = 0; i < 500; ++i) history.add(event("busy", "hit", 0.01), k_noon);
  for (int i = 0; i < 5000; ++i) {
    HistoryEvent rubbish = event("");
    const std::string name = fmt::format("rubbish-{}", i);
    rubbish.model = name;
    rubbish.was_answered = i % 2 == 0;  // even if every second one is answered
    history.add(rubbish, k_noon);
    if (i % 10 == 0) history.add(event("newcomer", "hit", 0.01), k_noon);
  }
  const History::View view = history.view(History::Span::month, k_noon);
  CHECK(view.models.size() == 9);
  std::uint64_t all = 0;
  for (const History::Row& one : view.models) all += sum(one.points).requests;
  CHECK(all == 500 + 5000 + 500);
  REQUIRE(row(view.models, "busy") != nullptr);
  CHECK(sum(row(view.models, "busy")->points).requests == 500);
  // Who comes again and again gets a place among those who come once.
  REQUIRE(row(view.models, "newcomer") != nullptr);
  CHECK(sum(row(view.models, "newcomer")->points).requests > 250);
}

TEST_CASE("names that were never answered share one row; long ones are cut; other is other") {
  History history;
  HistoryEvent unknown = event("no-such-model");
  unknown.was_answered = false;
  history.add(unknown, k_noon);
  history.add(event("other"), k_noon);
  const std::string long_name(300, 'x');
  history.add(event(long_name), k_noon);
  const History::View view = history.view(History::Span::hour, k_noon);
  REQUIRE(view.models.size() == 2);
  CHECK(view.models[0].name == std::string(128, 'x'));
  CHECK(view.models[1].name == "other");
  CHECK(view.models[1].points.back().requests == 2);
}

TEST_CASE("the last minutes, and the step that is whole") {
  History history;
  history.add(event("a"), k_noon);
  history.add(event("a"), k_noon + 12s);
  history.add(event("a"), k_noon + 14s);
  CHECK(history.last(10s, k_noon + 14s).requests == 2);
  CHECK(history.last(5min, k_noon + 20s).requests == 3);
  const History::Finished whole = history.finished(k_noon + 21s);
  CHECK(whole.at == k_noon + 10s);
  CHECK(whole.point.requests == 2);
  CHECK(history.last(5min, k_noon + 6min).requests == 0);
  History nothing;
  CHECK(nothing.finished(k_noon).point.requests == 0);
  CHECK(nothing.last(48h, k_noon).requests == 0);
  CHECK(nothing.view(History::Span::day, k_noon).models.empty());
}

TEST_CASE("spans have names") {
  for (const auto span : {History::Span::hour, History::Span::day, History::Span::month}) {
    CHECK(history_span(name(span)) == span);
  }
  CHECK(!history_span("year"));
  CHECK(!history_span(""));
}

}  // namespace outrigger::obs
