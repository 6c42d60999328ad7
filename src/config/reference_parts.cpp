#include "config/reference_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "config/units.h"

namespace outrigger::config::parts {
namespace {

Entry make(std::string_view key, Entry::Kind kind, Standard standard, std::string limits, std::string_view words) {
  Entry entry;
  entry.key = key;
  entry.kind = kind;
  entry.standard = std::move(standard.toml);
  entry.otherwise = std::move(standard.otherwise);
  entry.limits = std::move(limits);
  entry.text = words;
  return entry;
}

// The members of the table that was added last are explained in another section.
void explain_in(Section& section, std::string_view as, std::string_view table) {
  if (as.empty()) return;
  for (Entry& entry : section.entries) {
    if (entry.key.starts_with(fmt::format("{}.", table))) entry.as = fmt::format("{} {}", as, entry.key);
  }
}

}  // namespace

Standard is(Duration value) { return {fmt::format("\"{}\"", format_duration(value)), {}}; }
Standard is_size(std::uint64_t value) { return {fmt::format("\"{}\"", format_size(value)), {}}; }
Standard is(std::uint64_t value) { return {fmt::format("{}", value), {}}; }
Standard is(double value) { return {fmt::format("{}", value), {}}; }
Standard is(bool value) { return {value ? "true" : "false", {}}; }
Standard is(std::string_view value) { return {fmt::format("\"{}\"", value), {}}; }
Standard is_empty_list() { return {"[]", {}}; }
Standard none(std::string_view words) { return {{}, std::string(words)}; }

Entry text(std::string_view key, Standard standard, std::string_view limits, std::string_view words) {
  return make(key, Entry::Kind::text, std::move(standard), std::string(limits), words);
}

Entry duration(std::string_view key, Standard standard, Bounds<Duration> limits, std::string_view words) {
  return make(key, Entry::Kind::duration, std::move(standard),
              fmt::format("from {} to {}", format_duration(limits.least), format_duration(limits.most)), words);
}

Entry size(std::string_view key, Standard standard, Bounds<std::uint64_t> limits, std::string_view words) {
  return make(key, Entry::Kind::size, std::move(standard),
              fmt::format("from {} to {}", format_size(limits.least), format_size(limits.most)), words);
}

Entry integer(std::string_view key, Standard standard, Bounds<std::uint64_t> limits, std::string_view words) {
  return make(key, Entry::Kind::integer, std::move(standard), fmt::format("from {} to {}", limits.least, limits.most),
              words);
}

Entry number(std::string_view key, Standard standard, Bounds<double> limits, std::string_view words) {
  return make(key, Entry::Kind::number, std::move(standard), fmt::format("from {} to {}", limits.least, limits.most), words);
}

Entry boolean(std::string_view key, Standard standard, std::string_view words) {
  return make(key, Entry::Kind::boolean, std::move(standard), {}, words);
}

Entry choice(std::string_view key, Standard standard, std::vector<std::string> all, std::string_view words) {
  Entry entry = make(key, Entry::Kind::choice, std::move(standard), {}, words);
  entry.words = std::move(all);
  return entry;
}

Entry texts(std::string_view key, Standard standard, std::string_view limits, std::string_view words) {
  return make(key, Entry::Kind::texts, std::move(standard), std::string(limits), words);
}

Entry table(std::string_view key, Standard standard, std::string_view words) {
  return make(key, Entry::Kind::table, std::move(standard), {}, words);
}

Entry free_table(std::string_view key, std::string_view limits, std::string_view words) {
  Entry entry = make(key, Entry::Kind::table, none("none"), std::string(limits), words);
  entry.is_free = true;
  return entry;
}

void add(Section& section, std::vector<Entry> entries) {
  section.entries.insert(section.entries.end(), std::make_move_iterator(entries.begin()),
                         std::make_move_iterator(entries.end()));
}

void add_concurrency(Section& section, Standard standard, std::string_view as, std::string_view words) {
  const Concurrency::Adaptive adaptive;
  add(section, {integer("concurrency", std::move(standard), {1, 100'000}, words),
                integer("concurrency.min", is(std::uint64_t{adaptive.min}), {1, 100'000},
                        "`concurrency = { min = …, max = … }` has the number found between these two, by how the target "
                        "fares: up while it answers as fast as ever, down when it slows or refuses."),
                integer("concurrency.max", is(std::uint64_t{adaptive.max}), {1, 100'000}, "The upper bound of the same.")});
  explain_in(section, as, "concurrency");
}

void add_rate(Section& section, std::string_view otherwise, std::string_view as, std::string_view words) {
  add(section, {table("rate", none(otherwise), words),
                integer("rate.requests_per_minute", none("no such limit"), {1, 100'000'000}, "Requests in any minute."),
                integer("rate.tokens_per_minute", none("no such limit"), {1, 100'000'000'000},
                        "Tokens in any minute, of prompts and answers together.")});
  explain_in(section, as, "rate");
}

void add_breaker(Section& section, std::string_view as, std::string_view words) {
  const Breaker standard;
  add(section,
      {table("breaker", none("the values below"), words),
       integer("breaker.failures", is(std::uint64_t{standard.failures}), {1, 1000},
               "Failures in a row after which it is left alone. Three in a row are no accident; where so many calls are "
               "made that they may be one, up to two more are asked for."),
       duration("breaker.open", is(standard.open), {10ms, 1h},
                "For how long, the first time. A second is enough for a hiccup, and it doubles with each try that fails."),
       duration("breaker.max_open", is(standard.max_open), {10ms, 24h},
                "As far as it doubles. After each such pause one real request finds out; a shorter one finds out sooner.")});
  explain_in(section, as, "breaker");
}

void add_queue(Section& section, const Queue& standard, std::string_view words) {
  add(section, {table("queue", none("the values below"), words),
                integer("queue.depth", is(std::uint64_t{standard.depth}), {0, 100'000},
                        "As many may wait; the next one is refused at once with `queue_full`. `0`: nobody waits."),
                duration("queue.wait", is(standard.wait), {0s, 1h},
                         "For so long. Who would have to wait longer is refused at once with `queue_wait`, and told when to "
                         "come again.")});
}

void add_cache_policy(Section& section, std::string_view wider, std::string_view words) {
  add(section, {table("cache", none(wider), words)});
  for (const Entry& entry : cache_section().entries) {
    const bool is_shared = entry.key != "memory" && entry.key != "secret" && entry.key != "epoch";
    if (!is_shared) continue;
    Entry own = entry;
    own.key = "cache." + entry.key;
    own.standard.clear();
    own.otherwise = entry.key == "tags" ? "none; all that apply are joined" : wider;
    own.as = "[cache] " + entry.key;
    section.entries.push_back(std::move(own));
  }
}

}  // namespace outrigger::config::parts
