// How much a target is asked for, and when it counts as broken: what [[model]] and [[target]] both say.
//
// Where two keys depend on each other, the default of one gives way to what is written for the other. Only two that are both
// written can contradict each other.
#include <fmt/format.h>

#include <algorithm>

#include "config/sections.h"

namespace outrigger::config {
namespace {

constexpr std::uint64_t k_max_concurrency = 100'000;

Concurrency::Adaptive read_adaptive(TableReader& table) {
  Concurrency::Adaptive adaptive;
  const auto min = table.integer("min", {1, k_max_concurrency});
  const auto max = table.integer("max", {1, k_max_concurrency});
  set(adaptive.min, min);
  set(adaptive.max, max);
  if (!min) adaptive.min = std::min(adaptive.min, adaptive.max);
  if (!max) adaptive.max = std::max(adaptive.max, adaptive.min);
  if (adaptive.max < adaptive.min) {
    table.context().error(table.place_of("max"), "`max` is smaller than `min`; write a larger one, or a smaller `min`");
  }
  return adaptive;
}

}  // namespace

std::optional<Concurrency> read_concurrency(TableReader& owner) {
  const Member* member = owner.find("concurrency");
  if (member == nullptr) return std::nullopt;
  const Node& value = member->value;
  Concurrency concurrency;
  if (value.kind == Node::Kind::table) {
    with_table(owner, "concurrency", [&](TableReader& table) { concurrency.adaptive = read_adaptive(table); });
  } else if (value.kind == Node::Kind::integer && value.integer == 0) {
    owner.context().error(value.place,
                          "`concurrency` of 0 would let nothing through; write at least 1, or leave it out for no "
                          "limit");
    return std::nullopt;
  } else if (value.kind == Node::Kind::integer) {
    set(concurrency.fixed, owner.integer("concurrency", {1, k_max_concurrency}));
    if (!concurrency.fixed) return std::nullopt;
  } else {
    owner.context().error(value.place,
                          fmt::format("`concurrency` in {} must be a whole number, or bounds such as {{ min = 2, "
                                      "max = 64 }} to have it found, not {}",
                                      owner.where(), describe(value.kind)));
    return std::nullopt;
  }
  return concurrency;
}

std::optional<Rate> read_rate(TableReader& owner) {
  std::optional<Rate> rate;
  with_table(owner, "rate", [&](TableReader& table) {
    rate.emplace();
    set(rate->requests_per_minute, table.integer("requests_per_minute", {1, 100'000'000}));
    set(rate->tokens_per_minute, table.integer("tokens_per_minute", {1, 100'000'000'000}));
  });
  return rate;
}

std::optional<Breaker> read_breaker(TableReader& owner) {
  std::optional<Breaker> breaker;
  with_table(owner, "breaker", [&](TableReader& table) {
    breaker.emplace();
    set(breaker->failures, table.integer("failures", {1, 1000}));
    const auto open = table.duration("open", {10ms, 1h});
    const auto max_open = table.duration("max_open", {10ms, 24h});
    set(breaker->open, open);
    set(breaker->max_open, max_open);
    if (!open) breaker->open = std::min(breaker->open, breaker->max_open);
    if (!max_open) breaker->max_open = std::max(breaker->max_open, breaker->open);
    if (breaker->max_open < breaker->open) {
      table.context().error(table.place_of("max_open"), "`max_open` is shorter than `open`; write a longer one");
    }
  });
  return breaker;
}

}  // namespace outrigger::config
