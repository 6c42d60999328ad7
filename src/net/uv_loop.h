// UvLoop: io::Loop over one uv_loop_t. Owned by main (or a test); everything made from it must die before it.
//
// A turn is one call from libuv into this program. Every C callback of this room opens a Turn: the clocks are read at most
// once in it and then stand still, and what was retired in it is destroyed at its end.
//
// All timers share one TimerQueue and one uv_timer, armed for the earliest of them and rounded up to libuv's millisecond.
// What is due already when it is set runs in the next turn without that rounding: an idle handle keeps the loop from
// sleeping while the earliest timer is due. Cancelling never re-arms; the uv_timer then fires once for nothing.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/loop.h"

namespace outrigger::net {

// Open as long as it lives.
class SignalWatch {
 public:
  virtual ~SignalWatch() = default;
};

class UvLoop final : public io::Loop {
 public:
  UvLoop();
  // Drops all timers unrun, waits for jobs of the pool that have begun, closes every handle.
  ~UvLoop() override;
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;

  [[nodiscard]] MonoTime now() const override;
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] MonoTime stopwatch() const override;
  [[nodiscard]] io::Timer at(MonoTime when, io::Callback callback) override;
  [[nodiscard]] std::unique_ptr<io::Work> work(io::Callback job, io::Callback done) override;

  // Returns after stop(), or when nothing is left that could call back.
  void run();
  void stop();

  // `callback` runs at each arrival of signal `number`, until the watch is destroyed.
  [[nodiscard]] std::unique_ptr<SignalWatch> on_signal(int number, io::Callback callback);

  // For the rest of net/.
  class Turn {
   public:
    explicit Turn(UvLoop& loop) : loop_(loop) { loop_.begin_turn(); }
    ~Turn() { loop_.end_turn(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    UvLoop& loop_;
  };
  [[nodiscard]] uv_loop_t* raw() { return &loop_; }
  static UvLoop& of(const uv_loop_t* loop) { return *static_cast<UvLoop*>(loop->data); }
  // Where every socket of this loop reads into: what stands in it is handed on and forgotten within the turn.
  [[nodiscard]] std::span<char> read_buffer() { return {read_buffer_.get(), k_read_buffer_size}; }
  // True inside the destructor: completions are dropped.
  [[nodiscard]] bool closing() const { return closing_; }

 private:
  static constexpr std::size_t k_read_buffer_size = 64 * 1024;

  void retire_erased(std::shared_ptr<void> object) override { graveyard_.push_back(std::move(object)); }
  void begin_turn();
  void end_turn();
  void bury();
  void run_due();
  void arm();

  uv_loop_t loop_{};
  uv_timer_t timer_{};
  uv_idle_t idle_{};
  std::unique_ptr<char[]> read_buffer_;
  std::vector<std::shared_ptr<void>> graveyard_, burying_;
  io::TimerQueue timers_;
  std::optional<MonoTime> armed_for_;
  bool in_turn_ = false;
  bool closing_ = false;
  // Read lazily, once a turn.
  mutable std::optional<MonoTime> now_;
  mutable std::optional<WallTime> wall_now_;
};

}  // namespace outrigger::net
