#include "sim/desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base64.h"
#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

// JSON requests are read whole; a longer one is answered with 413.
constexpr std::uint64_t k_max_json = 64u << 20;
constexpr std::size_t k_id_letters = 29;  // as many as OpenAI's ids have

struct Place {
  std::string_view name;
  std::string_view method;
  Endpoint endpoint;
};
constexpr std::array k_places{
    Place{"chat/completions", "POST", Endpoint::chat},
    Place{"completions", "POST", Endpoint::completion},
    Place{"embeddings", "POST", Endpoint::embeddings},
    Place{"models", "GET", Endpoint::models},
    Place{"models/{id}", "GET", Endpoint::model},
    Place{"files", "POST", Endpoint::files},
    Place{"audio/transcriptions", "POST", Endpoint::transcriptions},
    Place{"audio/speech", "POST", Endpoint::speech},
    Place{"images/generations", "POST", Endpoint::images},
    Place{"moderations", "POST", Endpoint::moderations},
};
constexpr std::string_view k_models_slash = "models/";
constexpr std::string_view k_sim = "sim/";
constexpr std::string_view k_json = "application/json";

AskKind ask_kind(Endpoint endpoint) {
  if (endpoint == Endpoint::chat) return AskKind::chat;
  if (endpoint == Endpoint::completion) return AskKind::completion;
  return endpoint == Endpoint::embeddings ? AskKind::embeddings : AskKind::other;
}

bool is_json(Endpoint endpoint) {
  return ask_kind(endpoint) != AskKind::other || endpoint == Endpoint::speech || endpoint == Endpoint::images ||
         endpoint == Endpoint::moderations;
}

// As OpenAI writes waits in x-ratelimit-reset-*: "20ms", "1.5s", "6m0s".
std::string wait_text(Duration wait) {
  const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  const double rest = static_cast<double>(ms % 60'000) / 1000.0;
  return ms < 60'000 ? fmt::format("{}s", rest) : fmt::format("{}m{}s", ms / 60'000, rest);
}

void add_limit(http::Headers& headers, std::string_view what, const RateLimit::Verdict& verdict) {
  headers.set(fmt::format("x-ratelimit-limit-{}", what), fmt::to_string(verdict.limit));
  headers.set(fmt::format("x-ratelimit-remaining-{}", what), fmt::to_string(verdict.remaining));
  headers.set(fmt::format("x-ratelimit-reset-{}", what), wait_text(verdict.reset));
}

std::string echo_json(const Received& request) {
  std::string headers;
  for (std::size_t i = 0; i < request.head.headers.size(); ++i) {
    const auto field = request.head.headers[i];
    headers += fmt::format("{}[{},{}]", i == 0 ? "" : ",", quoted(field.name),
                           quoted(is_utf8(field.value) ? field.value : std::string_view("(binary)")));
  }
  return fmt::format(R"({{"method":{},"target":{},"headers":[{}],"body_size":{},"body_sha256":"{}","body_base64":"{}"}})",
                     quoted(request.head.method), quoted(is_utf8(request.head.target) ? request.head.target : "(binary)"),
                     headers, request.body_size, request.body_sha256, base64(request.body));
}

}  // namespace

Endpoint endpoint_of(std::string_view method, std::string_view path) {
  const std::string_view name = endpoint_name(path);
  if (method == "HEAD") method = "GET";
  if (method == "GET" && name.starts_with(k_models_slash) && name.size() > k_models_slash.size()) return Endpoint::model;
  for (const Place& place : k_places) {
    if (place.name == name && place.method == method) return place.endpoint;
  }
  return Endpoint::other;
}

std::string_view name(Endpoint endpoint) {
  for (const Place& place : k_places) {
    if (place.endpoint == endpoint) return place.name;
  }
  return "other";
}

Desk::Desk(Settings settings, Rng rng, MonoTime now)
    : settings_(std::move(settings)), rng_(rng), schedule_(settings_.faults, now) {
  reset(now);
}

void Desk::reset(MonoTime now) {
  const std::uint64_t connections = ledger_.connections;
  ledger_ = Ledger{};
  ledger_.connections = connections;
  schedule_.restart(now);
  requests_.reset();
  tokens_.reset();
  if (const auto limit = settings_.requests_per_minute) requests_.emplace(*limit, settings_.burst.value_or(*limit));
  if (const auto limit = settings_.tokens_per_minute) tokens_.emplace(*limit, *limit);
  window_.reset();
  if (const auto limit = settings_.window_requests) window_.emplace(*limit, settings_.window);
}

std::uint64_t Desk::body_limit(const http::RequestHead& head) const {
  const std::string_view path = http::split_target(head.target).path;
  const bool whole = is_json(endpoint_of(head.method, path)) || endpoint_name(path).starts_with(k_sim);
  return whole ? k_max_json : settings_.remember_body;
}

bool Desk::is_plain() const {
  return settings_.fast && schedule_.empty() && settings_.key.empty() && settings_.models.empty() && !requests_ &&
         !tokens_ && !window_ && !settings_.concurrency;
}

std::string Desk::fresh_id() {
  static constexpr std::string_view k_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string id(k_id_letters, '\0');
  for (char& c : id) c = k_letters[rng_.below(k_letters.size())];
  return id;
}

bool Desk::knows(std::string_view model) const {
  return settings_.models.empty() ||
         std::ranges::any_of(settings_.models, [&](const std::string& known) { return model_fits(known, model); });
}

Script Desk::answer(const Received& request, MonoTime now, WallTime wall) {
  const auto [path, query] = http::split_target(request.head.target);
  const std::string_view name = endpoint_name(path);
  if (name.starts_with(k_sim)) {
    Script own = answer_sim(request, name.substr(k_sim.size()), query, now);
    own.counted = false;
    return own;
  }
  const Endpoint endpoint = endpoint_of(request.head.method, path);
  std::optional<BadAsk> problem;
  Ask ask;
  if (is_json(endpoint)) ask = read_ask(ask_kind(endpoint), request.body, problem);
  note(endpoint, request, ask);
  const Fault none;
  std::shared_ptr<const void> seat = seats_;
  ledger_.in_flight_max = std::max(ledger_.in_flight_max, in_flight());
  const Fault* matched = schedule_.match({path, ask.model, credential_of(request.head.headers)}, now, rng_);
  if (matched != nullptr) Ledger::count(ledger_.by_fault, kind(*matched));
  const Fault& fault = matched == nullptr ? none : *matched;
  std::optional<Script> script;
  if (settings_.concurrency && in_flight() > *settings_.concurrency) {
    ++ledger_.over_concurrency;
    script = answer_error(429, "Too many requests at once.", {}, "concurrency_exceeded");
  }
  if (!script) script = answer_instead(fault, ask, settings_);
  if (!script && is_json(endpoint) && !request.body_whole) script = answer_error(413);
  if (!script && problem) script = answer_error(400, problem->message, problem->param);
  if (!script) script = answer_api(endpoint, path, request, ask, fault, now, wall);
  if (script->head) script->head->headers.add("x-request-id", "req_" + fresh_id());
  spoil(*script, fault);
  script->seat = std::move(seat);
  return std::move(*script);
}

void Desk::note(Endpoint endpoint, const Received& request, const Ask& ask) {
  ++ledger_.requests;
  Ledger::count(ledger_.by_endpoint, sim_provider::name(endpoint));
  if (!ask.model.empty()) Ledger::count(ledger_.by_model, ask.model);
  if (ask.stream) ++ledger_.streams;
  ledger_.texts_embedded += ask.inputs.size();
  if (settings_.fast) return;
  Seen seen = seen_head(request.head);
  seen.body_size = request.body_size;
  seen.body_sha256 = request.body_sha256;
  seen.body_kept = request.body_whole && request.body_size <= settings_.remember_body;
  if (seen.body_kept) seen.body = request.body;
  ledger_.remember(std::move(seen), settings_.remember);
}

Script Desk::answer_api(Endpoint endpoint, std::string_view path, const Received& request, const Ask& ask,
                        const Fault& fault, MonoTime now, WallTime wall) {
  if (!settings_.key.empty() && credential_of(request.head.headers) != settings_.key) {
    ++ledger_.unauthorized;
    return answer_error(401);
  }
  if (endpoint == Endpoint::other) {
    return answer_error(404, fmt::format("Invalid URL ({} {})", request.head.method, is_utf8(path) ? path : "(binary)"));
  }
  http::Headers limits;
  if (is_json(endpoint)) {
    if (auto refused = over_limit(ask, limits, now)) return std::move(*refused);
  }
  if (!ask.model.empty() && !knows(ask.model)) {
    return answer_error(404, fmt::format("The model `{}` does not exist or you do not have access to it.", ask.model), {},
                        "model_not_found");
  }
  Script script = answer_endpoint(endpoint, path, request, ask, fault, Stamp{fresh_id(), unix_seconds(wall)});
  for (std::size_t i = 0; i < limits.size(); ++i) script.head->headers.add(limits[i].name, limits[i].value);
  return script;
}

// Takes from all limits; `headers` says how much is left. When one of them has nothing left: the 429.
std::optional<Script> Desk::over_limit(const Ask& ask, http::Headers& headers, MonoTime now) {
  Duration wait{};
  if (window_) {
    const auto verdict = window_->take(now);
    // The fields speak of a minute. Providers that count by shorter times, too, do not tell so.
    if (settings_.window >= 1min) add_limit(headers, "requests", verdict);
    wait = verdict.retry_after;
  }
  if (requests_ && wait == 0s) {
    const auto verdict = requests_->take(1, now);
    add_limit(headers, "requests", verdict);
    wait = verdict.retry_after;
  }
  if (tokens_ && wait == 0s) {
    const auto verdict =
        tokens_->take(ask.prompt_tokens + std::min(ask.max_tokens.value_or(settings_.tokens), settings_.tokens), now);
    add_limit(headers, "tokens", verdict);
    wait = verdict.retry_after;
  }
  if (wait == 0s) return std::nullopt;
  ++ledger_.rate_limited;
  Script refused = answer_error(429);
  for (std::size_t i = 0; i < headers.size(); ++i) refused.head->headers.add(headers[i].name, headers[i].value);
  add_retry_after(refused.head->headers, wait);
  return refused;
}

Script Desk::answer_endpoint(Endpoint endpoint, std::string_view path, const Received& request, const Ask& ask,
                             const Fault& fault, const Stamp& stamp) {
  switch (endpoint) {
    case Endpoint::chat:
    case Endpoint::completion: {
      Spoken spoken = answer_text(ask, endpoint == Endpoint::chat, settings_, fault, stamp);
      ledger_.prompt_tokens += spoken.prompt_tokens;
      ledger_.completion_tokens += spoken.completion_tokens;
      return std::move(spoken.script);
    }
    case Endpoint::embeddings:
      ledger_.prompt_tokens += ask.prompt_tokens;
      return answer_embeddings(ask, settings_, fault);
    case Endpoint::models:
      return answer_models(settings_, stamp.created);
    case Endpoint::model: {
      const std::string_view model = endpoint_name(path).substr(k_models_slash.size());
      if (!knows(model) || !is_utf8(model))
        return answer_error(404, "The model does not exist.", "model", "model_not_found");
      return answer_model(model, stamp.created);
    }
    case Endpoint::files:
      return answer_file(request.body_size, request.body_sha256, stamp);
    case Endpoint::transcriptions:
      return answer_transcription(request.body_size, request.body_sha256, settings_, fault);
    case Endpoint::speech:
      return answer_speech(ask, settings_, fault);
    case Endpoint::images:
      return answer_image(settings_, fault, stamp.created);
    case Endpoint::moderations:
      return answer_moderation(ask, stamp);
    case Endpoint::other:
      break;
  }
  return answer_error(404);
}

Script Desk::answer_sim(const Received& request, std::string_view name, std::string_view query, MonoTime now) {
  if (name == "stats") return whole(200, k_json, ledger_.json());
  if (name == "reset" && request.head.method == "POST") {
    reset(now);
    return whole(200, k_json, "{}");
  }
  if (name == "faults" && request.head.method == "POST") {
    auto faults = faults_from_text(request.body);
    if (!faults) return answer_error(400, faults.error().detail);
    const std::size_t count = faults->size();
    set_faults(std::move(*faults), now);
    return whole(200, k_json, fmt::format(R"({{"faults":{}}})", count));
  }
  if (name == "echo") {
    if (!request.body_whole) return answer_error(413);
    if (query != "raw") return whole(200, k_json, echo_json(request));
    return whole(200, request.head.headers.get("content-type").value_or("application/octet-stream"),
                 std::string(request.body));
  }
  return answer_error(404);
}

}  // namespace outrigger::sim_provider
