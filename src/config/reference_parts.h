// What the reference's sections are written with, and the sections themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/reference.h"

namespace outrigger::config::parts {

// A default as one would write it in the file.
struct Standard {
  std::string toml;
  std::string otherwise;
};
Standard is(Duration value);
Standard is_size(std::uint64_t value);
Standard is(std::uint64_t value);
Standard is(double value);
Standard is(bool value);
Standard is(std::string_view value);
inline Standard is(const char* value) { return is(std::string_view(value)); }
Standard is_empty_list();
// There is none; `words` say what holds instead.
Standard none(std::string_view words);

template <class T>
struct Bounds {
  T least, most;
};

Entry text(std::string_view key, Standard standard, std::string_view limits, std::string_view words);
Entry duration(std::string_view key, Standard standard, Bounds<Duration> limits, std::string_view words);
Entry size(std::string_view key, Standard standard, Bounds<std::uint64_t> limits, std::string_view words);
Entry integer(std::string_view key, Standard standard, Bounds<std::uint64_t> limits, std::string_view words);
Entry number(std::string_view key, Standard standard, Bounds<double> limits, std::string_view words);
Entry boolean(std::string_view key, Standard standard, std::string_view words);
Entry choice(std::string_view key, Standard standard, std::vector<std::string> all, std::string_view words);
Entry texts(std::string_view key, Standard standard, std::string_view limits, std::string_view words);
// An inline table whose members follow as entries of their own.
Entry table(std::string_view key, Standard standard, std::string_view words);
// One whose members' names are the operator's.
Entry free_table(std::string_view key, std::string_view limits, std::string_view words);

void add(Section& section, std::vector<Entry> entries);
// What several sections have, each with its own defaults. `as`: the section that explains their members, "[[model]]"; empty: this.
void add_concurrency(Section& section, Standard standard, std::string_view as, std::string_view words);
void add_rate(Section& section, std::string_view otherwise, std::string_view as, std::string_view words);
void add_breaker(Section& section, std::string_view as, std::string_view words);
void add_queue(Section& section, const Queue& standard, std::string_view words);
// The `cache` of [[model]] and [[route]]: `wider` is whose value holds without a key.
void add_cache_policy(Section& section, std::string_view wider, std::string_view words);

Section top_section();
Section listen_section();
Section limits_section();
Section cache_section();
Section redis_section();
Section upstream_section();
Section model_section();
Section target_section();
Section route_section();
Section dify_section();
Section app_section();
Section client_section();
Section trace_section();
Section log_section();

}  // namespace outrigger::config::parts
