#include "obs/journal.h"

#include <algorithm>

namespace outrigger::obs {
namespace {

// A record of ordinary length has a few hundred bytes. Whoever fills its texts with what has to be escaped gets shorter ones.
constexpr std::size_t k_long_line = 4096;
constexpr std::size_t k_short_field = 80;

template <std::size_t n>
void count(std::array<std::uint64_t, n>& counts, const std::array<std::string_view, n>& words, std::string_view word) {
  const auto found = std::ranges::find(words, word);
  if (found != words.end()) ++counts[static_cast<std::size_t>(found - words.begin())];
}

}  // namespace

void Journal::add(const AccessRecord& record, std::string_view line) {
  const std::string_view cache = record.counts_for_cache ? record.cache : std::string_view();
  ++totals_.requests;
  count(totals_.outcomes, k_outcome_words, record.outcome);
  count(totals_.cache, k_cache_words, cache);

  HistoryEvent event;
  event.model = record.model.empty() ? record.app : record.model;
  event.route = record.route;
  event.cache = cache;
  event.was_answered = record.outcome == "ok";
  event.was_error = record.outcome == "upstream_error" || record.outcome == "own_error" || record.outcome == "cut";
  event.amounts.requests = 1;
  // What was booked, not what was counted: Dify counts the tokens of its runs too, which the llm door has booked already.
  event.amounts.saved_usd = record.saved_usd;
  event.amounts.spent_usd = record.spent_usd;
  event.amounts.saved_tokens = record.saved_tokens;
  event.amounts.spent_tokens = record.spent_tokens;
  history_.add(event, record.time);

  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.size() > k_long_line) {
    short_line_.clear();
    write_json(record, short_line_, k_short_field);
    line = std::string_view(short_line_).substr(0, short_line_.size() - 1);
  }
  recent_.add(line);
  if (listener_ != nullptr) listener_->on_record(line);
}

void Journal::add(const Outlay& outlay, WallTime now) {
  HistoryEvent event;
  event.model = outlay.model;
  event.route = outlay.route;
  event.was_answered = true;
  event.amounts.spent_usd = outlay.usd;
  event.amounts.spent_tokens = outlay.tokens;
  history_.add(event, now);
}

void Outlet::tell(const AccessRecord& record) {
  line_.clear();
  write_json(record, line_);
  if (log_ != nullptr) log_->write(line_);
  if (journal_ != nullptr) journal_->add(record, line_);
}

}  // namespace outrigger::obs
