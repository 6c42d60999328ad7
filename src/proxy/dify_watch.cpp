#include "proxy/dify_watch.h"

#include <algorithm>
#include <array>

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

// In Dify's events `task_id` stands before what an app puts into them, and inside of a string its quotes would be escaped.
std::string task_in(std::string_view data) {
  constexpr std::string_view k_name = "\"task_id\"";
  constexpr std::size_t k_max = 64;
  std::size_t at = data.find(k_name);
  if (at == std::string_view::npos) return {};
  at = data.find_first_not_of(" :", at + k_name.size());
  if (at == std::string_view::npos || data[at] != '"') return {};
  const std::string_view value = data.substr(at + 1, data.find('"', at + 1) - at - 1);
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  return value.size() <= k_max && std::ranges::all_of(value, is_plain) ? std::string(value) : std::string();
}

// Only these can tell of trouble, so only these are parsed.
bool may_tell(std::string_view data) {
  return data.find("\"error\"") != std::string_view::npos || data.find("workflow_finished") != std::string_view::npos;
}

bool is_last(std::string_view data) {
  static constexpr std::array<std::string_view, 4> k_ends{"\"message_end\"", "\"workflow_finished\"", "\"workflow_paused\"",
                                                          "\"error\""};
  const std::size_t at = data.find("\"event\"");
  if (at == std::string_view::npos) return false;
  const std::string_view value = data.substr(std::min(data.find_first_not_of(" :", at + 7), data.size()));
  return std::ranges::any_of(k_ends, [&](std::string_view end) { return value.starts_with(end); });
}

}  // namespace

DifyWatch::DifyWatch(io::World world, Metrics& metrics, std::string_view backend, bool has_elsewhere, DifyPermits permits)
    : world_(world),
      metrics_(metrics),
      backend_(backend),
      has_elsewhere_(has_elsewhere),
      permits_(std::move(permits)),
      started_(world.loop.now()) {
  for (auto& permit : permits) permit.reset();
}

void DifyWatch::note_unreachable(ErrorCode why) {
  for (auto& permit : permits_) {
    if (permit) permit->never_sent();
  }
  note_cut(why);
  let_go();
}

void DifyWatch::note_answer(const Signal& signal) { judge(signal, false); }

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
  while (!data.empty()) {
    const auto end = splitter_.next(data);
    const std::string_view part = data.substr(0, end.value_or(data.size()));
    if (event_.size() + part.size() > k_event_max) {
      is_long_ = true;
      event_.clear();
    }
    if (!end) {
      if (!is_long_) event_.append(part);
      return;
    }
    data.remove_prefix(*end);
    if (is_long_) {
      judge({}, true);
    } else if (event_.empty()) {
      look_at(part);
    } else {
      event_.append(part);
      look_at(event_);
    }
    event_.clear();
    is_long_ = false;
  }
}

void DifyWatch::look_at(std::string_view text) {
  const http::SseEvent event = http::parse_event(text);
  if (!event.has_data) return;  // `event: ping`, every ten seconds
  if (task_.empty()) task_ = task_in(event.data);
  has_ended_ = has_ended_ || is_last(event.data);
  if (has_spoken_ && !may_tell(event.data)) return;
  judge(may_tell(event.data) ? providers::dify::read_event(event.data) : Signal{}, true);
}

void DifyWatch::judge(const Signal& signal, bool streamed) {
  const bool is_first = !std::exchange(has_spoken_, true);
  const MonoTime now = world_.loop.now();
  if (is_first) spoke_at_ = now;
  auto& backend = permit(DifyRole::backend);
  auto& app = permit(DifyRole::app);
  const bool has_failed = signal.kind == SignalKind::health;
  const bool blames_backend = has_failed && !is_of_app(signal);
  const bool was_judged = std::exchange(is_judged_, true);
  if (!was_judged) {
    if (is_first && streamed) metrics_.observe_first_token(backend_, now - started_);
    if (backend && blames_backend) {
      backend->failed(signal);
    } else if (backend) {
      backend->succeeded(streamed);
    }
    if (app && has_failed && !blames_backend && has_elsewhere_) {
      app->failed(signal);
    } else if (app && signal.kind == SignalKind::ok) {
      app->succeeded(streamed);
    }
  } else if (has_failed && !has_failed_) {
    if (blames_backend && backend) backend->broke_off();
    if (!blames_backend && app && has_elsewhere_) app->broke_off();
  }
  has_failed_ = has_failed_ || has_failed;
}

}  // namespace outrigger::proxy
