// Journal: what is remembered of requests that are over, for those who look at the admin door: how many of each kind since the
// start, the course of the last hour, day and month, and the last few hundred as records. Prompts, answers and credentials have no
// place here, as in the access log.
//
// Outlet: where a door tells of its requests: the access log, the journal, both or none.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "obs/access_log.h"
#include "obs/history.h"
#include "obs/recent.h"

namespace outrigger::obs {

// Of AccessRecord::outcome and ::cache.
inline constexpr std::array<std::string_view, 6> k_outcome_words{"ok",        "client_error", "upstream_error",
                                                                 "own_error", "cut",          "client_gone"};
inline constexpr std::array<std::string_view, 6> k_cache_words{"hit", "stale", "coalesced", "miss", "bypass", "observe"};

class Journal {
 public:
  // Who is told of each record as it comes; it may not call back into the doors.
  class Listener {
   public:
    // A JSON object on one line, no newline at its end.
    virtual void on_record(std::string_view line) = 0;

   protected:
    ~Listener() = default;
  };

  // `line`: write_json() of the record.
  void add(const AccessRecord& record, std::string_view line);
  // What was spent for no request in particular: it is in the history only.
  struct Outlay {
    std::string_view model;
    std::string_view route;  // empty: none
    double usd = 0;
    std::uint64_t tokens = 0;
  };
  void add(const Outlay& outlay, WallTime now);
  // May be null. Must outlive the journal or be taken away.
  void set_listener(Listener* listener) { listener_ = listener; }

  struct Totals {
    std::uint64_t requests = 0;
    std::array<std::uint64_t, k_outcome_words.size()> outcomes{};
    std::array<std::uint64_t, k_cache_words.size()> cache{};
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }
  History& history() { return history_; }
  [[nodiscard]] const Recent& recent() const { return recent_; }

 private:
  Totals totals_;
  History history_;
  Recent recent_;
  Listener* listener_ = nullptr;
  std::string short_line_;
};

class Outlet {
 public:
  explicit Outlet(LineSink* log) : log_(log) {}
  void set_log(LineSink* log) { log_ = log; }
  void set_journal(Journal* journal) { journal_ = journal; }
  // Else nobody needs a record to be made.
  [[nodiscard]] bool is_open() const { return log_ != nullptr || journal_ != nullptr; }
  void tell(const AccessRecord& record);
  void tell_spent(const Journal::Outlay& outlay, WallTime now) {
    if (journal_ != nullptr) journal_->add(outlay, now);
  }

 private:
  LineSink* log_;
  Journal* journal_ = nullptr;
  std::string line_;
};

}  // namespace outrigger::obs
