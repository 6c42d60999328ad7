#include "sim/player.h"

#include <algorithm>
#include <utility>

namespace outrigger::sim_provider {
namespace {

// Above it nothing more is written until the client has read.
constexpr std::size_t k_max_unsent = 256 * 1024;
// How often raw bytes, of which the exchange knows nothing, are looked after.
constexpr Duration k_poll = 5ms;

}  // namespace

void Player::start(Script script) {
  script_ = std::move(script);
  playing_ = true;
  if (script_.wait == 0s) return begin();
  timer_ = loop_.after(script_.wait, [this] { begin(); });
}

void Player::play_instead(std::vector<Script::Step> rest) {
  if (!playing_) return;
  script_.steps = std::move(rest);
  next_ = 0;
  waited_ = false;
  timer_ = loop_.after(0s, [this] { begun_ ? play() : begin(); });
}

void Player::spoil_stream() {
  if (stream_ == nullptr) return;
  stream_->clear();
  if (script_.drip) stream_->drip(*script_.drip);
  if (script_.cut_at) stream_->cut_after(*script_.cut_at);
  if (script_.reset_at) stream_->reset_after(*script_.reset_at);
}

// One piece, no tricks: head and body leave together.
bool Player::respond_at_once() {
  if (script_.steps.size() != 1 || script_.end != Script::End::finish) return false;
  const Script::Step& step = script_.steps.front();
  if (step.raw || step.wait > 0s || script_.length.kind != http::BodyLength::Kind::known) return false;
  if (script_.length.size != step.data.size()) return false;
  count_sent();
  become_done();
  exchange_.respond_whole(*script_.head, Bytes::copy(step.data));
  return true;
}

void Player::count_sent() {
  if (script_.counted) ++ledger_.answers_sent;
}

// Its place is free for others, even if the exchange is kept a little longer.
void Player::become_done() {
  playing_ = false;
  script_.seat.reset();
}

void Player::begin() {
  begun_ = true;
  spoil_stream();
  if (script_.head) {
    if (respond_at_once()) return;
    exchange_.respond(*script_.head, script_.length);
  }
  play();
}

void Player::play() {
  while (playing_ && next_ < script_.steps.size()) {
    const Script::Step& step = script_.steps[next_];
    if (step.wait > 0s && !std::exchange(waited_, true)) return wait_then_play(step.wait);
    if (unsent() > k_max_unsent) return wait_then_play(k_poll);
    // The server may still hold the head back for the body's first piece; raw bytes would overtake it.
    if (step.raw && stream_ != nullptr && exchange_.unsent() > stream_->unsent()) return wait_then_play(0s);
    waited_ = false;
    ++next_;
    if (!step.raw) {
      exchange_.write(Bytes::copy(step.data));
    } else if (stream_ != nullptr) {
      stream_->inject(step.data);
    }
  }
  if (playing_) end();
}

void Player::wait_then_play(Duration wait) {
  timer_ = loop_.after(wait, [this] { play(); });
}

void Player::end() {
  if (script_.end == Script::End::finish) {
    count_sent();
    become_done();
    return exchange_.finish();
  }
  // Closing drops what has not left.
  if (unsent() > 0) return wait_then_play(k_poll);
  become_done();
  exchange_.abort();
}

std::size_t Player::unsent() const { return std::max(exchange_.unsent(), stream_ == nullptr ? 0 : stream_->unsent()); }

void Player::client_gone() {
  timer_.cancel();
  const bool our_doing = script_.reset_at || script_.cut_at;
  if (playing_ && !our_doing && script_.counted) ++ledger_.clients_gone;
  become_done();
}

}  // namespace outrigger::sim_provider
