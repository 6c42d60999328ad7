#include "resilience_sim/figures.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::sim {

void Figures::add(const Figures& other) {
  requests += other.requests;
  answered += other.answered;
  sent_on += other.sent_on;
  calls += other.calls;
  first_tokens.insert(first_tokens.end(), other.first_tokens.begin(), other.first_tokens.end());
  for (const auto& [reason, count] : other.why) why[reason] += count;
}

double Figures::percentile(double share) const {
  if (first_tokens.empty()) return 0;
  std::vector<double> sorted = first_tokens;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  std::ranges::nth_element(sorted, sorted.begin() + static_cast<std::ptrdiff_t>(index));
  return sorted[index];
}

Figures figures_of(const std::vector<Outcome>& outcomes, std::uint64_t calls) {
  Figures figures;
  figures.calls = calls;
  for (const Outcome& outcome : outcomes) {
    if (outcome.gone) continue;
    ++figures.requests;
    if (outcome.attempts > 0 && outcome.cache != "coalesced") ++figures.sent_on;
    if (outcome.answered) {
      ++figures.answered;
      figures.first_tokens.push_back(seconds(outcome.first_token));
    } else {
      ++figures.why[outcome.why];
    }
  }
  return figures;
}

std::string table_head() {
  return fmt::format("  {:<34}{:>9}{:>11}{:>11}{:>11}{:>9}{:>9}\n", "", "requests", "answered %", "calls/req", "calls/sent",
                     "P50 s", "P99 s");
}

std::string table_line(std::string_view name, const Figures& figures) {
  std::string line = fmt::format("  {:<34}{:>9}{:>11.4f}{:>11.4f}{:>11.4f}{:>9.3f}{:>9.3f}\n", name, figures.requests,
                                 100 * figures.success(), figures.calls_per_request(), figures.calls_per_sent(),
                                 figures.percentile(0.5), figures.percentile(0.99));
  if (figures.requests - figures.answered > 50) return line;
  for (const auto& [reason, count] : figures.why) line += fmt::format("      {} x {}\n", count, reason);
  return line;
}

}  // namespace outrigger::sim
