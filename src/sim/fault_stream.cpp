#include "sim/fault_stream.h"

#include <utility>

namespace outrigger::sim_provider {

FaultStream::FaultStream(io::Loop& loop, std::unique_ptr<io::Stream> inner, FaultStream** self)
    : loop_(loop), inner_(std::move(inner)), self_(self), peer_(inner_->peer()) {
  inner_->set_handler(this);
  *self_ = this;
}

FaultStream::~FaultStream() { *self_ = nullptr; }

void FaultStream::limit_after(std::uint64_t bytes, bool hard) {
  left_ = bytes;
  hard_ = hard;
  if (bytes == 0) reach_limit();
}

void FaultStream::drip(Duration gap) { gap_ = gap; }

void FaultStream::clear() {
  if (!closing_) left_.reset();
  gap_.reset();
  if (queue_.empty()) return;
  const Bytes rest = Bytes::copy(std::string_view(queue_).substr(dripped_));
  queue_.clear();
  dripped_ = 0;
  drip_timer_.cancel();
  send_limited(rest);
}

void FaultStream::inject(std::string_view raw) { send(Bytes::copy(raw)); }

void FaultStream::take_over(std::move_only_function<void(std::string_view)> taker) {
  taker_ = std::move(taker);
  read(true);
}

void FaultStream::read(bool on) {
  if (inner_ != nullptr) inner_->read(on || taker_);
}

void FaultStream::write(std::span<const Bytes> chunks) {
  if (!gap_ && !left_ && !closing_ && queue_.empty()) {
    inner_->write(chunks);
  } else {
    for (const Bytes& chunk : chunks) send(chunk);
  }
  if (unsent() > 0) owes_drained_ = true;
}

void FaultStream::send(const Bytes& bytes) {
  if (!gap_ && queue_.empty()) return send_limited(bytes);
  if (closing_) return;
  queue_ += bytes.view();
  if (!drip_timer_.pending()) drip_timer_ = loop_.after(gap_.value_or(0s), [this] { drip_one(); });
}

void FaultStream::send_limited(const Bytes& bytes) {
  if (closing_ || inner_ == nullptr || bytes.empty()) return;
  if (!left_) return inner_->write(bytes);
  const std::size_t size = std::min<std::uint64_t>(bytes.size(), *left_);
  if (size > 0) inner_->write(bytes.slice(0, size));
  *left_ -= size;
  if (*left_ == 0) reach_limit();
}

void FaultStream::reach_limit() {
  if (closing_) return;
  closing_ = true;
  queue_.clear();
  dripped_ = 0;
  drip_timer_.cancel();
  if (!hard_) return inner_->shutdown();
  reset_when_sent();
}

// The bytes before the limit must arrive, and destroying a stream drops what it has not sent. Never at once: this may run inside
// the owner's write(), which must not hear on_error.
void FaultStream::reset_when_sent() {
  break_timer_ = loop_.after(0s, [this] {
    if (inner_->unsent() > 0) return;
    inner_.reset();
    handler_->on_error(Error{ErrorCode::client_gone, "simulated reset"});
  });
}

void FaultStream::drip_one() {
  send_limited(Bytes::copy(std::string_view(queue_).substr(dripped_, 1)));
  if (closing_) return;
  if (++dripped_ < queue_.size()) {
    drip_timer_ = loop_.after(gap_.value_or(0s), [this] { drip_one(); });
    return;
  }
  queue_.clear();
  dripped_ = 0;
  if (shutdown_when_dripped_) inner_->shutdown();
  on_drained();
}

std::size_t FaultStream::unsent() const { return queue_.size() - dripped_ + (inner_ == nullptr ? 0 : inner_->unsent()); }

void FaultStream::shutdown() {
  if (inner_ == nullptr || closing_) return;
  if (queue_.empty()) return inner_->shutdown();
  shutdown_when_dripped_ = true;
}

void FaultStream::on_drained() {
  if (closing_ && hard_) return reset_when_sent();
  if (unsent() == 0 && std::exchange(owes_drained_, false)) handler_->on_drained();
}

}  // namespace outrigger::sim_provider
