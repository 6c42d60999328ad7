#include "obs/history.h"

#include <algorithm>
#include <utility>

#include "obs/utf8.h"

namespace outrigger::obs {
namespace {

constexpr std::array<std::string_view, 3> k_names{"hour", "day", "month"};
constexpr std::string_view k_other = "other";

std::int64_t step_at(std::size_t span, WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch() / History::k_shapes[span].step;
}

WallTime begin_of(std::size_t span, std::int64_t step) { return WallTime(History::k_shapes[span].step * step); }

void count_cache(HistoryPoint& point, std::string_view cache) {
  if (cache == "hit") {
    ++point.hit;
  } else if (cache == "miss") {
    ++point.miss;
  } else if (cache == "bypass") {
    ++point.bypass;
  } else if (cache == "coalesced") {
    ++point.coalesced;
  } else if (cache == "stale") {
    ++point.stale;
  } else if (cache == "observe") {
    ++point.observe;
  }
}

}  // namespace

Amounts& Amounts::operator+=(const Amounts& other) {
  requests += other.requests;
  saved_usd += other.saved_usd;
  spent_usd += other.spent_usd;
  saved_tokens += other.saved_tokens;
  spent_tokens += other.spent_tokens;
  return *this;
}

HistoryPoint& HistoryPoint::operator+=(const HistoryPoint& other) {
  Amounts::operator+=(other);
  hit += other.hit;
  stale += other.stale;
  coalesced += other.coalesced;
  miss += other.miss;
  bypass += other.bypass;
  observe += other.observe;
  errors += other.errors;
  return *this;
}

std::optional<History::Span> history_span(std::string_view name) {
  const auto found = std::ranges::find(k_names, name);
  if (found == k_names.end()) return std::nullopt;
  return static_cast<History::Span>(found - k_names.begin());
}

std::string_view name(History::Span span) { return k_names[static_cast<std::size_t>(span)]; }

std::size_t History::place(std::size_t span, std::int64_t step) const {
  return static_cast<std::size_t>(step) % k_shapes[span].steps;
}

void History::clear(std::size_t span, std::int64_t from, std::int64_t to) {
  const auto all = static_cast<std::int64_t>(k_shapes[span].steps);
  for (std::int64_t step = std::max(from, to - all + 1); step <= to; ++step) {
    const std::size_t at = place(span, step);
    points_[span][at] = {};
    for (Family* family : {&models_, &routes_}) {
      for (Series& series : family->kept) series.rings[span][at] = {};
      if (!family->other.rings[span].empty()) family->other.rings[span][at] = {};
    }
  }
}

void History::turn_to(std::size_t span, std::int64_t step) {
  const auto all = static_cast<std::int64_t>(k_shapes[span].steps);
  if (step > newest_[span]) {
    clear(span, newest_[span] + 1, step);
  } else if (newest_[span] - step >= all) {
    clear(span, step - all + 1, step);
  } else {
    return;
  }
  newest_[span] = step;
}

void History::advance(WallTime now) {
  // Before 1970 no clock of ours can be; a clock that says so is as good as one that stands still.
  now = std::max(now, WallTime{});
  for (std::size_t span = 0; span < k_spans; ++span) {
    const std::int64_t step = step_at(span, now);
    if (has_begun_) {
      turn_to(span, step);
    } else {
      points_[span].resize(k_shapes[span].steps);
      newest_[span] = step;
    }
  }
  has_begun_ = true;
}

void History::book(Series& series, const Amounts& amounts) {
  for (std::size_t span = 0; span < k_spans; ++span) {
    if (series.rings[span].empty()) series.rings[span].resize(k_shapes[span].steps);
    series.rings[span][place(span, newest_[span])] += amounts;
  }
}

History::Series& History::series_of(Family& family, std::string_view name) {
  name = utf8_prefix(name, k_max_name);
  if (name == k_other) return family.other;
  for (Series& series : family.kept) {
    if (series.name == name) return series;
  }
  if (family.kept.size() < k_kept) {
    Series& added = family.kept.emplace_back();
    added.name = name;
    for (std::size_t span = 0; span < k_spans; ++span) added.rings[span].resize(k_shapes[span].steps);
    return added;
  }
  Series& least = *std::ranges::min_element(family.kept, {}, &Series::weight);
  for (std::size_t span = 0; span < k_spans; ++span) {
    std::vector<Amounts>& into = family.other.rings[span];
    into.resize(k_shapes[span].steps);
    for (std::size_t at = 0; at < into.size(); ++at) into[at] += std::exchange(least.rings[span][at], {});
  }
  least.name = name;
  return least;
}

void History::add(const HistoryEvent& event, WallTime now) {
  advance(now);
  for (std::size_t span = 0; span < k_spans; ++span) {
    HistoryPoint& point = points_[span][place(span, newest_[span])];
    point += event.amounts;
    count_cache(point, event.cache);
    if (event.was_error) ++point.errors;
  }
  // A name that never had an answer is worth no place: anybody can think of thousands, and of none that a provider would know.
  const auto book_as = [&](Family& family, std::string_view name) {
    const bool is_known = std::ranges::any_of(family.kept, [&](const Series& one) { return one.name == name; });
    Series& series = is_known || event.was_answered ? series_of(family, name) : family.other;
    series.weight += event.amounts.requests;
    book(series, event.amounts);
  };
  if (!event.model.empty()) book_as(models_, event.model);
  book_as(routes_, event.route);
}

std::vector<Amounts> History::in_order(const Series& series, std::size_t span) const {
  std::vector<Amounts> points;
  const auto all = static_cast<std::int64_t>(k_shapes[span].steps);
  points.reserve(k_shapes[span].steps);
  for (std::int64_t step = newest_[span] - all + 1; step <= newest_[span]; ++step) {
    points.push_back(series.rings[span][place(span, step)]);
  }
  return points;
}

std::vector<History::Row> History::rows(const Family& family, std::size_t span) const {
  struct Ranked {
    const Series* series;
    Amounts sum;
  };
  std::vector<Ranked> ranked;
  for (const Series& series : family.kept) {
    Amounts sum;
    for (const Amounts& one : series.rings[span]) sum += one;
    if (sum.requests > 0) ranked.push_back({&series, sum});
  }
  std::ranges::stable_sort(ranked, [](const Ranked& left, const Ranked& right) {
    const double mine = left.sum.saved_usd + left.sum.spent_usd;
    const double theirs = right.sum.saved_usd + right.sum.spent_usd;
    return mine != theirs ? mine > theirs : left.sum.requests > right.sum.requests;
  });
  std::vector<Row> rows;
  std::vector<Amounts> rest;
  if (!family.other.rings[span].empty()) rest = in_order(family.other, span);
  for (const Ranked& one : ranked) {
    if (rows.size() < k_shown) {
      rows.push_back({one.series->name, in_order(*one.series, span)});
      continue;
    }
    const std::vector<Amounts> more = in_order(*one.series, span);
    rest.resize(more.size());
    for (std::size_t i = 0; i < more.size(); ++i) rest[i] += more[i];
  }
  if (std::ranges::any_of(rest, [](const Amounts& one) { return one.requests > 0; })) {
    rows.push_back({std::string(k_other), std::move(rest)});
  }
  return rows;
}

History::View History::view(Span wanted, WallTime now) {
  advance(now);
  const auto span = static_cast<std::size_t>(wanted);
  const auto all = static_cast<std::int64_t>(k_shapes[span].steps);
  View view;
  view.step = k_shapes[span].step;
  view.from = begin_of(span, newest_[span] - all + 1);
  view.points.reserve(k_shapes[span].steps);
  for (std::int64_t step = newest_[span] - all + 1; step <= newest_[span]; ++step) {
    view.points.push_back(points_[span][place(span, step)]);
  }
  view.models = rows(models_, span);
  view.routes = rows(routes_, span);
  return view;
}

History::Finished History::finished(WallTime now) {
  advance(now);
  const std::int64_t step = newest_[0] - 1;
  return {begin_of(0, step), points_[0][place(0, step)]};
}

HistoryPoint History::last(Duration over, WallTime now) {
  advance(now);
  const auto wanted = std::clamp<std::int64_t>(over / k_shapes[0].step, 1, static_cast<std::int64_t>(k_shapes[0].steps));
  HistoryPoint sum;
  for (std::int64_t step = newest_[0] - wanted + 1; step <= newest_[0]; ++step) {
    sum += points_[0][place(0, step)];
  }
  return sum;
}

}  // namespace outrigger::obs
