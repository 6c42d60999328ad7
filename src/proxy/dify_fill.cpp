#include "proxy/dify_fill.h"

#include <algorithm>

#include "proxy/dify_door.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

// May a stale answer stand in? When it says "not now" rather than "not this" or "not you" (RFC 5861 §4).
bool may_stand_in(ErrorCode code) {
  return traits(code).against_target || code == ErrorCode::queue_full || code == ErrorCode::queue_wait ||
         code == ErrorCode::no_target;
}

}  // namespace

DifyFill::DifyFill(DifyFills& owner, DifyFillOrder order, DifyFillReader& leader, DifyPursuitHandler& handler)
    : owner_(owner), order_(std::move(order)), app_(order_.run.caller.digest), leader_(&leader), handler_(&handler) {}

void DifyFill::follow(DifyFillReader& reader, std::string task) {
  followers_.push_back({&reader, std::move(task)});
  control_flow();
}

void DifyFill::leave(DifyFillReader& reader) {
  if (leader_ == &reader) {
    leader_ = nullptr;
    handler_ = nullptr;
    held_ = false;
  }
  for (Follower& follower : followers_) {
    if (follower.reader == &reader) follower.reader = nullptr;
  }
  if (notifying_) return;  // notify() tidies up
  std::erase_if(followers_, [](const Follower& follower) { return follower.reader == nullptr; });
  if (leader_ == nullptr && followers_.empty()) return owner_.retire(*this);
  control_flow();
}

void DifyFill::hold(bool on) {
  held_ = on;
  control_flow();
}

// Nobody but the leader may be made to wait for it.
void DifyFill::control_flow() {
  if (pursuit_ != nullptr) pursuit_->read_body(!held_ || !followers_.empty());
}

bool DifyFill::stop(std::string_view task) {
  for (const Follower& follower : followers_) {
    if (follower.reader == nullptr || follower.task != task) continue;
    follower.reader->on_stopped();
    return true;
  }
  dify::RunReader* answer = pursuit_ != nullptr ? pursuit_->reader() : nullptr;
  if (answer == nullptr || task.empty() || answer->ids().task != task) return false;
  if (followers_.empty()) {
    answer->note_stop();
    return false;
  }
  if (leader_ != nullptr) leader_->on_stopped();
  return true;
}

// ---- asking ----------------------------------------------------------------------------------------------------------

void DifyFill::begin() {
  if (!order_.look_up) return ask();
  order_.run.trace.begin_lookup();
  lookup_ = owner_.store_.find_later({{order_.key, order_.identity}},
                                     [this](cache::Store::Found found) { on_looked_up(std::move(found)); });
}

void DifyFill::on_looked_up(cache::Store::Found found) {
  lookup_.reset();
  order_.run.trace.end_lookup();
  const WallTime now = owner_.door_.world().loop.wall_now();
  const cache::EntryPtr& entry = found.front();
  const bool is_current = entry != nullptr && owner_.fresh_.is_current(app_, entry->meta().stored_at);
  if (is_current && entry->fresh(now) && (!order_.max_age || entry->age(now) <= *order_.max_age)) {
    would_have_hit_ = true;
    if (order_.serve_found) {
      found_ = entry;
      return end(State::complete);
    }
  }
  if (is_current && order_.stale == nullptr && entry->usable_if_error(now)) order_.stale = entry;
  ask();
}

void DifyFill::ask() {
  state_ = State::asking;
  asked_ = owner_.door_.world().loop.wall_now();
  order_.run.keep = true;
  DifyPursuitHandler& handler = *this;
  pursuit_ = std::make_unique<DifyPursuit>(owner_.door_, std::move(order_.run), handler);
  pursuit_->start();
}

// True: everybody has been told.
bool DifyFill::serve_stale() {
  if (order_.stale == nullptr || !order_.stale->usable_if_error(owner_.door_.world().loop.wall_now())) return false;
  found_ = order_.stale;
  is_stale_ = true;
  end(State::complete);
  return true;
}

void DifyFill::let_go() {
  lookup_.reset();
  if (pursuit_ != nullptr && (state_ == State::asking || state_ == State::answering)) {
    refuse_storing(chat::NoStoreReason::abandoned);
    pursuit_->stop_run();
  }
  pursuit_.reset();
}

// ---- the answer ------------------------------------------------------------------------------------------------------

void DifyFill::on_answer(http::ResponseHead head, std::optional<Bytes> whole) {
  if (!whole) {
    state_ = State::answering;
    // What is too long to be held, or of another kind, is the leader's alone.
    if (!pursuit_->is_stream()) owner_.close(*this);
    if (handler_ != nullptr) handler_->on_answer(std::move(head), std::nullopt);
    return notify();
  }
  if (head.status == 200) {
    judge();
  } else {
    refuse_storing(chat::NoStoreReason::error_status);
    // Dify's own failure, or its model provider's.
    if (pursuit_->has_failed() && serve_stale()) return;
    refusal_ = {head.status, std::string(head.headers.get("content-type").value_or("application/json")), *whole};
  }
  state_ = State::complete;
  if (handler_ != nullptr) handler_->on_answer(std::move(head), std::move(whole));
  end(State::complete);
}

void DifyFill::on_answer_body(const Bytes& data) {
  if (handler_ != nullptr) handler_->on_answer_body(data);
  notify();
}

void DifyFill::on_answer_end() {
  judge();
  state_ = State::complete;
  if (handler_ != nullptr) handler_->on_answer_end();
  end(State::complete);
}

void DifyFill::on_answer_cut(ErrorCode code) {
  refuse_storing(chat::NoStoreReason::cut);
  error_ = code;
  state_ = State::failed;
  if (handler_ != nullptr) handler_->on_answer_cut(code);
  end(State::failed);
}

void DifyFill::on_no_answer(ErrorCode code, std::optional<Duration> retry_after) {
  if (may_stand_in(code) && serve_stale()) return;
  error_ = code;
  retry_after_ = retry_after;
  state_ = State::failed;
  if (handler_ != nullptr) handler_->on_no_answer(code, retry_after);
  end(State::failed);
}

// Never called: the body is whole.
void DifyFill::on_upload(bool) {}

const dify::RunReader* DifyFill::reader() const {
  const dify::RunReader* answer = pursuit_ != nullptr && pursuit_->is_stream() ? pursuit_->reader() : nullptr;
  return answer != nullptr && answer->keeps_all() ? answer : nullptr;
}

double DifyFill::usd() const {
  const dify::RunReader* answer = pursuit_ != nullptr ? pursuit_->reader() : nullptr;
  return answer != nullptr ? answer->usd() : 0;
}

void DifyFill::judge() {
  const auto& verdict = pursuit_->verdict();
  if (!verdict || !*verdict) {
    // Of what was too long to be held there is no verdict.
    const chat::NoStoreReason reason = verdict ? verdict->error() : chat::NoStoreReason::too_large;
    const bool may_be_better_soon = reason == chat::NoStoreReason::cut || reason == chat::NoStoreReason::error_in_answer;
    if (!may_be_better_soon) owner_.unstorable_.note(order_.key, owner_.door_.world().loop.now());
    return refuse_storing(reason);
  }
  const providers::Answer& answer = **verdict;
  cache::Meta meta = order_.meta;
  meta.served_by = pursuit_->served_by();
  meta.stored_at = owner_.door_.world().loop.wall_now();
  meta.prompt_tokens = answer.usage ? answer.usage->prompt_tokens : 0;
  meta.completion_tokens = answer.usage ? answer.usage->completion_tokens : answer.estimated_completion_tokens;
  entry_ = std::make_shared<cache::Entry>(order_.key, order_.identity, std::move(meta), answer.encoded);
  if (storing_forbidden_ || !owner_.fresh_.is_current(app_, asked_)) {
    return refuse_storing(chat::NoStoreReason::purged);
  }
  if (pursuit_->is_fallback()) return refuse_storing(chat::NoStoreReason::downgraded);
  if (answer.encoded.size() > order_.max_entry) return refuse_storing(chat::NoStoreReason::too_large);
  owner_.store_.put(entry_);
}

void DifyFill::refuse_storing(chat::NoStoreReason reason) { owner_.metrics_.count_not_stored(reason); }

// ---- those who wait --------------------------------------------------------------------------------------------------

void DifyFill::end(State how) {
  state_ = how;
  owner_.close(*this);
  if (leader_ != nullptr) leader_->on_fill();
  notify();
}

void DifyFill::notify() {
  if (notifying_) return;
  notifying_ = true;
  // They may leave while they are told; new ones look for themselves.
  for (std::size_t i = 0; i < followers_.size(); ++i) {
    if (followers_[i].reader != nullptr) followers_[i].reader->on_fill();
  }
  notifying_ = false;
  std::erase_if(followers_, [](const Follower& follower) { return follower.reader == nullptr; });
  if (leader_ == nullptr && followers_.empty()) owner_.retire(*this);
}

}  // namespace outrigger::proxy
