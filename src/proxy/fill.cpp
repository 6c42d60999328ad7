#include "proxy/fill.h"

#include <algorithm>

#include "proxy/fills.h"

namespace outrigger::proxy {
namespace {

// Statuses that say "not now" rather than "not this": a stale answer beats them (RFC 5861 §4, and the overload codes in use).
bool stale_beats(int status) { return status == 408 || status == 429 || status == 529 || (status >= 500 && status <= 504); }

bool is_sse(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->starts_with("text/event-stream");
}

// The data of the one event that `event` is.
std::string_view data_of(std::string_view event) {
  const std::size_t at = event.find("data:");
  if (at == std::string_view::npos) return {};
  const std::size_t begin = event.find_first_not_of(' ', at + 5);
  return event.substr(std::min(begin, event.size()), event.find_first_of("\r\n", at) - std::min(begin, event.size()));
}

bool is_json(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->find("json") != std::string_view::npos;
}

}  // namespace

Fill::Fill(Fills& owner, FillOrder order) : owner_(owner), order_(std::move(order)) {}

Fill::~Fill() = default;

void Fill::let_go() {
  patience_.cancel();
  lookup_.reset();
  attempt_.reset();
  owner_.recorded_bytes_ -= recording_.held();
}

void Fill::attach(FillReader& reader) { readers_.push_back(&reader); }

void Fill::detach(FillReader& reader) {
  const auto found = std::find(readers_.begin(), readers_.end(), &reader);
  if (found == readers_.end()) return;
  if (notifying_) {
    *found = nullptr;  // notify() tidies up
    return;
  }
  readers_.erase(found);
  if (readers_.empty()) {
    if (order_.storing && state_ != State::complete && state_ != State::failed)
      refuse_storing(chat::NoStoreReason::abandoned);
    owner_.retire(*this);
  } else {
    control_flow();
  }
}

void Fill::start() {
  kept_whole_ = order_.endpoint != chat::Endpoint::other;
  if (!order_.look_up) {
    call_upstream();
    return;
  }
  std::vector<cache::Store::Wanted> wanted;
  if (order_.batch) {
    for (const std::size_t i : order_.batch->unknown()) {
      wanted.push_back({order_.batch->elements()[i].key, order_.batch->elements()[i].identity});
    }
  } else {
    wanted.push_back({order_.storing->key, order_.storing->identity});
  }
  lookup_ =
      owner_.store_.find_later(std::move(wanted), [this](cache::Store::Found found) { on_looked_up(std::move(found)); });
}

bool Fill::is_servable(const cache::Entry& entry, WallTime now) const {
  return entry.fresh(now) && (!order_.max_age || entry.age(now) <= *order_.max_age);
}

void Fill::on_looked_up(cache::Store::Found found) {
  lookup_.reset();
  const WallTime now = owner_.world_.loop.wall_now();
  if (order_.batch) {
    for (cache::EntryPtr& entry : found) {
      if (entry != nullptr && !is_servable(*entry, now)) entry = nullptr;
    }
    // Observing, nothing found may become part of the answer.
    if (order_.serve_found) order_.batch->learn(order_.batch->unknown(), found);
    if (order_.batch->complete()) {
      complete_batch();
      return;
    }
  } else if (const cache::EntryPtr& entry = found.front(); entry != nullptr) {
    if (is_servable(*entry, now)) {
      would_have_hit_ = true;
      if (order_.serve_found) {
        found_ = entry;
        enter(State::complete);
        return;
      }
    }
    if (order_.stale == nullptr && entry->usable_if_error(now)) order_.stale = entry;
  }
  call_upstream();
}

void Fill::complete_batch() {
  assembled_ = Bytes::copy(order_.batch->render(order_.storing->usage, order_.storing->meta.model));
  enter(State::complete);
}

void Fill::call_upstream() {
  state_ = State::calling;
  ++attempts_;
  called_at_ = owner_.world_.loop.now();
  AttemptRequest request = order_.request;
  if (order_.batch) request.body = Bytes::copy(order_.batch->request_body(order_.batch->unknown()));
  attempt_ = std::make_unique<Attempt>(owner_.world_.loop, owner_.client_, *order_.target, order_.limits, std::move(request),
                                       *this);
}

void Fill::on_attempt_head(http::ResponseHead head) {
  head_ = std::move(head);
  sse_ = is_sse(head_);
  if (stale_beats(head_.status) && serve_stale_instead()) return;
  const bool readable_body = !head_.headers.get("content-encoding") && (sse_ || is_json(head_));
  if (head_.status != 200) {
    refuse_storing(chat::NoStoreReason::error_status);
  } else if (!readable_body) {
    refuse_storing(chat::NoStoreReason::not_understood);
  } else {
    reader_ = providers::make_answer_reader(order_.endpoint, sse_);
  }
  if (!sse_ || !reader_) begin_answering();
}

void Fill::begin_answering() {
  // A stream is only worth keeping for those who may join it or for the store.
  if (sse_ && !order_.storing) stop_keeping_whole();
  enter(State::answering);
}

// What tells that the upstream is alive and thinking: tokens of a stream that we can read, else any byte.
void Fill::note_progress() {
  bool progress = reader_ == nullptr || !sse_;
  if (!progress) {
    const auto& events = reader_->events();
    for (; events_seen_ < events.size(); ++events_seen_) {
      progress = progress || events[events_seen_].kind == providers::EventKind::token;
    }
  }
  if (!progress) return;
  if (attempt_) attempt_->note_progress();
  if (std::exchange(saw_token_, true) || head_.status != 200) return;
  owner_.metrics_.observe_first_token(order_.served_by, owner_.world_.loop.now() - called_at_);
}

void Fill::abandon(ErrorCode code) {
  if (state_ == State::complete || state_ == State::failed) return;
  lookup_.reset();
  on_attempt_failed({code, {}});
}

// A 200 that is an error: for its readers it is one, in the upstream's own words.
void Fill::fail_with_payload(std::string_view payload) {
  if (!payload.empty()) error_payload_ = Bytes::copy(payload);
  on_attempt_failed({ErrorCode::upstream_error_in_answer, "a 200 with an error inside"});
}

void Fill::on_attempt_body(const Bytes& data) {
  owner_.recorded_bytes_ += data.size();
  recording_.append(data);
  if (reader_) reader_->feed(data.view());
  note_progress();
  if (!limit_recording()) return;
  if (state_ == State::calling) {
    if (!reader_) return begin_answering();
    const auto& events = reader_->events();
    if (events.empty()) return;
    if (events.front().kind == providers::EventKind::error) {
      return fail_with_payload(data_of(recording_.piece(0, events.front().end).view()));
    }
    return begin_answering();
  }
  control_flow();
  notify();
}

// False: the answer is of no use and another one has been asked for.
bool Fill::limit_recording() {
  const std::uint64_t most = order_.batch ? k_batch_max : order_.storing ? order_.storing->max_entry : k_unstored_max;
  if (recording_.end() > most && kept_whole_) {
    refuse_storing(chat::NoStoreReason::too_large);
    if (order_.batch && !order_.batch->is_whole(order_.batch->unknown())) {
      ask_for_everything();
      return false;
    }
    order_.batch.reset();
    stop_keeping_whole();
  }
  // A stream is read on for those who want its usage chunk added or left out, but not without end.
  if (!kept_whole_ && (!sse_ || recording_.end() > k_unstored_max)) reader_.reset();
  return true;
}

// The parts of a batch cannot be put together: ask for all of it, as the client did, and pass the answer on as it comes.
void Fill::ask_for_everything() {
  order_.batch.reset();
  owner_.recorded_bytes_ -= recording_.held();
  recording_ = {};
  stop_keeping_whole();
  call_upstream();
}

void Fill::on_attempt_end() {
  attempt_.reset();
  if (order_.batch && head_.status == 200) {
    accept_batch();
    if (state_ == State::calling) return;
  } else if (reader_) {
    if (!judge_answer()) return;
  }
  owner_.metrics_.count_attempt(order_.served_by, head_.status < 400 ? "ok" : "status_" + std::to_string(head_.status));
  enter(State::complete);
}

void Fill::accept_batch() {
  const auto unknown = order_.batch->unknown();
  const bool whole = order_.batch->is_whole(unknown);
  if (not_stored_) {
    if (!whole) ask_for_everything();
    return;
  }
  cache::Meta meta = order_.storing->meta;
  meta.stored_at = owner_.world_.loop.wall_now();
  const Bytes body = recording_.piece(0, recording_.end());
  const auto entries = order_.batch->accept(body.view(), unknown, meta);
  if (!entries) {
    refuse_storing(entries.error());
    if (!whole) ask_for_everything();
    return;
  }
  std::uint64_t paid = 0;
  for (const cache::EntryPtr& entry : *entries) {
    paid += entry->meta().prompt_tokens;
    if (!storing_forbidden_) owner_.store_.put(entry);
  }
  owner_.metrics_.count_tokens(order_.served_by, paid, 0);
  if (!whole) assembled_ = Bytes::copy(order_.batch->render(UsagePolicy::original, order_.storing->meta.model));
}

// False: what looked like an answer is a failure, and the Fill has ended with it (or with a stale answer).
bool Fill::judge_answer() {
  auto verdict = reader_->finish();
  if (const auto used = reader_->usage())
    owner_.metrics_.count_tokens(order_.served_by, used->prompt_tokens, used->completion_tokens);
  if (verdict) {
    answer_ = std::move(*verdict);
    if (order_.storing && !not_stored_) store_answer(*answer_);
    return true;
  }
  const chat::NoStoreReason reason = verdict.error();
  if (reason == chat::NoStoreReason::error_in_answer && is_uncommitted()) {
    fail_with_payload(recording_.piece(0, recording_.end()).view());
    return false;
  }
  if (order_.storing && reason != chat::NoStoreReason::cut && reason != chat::NoStoreReason::error_in_answer) {
    owner_.remember_unstorable(order_.storing->key);
  }
  refuse_storing(reason);
  if (!sse_ || reason != chat::NoStoreReason::cut) return true;
  on_attempt_failed({ErrorCode::upstream_cut, "the stream ended before its end"});
  return false;
}

void Fill::store_answer(const providers::Answer& answer) {
  if (storing_forbidden_) return refuse_storing(chat::NoStoreReason::purged);
  FillOrder::Storing& storing = *order_.storing;
  cache::Meta meta = storing.meta;
  meta.stored_at = owner_.world_.loop.wall_now();
  meta.prompt_tokens = answer.usage ? answer.usage->prompt_tokens : storing.prompt_tokens_estimate;
  meta.completion_tokens = answer.usage ? answer.usage->completion_tokens : answer.estimated_completion_tokens;
  entry_ = std::make_shared<cache::Entry>(storing.key, storing.identity, std::move(meta), answer.encoded);
  owner_.store_.put(entry_);
}

std::optional<providers::Usage> Fill::usage() const { return reader_ ? reader_->usage() : std::nullopt; }

void Fill::on_attempt_failed(Error error) {
  attempt_.reset();
  owner_.metrics_.count_attempt(order_.served_by, traits(error.code).name);
  if (is_uncommitted() && serve_stale_instead()) return;
  const bool told = error.code == ErrorCode::upstream_error_in_answer;
  refuse_storing(told ? chat::NoStoreReason::error_in_answer : chat::NoStoreReason::cut);
  error_ = std::move(error);
  enter(State::failed);
}

void Fill::on_attempt_drained() {
  if (!readers_.empty() && readers_.front() != nullptr) readers_.front()->on_upload_drained();
}

bool Fill::serve_stale_instead() {
  if (order_.stale == nullptr || !order_.stale->usable_if_error(owner_.world_.loop.wall_now())) return false;
  if (attempt_) owner_.metrics_.count_attempt(order_.served_by, "status_" + std::to_string(head_.status));
  attempt_.reset();
  found_ = order_.stale;
  found_is_stale_ = true;
  enter(State::complete);
  return true;
}

void Fill::enter(State next) {
  state_ = next;
  if (next == State::complete || next == State::failed) {
    patience_.cancel();
    owner_.close(*this);
  }
  notify();
}

std::uint64_t Fill::readable() const {
  if (!reader_ || !sse_ || state_ == State::complete) return recording_.end();
  const auto& events = reader_->events();
  return events.empty() ? 0 : events.back().end;
}

void Fill::stop_keeping_whole() {
  kept_whole_ = false;
  owner_.close(*this);
}

void Fill::refuse_storing(chat::NoStoreReason reason) {
  if (!order_.storing || not_stored_) return;
  not_stored_ = reason;
  owner_.metrics_.count_not_stored(reason);
  if (reason == chat::NoStoreReason::too_large || reason == chat::NoStoreReason::not_understood) {
    owner_.remember_unstorable(order_.storing->key);
  }
}

void Fill::reader_advanced() {
  if (!kept_whole_) control_flow();
}

void Fill::control_flow() {
  if (kept_whole_ || state_ != State::answering) return;
  std::uint64_t slowest = recording_.end();
  for (const FillReader* reader : readers_) {
    if (reader != nullptr) slowest = std::min(slowest, reader->position());
  }
  const std::size_t before = recording_.held();
  recording_.trim(slowest);
  owner_.recorded_bytes_ -= before - recording_.held();
  const bool pause = recording_.held() > k_window;
  // An event larger than the window would never be whole: relay its bytes as they come.
  if (pause && reader_ && readable() <= slowest) {
    reader_.reset();
    return;
  }
  if (pause != source_paused_ && attempt_ != nullptr) {
    source_paused_ = pause;
    attempt_->read_body(!pause);
  }
  // Who is alone holds up nobody.
  if (!source_paused_ || readers_.size() < 2) {
    patience_.cancel();
  } else if (!patience_.pending()) {
    patience_ = owner_.world_.loop.after(k_patience, [this] { drop_slowest(); });
  }
}

void Fill::drop_slowest() {
  const auto slowest = std::min_element(readers_.begin(), readers_.end(), [](const FillReader* a, const FillReader* b) {
    return a->position() < b->position();
  });
  FillReader* dropped = *slowest;
  readers_.erase(slowest);
  source_paused_ = false;
  if (attempt_) attempt_->read_body(true);
  control_flow();
  dropped->on_cut_off();
}

void Fill::notify() {
  if (notifying_) return;
  notifying_ = true;
  // Readers may leave while they are told; new ones look for themselves.
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (readers_[i] != nullptr) readers_[i]->on_fill();
  }
  notifying_ = false;
  std::erase(readers_, nullptr);
  if (readers_.empty()) {
    if (order_.storing && state_ != State::complete && state_ != State::failed)
      refuse_storing(chat::NoStoreReason::abandoned);
    owner_.retire(*this);
  } else {
    control_flow();
  }
}

}  // namespace outrigger::proxy
