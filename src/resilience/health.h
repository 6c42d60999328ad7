// Health: may a target (one upstream's model) be tried? Pure: the owner passes the time, does the trying, and reports how it ended.
//
//   closed --trips--> open --open time passed, admit()--> half_open --on_success--> slow_start --64 at a time, or 5 s--> closed
//                     ^ ^ ^                                  | |                       |
//                     | | `- on_abandoned: again at once ----' |                       |
//                     | `---------- on_failure: twice as long -+-----------------------'
//                     `- force_open() from everywhere; from there only force_close() leads out, to closed
//
// closed      trips after `failures` in a row, or when the outcomes of the last half minute leave no doubt (evidence.h). A busy
//             target with now and then an error sees such a run by chance; there up to two more failures are asked for.
// half_open   one real request is out as the probe. Everybody else is refused, until the owner finds that it takes too long
//             (on_probe_overdue): then the target opens again for the shortest time, so that others may try. When that probe
//             succeeds all the same the target has recovered; when it fails, that counts as ever.
// slow_start  the attempts that wait for their first token are limited: 1, and one more with every success, that is, twice as many
//             with every round. So the crowd that was sent elsewhere doesn't come back in one tick. A failure opens again at once,
//             unless four others have succeeded for it: a target with an error in thirty calls would otherwise hardly ever get
//             through the sixty-four.
//
// What counts is the first token, not the end of the answer, which may be minutes away; a stream that dies after it still counts
// (on_stream_failure). An outcome belongs to the time at which its call began: calls from before the target opened, and from before
// the probe, tell about a target that has been judged already. Otherwise outcomes count in the order in which they become known.
// A run in the order of the calls counts, too, if most of the calls since it began are known: an outage that refuses quickly would
// hide behind the slow successes of calls from before it, while quick errors among calls that are still out are no outage. A client
// that hangs up is evidence of nothing.
//
// Not for rate limits (429) and refused credentials: those are no failures, and have gates of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/rng.h"
#include "core/time.h"
#include "resilience/evidence.h"
#include "resilience/open_time.h"

namespace outrigger::resilience {

class Health {
 public:
  struct Settings {
    std::uint32_t failures = 3;  // in a row; 0 counts as 1. Fewer than this many never trip
    Duration open = 1s;          // the first time; doubles until the target was closed for a while
    Duration max_open = 30s;     // jitter included
  };
  // untried: its open time is over, and nobody has come for k_untried since. What it last said is too old to be called an outage;
  // the next request is the probe all the same.
  enum class State : unsigned char { closed, open, half_open, slow_start, untried };
  static constexpr Duration k_untried = 5min;
  enum class Admission : unsigned char { normal, probe, refused };

  explicit Health(Settings settings);
  // Keeps the state, and what is known; an open time that runs goes on.
  void configure(Settings settings);

  // What admit() would say. Takes nothing.
  [[nodiscard]] Admission look(MonoTime now) const;
  // After normal or probe the caller must report exactly one of on_success, on_failure and on_abandoned, with this `now` as `started`.
  [[nodiscard]] Admission admit(MonoTime now);

  // The first token came.
  void on_success(MonoTime now, MonoTime started);
  void on_failure(MonoTime now, Rng& rng, MonoTime started);
  // The answer died after on_success had been said for it.
  void on_stream_failure(MonoTime now, Rng& rng, MonoTime started);
  // The client left, or a hedge lost. A probe's place becomes free at once.
  void on_abandoned(MonoTime now, MonoTime started);
  // The probe that is out takes longer than anybody should wait for it. It is still to report.
  void on_probe_overdue(MonoTime now);

  // By an operator: open until closed by hand. Closing forgets everything but the attempts that are out.
  void force_open(MonoTime now);
  void force_close(MonoTime now);
  // Another replica says that the target is down until then. Believed if our own last outcome was a failure; otherwise our next
  // failure is enough, unless a call that begins after this succeeds first. Never for longer than max_open.
  void advise_open(MonoTime now, MonoTime until);
  // Another replica says that its probe succeeded: ours may go at once.
  void advise_probe(MonoTime now);

  // Open becomes half_open and then untried, and slow_start closed, by themselves when their time has passed.
  [[nodiscard]] State state(MonoTime now) const;
  [[nodiscard]] bool forced_open() const { return forced_; }
  // The probe has been admitted and has not reported yet.
  [[nodiscard]] bool probe_is_out() const { return state_ == State::half_open; }
  // While it is out: when it was admitted.
  [[nodiscard]] MonoTime probe_since() const { return epoch_; }
  // slow_start: when it ends by itself.
  [[nodiscard]] MonoTime slow_start_ends_at() const;
  // How often our own evidence has opened it, and how often a probe of ours has succeeded. For other replicas.
  [[nodiscard]] std::uint64_t trips() const { return trips_; }
  [[nodiscard]] std::uint64_t recoveries() const { return recoveries_; }
  // Open, not by force: when the next probe may go; in the past if nobody has come since. Nothing in the other states.
  [[nodiscard]] std::optional<MonoTime> reopens_at() const;
  // Of the last half minute or so, between 0 and 1. Stays as it was while open.
  [[nodiscard]] double failure_rate(MonoTime now) const;
  [[nodiscard]] std::uint32_t failures_in_a_row() const { return run_; }
  // Attempts that were admitted and have not reported yet.
  [[nodiscard]] std::size_t pending() const { return pending_; }

 private:
  void settle(MonoTime now);
  void free_pending(MonoTime started);
  void judge(MonoTime now, Rng& rng, MonoTime started, bool was_success);
  void recover(MonoTime now, MonoTime probe_started);
  [[nodiscard]] bool trips(MonoTime now) const;
  [[nodiscard]] bool streak_trips() const;
  void forgive_if_steady(MonoTime now);
  void open(MonoTime now, MonoTime until);
  void forget();
  [[nodiscard]] bool outdated(MonoTime started) const { return started < epoch_; }

  Settings settings_;
  State state_ = State::closed;  // half_open: the probe is out
  bool forced_ = false;
  MonoTime epoch_ = MonoTime::min();  // evidence of calls that began before this is ignored
  MonoTime reopens_at_{};
  std::optional<MonoTime> overdue_probe_;  // when it was admitted
  MonoTime closed_at_ = MonoTime::min();   // when the last probe succeeded
  OpenTime open_time_;

  Evidence evidence_;
  std::uint32_t run_ = 0;  // failures in a row
  std::uint64_t trips_ = 0, recoveries_ = 0;
  // Failures since one whose call began at streak_from_, without a success of a call that began later.
  std::uint32_t streak_ = 0;
  MonoTime streak_from_{};
  std::array<MonoTime, 16> begun_{};  // the last calls, as a ring
  std::size_t next_begun_ = 0;
  MonoTime advised_at_{};
  MonoTime advised_until_ = MonoTime::min();

  std::size_t pending_ = 0;
  std::size_t pending_now_ = 0;  // of them: begun since epoch_. Calls that hang from before don't take the place of a probe
  std::size_t cap_ = 1;          // slow_start: of pending_now_
};

std::string_view name(Health::State state);
std::string_view name(Health::Admission admission);

}  // namespace outrigger::resilience
