// History: what requests came to, over the last hour, day and month, in all and by model and by route. In memory: a restart forgets.
// Pure: the owner passes the time. Fixed in size: about 2 MB when as many models and routes are known as have a place.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace outrigger::obs {

// What was saved and spent.
struct Amounts {
  std::uint64_t requests = 0;
  double saved_usd = 0, spent_usd = 0;
  std::uint64_t saved_tokens = 0, spent_tokens = 0;
  Amounts& operator+=(const Amounts& other);
};

// One step, of all requests together.
struct HistoryPoint : Amounts {
  std::uint64_t hit = 0, stale = 0, coalesced = 0, miss = 0, bypass = 0, observe = 0;
  std::uint64_t errors = 0;  // that were not the client's doing
  using Amounts::operator+=;
  HistoryPoint& operator+=(const HistoryPoint& other);
};

// One request that is over, or what was spent for none.
struct HistoryEvent {
  std::string_view model;     // or the app of the dify door; empty: none
  std::string_view route;     // empty: none
  std::string_view cache;     // hit, stale, ...
  bool was_answered = false;  // well
  bool was_error = false;     // and not the client's
  Amounts amounts{};          // `requests` is 1, or 0: no request
};

class History {
 public:
  enum class Span : unsigned char { hour, day, month };
  struct Shape {
    std::chrono::seconds step;
    std::size_t steps;
  };
  static constexpr std::array<Shape, 3> k_shapes{{{10s, 360}, {300s, 288}, {7200s, 360}}};
  // Names that have a series of their own. Names come from clients, so when there are more the one that was asked for least makes
  // place and goes into "other" (Space-Saving: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements
  // in data streams", 2005: who is new inherits the count, so two that take turns do not push each other out for ever).
  static constexpr std::size_t k_kept = 24;
  static constexpr std::size_t k_shown = 8;       // those with most money, then most requests, in the span
  static constexpr std::size_t k_max_name = 128;  // bytes

  // Time that goes back a little is taken for the newest step; further than the span is long, the span begins anew.
  void add(const HistoryEvent& event, WallTime now);

  struct Row {
    std::string name;
    std::vector<Amounts> points;
  };
  struct View {
    std::chrono::seconds step{};
    WallTime from{};                   // of the first point
    std::vector<HistoryPoint> points;  // the oldest first; the last one still grows
    std::vector<Row> models, routes;   // "other" is the last, when there is one
  };
  [[nodiscard]] View view(Span span, WallTime now);
  // The last whole step of the hour, and when it began.
  struct Finished {
    WallTime at{};
    HistoryPoint point;
  };
  [[nodiscard]] Finished finished(WallTime now);
  // All of about the last `over`, at most an hour.
  [[nodiscard]] HistoryPoint last(Duration over, WallTime now);

 private:
  static constexpr std::size_t k_spans = k_shapes.size();
  struct Series {
    std::string name;
    std::uint64_t weight = 0;
    std::array<std::vector<Amounts>, k_spans> rings;
  };
  struct Family {
    std::vector<Series> kept;
    Series other;  // without rings until it is needed
  };

  void advance(WallTime now);
  void turn_to(std::size_t span, std::int64_t step);
  // Of the steps from `from` to `to`, both included.
  void clear(std::size_t span, std::int64_t from, std::int64_t to);
  [[nodiscard]] std::size_t place(std::size_t span, std::int64_t step) const;
  void book(Series& series, const Amounts& amounts);
  [[nodiscard]] Series& series_of(Family& family, std::string_view name);
  [[nodiscard]] std::vector<Row> rows(const Family& family, std::size_t span) const;
  [[nodiscard]] std::vector<Amounts> in_order(const Series& series, std::size_t span) const;

  bool has_begun_ = false;
  std::array<std::int64_t, k_spans> newest_{};  // steps since 1970
  std::array<std::vector<HistoryPoint>, k_spans> points_;
  Family models_, routes_;
};

// "hour", "day", "month".
std::optional<History::Span> history_span(std::string_view name);
std::string_view name(History::Span span);

}  // namespace outrigger::obs
