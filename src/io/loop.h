// Loop: the present, timers, and work off the thread. The program's one source of time and the only thing that calls back.
//
// One loop, one thread, no locks. Two implementations: net/ (libuv) and tests/sim (virtual time). Laws that both keep:
//   1. now() and wall_now() stand still during a callback.
//   2. A callback never runs inside the call that asked for it, and at most once.
//   3. Destroying a handle (Timer, Work, ...) cancels it: its callback will not run. A handle may be destroyed in any
//      callback, its own included.
//   4. Timers due at the same time run in the order in which they were set.
#pragma once

#include <functional>
#include <memory>

#include "core/time.h"
#include "io/timer.h"

namespace outrigger::io {

using Callback = std::move_only_function<void()>;

// Work in the pool; see Loop::work. Destroying it drops the completion; the job itself may still run to its end.
class Work {
 public:
  virtual ~Work() = default;
};

class Loop {
 public:
  virtual ~Loop() = default;

  [[nodiscard]] virtual MonoTime now() const = 0;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  // The clock as it runs, also during a callback: for measuring how long our own work takes, never for decisions.
  [[nodiscard]] virtual MonoTime stopwatch() const { return now(); }

  // `callback` runs once when now() has reached `when` (at the earliest in the next turn of the loop).
  [[nodiscard]] virtual Timer at(MonoTime when, Callback callback) = 0;
  [[nodiscard]] Timer after(Duration delay, Callback callback) { return at(now() + delay, std::move(callback)); }

  // Runs `job` on another thread (in the simulator: later, on this one), then `done` on the loop. `job` must touch nothing
  // that the loop's thread may touch meanwhile; both closures are destroyed on the loop's thread, so they may own Bytes
  // that the job reads through a view.
  [[nodiscard]] virtual std::unique_ptr<Work> work(Callback job, Callback done) = 0;

  // Destroys `object` after the current callback has returned: for an object that ends itself inside its own method.
  template <class T>
  void retire(std::unique_ptr<T> object) {
    if (object != nullptr) retire_erased(std::shared_ptr<void>(std::move(object)));
  }

 protected:
  virtual void retire_erased(std::shared_ptr<void> object) = 0;
};

}  // namespace outrigger::io
