// FaultStream: an io::Stream around another one, which can be told to spoil what is written. http::Server owns it like any
// stream and knows nothing; the Session that answers tells it what to do.
//
//   write() ──> dripping? ──yes──> queue ──one byte per gap──┐
//                  └──────────────no─────────────────────────┴─> limit ──> inner stream
//
// The limit: after so many bytes either `reset` (the inner stream is destroyed once they have left, and the owner hears
// on_error) or `cut` (our direction is shut down; what follows is swallowed).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/stream.h"

namespace outrigger::sim_provider {

class FaultStream final : public io::Stream, private io::StreamHandler {
 public:
  // `*self` points to the stream as long as it lives, then to nothing.
  FaultStream(io::Loop& loop, std::unique_ptr<io::Stream> inner, FaultStream** self);
  ~FaultStream();
  FaultStream(const FaultStream&) = delete;
  FaultStream& operator=(const FaultStream&) = delete;

  // All count from the call on, and the last one of reset and cut holds.
  void reset_after(std::uint64_t bytes) { limit_after(bytes, true); }
  void cut_after(std::uint64_t bytes) { limit_after(bytes, false); }
  void drip(Duration gap);
  // Back to honesty, for the next answer on this connection.
  void clear();
  // Writes bytes that the owner knows nothing of.
  void inject(std::string_view raw);
  // From now on what comes goes to `taker`, past the owner, who still hears of the end. For a connection that has changed its
  // protocol. `taker` must not destroy the stream.
  void take_over(std::move_only_function<void(std::string_view)> taker);

  void set_handler(io::StreamHandler* handler) override { handler_ = handler; }
  void read(bool on) override;
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override;
  [[nodiscard]] std::size_t unsent() const override;
  void shutdown() override;
  [[nodiscard]] std::string peer() const override { return peer_; }

 private:
  void on_data(std::string_view data) override { taker_ ? taker_(data) : handler_->on_data(data); }
  void on_eof() override { handler_->on_eof(); }
  void on_error(Error error) override { handler_->on_error(std::move(error)); }
  void on_drained() override;

  void limit_after(std::uint64_t bytes, bool hard);
  void send(const Bytes& bytes);
  void send_limited(const Bytes& bytes);
  void reach_limit();
  void reset_when_sent();
  void drip_one();

  io::Loop& loop_;
  std::unique_ptr<io::Stream> inner_;  // null after a reset
  FaultStream** self_;
  io::StreamHandler* handler_ = nullptr;
  std::string peer_;
  std::optional<std::uint64_t> left_;  // bytes until the limit
  bool hard_ = false;
  bool closing_ = false;  // the limit is reached: nothing more goes out
  std::optional<Duration> gap_;
  std::string queue_;        // dripping
  std::size_t dripped_ = 0;  // of queue_
  bool shutdown_when_dripped_ = false;
  bool owes_drained_ = false;
  std::move_only_function<void(std::string_view)> taker_;
  io::Timer drip_timer_, break_timer_;
};

}  // namespace outrigger::sim_provider
