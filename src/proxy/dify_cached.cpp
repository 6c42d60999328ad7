// The cached half of DifyFlow: what is answered in Dify's place, and what becomes of the ids that are made up for it.
#include "providers/dify/notices.h"
#include "proxy/dify_door.h"
#include "proxy/dify_flow.h"
#include "proxy/dify_minted.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

constexpr std::string_view k_sse = "text/event-stream; charset=utf-8";

std::string_view text_of(const dify::Uuid& id) { return {id.data(), id.size()}; }

bool is_json(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->contains("json") && !head.headers.get("content-encoding");
}

}  // namespace

// ---- runs ------------------------------------------------------------------------------------------------------------

void DifyFlow::answer_run(Chain chain) {
  const config::Config& config = snapshot_->config();
  // Replicas of one Dify answer alike; two installations may not.
  const auto home_of = [this](const Chain& of) -> std::string_view {
    const Target* first =
        dify_equals(*snapshot_) > 1 ? snapshot_->target_named(snapshot_->config().dify.target.front().to) : nullptr;
    return (first != nullptr ? first : of.front().destination.target)->identity;
  };
  judgement_ = judge_run(config,
                         {.app = caller_.app,
                          .digest = caller_.digest,
                          .call = call_kind_,
                          .run = run_,
                          .target = target(),
                          .backend = home_of(chain),
                          .headers = exchange_.request().headers},
                         door_.keys());
  if (judgement_.bypass) {
    if (caller_.app != nullptr && caller_.app->cache) door_.metrics().count_bypass(*judgement_.bypass);
    return ask(std::move(chain));
  }
  asked_ = Bytes::copy(std::exchange(body_, {}));
  Rng& rng = door_.world().rng;
  minted_ = {mint(door_.keys(), rng), mint(door_.keys(), rng), mint(door_.keys(), rng), mint(door_.keys(), rng)};
  if (trace_) trace_->begin_lookup();
  cache::EntryPtr entry = door_.store().find_now(judgement_.identity);
  if (trace_) trace_->end_lookup();
  if (entry != nullptr && !door_.fresh().is_current(caller_.digest, entry->meta().stored_at)) entry = nullptr;
  if (entry != nullptr && is_servable(*entry)) {
    if (config.cache.mode == CacheMode::observe) {
      result_ = CacheResult::observe;
    } else if (serve_entry(entry, CacheResult::hit)) {
      return;
    } else {
      entry = nullptr;
    }
  }
  join_or_lead(std::move(chain), std::move(entry));
}

bool DifyFlow::is_servable(const cache::Entry& entry) const {
  const WallTime now = door_.world().loop.wall_now();
  if (judgement_.steering.no_cache || !entry.fresh(now)) return false;
  return !judgement_.steering.max_age || entry.age(now) <= *judgement_.steering.max_age;
}

void DifyFlow::join_or_lead(Chain chain, cache::EntryPtr stale) {
  const config::Config& config = snapshot_->config();
  const bool observing = config.cache.mode == CacheMode::observe;
  const bool may_share = !observing && !judgement_.steering.no_cache;
  const chat::Key key = door_.keys().key(judgement_.identity);
  state_ = State::asking;
  DifyFill* under_way = may_share ? door_.fills().joinable(key) : nullptr;
  if (under_way != nullptr && under_way->order().identity == judgement_.identity) {
    result_ = CacheResult::coalesced;
    if (trace_) trace_->link_to(under_way->trace());
    fill_ = under_way;
    fill_->follow(*this, std::string(text_of(minted_.task)));
    return on_fill();
  }
  if (!door_.fills().has_room()) {
    result_ = CacheResult::bypass;
    judgement_.bypass = chat::BypassReason::overloaded;
    door_.metrics().count_bypass(*judgement_.bypass);
    return ask(std::move(chain));
  }
  if (result_ != CacheResult::observe) result_ = CacheResult::miss;
  DifyFillOrder order;
  order.run = this->order(std::move(chain));
  order.key = key;
  order.identity = judgement_.identity;
  order.meta.model = caller_.app->name;
  order.meta.tags = {std::string(DifyFresh::k_tag), DifyFresh::tag_of(caller_.digest)};
  order.meta.ttl = policy().ttl;
  order.meta.stale = config.cache.stale_if_error;
  order.max_entry = config.cache.max_entry;
  order.look_up = result_ == CacheResult::miss && !judgement_.steering.no_cache && door_.store().can_find_later();
  order.serve_found = !observing;
  order.max_age = judgement_.steering.max_age;
  if (!observing) order.stale = std::move(stale);
  leads_ = true;
  DifyPursuitHandler& handler = *this;
  fill_ = &door_.fills().start(std::move(order), may_share && !door_.fills().known_unstorable(key), *this, handler);
  fill_->begin();
}

void DifyFlow::leave_fill() {
  if (fill_ != nullptr) std::exchange(fill_, nullptr)->leave(*this);
}

dify::Fresh DifyFlow::fresh() const {
  return {.task = minted_.task,
          .message = minted_.message,
          .conversation = minted_.conversation,
          .run = minted_.run,
          .user = run_.user,
          .now = unix_seconds(door_.world().loop.wall_now())};
}

// False: it cannot be read.
bool DifyFlow::serve_entry(const cache::EntryPtr& entry, CacheResult result) {
  const auto rendered = dify::render_run(call_kind_.run, entry->payload().view(), run_.streaming);
  if (!rendered) return false;
  result_ = result;
  if (result != CacheResult::coalesced) age_ = entry->age(door_.world().loop.wall_now());
  served_by_ = entry->meta().served_by;
  book_saving(entry->meta(), rendered->usd);
  remember_turn();
  respond_own(200, personalise(*rendered, fresh()), run_.streaming ? k_sse : std::string_view("application/json"));
  return true;
}

// The client will know the conversation by an id that Dify has never heard of.
void DifyFlow::remember_turn() {
  if (!policy().live_conversations || call_kind_.run != dify::RunKind::chat) return;
  door_.live().remember(caller_.digest, text_of(minted_.conversation), asked_.view());
}

void DifyFlow::book_saving(const cache::Meta& meta, double usd) {
  saved_usd_ = usd;
  saved_tokens_ = meta.prompt_tokens + meta.completion_tokens;
  door_.metrics().savings().book_cost(caller_.label, saved_by(result_), meta.prompt_tokens, meta.completion_tokens, usd);
}

// ---- a run that others share -----------------------------------------------------------------------------------------

void DifyFlow::on_fill() {
  if (state_ == State::finished || fill_ == nullptr) return;
  if (const cache::EntryPtr found = fill_->found()) {
    if (!serve_entry(found, fill_->is_stale() ? CacheResult::stale : CacheResult::hit)) go_alone();
    return;
  }
  if (leads_) return;  // it hears Dify itself
  switch (fill_->state()) {
    case DifyFill::State::looking_up:
    case DifyFill::State::asking:
      return;
    case DifyFill::State::answering:
      return pump();
    case DifyFill::State::complete:
      return end_following();
    case DifyFill::State::failed:
      if (exchange_.responded()) return fail_answer(fill_->error());
      return answer_error(fill_->error(), fill_->retry_after());
  }
}

// Tells on what the stream has told.
void DifyFlow::pump() {
  const dify::RunReader* answer = fill_->reader();
  if (!run_.streaming || waiting_for_drain_) return;
  if (answer == nullptr) {
    // Something that cannot be told to others. Whoever has heard nothing yet asks for itself in the end.
    if (exchange_.responded()) fail_answer(ErrorCode::upstream_cut);
    return;
  }
  const Bytes events = teller_.next(*answer, fresh());
  if (events.empty()) return;
  if (!exchange_.responded()) {
    remember_turn();
    state_ = State::answering;
    status_ = 200;
    first_byte_ = door_.world().loop.now();
    http::ResponseHead head;
    head.status = status_;
    head.headers.add("Content-Type", k_sse);
    add_own_headers(head.headers);
    exchange_.respond(head, http::BodyLength::streamed());
  }
  write(events);
}

void DifyFlow::end_following() {
  const bool can_stream = run_.streaming && fill_->reader() != nullptr;
  if (exchange_.responded() || can_stream) {
    pump();
    if (state_ == State::finished || waiting_for_drain_) return;  // on_drained goes on
    if (const cache::EntryPtr& entry = fill_->entry()) book_saving(entry->meta(), fill_->usd());
    exchange_.finish();
    return finish(fill_->pursuit()->has_failed() ? Outcome::upstream_error : Outcome::ok);
  }
  if (const cache::EntryPtr entry = fill_->entry()) {
    if (!serve_entry(entry, CacheResult::coalesced)) go_alone();
    return;
  }
  if (const auto refusal = fill_->refusal()) return respond_own(refusal->status, refusal->body, refusal->content_type);
  go_alone();
}

// The answer is of no use for this one: too old, not to be told in this form. The first of many such begins a run for all of them,
// in its own form; if that is of no use either, each is on its own.
void DifyFlow::go_alone() {
  leave_fill();
  leads_ = false;
  Chain chain = this->chain();
  if (chain.empty()) return answer_error(ErrorCode::no_target, 1s);
  if (!std::exchange(has_gone_alone_, true)) return join_or_lead(std::move(chain), nullptr);
  result_ = CacheResult::miss;
  ask(std::move(chain));
}

// The client has stopped the task by which it knows a shared run.
void DifyFlow::on_stopped() {
  if (state_ == State::finished) return;
  leave_fill();
  if (!exchange_.responded()) return respond_own(200, Bytes::literal(dify::k_stopped_body));
  exchange_.finish();
  finish(Outcome::ok);
}

// ---- what describes an app -------------------------------------------------------------------------------------------

// True: answered.
bool DifyFlow::serve_info() {
  const Duration ttl = snapshot_->config().dify.info_ttl;
  const http::RequestHead& request = exchange_.request();
  const bool is_info = call_kind_.kind == dify::CallKind::app_info && call_kind_.as_written && request.method == "GET";
  if (!is_info || caller_.digest.empty() || ttl == Duration{} || request.has_body()) return false;
  const Steering asked = steering(request.headers);
  if (asked.no_store) return false;
  const MonoTime now = door_.world().loop.now();
  const DifyInfos::Info* info = asked.no_cache ? nullptr : door_.infos().find(caller_.digest, request.target, ttl, now);
  if (info == nullptr) {
    result_ = CacheResult::miss;
    info_.emplace();
    return false;
  }
  result_ = CacheResult::hit;
  served_by_ = info->served_by;
  age_ = now - info->since;
  respond_own(200, info->body, info->content_type);
  return true;
}

void DifyFlow::note_info(const http::ResponseHead& head) {
  const bool is_kept = head.status == 200 && is_json(head) && !head.headers.get("set-cookie");
  if (!is_kept) return info_.reset();
  info_->content_type = *head.headers.get("content-type");
  info_->served_by = pursuit_->served_by();
  info_->since = started_;
}

// ---- ids that the cache made up --------------------------------------------------------------------------------------

// True: the call is about one of them, and is answered, or soon will be.
bool DifyFlow::answer_minted() {
  if (call_kind_.surface != dify::Surface::service || caller_.digest.empty()) return false;
  if (call_kind_.kind == dify::CallKind::stop) {
    const bool is_minted_task = is_minted(door_.keys(), call_kind_.id);
    if (!door_.fills().stop(caller_.digest, call_kind_.id) && !is_minted_task) return false;
    respond_own(200, Bytes::literal(dify::k_stopped_body));
    return true;
  }
  const bool is_turn = call_kind_.kind == dify::CallKind::run;
  if (!is_turn && call_kind_.kind != dify::CallKind::follow_up) return false;
  const std::string& id = is_turn ? run_.conversation_id : call_kind_.id;
  if (!is_minted(door_.keys(), id)) return false;
  const dify::IdKind kind = is_turn ? dify::IdKind::conversation : call_kind_.id_kind;
  const bool may_live = caller_.app != nullptr && caller_.app->cache && policy().live_conversations;
  if (kind == dify::IdKind::conversation && may_live && reads_whole_) {
    state_ = State::resolving;
    minted_conversation_ = id;
    Chain chain = this->chain();
    if (chain.empty()) {
      answer_error(ErrorCode::no_target, 1s);
      return true;
    }
    DifyPursuitOrder like;
    like.snapshot = snapshot_;
    like.chain = std::move(chain);
    like.caller = caller_;
    like.head = exchange_.request();
    like.peer = exchange_.peer();
    door_.live().resolve(id, std::move(like), alive_, [this](const DifyLive::Resolved& resolved) { on_resolved(resolved); });
    return true;
  }
  // Dify itself has none for many apps: a client that shows them takes an empty list for an answer.
  const bool is_suggested = http::split_target(target()).path.ends_with("/suggested");
  if (kind == dify::IdKind::message && is_suggested) {
    respond_own(200, Bytes::literal(R"({"result":"success","data":[]})"));
  } else {
    answer_notice(kind);
  }
  return true;
}

void DifyFlow::answer_notice(dify::IdKind kind) {
  const dify::Notice notice = dify::minted_notice(kind);
  respond_own(notice.status, Bytes::copy(dify::error_body(notice)));
}

void DifyFlow::on_resolved(const DifyLive::Resolved& resolved) {
  if (state_ == State::finished) return;
  if (resolved.is_unknown) return answer_notice(dify::IdKind::conversation);
  if (resolved.words) return respond_own(resolved.status, *resolved.words);
  if (resolved.conversation.empty()) return answer_error(resolved.error, resolved.retry_after);
  swap_.emplace(resolved.conversation, minted_conversation_);
  if (call_kind_.kind == dify::CallKind::run) {
    body_ = dify::with_conversation(body_, resolved.conversation);
  } else {
    target_ = exchange_.request().target;
    const std::size_t at = target_.find(minted_conversation_);
    if (at != std::string::npos) target_.replace(at, resolved.conversation.size(), resolved.conversation);
  }
  route();
}

}  // namespace outrigger::proxy
