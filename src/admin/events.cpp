#include "admin/events.h"

#include <algorithm>

#include <fmt/format.h>
#include "admin/history_json.h"

namespace outrigger::admin {
namespace {

std::string frame(std::string_view event, std::string_view data) {
  return fmt::format("event: {}\ndata: {}\n\n", event, data);
}

}  // namespace

Events::Events(io::Loop& loop, obs::Journal& journal, std::function<std::string()> status)
    : loop_(loop), journal_(journal), status_(std::move(status)) {}

Events::~Events() { journal_.set_listener(nullptr); }

std::unique_ptr<Events::Listener> Events::listen(http::Exchange& exchange) {
  if (listeners_.size() >= k_listeners_max) return nullptr;
  http::ResponseHead head;
  head.headers.add("Content-Type", "text/event-stream");
  head.headers.add("Cache-Control", "no-store");
  head.headers.add("X-Content-Type-Options", "nosniff");
  head.headers.add("X-Accel-Buffering", "no");  // nginx would hold events back
  exchange.respond(head, http::BodyLength::streamed());
  exchange.write(Bytes::copy("retry: 2000\n\n" + frame("status", status_())));
  if (listeners_.empty()) {
    journal_.set_listener(this);
    told_step_ = journal_.history().finished(loop_.wall_now()).at;
    sent_requests_ = skipped_ = 0;
    tick_ = loop_.after(k_tick, [this] { tick(); });
  }
  auto listener = std::make_unique<Listener>(*this, exchange);
  listeners_.push_back(listener.get());
  return listener;
}

void Events::leave(Listener& listener) {
  if (std::erase(listeners_, &listener) == 0 || !listeners_.empty()) return;
  journal_.set_listener(nullptr);
  tick_.cancel();
  gather_.cancel();
  gathered_.clear();
  gathered_requests_ = 0;
}

void Events::on_record(std::string_view line) {
  if (sent_requests_ >= k_requests) {
    ++skipped_;
    return;
  }
  ++sent_requests_;
  ++gathered_requests_;
  gathered_ += frame("request", line);
  if (!gather_.pending()) gather_ = loop_.after(k_gather, [this] { flush(); });
}

void Events::flush() {
  if (gathered_.empty()) return;
  const Bytes frames = Bytes::copy(gathered_);
  gathered_.clear();
  send(frames, std::exchange(gathered_requests_, 0));
}

void Events::send(const Bytes& frame, std::uint64_t requests) {
  for (Listener* listener : listeners_) {
    if (listener->exchange_.unsent() > k_unsent_max) {
      listener->skipped_ += requests;
      continue;
    }
    listener->exchange_.write(frame);
    if (listener->exchange_.unsent() > 0 && listener->stuck_since_ == MonoTime{}) listener->stuck_since_ = loop_.now();
  }
}

void Events::tick() {
  tick_ = loop_.after(k_tick, [this] { tick(); });
  gather_.cancel();
  flush();
  tell_skipped();
  send(Bytes::copy(frame("status", status_())), 0);
  send_history();
  let_go_who_is_stuck();
}

void Events::tell_skipped() {
  const std::uint64_t all = std::exchange(skipped_, 0);
  sent_requests_ = 0;
  for (Listener* listener : listeners_) {
    listener->skipped_ += all;
    if (listener->skipped_ == 0 || listener->exchange_.unsent() > k_unsent_max) continue;
    const std::uint64_t skipped = std::exchange(listener->skipped_, 0);
    listener->exchange_.write(Bytes::copy(frame("skipped", fmt::format("{{\"requests\":{}}}", skipped))));
  }
}

void Events::send_history() {
  const obs::History::Finished step = journal_.history().finished(loop_.wall_now());
  if (std::exchange(told_step_, step.at) == step.at) return;
  send(Bytes::copy(frame("history", to_json(step))), 0);
}

void Events::let_go_who_is_stuck() {
  const std::vector<Listener*> all = listeners_;
  for (Listener* listener : all) {
    const bool is_here = std::ranges::find(listeners_, listener) != listeners_.end();
    if (!is_here || listener->stuck_since_ == MonoTime{} || loop_.now() - listener->stuck_since_ < k_patience) continue;
    http::Exchange& exchange = listener->exchange_;
    leave(*listener);
    exchange.abort();
  }
}

}  // namespace outrigger::admin
