#include "proxy/pursuit.h"

#include <algorithm>

#include "chat/digest.h"
#include "providers/openai/rewrite.h"
#include "providers/translation.h"
#include "resilience/backoff.h"

namespace outrigger::proxy {
namespace {

using resilience::Choice;

// Between two tries of the same target: long enough for a connection storm to pass, short enough for a person.
constexpr Duration k_backoff_base = 250ms;
constexpr Duration k_backoff_cap = 5s;
// When to try a fallback beside a try that says nothing, before it is known how long the target usually takes.
constexpr Duration k_hedge_unknown = 1s;
constexpr Duration k_hedge_least = 50ms;

constexpr double k_probe_quantile = 0.95;

chat::TargetAbilities abilities_of(const config::TargetTraits& traits) {
  chat::TargetAbilities abilities;
  abilities.context = traits.context;
  abilities.tools = traits.tools;
  abilities.vision = traits.vision;
  abilities.json_schema = traits.json_schema;
  abilities.stream = traits.stream;
  abilities.max_output = traits.max_output;
  return abilities;
}

providers::openai::RequestRewrite rewrite_for(const Link& link) {
  providers::openai::RequestRewrite rewrite;
  if (!link.model.empty()) rewrite.model = link.model;
  if (link.traits == nullptr) return rewrite;
  rewrite.drop = link.traits->drop;
  for (const auto& [from, to] : link.traits->rename) rewrite.rename.push_back({from, to});
  rewrite.max_output = link.traits->max_output;
  return rewrite;
}

std::string_view told(Waiter::Turn turn) {
  if (turn == Waiter::Turn::go) return {};
  return turn == Waiter::Turn::overdue ? "overdue" : "displaced";
}

std::string outcome_of(const Failure& failure) {
  if (failure.code != ErrorCode::upstream_status) return std::string(traits(failure.code).name);
  return "status_" + std::to_string(failure.answer->head.status);
}

}  // namespace

Pursuit::Pursuit(CallContext& context, const PursuitOrder& order, std::optional<Bytes> body, PursuitHandler& handler)
    : context_(context), order_(order), body_(std::move(body)), handler_(handler) {
  ticket_.flow = order.flow;
  ticket_.cls = order.queue_class;
  ticket_.priority = order.priority;
  ticket_.cost = order.cost;
}

Pursuit::~Pursuit() {
  stop_waiting();
  for (const Running& running : running_) end_traced(running, "abandoned");
}

void Pursuit::start() {
  begun_ = now();
  deadline_ = begun_ + order_.limits.total;
  if (!order_.is_paced) return run_unwatched();
  find_lanes();
  steps_.front().lane->retries().deposit(now());
  steps_.front().lane->hedges().deposit(now());
  next();
}

void Pursuit::find_lanes() {
  bool is_any_fit = false;
  for (const Link& link : order_.chain) {
    const auto reason = unfit(link);
    is_any_fit = is_any_fit || !reason;
    steps_.push_back({.lane = context_.lanes.of(link, order_.account), .is_unfit = reason.has_value()});
    if (reason) note_unfit(steps_.size() - 1, chat::name(*reason));
  }
  // Then the first one's own error is the right one.
  if (!is_any_fit) steps_.front().is_unfit = false;
}

void Pursuit::note_unfit(std::size_t index, std::string_view reason) {
  const Link& link = order_.chain[index];
  steps_[index].lane->note_unfit(reason);
  context_.metrics.count_unfit(link.name, reason);
  tried_.push_back({link.name, "unfit_" + std::string(reason), {}});
}

// Puts the request into the target's words, once. False: that cannot be done, so the target is unfit.
bool Pursuit::make_ready(std::size_t index) {
  Step& step = steps_[index];
  if (std::exchange(step.is_ready, true)) return true;
  const Link& link = order_.chain[index];
  const bool is_translated = link.destination.is_translated();
  step.body = body_;
  if (!body_) return true;
  if (is_translated) {
    const chat::Endpoint wire = link.destination.wire;
    auto translated = providers::translate_request(order_.endpoint, wire, body_->view(), link.model);
    if (!translated) {
      note_unfit(index, chat::name(translated.error()));
      step.is_unfit = true;
      return false;
    }
    context_.metrics.count_translation(order_.endpoint, wire, translated->losses.names());
    for (const std::string_view loss : translated->losses.names()) {
      if (std::ranges::find(losses_, loss) == losses_.end()) losses_.push_back(loss);
    }
    step.body = Bytes::copy(translated->body);
  }
  if (order_.endpoint == chat::Endpoint::other || (link.model.empty() && link.traits == nullptr)) return true;
  providers::openai::RequestRewrite rewrite = rewrite_for(link);
  if (is_translated) rewrite.model.reset();  // it has the right one
  if (auto body = providers::openai::rewrite_request(step.body->view(), rewrite)) step.body = Bytes::copy(*body);
  return true;
}

// Why this request cannot be sent there, whatever the target's state.
std::optional<chat::UnfitReason> Pursuit::unfit(const Link& link) const {
  const Link& first = order_.chain.front();
  chat::TargetAbilities abilities = link.traits != nullptr ? abilities_of(*link.traits) : chat::TargetAbilities{};
  using Relation = chat::TargetAbilities::Relation;
  const bool is_same_provider = link.destination.target == first.destination.target;
  // What cannot be said on another wire is found, and named, when it is put into words.
  const bool is_found_later = link.destination.is_translated();
  abilities.relation = &link == &first                      ? Relation::first
                       : is_same_provider || is_found_later ? Relation::same_provider
                                                            : Relation::other_provider;
  return chat::unfit(order_.needs, abilities);
}

// ---- choosing --------------------------------------------------------------------------------------------------------

MonoTime Pursuit::wait_until() const { return std::min(deadline_, begun_ + std::min(order_.queue_wait, order_.patience)); }

// Tries of the first target and of each fallback; every fallback brings one of its own.
std::size_t Pursuit::attempts_max() const {
  if (order_.needs.ping || order_.streamed_body) return 1;
  return order_.retry.attempts + order_.chain.size() - 1;
}

Choice Pursuit::choose(bool has_turn) const {
  std::vector<resilience::Candidate> candidates;
  candidates.reserve(steps_.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    resilience::Candidate& candidate = candidates.emplace_back();
    candidate.is_spent = step.is_spent || step.is_unfit;
    candidate.was_awaited = step.was_awaited;
    candidate.was_turned_away = step.was_turned_away;
    if (!candidate.is_spent) candidate.look = step.lane->look(ticket_, has_turn && i == waiting_step_);
  }
  return resilience::plan(candidates, now(), wait_until());
}

// What is chosen can take the request.
Choice Pursuit::choose_ready(bool has_turn) {
  for (;;) {
    const Choice choice = choose(has_turn);
    const bool is_chosen = choice.kind == Choice::Kind::go || choice.kind == Choice::Kind::wait;
    if (!is_chosen || make_ready(choice.index)) return choice;
  }
}

void Pursuit::next(bool has_turn) {
  if (static_cast<std::size_t>(attempts_) >= attempts_max()) return give_up();
  const Choice choice = choose_ready(has_turn);
  switch (choice.kind) {
    case Choice::Kind::go: {
      auto permit = steps_[choice.index].lane->acquire(ticket_, has_turn && choice.index == waiting_step_);
      OR_CHECK(permit.has_value());
      return run(choice.index, std::move(*permit));
    }
    case Choice::Kind::wait:
      return wait_at(choice.index, *choice.until);
    case Choice::Kind::late:
      count_shed(choice.index,
                 waited_ > Duration::zero() ? resilience::ShedReason::wait_limit : resilience::ShedReason::deadline);
      return give_up(Refusal{ErrorCode::queue_wait, *choice.until - now()});
    case Choice::Kind::none:
      if (retry_later()) return;
      if (choice.until) return give_up(Refusal{ErrorCode::no_target, *choice.until - now()});
      return give_up();
  }
}

// Everything has failed once. A retry may still help, if the budget has one left: failures pass, and the request must not. The
// tries that fallbacks would have had are there for it, too: when they rest, much depends on the one that is left.
bool Pursuit::retry_later() {
  if (!first_failure_ || order_.needs.ping || order_.retry.attempts < 2) return false;
  const auto again = std::find_if(steps_.begin(), steps_.end(), [](const Step& step) { return step.has_failed; });
  if (again == steps_.end() || !steps_.front().lane->retries().withdraw(now())) return false;
  Duration pause = resilience::full_jitter(retries_++, k_backoff_base, k_backoff_cap, context_.world.rng);
  if (last_retry_after_) pause = std::max(pause, *last_retry_after_);
  if (now() + pause >= wait_until()) return false;
  for (Step& step : steps_) {
    if (step.has_failed) step.is_spent = false;
  }
  timer_ = context_.world.loop.after(pause, [this] { next(); });
  return true;
}

// Nothing good will come. The first target's own words are the right ones, if it has spoken.
void Pursuit::give_up(std::optional<Refusal> refusal) {
  const bool is_impossible = std::ranges::all_of(steps_, &Step::is_unfit);
  if (!first_failure_ && is_impossible) {
    first_failure_ = Failure{ErrorCode::unfit, {}, {providers::SignalKind::client_fault, {}, {}}, {}};
  } else if (!first_failure_) {
    const Refusal why = refusal.value_or(refusal_.value_or(Refusal{ErrorCode::no_target, k_backoff_cap}));
    first_failure_ = Failure{why.code, {}, {providers::SignalKind::health, {}, why.retry_after}, {}};
  }
  timer_ = context_.world.loop.after(0s, [this] { handler_.on_no_answer(std::move(*first_failure_)); });
}

// ---- waiting ---------------------------------------------------------------------------------------------------------

void Pursuit::wait_at(std::size_t index, MonoTime until) {
  Step& step = steps_[index];
  ticket_.deadline = until;
  const Lane::Place place = step.lane->wait(*this, ticket_);
  if (place.refused) {
    const bool is_full = *place.refused == resilience::ShedReason::queue_full;
    count_shed(index, *place.refused);
    refusal_ = Refusal{is_full ? ErrorCode::queue_full : ErrorCode::queue_wait, step.lane->retry_after(ticket_)};
    step.was_turned_away = true;
    return next();
  }
  waiting_at_ = step.lane.get();
  waiting_step_ = index;
  place_ = place.id;
  waiting_since_ = now();
}

void Pursuit::count_shed(std::size_t index, resilience::ShedReason reason) {
  context_.metrics.count_shed(order_.chain[index].name, resilience::name(reason));
}

void Pursuit::stop_waiting() {
  if (waiting_at_ == nullptr) return;
  std::exchange(waiting_at_, nullptr)->leave(place_);
  order_.trace.note_wait(waiting_since_, order_.chain[waiting_step_].name, "abandoned");
}

void Pursuit::on_turn(Turn turn) {
  waiting_at_ = nullptr;
  const Duration waited = now() - waiting_since_;
  waited_ += waited;
  context_.metrics.of_model(order_.asked).queue_wait->observe(seconds(waited), order_.trace.exemplar());
  order_.trace.note_wait(waiting_since_, order_.chain[waiting_step_].name, told(turn));
  Step& step = steps_[waiting_step_];
  if (turn == Turn::overdue) step.was_awaited = true;
  if (turn == Turn::displaced) {
    count_shed(waiting_step_, resilience::ShedReason::displaced);
    refusal_ = Refusal{ErrorCode::queue_full, step.lane->retry_after(ticket_)};
    step.was_turned_away = true;
  }
  next(turn == Turn::go);
}

// ---- trying ----------------------------------------------------------------------------------------------------------

AttemptRequest Pursuit::request_for(const Link& link, std::size_t key, std::optional<Bytes> body) const {
  AttemptRequest request;
  request.head = outgoing_head(order_.head, link.destination, key, link.passes_credential);
  // We read along, and what we store must be readable: no compression on this leg.
  if (order_.endpoint != chat::Endpoint::other) request.head.headers.set("Accept-Encoding", "identity");
  request.streamed_body = order_.streamed_body;
  request.streamed_length = order_.streamed_length;
  request.streamed_answer = order_.streamed_answer;
  request.body = std::move(body);
  return request;
}

void Pursuit::run(std::size_t index, Permit permit) {
  ++attempts_;
  const Link& link = order_.chain[index];
  const std::vector<config::Secret>& keys = link.destination.target->upstream->keys;
  if (!keys.empty() && !context_.lanes.is_current(link)) {
    permit.note_sent_key(chat::sha256_hex(keys[permit.key() % keys.size()].text));
  }
  if (running_.empty()) serving_ = index;
  steps_[index].is_spent = true;
  Lane& lane = *steps_[index].lane;
  Runner::Order order;
  order.target = link.destination.target;
  order.name = link.name;
  order.limits = order_.limits;
  order.limits.total = time_for_try();
  order.request = request_for(link, permit.key(), steps_[index].body);
  order.endpoint = order_.endpoint;
  order.wire = link.destination.is_translated() ? link.destination.wire : order_.endpoint;
  order.include_usage = order_.include_usage;
  order.hold_max = order_.hold_max;
  order.permit.emplace(std::move(permit));
  order.holds_prelude = steps_.size() > 1 && !order_.needs.ping;
  order.is_ping = order_.needs.ping;
  order.trace = order_.trace;
  const std::size_t traced = order_.trace.begin_attempt(link, order.request.head);
  running_.push_back({index, std::make_unique<Runner>(context_, std::move(order), *this), traced});
  if (running_.size() == 1) watch_for_hedge(lane);
}

// A stream shows with its first token whether it works. A blocking answer shows nothing until it is there, so where somebody else
// could still be asked it may take half of the time that is left, and of what the client waits for.
Duration Pursuit::time_for_try() const {
  const Duration left = deadline_ - now();
  const auto is_left = [](const Step& step) { return !step.is_spent && !step.is_unfit; };
  const bool is_last = std::none_of(steps_.begin(), steps_.end(), is_left);
  if (order_.streamed_answer || is_last) return left;
  return std::max<Duration>(std::min(left, begun_ + order_.patience - now()), 0s) / 2;
}

// What is not understood goes where it was sent, once.
void Pursuit::run_unwatched() {
  ++attempts_;
  const Link& link = order_.chain.front();
  Runner::Order order;
  order.target = link.destination.target;
  order.name = link.name;
  order.limits = order_.limits;
  order.request = request_for(link, context_.lanes.next_key(), body_);
  const std::size_t traced = order_.trace.begin_attempt(link, order.request.head);
  running_.push_back({0, std::make_unique<Runner>(context_, std::move(order), *this), traced});
}

// A probe's failure must not be its client's: when it takes longer than the target usually does, a fallback is asked beside
// it. Other requests are hedged only if the operator wishes and the budget allows (Dean and Barroso, The Tail at Scale, 2013).
void Pursuit::watch_for_hedge(const Lane& lane) {
  const bool is_probe = running_.front().runner->is_probe();
  if (steps_.size() < 2 || (!is_probe && !order_.hedge)) return;
  const double quantile = order_.hedge ? order_.hedge->quantile : k_probe_quantile;
  const auto& usual = order_.streamed_answer ? lane.first_token() : lane.whole_answer();
  const std::optional<Duration> known = usual.at(quantile);
  if (!known && !is_probe) return;
  hedge_ = context_.world.loop.after(std::max(known.value_or(k_hedge_unknown), k_hedge_least),
                                     [this, is_probe] { hedge(is_probe); });
}

void Pursuit::hedge(bool is_probe) {
  if (static_cast<std::size_t>(attempts_) >= attempts_max()) return;
  const Choice choice = choose_ready(false);
  if (choice.kind != Choice::Kind::go) return;
  if (!is_probe && !steps_.front().lane->hedges().withdraw(now())) return;
  auto permit = steps_[choice.index].lane->acquire(ticket_, false);
  OR_CHECK(permit.has_value());
  run(choice.index, std::move(*permit));
}

void Pursuit::on_runner_failed(Runner& runner, Failure failure) {
  const auto running = running_of(runner);
  const std::size_t index = running->step;
  note_tried(*running, outcome_of(failure));
  context_.world.loop.retire(std::move(running->runner));
  running_.erase(running);
  if (steps_.empty()) return handler_.on_no_answer(std::move(failure));
  note_failure(index, failure);
  const bool ends = index == 0 && failure.signal.kind == providers::SignalKind::client_fault;
  if (!first_failure_) first_failure_ = std::move(failure);
  // The other one of a hedge may still answer.
  if (!running_.empty()) return;
  hedge_.cancel();
  if (ends) return give_up();
  next();
}

// What the failure says about trying the same target again. (What it says about the target, its Lane has been told.)
void Pursuit::note_failure(std::size_t index, const Failure& failure) {
  Step& step = steps_[index];
  step.has_failed = false;
  last_retry_after_.reset();
  switch (failure.signal.kind) {
    case providers::SignalKind::ok:
    case providers::SignalKind::client_fault:
    case providers::SignalKind::unfit:
      return;
    case providers::SignalKind::rate:
      // It has not been served and may wait for the gate like the others.
      step.is_spent = false;
      return;
    case providers::SignalKind::quota:
    case providers::SignalKind::credential:
      // Another key of the same upstream may do.
      step.is_spent = step.lane->settings().keys.size() < 2;
      return;
    case providers::SignalKind::health:
      // What is not understood may have had its effect.
      step.has_failed = order_.endpoint != chat::Endpoint::other;
      last_retry_after_ = failure.signal.retry_after;
      return;
  }
}

void Pursuit::on_committed(Runner& runner, Committed answer) {
  hedge_.cancel();
  serving_ = running_of(runner)->step;
  for (Running& other : running_) {
    if (other.runner.get() == &runner) continue;
    note_tried(other, "lost");
    other.runner->outrun();
    other.runner.reset();
  }
  std::erase_if(running_, [](const Running& other) { return other.runner == nullptr; });
  const int status = answer.head.status;
  // How it ends is not known yet.
  tried_.push_back({served_by().name, status < 400 ? "ok" : "status_" + std::to_string(status), now() - runner.started()});
  if (answer.is_complete) {
    context_.metrics.count_attempt(served_by().name, tried_.back().outcome);
    end_traced(running_.front(), tried_.back().outcome);
  }
  handler_.on_answer(std::move(answer));
}

void Pursuit::on_runner_end() {
  context_.metrics.count_attempt(served_by().name, tried_.back().outcome);
  end_traced(running_.front(), tried_.back().outcome);
  handler_.on_answer_end();
}

void Pursuit::on_runner_cut(Error error) {
  tried_.back().outcome = traits(error.code).name;
  context_.metrics.count_attempt(served_by().name, tried_.back().outcome);
  end_traced(running_.front(), tried_.back().outcome);
  handler_.on_answer_cut(std::move(error));
}

void Pursuit::note_tried(const Running& running, std::string outcome) {
  const std::string& target = order_.chain[running.step].name;
  context_.metrics.count_attempt(target, outcome);
  end_traced(running, outcome);
  tried_.push_back({target, std::move(outcome), now() - running.runner->started()});
}

void Pursuit::end_traced(const Running& running, std::string_view outcome) {
  order_.trace.end_attempt(running.traced, outcome, running.runner->answered_with(), running.runner->first_token());
}

std::vector<Pursuit::Running>::iterator Pursuit::running_of(const Runner& runner) {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [&](const Running& running) { return running.runner.get() == &runner; });
  OR_CHECK(found != running_.end());
  return found;
}

// ---- the committed answer, and uploads -------------------------------------------------------------------------------

void Pursuit::write_body(const Bytes& data) {
  if (!running_.empty()) running_.front().runner->write_body(data);
}
void Pursuit::end_body() {
  if (!running_.empty()) running_.front().runner->end_body();
}
std::size_t Pursuit::unsent() const { return running_.empty() ? 0 : running_.front().runner->unsent(); }
void Pursuit::read_body(bool on) {
  if (!running_.empty()) running_.front().runner->read_body(on);
}
void Pursuit::note_progress() {
  if (!running_.empty()) running_.front().runner->note_progress();
}
void Pursuit::settle(std::uint64_t tokens) {
  if (!running_.empty()) running_.front().runner->settle(tokens);
}
void Pursuit::note_broken() {
  if (!running_.empty()) running_.front().runner->note_broken();
}
void Pursuit::end() {
  stop_waiting();
  timer_.cancel();
  hedge_.cancel();
  for (Running& running : running_) {
    end_traced(running, "abandoned");
    context_.world.loop.retire(std::move(running.runner));
  }
  running_.clear();
}

}  // namespace outrigger::proxy
