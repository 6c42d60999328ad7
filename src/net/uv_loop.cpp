#include "net/uv_loop.h"

#include <algorithm>
#include <csignal>

#include "core/check.h"
#include "net/uv_handle.h"

namespace outrigger::net {
namespace {

MonoTime mono_clock() { return MonoTime(Duration(static_cast<std::int64_t>(uv_hrtime()))); }

class UvWork;

// The closures stay in the shell until the job has run: `done` may own what `job` reads.
struct WorkShell {
  uv_work_t request{};
  io::Callback job, done;
  UvWork* handle = nullptr;  // null: nobody waits any more
};

class UvWork final : public io::Work {
 public:
  explicit UvWork(WorkShell* shell) : shell_(shell) { shell->handle = this; }
  ~UvWork() override {
    if (shell_ == nullptr) return;
    shell_->handle = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&shell_->request));  // fails harmlessly when the job has begun
  }
  void completed() { shell_ = nullptr; }

 private:
  WorkShell* shell_;
};

void run_job(uv_work_t* request) { static_cast<WorkShell*>(request->data)->job(); }

void complete_job(uv_work_t* request, int status) {
  UvLoop& loop = UvLoop::of(request->loop);
  UvLoop::Turn turn(loop);
  const std::unique_ptr<WorkShell> shell(static_cast<WorkShell*>(request->data));
  if (shell->handle == nullptr) return;
  shell->handle->completed();
  if (status == 0 && !loop.closing()) shell->done();
}

struct SignalShell final : Shell {
  uv_signal_t handle{};
  io::Callback callback;
  bool wanted = true;
};

class UvSignal final : public SignalWatch {
 public:
  explicit UvSignal(SignalShell* shell) : shell_(shell) {}
  ~UvSignal() override {
    shell_->wanted = false;
    release(reinterpret_cast<uv_handle_t*>(&shell_->handle));
  }

 private:
  SignalShell* shell_;  // keeps the closure until libuv has closed, so a watch may die in its own callback
};

}  // namespace

void release(uv_handle_t* handle) {
  uv_close(handle, [](uv_handle_t* closed) {
    UvLoop::Turn turn(UvLoop::of(closed->loop));
    delete static_cast<Shell*>(closed->data);
  });
}

UvLoop::UvLoop() : read_buffer_(new char[k_read_buffer_size]) {
  // libuv writes with writev(2), which raises SIGPIPE when the other side has gone; the error code is all that we want.
  std::signal(SIGPIPE, SIG_IGN);
  OR_CHECK(uv_loop_init(&loop_) == 0);
  loop_.data = this;
  uv_timer_init(&loop_, &timer_);
  uv_idle_init(&loop_, &idle_);
}

UvLoop::~UvLoop() {
  closing_ = true;
  for (;;) {
    const io::Callback dropped = timers_.take_due(MonoTime::max());
    if (!dropped) break;
  }
  bury();
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (uv_is_closing(handle) == 0) release(handle);
      },
      nullptr);
  while (uv_run(&loop_, UV_RUN_DEFAULT) != 0) {
  }
  bury();
  OR_CHECK(uv_loop_close(&loop_) == 0);
}

MonoTime UvLoop::stopwatch() const { return mono_clock(); }

MonoTime UvLoop::now() const {
  if (!in_turn_) return mono_clock();
  if (!now_) now_ = mono_clock();
  return *now_;
}

WallTime UvLoop::wall_now() const {
  const auto read = [] { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); };
  if (!in_turn_) return read();
  if (!wall_now_) wall_now_ = read();
  return *wall_now_;
}

void UvLoop::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

void UvLoop::stop() { uv_stop(&loop_); }

void UvLoop::begin_turn() {
  OR_CHECK(!in_turn_);
  in_turn_ = true;
  now_.reset();
  wall_now_.reset();
}

void UvLoop::end_turn() {
  bury();
  in_turn_ = false;
}

// Destructors may retire more.
void UvLoop::bury() {
  while (!graveyard_.empty()) {
    std::swap(graveyard_, burying_);
    burying_.clear();
  }
}

io::Timer UvLoop::at(MonoTime when, io::Callback callback) {
  // A nanosecond later than the present: the batch that is running takes only what is due at its own present, so a timer
  // set in it waits for the next turn, and behind the timers that were set before it for this very time.
  const MonoTime earliest = now() + 1ns;
  io::Timer timer = timers_.add(std::max(when, earliest), std::move(callback));
  if (when < earliest) {
    uv_idle_start(&idle_, [](uv_idle_t* handle) { of(handle->loop).run_due(); });
  } else if (!armed_for_ || when < *armed_for_) {
    arm();
  }
  return timer;
}

void UvLoop::run_due() {
  Turn turn(*this);
  const MonoTime present = now();
  for (;;) {
    io::Callback callback = timers_.take_due(present);
    if (!callback) break;
    callback();
    callback = nullptr;
    bury();
  }
  const std::optional<MonoTime> next = timers_.next();
  if (!next || *next > present + 1ns) uv_idle_stop(&idle_);
  arm();
}

// Both libuv and now() count from the same monotonic clock, libuv in whole milliseconds rounded down. So once libuv says that
// the due time rounded up has come, it truly has.
void UvLoop::arm() {
  const std::optional<MonoTime> next = timers_.next();
  if (!next || (armed_for_ && *armed_for_ <= *next)) return;
  armed_for_ = next;
  const auto due_ms = std::chrono::ceil<std::chrono::milliseconds>(next->time_since_epoch()).count();
  const auto present_ms = static_cast<std::int64_t>(uv_now(&loop_));
  const auto delay_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, due_ms - present_ms));
  const auto fired = [](uv_timer_t* handle) {
    UvLoop& loop = of(handle->loop);
    loop.armed_for_.reset();
    loop.run_due();
  };
  OR_CHECK(uv_timer_start(&timer_, fired, delay_ms, 0) == 0);
}

std::unique_ptr<io::Work> UvLoop::work(io::Callback job, io::Callback done) {
  auto* shell = new WorkShell;
  shell->job = std::move(job);
  shell->done = std::move(done);
  shell->request.data = shell;
  auto handle = std::make_unique<UvWork>(shell);
  OR_CHECK(uv_queue_work(&loop_, &shell->request, run_job, complete_job) == 0);
  return handle;
}

std::unique_ptr<SignalWatch> UvLoop::on_signal(int number, io::Callback callback) {
  auto* shell = new SignalShell;
  shell->callback = std::move(callback);
  shell->handle.data = static_cast<Shell*>(shell);
  OR_CHECK(uv_signal_init(&loop_, &shell->handle) == 0);
  const auto arrived = [](uv_signal_t* handle, int) {
    auto* own = static_cast<SignalShell*>(static_cast<Shell*>(handle->data));
    Turn turn(of(handle->loop));
    if (own->wanted) own->callback();
  };
  OR_CHECK(uv_signal_start(&shell->handle, arrived, number) == 0);
  return std::make_unique<UvSignal>(shell);
}

}  // namespace outrigger::net
