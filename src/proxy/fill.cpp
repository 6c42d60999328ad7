#include "proxy/fill.h"

#include <algorithm>

#include "proxy/fills.h"

namespace outrigger::proxy {
namespace {

// May a stale answer, or fixed words, stand in? When it says "not now" rather than "not this" or "not you" (RFC 5861 §4).
bool may_stand_in(const Failure& failure, const Link& first) {
  switch (failure.signal.kind) {
    case providers::SignalKind::ok:
    case providers::SignalKind::client_fault:
    case providers::SignalKind::unfit:
      return false;
    case providers::SignalKind::rate:
    case providers::SignalKind::quota:
    case providers::SignalKind::health:
      return true;
    case providers::SignalKind::credential:
      // The operator's key is none of the client's business.
      return !first.destination.target->upstream->keys.empty();
  }
  return false;
}

// Has the answer come to an end, though it is not fit for the store? A blocking one that can be read has, unless it says that it goes on;
// of a stream it is to be seen.
bool is_ended(chat::NoStoreReason reason, bool streamed, bool is_background) {
  using enum chat::NoStoreReason;
  if (reason == length || reason == filtered || reason == refused || reason == empty) return true;
  return !streamed && reason != cut && reason != error_in_answer && !(is_background && reason == unfinished);
}

bool is_json(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->find("json") != std::string_view::npos;
}

}  // namespace

Fill::Fill(Fills& owner, FillOrder order)
    : owner_(owner), order_(std::move(order)), bill_(order_.call, order_.payer, owner.calling_.metrics) {}

Fill::~Fill() = default;

void Fill::let_go() {
  patience_.cancel();
  refused_.cancel();
  lookup_.reset();
  settle_bill();
  pursuit_.reset();
  order_.call.trace.end();
  owner_.calling_.held -= recording_.held();
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
  kept_whole_ = order_.call.endpoint != chat::Endpoint::other;
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
  order_.call.trace.begin_lookup();
  lookup_ =
      owner_.store_.find_later(std::move(wanted), [this](cache::Store::Found found) { on_looked_up(std::move(found)); });
}

// For this client's max-age.
bool Fill::is_recent_enough(const cache::Entry& entry, WallTime now) const {
  return !order_.max_age || entry.age(now) <= *order_.max_age;
}

bool Fill::is_servable(const cache::Entry& entry, WallTime now) const {
  return entry.fresh(now) && is_recent_enough(entry, now);
}

void Fill::on_looked_up(cache::Store::Found found) {
  lookup_.reset();
  order_.call.trace.end_lookup();
  const WallTime now = owner_.calling_.world.loop.wall_now();
  if (order_.batch) {
    cache::Store::Found expired(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i] != nullptr && !is_servable(*found[i], now)) expired[i] = std::exchange(found[i], nullptr);
    }
    // Observing, nothing found may become part of the answer.
    if (order_.serve_found) {
      const auto unknown = order_.batch->unknown();
      order_.batch->keep_stale(unknown, expired);
      order_.batch->learn(unknown, found);
    }
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
    if (order_.serve_found && entry->expired_less_than(order_.while_revalidating, now) && is_recent_enough(*entry, now)) {
      found_ = entry;
      found_kind_ = Kind::expired;
      enter(State::complete);
      return;
    }
    if (order_.stale == nullptr && entry->usable_if_error(now)) order_.stale = entry;
  }
  call_upstream();
}

void Fill::call_upstream() {
  state_ = State::calling;
  if (order_.batch) order_.call.prompt_tokens = order_.batch->unknown_tokens();
  if ((refusal_ = bill_.open())) {
    pursuit_.reset();
    refused_ = owner_.calling_.world.loop.after(0s, [this] { on_refused(); });
    return;
  }
  order_.call.trace.begin();
  std::optional<Bytes> body = order_.call.body;
  if (order_.batch) body = Bytes::copy(order_.batch->request_body(order_.batch->unknown()));
  pursuit_ = std::make_unique<Pursuit>(owner_.calling_, order_.call, std::move(body), *this);
  pursuit_->start();
}

void Fill::on_answer(Committed answer) {
  head_ = std::move(answer.head);
  is_answered_ = true;
  sse_ = answer.sse;
  reader_ = std::move(answer.reader);
  recording_ = std::move(answer.recording);
  owner_.calling_.held += recording_.held();
  if (head_.status != 200) {
    refuse_storing(chat::NoStoreReason::error_status);
  } else if (head_.headers.get("content-encoding") || !(sse_ || is_json(head_))) {
    refuse_storing(chat::NoStoreReason::not_understood);
  } else if (pursuit_->served_by().is_downgrade) {
    refuse_storing(chat::NoStoreReason::downgraded);
  }
  // A stream is only worth keeping for those who may join it or for the store.
  if (sse_ && !order_.storing) stop_keeping_whole();
  if (!limit_recording(answer.is_complete)) return;
  state_ = State::answering;
  if (answer.is_complete) return end_answer(std::move(answer.verdict));
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
  if (progress) pursuit_->note_progress();
}

void Fill::abandon(ErrorCode code) {
  if (state_ == State::complete || state_ == State::failed) return;
  lookup_.reset();
  refused_.cancel();
  fail({code, {}});
}

void Fill::on_answer_body(const Bytes& data) {
  owner_.calling_.held += data.size();
  recording_.append(data);
  if (reader_) reader_->feed(data.view());
  note_progress();
  if (!limit_recording(false)) return;
  control_flow();
  notify();
}

// False: the answer is of no use and another one has been asked for.
bool Fill::limit_recording(bool is_complete) {
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
  if (!kept_whole_ && !is_complete && (!sse_ || recording_.end() > k_unstored_max)) reader_.reset();
  return true;
}

void Fill::on_answer_end() {
  std::optional<std::expected<providers::Answer, chat::NoStoreReason>> verdict;
  if (reader_) verdict = reader_->finish();
  end_answer(std::move(verdict));
}

void Fill::end_answer(std::optional<std::expected<providers::Answer, chat::NoStoreReason>> verdict) {
  if (order_.batch && head_.status == 200) {
    accept_batch();
    if (state_ == State::calling) return;
  } else if (verdict && !judge_answer(std::move(*verdict))) {
    return;
  }
  settle_bill();
  pursuit_->end();
  enter(State::complete);
}

// False: what looked like an answer is a failure, and the Fill has ended with it.
bool Fill::judge_answer(std::expected<providers::Answer, chat::NoStoreReason> verdict) {
  if (const auto used = reader_->usage()) {
    owner_.calling_.metrics.count_tokens(served_by(), used->prompt_tokens, used->completion_tokens);
    order_.call.trace.note_usage(*used);
    pursuit_->settle(used->prompt_tokens + used->completion_tokens);
  }
  // Who tells no tokens of an answer that has words has not counted them.
  const bool has_words = verdict ? verdict->estimated_completion_tokens > 0 : verdict.error() == chat::NoStoreReason::length;
  const bool is_counted = reader_->usage() && (reader_->usage()->completion_tokens > 0 || !has_words);
  is_count_final_ = is_counted && (verdict || is_ended(verdict.error(), sse_, order_.call.is_background));
  if (verdict) {
    answer_ = std::move(*verdict);
    order_.call.trace.note_model(answer_->model);
    if (order_.storing && !not_stored_) store_answer(*answer_);
    return true;
  }
  const chat::NoStoreReason reason = verdict.error();
  const bool is_failure = reason == chat::NoStoreReason::cut || reason == chat::NoStoreReason::error_in_answer;
  if (is_failure) pursuit_->note_broken();
  if (order_.storing && !is_failure) owner_.remember_unstorable(order_.storing->key);
  refuse_storing(reason);
  if (!sse_ || reason != chat::NoStoreReason::cut) return true;
  fail({ErrorCode::upstream_cut, "the stream ended before its end"});
  return false;
}

void Fill::store_answer(const providers::Answer& answer) {
  if (storing_forbidden_) return refuse_storing(chat::NoStoreReason::purged);
  FillOrder::Storing& storing = *order_.storing;
  cache::Meta meta = storing.meta;
  meta.served_by = served_by();
  meta.stored_at = owner_.calling_.world.loop.wall_now();
  const providers::Usage used = usage_of(answer, storing.prompt_tokens_estimate);
  meta.prompt_tokens = used.prompt_tokens;
  meta.completion_tokens = used.completion_tokens;
  entry_ = std::make_shared<cache::Entry>(storing.key, storing.identity, std::move(meta), answer.encoded);
  owner_.store_.put(entry_);
}

std::optional<providers::Usage> Fill::usage() const { return reader_ ? reader_->usage() : std::nullopt; }

// A connection that breaks after the answer's own end has taken nothing from it.
void Fill::on_answer_cut(Error error) {
  if (!sse_ || !reader_) return fail(std::move(error));
  using enum chat::NoStoreReason;
  auto verdict = reader_->finish();
  const bool has_ended = verdict || verdict.error() == length || verdict.error() == filtered || verdict.error() == refused;
  if (!has_ended) return fail(std::move(error));
  broke_after_end_ = true;
  end_answer(std::move(verdict));
}

void Fill::on_no_answer(Failure failure) {
  bill_.drop();
  const bool has_status = failure.code == ErrorCode::upstream_status && failure.answer;
  order_.call.trace.fail(has_status ? std::to_string(failure.answer->head.status) : std::string(traits(failure.code).name));
  if (serve_instead(failure)) return;
  if (failure.code == ErrorCode::upstream_status) return end_with_words(std::move(*failure.answer));
  retry_after_ = failure.signal.retry_after;
  if (failure.answer) error_payload_ = failure.answer->body;
  fail({failure.code, std::move(failure.detail)});
}

// The upstream's own words about its failure are the answer.
void Fill::end_with_words(KeptAnswer answer) {
  head_ = std::move(answer.head);
  owner_.calling_.held += answer.body.size();
  recording_.append(answer.body);
  refuse_storing(chat::NoStoreReason::error_status);
  enter(State::complete);
}

void Fill::fail(Error error) {
  const bool told = error.code == ErrorCode::upstream_error_in_answer;
  refuse_storing(told ? chat::NoStoreReason::error_in_answer : chat::NoStoreReason::cut);
  settle_bill();
  if (pursuit_) pursuit_->end();
  error_ = std::move(error);
  order_.call.trace.fail(traits(error_.code).name);
  enter(State::failed);
}

void Fill::on_upload_drained() {
  if (!readers_.empty() && readers_.front() != nullptr) readers_.front()->on_upload_drained();
}

bool Fill::serve_instead(const Failure& failure) {
  if (!may_stand_in(failure, order_.call.chain.front())) return false;
  error_.code = failure.code;
  if (serve_stale()) return true;
  if (order_.fixed == nullptr) return false;
  found_ = order_.fixed;
  found_kind_ = Kind::fixed;
  enter(State::complete);
  return true;
}

// False: there is nothing old, or not all of it.
bool Fill::serve_stale() {
  const WallTime now = owner_.calling_.world.loop.wall_now();
  if (order_.batch && order_.batch->stand_in(now)) {
    found_kind_ = Kind::stale;
    complete_batch();
    return true;
  }
  if (order_.stale == nullptr || !order_.stale->usable_if_error(now)) return false;
  found_ = order_.stale;
  found_kind_ = Kind::stale;
  enter(State::complete);
  return true;
}

const std::string& Fill::served_by() const {
  return pursuit_ != nullptr ? pursuit_->served_by().name : order_.call.chain.front().name;
}

std::vector<Tried> Fill::tried() const {
  std::vector<Tried> all = tried_;
  if (pursuit_) all.insert(all.end(), pursuit_->tried().begin(), pursuit_->tried().end());
  return all;
}

void Fill::enter(State next) {
  state_ = next;
  if (next == State::complete || next == State::failed) {
    patience_.cancel();
    order_.call.trace.end();
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
  owner_.calling_.metrics.count_not_stored(reason);
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
  owner_.calling_.held -= before - recording_.held();
  const bool pause = recording_.held() > k_window;
  // An event larger than the window would never be whole: relay its bytes as they come.
  if (pause && reader_ && readable() <= slowest) {
    reader_.reset();
    return;
  }
  if (pause != source_paused_ && pursuit_ != nullptr) {
    source_paused_ = pause;
    pursuit_->read_body(!pause);
  }
  // Who is alone holds up nobody.
  if (!source_paused_ || readers_.size() < 2) {
    patience_.cancel();
  } else if (!patience_.pending()) {
    patience_ = owner_.calling_.world.loop.after(k_patience, [this] { drop_slowest(); });
  }
}

void Fill::drop_slowest() {
  const auto slowest = std::min_element(readers_.begin(), readers_.end(), [](const FillReader* a, const FillReader* b) {
    return a->position() < b->position();
  });
  FillReader* dropped = *slowest;
  readers_.erase(slowest);
  source_paused_ = false;
  if (pursuit_) pursuit_->read_body(true);
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
