#include "proxy/dify_watch.h"

#include <utility>

namespace outrigger::proxy {
namespace {

using providers::Signal;
using providers::SignalKind;

// Dify's words for what ails the app or its model provider; any other trouble is the backend's. Who says that there was an internal
// error still works: it may be this one app that stumbles.
bool is_of_app(const Signal& signal) {
  return signal.code == "internal_server_error" || signal.code == "completion_request_error" ||
         signal.code == providers::dify::k_workflow_failed || signal.code.starts_with("provider_") ||
         signal.code.starts_with("model_");
}

}  // namespace

DifyWatch::DifyWatch(io::World world, Metrics& metrics, Subject subject, DifyPermits permits)
    : world_(world), metrics_(metrics), subject_(subject), permits_(std::move(permits)), started_(world.loop.now()) {
  for (auto& permit : permits) permit.reset();
}

void DifyWatch::note_unreachable(ErrorCode why) {
  for (auto& permit : permits_) {
    if (permit) permit->never_sent();
  }
  note_cut(why);
  let_go();
}

void DifyWatch::note_answer(const Signal& signal, std::string_view body) {
  if (!body.empty()) reader_.emplace(subject_.kind, false, subject_.keep).feed(body);
  judge(signal, false);
}

void DifyWatch::note_cut(ErrorCode why) {
  auto& backend = permit(DifyRole::backend);
  if (!backend || std::exchange(has_failed_, true)) return;
  if (is_judged_) return backend->broke_off();
  is_judged_ = true;
  backend->failed({SignalKind::health, std::string(traits(why).name), {}});
}

void DifyWatch::let_go() {
  for (auto& permit : permits_) permit.reset();
}

void DifyWatch::on_stream(std::string_view data) {
  if (!reader_) reader_.emplace(subject_.kind, true, subject_.keep);
  reader_->feed(data);
  if (!reader_->begun()) return;
  if (!has_spoken_) judge(reader_->failed_at_once() ? reader_->signal() : Signal{}, true);
  if (reader_->saw_error() && !has_failed_) judge(reader_->signal(), true);
}

std::expected<providers::Answer, chat::NoStoreReason> DifyWatch::finish() {
  if (!reader_) return std::unexpected(chat::NoStoreReason::cut);
  return reader_->finish();
}

void DifyWatch::judge(const Signal& signal, bool streamed) {
  const bool is_first = !std::exchange(has_spoken_, true);
  const MonoTime now = world_.loop.now();
  if (is_first) spoke_at_ = now;
  auto& backend = permit(DifyRole::backend);
  auto& app = permit(DifyRole::app);
  if (signal_.kind == SignalKind::ok) signal_ = signal;
  const bool has_failed = signal.kind == SignalKind::health;
  const bool blames_backend = has_failed && !is_of_app(signal);
  const bool was_judged = std::exchange(is_judged_, true);
  if (!was_judged) {
    if (is_first && streamed) metrics_.observe_first_token(subject_.backend, now - started_, subject_.trace.exemplar());
    if (backend && blames_backend) {
      backend->failed(signal);
    } else if (backend) {
      backend->succeeded(streamed);
    }
    if (app && has_failed && !blames_backend && subject_.has_elsewhere) {
      app->failed(signal);
    } else if (app && signal.kind == SignalKind::ok) {
      app->succeeded(streamed);
    }
  } else if (has_failed && !has_failed_) {
    if (blames_backend && backend) backend->broke_off();
    if (!blames_backend && app && subject_.has_elsewhere) app->broke_off();
  }
  has_failed_ = has_failed_ || has_failed;
}

}  // namespace outrigger::proxy
