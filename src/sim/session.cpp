#include "sim/session.h"

#include <utility>

namespace outrigger::sim_provider {
namespace {

// Above it nothing more is written until the client has read.
constexpr std::size_t k_max_unsent = 256 * 1024;

constexpr std::string_view k_json_head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

}  // namespace

Session::Session(io::Loop& loop, Desk& desk, FastAnswers& fast, http::Exchange& exchange, FaultStream* const& stream)
    : loop_(loop),
      desk_(desk),
      fast_(fast),
      exchange_(exchange),
      body_limit_(desk.body_limit(exchange.request())),
      player_(loop, exchange, stream, desk.ledger()) {
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
  Script script = desk_.answer(request, loop_.now(), loop_.wall_now());
  body_ = {};
  state_ = State::playing;
  player_.start(std::move(script));
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

void Session::on_drained() {
  if (state_ == State::pouring) pour();
}

void Session::on_client_gone() {
  if (state_ == State::playing) return player_.client_gone();
  if (state_ != State::done) ++desk_.ledger().clients_gone;
  state_ = State::done;
}

}  // namespace outrigger::sim_provider
