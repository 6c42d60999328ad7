#include "sim/world/sim_loop.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace outrigger::sim {
namespace {

// Not zero, so that a default-made MonoTime is never mistaken for the present.
constexpr MonoTime k_start{std::chrono::hours(1)};
// 2026-01-01T00:00:00Z.
constexpr WallTime k_wall_start{std::chrono::seconds(1'767'225'600)};
// More callbacks than this without time moving is a livelock: something wakes itself for ever.
constexpr std::uint64_t k_callbacks_at_one_time_max = 1'000'000;

}  // namespace

class SimLoop::SimWork : public io::Work {
 public:
  SimWork(SimLoop& loop, Duration job_delay, Duration done_delay, io::Callback job, io::Callback done)
      : loop_(loop),
        job_at_(loop.now() + job_delay),
        done_delay_(done_delay),
        job_(std::move(job)),
        done_(std::move(done)),
        timer_(loop.at(job_at_, [this] { run_job(); })) {}
  ~SimWork() override {
    if (!begun_ && loop_.rng_.chance(0.5)) loop_.adopt(job_at_, std::move(job_), std::move(done_));
  }
  SimWork(const SimWork&) = delete;
  SimWork& operator=(const SimWork&) = delete;

 private:
  void run_job() {
    loop_.digest_.add(Event::work_begun, loop_.now());
    begun_ = true;
    job_();
    timer_ = loop_.after(done_delay_, [this] { run_done(); });
  }
  void run_done() {
    loop_.digest_.add(Event::work_done, loop_.now());
    // `done` may destroy this object, so both closures move to the stack first.
    const io::Callback job = std::move(job_);
    io::Callback done = std::move(done_);
    done();
  }

  SimLoop& loop_;
  MonoTime job_at_;
  Duration done_delay_;
  bool begun_ = false;
  io::Callback job_;
  io::Callback done_;
  io::Timer timer_;
};

SimLoop::SimLoop(std::uint64_t seed)
    : rng_(seed),
      now_(k_start),
      wall_base_(k_wall_start - std::chrono::duration_cast<std::chrono::milliseconds>(k_start.time_since_epoch())) {}

SimLoop::~SimLoop() {
  // Closures may own handles that cancel timers, so they go one by one while the queue is whole. What they set is dropped too.
  in_callback_ = true;
  // Burying may cancel timers and drop closures that retire more.
  while (timers_.size() > 0 || !graveyard_.empty()) {
    bury();
    io::Callback dropped = timers_.take_due(MonoTime::max());
  }
}

WallTime SimLoop::wall_now() const {
  return wall_base_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
}

io::Timer SimLoop::at(MonoTime when, io::Callback callback) {
  return timers_.add(std::max(when, now_), std::move(callback));
}

std::unique_ptr<io::Work> SimLoop::work(io::Callback job, io::Callback done) {
  const auto span = static_cast<std::uint64_t>(std::max<Duration::rep>(1, work_delay_max.count()));
  const Duration job_delay(static_cast<Duration::rep>(rng_.below(span)));
  const Duration done_delay(static_cast<Duration::rep>(rng_.below(span)));
  return std::make_unique<SimWork>(*this, job_delay, done_delay, std::move(job), std::move(done));
}

bool SimLoop::step() { return run_next(MonoTime::max()); }

bool SimLoop::run_until_idle(Duration limit) {
  const MonoTime end = now_ + limit;
  while (run_next(end)) {
  }
  if (timers_.size() == 0) return true;
  now_ = end;
  return false;
}

void SimLoop::run_for(Duration span) {
  const MonoTime end = now_ + span;
  while (run_next(end)) {
  }
  now_ = end;
}

bool SimLoop::run_until(const std::function<bool()>& done, Duration limit) {
  const MonoTime end = now_ + limit;
  while (!done()) {
    if (run_next(end)) continue;
    if (timers_.size() > 0) now_ = end;
    return done();
  }
  return true;
}

void SimLoop::set_wall(WallTime wall) {
  wall_base_ = wall - std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  digest_.add(Event::wall_jump, now_, static_cast<std::uint64_t>(wall.time_since_epoch().count()));
}

void SimLoop::jump_wall(Duration by) { set_wall(wall_now() + std::chrono::duration_cast<std::chrono::milliseconds>(by)); }

void SimLoop::retire_erased(std::shared_ptr<void> object) {
  graveyard_.push_back(std::move(object));
  // Outside a callback nothing would empty the graveyard, should no timer ever run again.
  if (!in_callback_ && graveyard_.size() == 1) bury_later_ = at(now_, [] {});
}

bool SimLoop::run_next(MonoTime until) {
  OR_CHECK(!in_callback_);  // a callback must not run the loop
  const std::optional<MonoTime> next = timers_.next();
  if (!next || *next > until) return false;
  if (*next > now_) callbacks_at_now_ = 0;
  now_ = std::max(now_, *next);
  OR_CHECK(++callbacks_at_now_ < k_callbacks_at_one_time_max);
  ++callbacks_;
  digest_.add(Event::timer, now_);
  in_callback_ = true;
  {
    io::Callback callback = timers_.take_due(now_);
    callback();
  }
  bury();
  in_callback_ = false;
  return true;
}

// `done` will not run, but it lives as long as the job: the job may read what it owns.
void SimLoop::adopt(MonoTime when, io::Callback job, io::Callback done) {
  std::erase_if(orphans_, [](const io::Timer& timer) { return !timer.pending(); });
  orphans_.push_back(at(when, [its_job = std::move(job), its_done = std::move(done)]() mutable { its_job(); }));
}

void SimLoop::bury() {
  // A destructor may retire more.
  while (!graveyard_.empty()) std::vector<std::shared_ptr<void>> dead = std::exchange(graveyard_, {});
}

}  // namespace outrigger::sim
