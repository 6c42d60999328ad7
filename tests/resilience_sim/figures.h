// Figures: what came of a run, in numbers, and as one line of a table.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "resilience_sim/visitors.h"

namespace outrigger::sim {

struct Figures {
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;
  std::uint64_t sent_on = 0;                   // requests that made calls of their own
  std::uint64_t calls = 0;                     // that reached a provider
  std::vector<double> first_tokens{};          // seconds, of the answered
  std::map<std::string, std::uint64_t> why{};  // not answered

  void add(const Figures& other);
  [[nodiscard]] double success() const { return static_cast<double>(answered) / static_cast<double>(requests); }
  [[nodiscard]] double calls_per_request() const { return static_cast<double>(calls) / static_cast<double>(requests); }
  [[nodiscard]] double calls_per_sent() const { return static_cast<double>(calls) / static_cast<double>(sent_on); }
  // Of the first tokens.
  [[nodiscard]] double percentile(double share) const;
};

[[nodiscard]] Figures figures_of(const std::vector<Outcome>& outcomes, std::uint64_t calls);

[[nodiscard]] std::string table_head();
[[nodiscard]] std::string table_line(std::string_view name, const Figures& figures);

}  // namespace outrigger::sim
