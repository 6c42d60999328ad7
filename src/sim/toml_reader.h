// Reading TOML tables with known keys only, and errors that say where. toml++ stays behind settings.h.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "sim/fault.h"
#include "sim/settings.h"

namespace outrigger::sim_provider {

// FILE:LINE:COL
std::string place(const std::string& file, const toml::source_region& where);

Result<toml::table> parse_toml(std::string_view text, const std::string& file);

// Reads one table: each call names a key that is known, done() refuses what no call has named. The first problem is kept.
class Reader {
 public:
  Reader(const toml::table& table, const std::string& file, std::string& problem)
      : table_(table), file_(file), problem_(problem) {}

  void flag(std::string_view key, bool& to) { scalar<bool>(key, to, "true or false"); }
  void text(std::string_view key, std::string& to) { scalar<std::string>(key, to, "a text in quotes"); }

  void duration(std::string_view key, Duration& to) {
    std::string text;
    const toml::node* node = scalar<std::string>(key, text, "a duration such as \"250ms\" or \"5s\"");
    if (node == nullptr) return;
    if (const auto value = duration_from(text)) {
      to = *value;
    } else {
      report(*node, fmt::format("`{}` must be a duration such as \"250ms\" or \"5s\", not \"{}\"", key, text));
    }
  }
  void duration(std::string_view key, std::optional<Duration>& to) {
    if (table_.get(key) != nullptr) duration(key, to.emplace());
  }

  void count(std::string_view key, std::uint64_t& to, std::int64_t min, std::int64_t max) {
    std::int64_t number = 0;
    const toml::node* node = scalar<std::int64_t>(key, number, "a whole number");
    if (node == nullptr) return;
    if (number < min || number > max) {
      report(*node, fmt::format("`{}` must be from {} to {}, not {}", key, min, max, number));
      return;
    }
    to = static_cast<std::uint64_t>(number);
  }
  void count(std::string_view key, std::optional<std::uint64_t>& to, std::int64_t min, std::int64_t max) {
    if (table_.get(key) != nullptr) count(key, to.emplace(), min, max);
  }

  // A number of bytes: 2048 or "2KiB".
  void size(std::string_view key, std::uint64_t& to) {
    const toml::node* node = named(key);
    if (node == nullptr) return;
    std::optional<std::uint64_t> bytes;
    if (const auto number = node->value_exact<std::int64_t>(); number && *number >= 0) {
      bytes = static_cast<std::uint64_t>(*number);
    } else if (const auto text = node->value_exact<std::string>()) {
      bytes = size_from(*text);
    }
    if (bytes) {
      to = *bytes;
    } else {
      report(*node, fmt::format("`{}` must be a size such as 2048 or \"2KiB\"", key));
    }
  }

  // The node of a known key, or null. For what the calls above do not cover.
  const toml::node* named(std::string_view key) {
    known_.insert(key);
    return table_.get(key);
  }

  void report(const toml::node& node, std::string message) {
    if (problem_.empty()) problem_ = fmt::format("{}: {}", place(file_, node.source()), message);
  }

  void done() {
    for (const auto& [key, node] : table_) {
      if (!known_.contains(key.str())) report(node, fmt::format("`{}` is not known here", key.str()));
    }
  }

 private:
  template <class T>
  const toml::node* scalar(std::string_view key, T& to, std::string_view wanted) {
    const toml::node* node = named(key);
    if (node == nullptr) return nullptr;
    const auto value = node->value_exact<T>();
    if (!value) {
      report(*node, fmt::format("`{}` must be {}", key, wanted));
      return nullptr;
    }
    to = *value;
    return node;
  }

  const toml::table& table_;
  const std::string& file_;
  std::string& problem_;
  std::set<std::string_view> known_;
};

// The entries of [[fault]].
void read_faults(const toml::node& node, const std::string& file, std::vector<Fault>& to, std::string& problem);

}  // namespace outrigger::sim_provider
