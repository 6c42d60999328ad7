// SimLoop: io::Loop in virtual time. Nothing happens unless a test calls step() or one of the run functions; time stands still
// while a callback runs and jumps to the next timer between callbacks. It never sleeps and reads no clock.
//
// Each callback is a turn of its own: what it retired dies right after it. Timers that were set for the past are due now, in the
// order in which they were set.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/rng.h"
#include "io/loop.h"
#include "sim/world/digest.h"

namespace outrigger::sim {

class SimLoop : public io::Loop {
 public:
  explicit SimLoop(std::uint64_t seed = 1);
  ~SimLoop() override;
  SimLoop(const SimLoop&) = delete;
  SimLoop& operator=(const SimLoop&) = delete;

  [[nodiscard]] MonoTime now() const override { return now_; }
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] io::Timer at(MonoTime when, io::Callback callback) override;
  // The job runs on this thread after a random delay below work_delay_max, `done` after another one. A job whose handle is
  // destroyed before it began runs all the same half of the times: in the pool it may have begun.
  [[nodiscard]] std::unique_ptr<io::Work> work(io::Callback job, io::Callback done) override;

  // Runs the next callback, moving time to it. False: no timer is set, nothing was done.
  bool step();
  // Until no timer is set. True: idle; false: `limit` of virtual time has passed first (now() is then start + limit).
  bool run_until_idle(Duration limit = std::chrono::hours(1));
  // Everything that is due within `span`; now() has moved by exactly `span` afterwards.
  void run_for(Duration span);
  // Until `done()` holds (asked before the first callback and after each one), at most `limit`. Returns done()'s last answer.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::hours(1));

  // Calendar time from now on; the monotonic clock does not notice.
  void set_wall(WallTime wall);
  void jump_wall(Duration by);

  [[nodiscard]] std::size_t timers() const { return timers_.size(); }
  [[nodiscard]] std::uint64_t callbacks() const { return callbacks_; }
  [[nodiscard]] Digest& digest() { return digest_; }

  Duration work_delay_max = std::chrono::milliseconds(2);

 private:
  class SimWork;

  void retire_erased(std::shared_ptr<void> object) override;
  bool run_next(MonoTime until);
  void bury();
  void adopt(MonoTime when, io::Callback job, io::Callback done);

  io::TimerQueue timers_;
  std::vector<std::shared_ptr<void>> graveyard_;
  std::vector<io::Timer> orphans_;  // jobs whose handle is gone
  io::Timer bury_later_;            // set when something is retired outside a callback
  Rng rng_;
  Digest digest_;
  MonoTime now_;
  WallTime wall_base_;  // wall_now() minus now_, as of the last jump
  std::uint64_t callbacks_ = 0;
  std::uint64_t callbacks_at_now_ = 0;
  bool in_callback_ = false;
};

}  // namespace outrigger::sim
