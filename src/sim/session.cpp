#include "sim/session.h"

#include <utility>

namespace outrigger::sim_provider {
namespace {

// Above it nothing more is written until the client has read.
constexpr std::size_t k_max_unsent = 256 * 1024;
// How often raw bytes, of which the exchange knows nothing, are looked after.
constexpr Duration k_poll = 5ms;

constexpr std::string_view k_json_head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

}  // namespace

Session::Session(io::Loop& loop, Desk& desk, FastAnswers& fast, http::Exchange& exchange, FaultStream* const& stream)
    : loop_(loop),
      desk_(desk),
      fast_(fast),
      exchange_(exchange),
      stream_(stream),
      body_limit_(desk.body_limit(exchange.request())) {
  if (!desk.is_plain()) hash_.emplace();
}

void Session::on_body(std::string_view data) {
  if (state_ != State::reading) return;
  if (hash_) hash_->add(data);
  body_size_ += data.size();
  if (body_size_ <= body_limit_) {
    body_ += data;
  } else {
    body_.clear();
  }
}

void Session::on_body_end() {
  if (state_ != State::reading) return;
  if (pour_prepared()) return;
  const Received request{exchange_.request(), body_, body_size_ <= body_limit_, body_size_,
                         hash_ ? hash_->hex() : std::string()};
  script_ = desk_.answer(request, loop_.now(), loop_.wall_now());
  body_ = {};
  state_ = State::waiting;
  if (script_.wait == 0s) return begin();
  timer_ = loop_.after(script_.wait, [this] { begin(); });
}

bool Session::pour_prepared() {
  if (!desk_.is_plain()) return false;
  const http::RequestHead& head = exchange_.request();
  const Endpoint endpoint = endpoint_of(head.method, http::split_target(head.target).path);
  const Prepared* prepared = fast_.find(endpoint, body_, unix_seconds(loop_.wall_now()));
  if (prepared == nullptr) return false;
  Ledger& ledger = desk_.ledger();
  ++ledger.requests;
  Ledger::count(ledger.by_endpoint, name(endpoint));
  Ledger::count(ledger.by_model, prepared->model);
  if (!has_true(body_, "\"stream\"")) {
    ++ledger.answers_sent;
    state_ = State::done;
    exchange_.respond_rendered(k_json_head, prepared->whole);
    return true;
  }
  ++ledger.streams;
  poured_ = has_true(body_, "\"include_usage\"") ? &prepared->with_usage : &prepared->without_usage;
  state_ = State::pouring;
  http::ResponseHead response;
  response.headers.add("content-type", "text/event-stream; charset=utf-8");
  exchange_.respond(response, http::BodyLength::streamed());
  pour();
  return true;
}

void Session::pour() {
  while (next_ < poured_->ends.size()) {
    if (exchange_.unsent() > k_max_unsent) return;
    const std::size_t from = next_ == 0 ? 0 : poured_->ends[next_ - 1];
    exchange_.write(poured_->text.slice(from, poured_->ends[next_] - from));
    ++next_;
  }
  ++desk_.ledger().answers_sent;
  state_ = State::done;
  exchange_.finish();
}

void Session::spoil_stream() {
  if (stream_ == nullptr) return;
  stream_->clear();
  if (script_.drip) stream_->drip(*script_.drip);
  if (script_.cut_at) stream_->cut_after(*script_.cut_at);
  if (script_.reset_at) stream_->reset_after(*script_.reset_at);
}

// One piece, no tricks: head and body leave together.
bool Session::respond_at_once() {
  if (script_.steps.size() != 1 || script_.end != Script::End::finish) return false;
  const Script::Step& step = script_.steps.front();
  if (step.raw || step.wait > 0s || script_.length.kind != http::BodyLength::Kind::known) return false;
  if (script_.length.size != step.data.size()) return false;
  count_sent();
  become_done();
  exchange_.respond_whole(*script_.head, Bytes::copy(step.data));
  return true;
}

void Session::count_sent() {
  if (script_.counted) ++desk_.ledger().answers_sent;
}

// Its place is free for others, even if the exchange is kept a little longer.
void Session::become_done() {
  state_ = State::done;
  script_.seat.reset();
}

void Session::begin() {
  state_ = State::playing;
  spoil_stream();
  if (script_.head) {
    if (respond_at_once()) return;
    exchange_.respond(*script_.head, script_.length);
  }
  play();
}

void Session::play() {
  while (state_ == State::playing && next_ < script_.steps.size()) {
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
  if (state_ == State::playing) end();
}

void Session::wait_then_play(Duration wait) {
  timer_ = loop_.after(wait, [this] { play(); });
}

void Session::end() {
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

std::size_t Session::unsent() const { return std::max(exchange_.unsent(), stream_ == nullptr ? 0 : stream_->unsent()); }

void Session::on_drained() {
  if (state_ == State::pouring) pour();
}

void Session::on_client_gone() {
  timer_.cancel();
  const bool our_doing = script_.reset_at || script_.cut_at;
  if (state_ != State::done && !our_doing && script_.counted) ++desk_.ledger().clients_gone;
  become_done();
}

}  // namespace outrigger::sim_provider
