#include "sim/desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

// JSON requests are read whole; a longer one is answered with 413.
constexpr std::uint64_t k_max_json = 64u << 20;
constexpr std::size_t k_id_letters = 29;  // as many as OpenAI's ids have

constexpr std::string_view k_sim = "sim/";
constexpr std::string_view k_json = "application/json";

// As OpenAI writes waits in x-ratelimit-reset-*: "20ms", "1.5s", "6m0s".
std::string wait_text(Duration wait) {
  const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  const double rest = static_cast<double>(ms % 60'000) / 1000.0;
  return ms < 60'000 ? fmt::format("{}s", rest) : fmt::format("{}m{}s", ms / 60'000, rest);
}

// What is left of a limit, as the wire's owner tells it.
void add_limit(http::Headers& headers, Wire wire, std::string_view what, const RateLimit::Verdict& verdict, WallTime wall) {
  const auto set = [&](std::string_view part, const std::string& value) {
    headers.set(wire == Wire::anthropic ? fmt::format("anthropic-ratelimit-{}-{}", what, part)
                                        : fmt::format("x-ratelimit-{}-{}", part, what),
                value);
  };
  set("limit", fmt::to_string(verdict.limit));
  set("remaining", fmt::to_string(verdict.remaining));
  if (wire == Wire::anthropic) {
    const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(verdict.reset).count();
    set("reset", utc_text(unix_seconds(wall) + seconds) + "Z");
  } else {
    set("reset", wait_text(verdict.reset));
  }
}

}  // namespace

Desk::Desk(Settings settings, Rng rng, MonoTime now)
    : settings_(std::move(settings)), rng_(rng), schedule_(settings_.faults, now) {
  reset(now);
}

void Desk::reset(MonoTime now) {
  const std::uint64_t connections = ledger_.connections;
  ledger_ = Ledger{};
  ledger_.connections = connections;
  memory_ = Memory{};
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
  Order order{request, path, query, endpoint_of(request.head.method, path), wire_of(path), {}, {}, std::string(), now, wall};
  if (is_json(order.endpoint)) order.ask = read(order, order.problem);
  note(order);
  const Fault none;
  std::shared_ptr<const void> seat = seats_;
  ledger_.in_flight_max = std::max(ledger_.in_flight_max, in_flight());
  const Fault* matched = schedule_.match({path, order.ask.model, credential_of(request.head.headers)}, now, rng_);
  if (matched != nullptr) Ledger::count(ledger_.by_fault, kind(*matched));
  const Fault& fault = matched == nullptr ? none : *matched;
  order.request_id = "req_" + fresh_id();
  std::optional<Script> script;
  if (settings_.concurrency && in_flight() > *settings_.concurrency) {
    ++ledger_.over_concurrency;
    script = answer_error(order.wire, {429, "Too many requests at once.", {}, "concurrency_exceeded"}, order.request_id);
  }
  if (!script) script = answer_instead(fault, order.wire, order.ask, settings_, order.request_id);
  if (!script && is_json(order.endpoint) && !request.body_whole) script = answer_error(order.wire, {413}, order.request_id);
  if (!script && order.problem) {
    BadAsk& problem = *order.problem;
    script = answer_error(order.wire, {400, problem.message, problem.param, problem.code}, order.request_id);
  }
  if (!script) script = answer_api(order, fault);
  if (script->head) {
    script->head->headers.add(order.wire == Wire::anthropic ? "request-id" : "x-request-id", order.request_id);
  }
  spoil(*script, fault);
  script->seat = std::move(seat);
  return std::move(*script);
}

Ask Desk::read(const Order& order, std::optional<BadAsk>& problem) const {
  Aside aside{model_in_path(order.endpoint, order.path), order.endpoint == Endpoint::gemini_stream,
              order.request.head.headers.get("anthropic-version").has_value()};
  if (!is_utf8(aside.model)) aside.model = "(binary)";
  Ask ask = read_ask(ask_kind(order.endpoint), order.request.body, aside, problem);
  ask.as_array = order.endpoint == Endpoint::gemini_stream && order.query.find("alt=sse") == std::string_view::npos;
  return ask;
}

void Desk::note(const Order& order) {
  const Ask& ask = order.ask;
  ledger_.note(order.request, sim_provider::name(order.endpoint), settings_.fast ? 0 : settings_.remember,
               settings_.remember_body);
  if (!ask.model.empty()) Ledger::count(ledger_.by_model, ask.model);
  if (ask.stream) ++ledger_.streams;
  if (order.endpoint == Endpoint::embeddings) ledger_.texts_embedded += ask.inputs.size();
}

Script Desk::answer_api(Order& order, const Fault& fault) {
  const http::RequestHead& head = order.request.head;
  const Wire wire = order.wire;
  const Ask& ask = order.ask;
  if (!settings_.key.empty() && credential_of(head.headers) != settings_.key) {
    ++ledger_.unauthorized;
    return answer_error(wire, {401}, order.request_id);
  }
  if (order.endpoint == Endpoint::other) {
    const std::string_view path = is_utf8(order.path) ? order.path : "(binary)";
    return answer_error(wire, {404, fmt::format("Invalid URL ({} {})", head.method, path)}, order.request_id);
  }
  http::Headers limits;
  if (is_json(order.endpoint)) {
    if (auto refused = over_limit(order, limits)) return std::move(*refused);
  }
  if (!ask.model.empty() && !knows(ask.model)) {
    if (wire == Wire::anthropic) return answer_error(wire, {404, "model: " + ask.model}, order.request_id);
    return answer_error(wire,
                        {404,
                         fmt::format("The model `{}` does not exist or you do not have access to it.", ask.model),
                         {},
                         "model_not_found"},
                        order.request_id);
  }
  if (auto refused = recall(order)) return std::move(*refused);
  Script script = answer_endpoint(order, fault, Stamp{fresh_id(), unix_seconds(order.wall)});
  for (std::size_t i = 0; i < limits.size(); ++i) script.head->headers.add(limits[i].name, limits[i].value);
  return script;
}

std::optional<Script> Desk::recall(Order& order) {
  Ask& ask = order.ask;
  if (ask.cacheable_tokens > 0 && order.endpoint == Endpoint::messages) {
    (memory_.is_cached(ask.cacheable_hash) ? ask.cache_read : ask.cache_written) = ask.cacheable_tokens;
  }
  if (ask.previous.empty()) return std::nullopt;
  const Memory::Said* said = memory_.find(ask.previous);
  if (said == nullptr) {
    return answer_error(order.wire,
                        {400, fmt::format("Previous response with id '{}' not found.", ask.previous), "previous_response_id",
                         "previous_response_not_found"},
                        order.request_id);
  }
  ask.hash ^= said->hash;
  ask.prompt_tokens += said->tokens;
  if (ask.question.empty()) ask.question = said->question;
  return std::nullopt;
}

// Takes from all limits; `headers` says how much is left. When one of them has nothing left: the 429.
std::optional<Script> Desk::over_limit(const Order& order, http::Headers& headers) {
  const Ask& ask = order.ask;
  Duration wait{};
  if (window_) {
    const auto verdict = window_->take(order.now);
    // The fields speak of a minute. Providers that count by shorter times, too, do not tell so.
    if (settings_.window >= 1min) add_limit(headers, order.wire, "requests", verdict, order.wall);
    wait = verdict.retry_after;
  }
  if (requests_ && wait == 0s) {
    const auto verdict = requests_->take(1, order.now);
    add_limit(headers, order.wire, "requests", verdict, order.wall);
    wait = verdict.retry_after;
  }
  if (tokens_ && wait == 0s) {
    const std::uint64_t units = ask.prompt_tokens + std::min(ask.max_tokens.value_or(settings_.tokens), settings_.tokens);
    const auto verdict = tokens_->take(units, order.now);
    add_limit(headers, order.wire, "tokens", verdict, order.wall);
    wait = verdict.retry_after;
  }
  if (wait == 0s) return std::nullopt;
  ++ledger_.rate_limited;
  Script refused = answer_error(order.wire, {429}, order.request_id);
  for (std::size_t i = 0; i < headers.size(); ++i) refused.head->headers.add(headers[i].name, headers[i].value);
  add_retry_after(refused.head->headers, wait);
  return refused;
}

Script Desk::spoken(Spoken spoken) {
  ledger_.prompt_tokens += spoken.prompt_tokens;
  ledger_.completion_tokens += spoken.completion_tokens;
  return std::move(spoken.script);
}

Script Desk::answer_endpoint(const Order& order, const Fault& fault, const Stamp& stamp) {
  const Ask& ask = order.ask;
  const Received& request = order.request;
  switch (order.endpoint) {
    case Endpoint::chat:
    case Endpoint::azure_chat:
    case Endpoint::completion:
      return spoken(answer_text(ask, order.endpoint != Endpoint::completion, settings_, fault, stamp));
    case Endpoint::messages:
      return spoken(answer_messages(ask, settings_, fault, stamp));
    case Endpoint::count_tokens:
      return answer_token_count(ask, settings_, fault);
    case Endpoint::responses: {
      Spoken answer = answer_response(ask, settings_, fault, stamp);
      if (ask.store) {
        memory_.keep("resp_" + stamp.id, {ask.hash, answer.prompt_tokens + answer.completion_tokens, ask.question});
      }
      return spoken(std::move(answer));
    }
    case Endpoint::rerank:
    case Endpoint::rerank_v2:
      return spoken(answer_rerank(ask, order.wire, settings_, fault, stamp));
    case Endpoint::gemini:
    case Endpoint::gemini_stream:
      return spoken(answer_gemini(ask, settings_, fault, stamp));
    case Endpoint::ollama:
      return spoken(answer_ollama(ask, settings_, fault, stamp));
    case Endpoint::embeddings:
      ledger_.prompt_tokens += ask.prompt_tokens;
      return answer_embeddings(ask, settings_, fault);
    case Endpoint::models:
      return answer_models(settings_, stamp.created);
    case Endpoint::model: {
      const std::string_view model = model_in_path(order.endpoint, order.path);
      if (!knows(model) || !is_utf8(model)) {
        return answer_error(order.wire, {404, "The model does not exist.", "model", "model_not_found"}, order.request_id);
      }
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
  return answer_error(order.wire, {404}, order.request_id);
}

Script Desk::answer_sim(const Received& request, std::string_view name, std::string_view query, MonoTime now) {
  if (name == "stats") return whole(200, k_json, ledger_.json());
  if (name == "reset" && request.head.method == "POST") {
    reset(now);
    return whole(200, k_json, "{}");
  }
  if (name == "faults" && request.head.method == "POST") {
    auto faults = faults_from_text(request.body);
    if (!faults) return answer_error(Wire::openai, {400, faults.error().detail});
    const std::size_t count = faults->size();
    set_faults(std::move(*faults), now);
    return whole(200, k_json, fmt::format(R"({{"faults":{}}})", count));
  }
  if (name == "echo") {
    if (!request.body_whole) return answer_error(Wire::openai, {413});
    if (query != "raw") return whole(200, k_json, echo_json(request));
    return whole(200, request.head.headers.get("content-type").value_or("application/octet-stream"),
                 std::string(request.body));
  }
  return answer_error(Wire::openai, {404});
}

}  // namespace outrigger::sim_provider
