#include "proxy/judge.h"

#include <charconv>

#include "providers/dialect.h"

namespace outrigger::proxy {
namespace {

// "max-age=60" → 60 s; nothing when the directive is absent or not a number (RFC 9111 §1.2.2).
std::optional<Duration> max_age_in(std::string_view cache_control) {
  constexpr std::string_view k_directive = "max-age=";
  const std::size_t at = cache_control.find(k_directive);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = cache_control.substr(at + k_directive.size());
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end == digits.data()) return std::nullopt;
  return std::chrono::seconds(value);
}

std::optional<chat::BypassReason> reason_to_bypass(const config::Cache& policy, const chat::Request& request,
                                                   const Steering& steering) {
  using enum chat::BypassReason;
  if (policy.mode == CacheMode::off) return cache_off;
  if (request.bypass) return request.bypass;
  if (steering.no_store) return no_store;
  if (request.temperature && *request.temperature > policy.max_temperature) return temperature;
  if (policy.scope == Scope::user && request.user.empty()) return no_scope_value;
  if (policy.scope == Scope::app && request.app.empty()) return no_scope_value;
  return std::nullopt;
}

void append_field(std::string& to, const http::Headers& headers, std::string_view name) {
  if (const auto value = headers.joined(name)) to.append("\n").append(name).append("=").append(*value);
}

// What is passed on beside a credential, and may say for whom.
void append_account(std::string& to, const http::Headers& headers) {
  for (const std::string_view name : {"cookie", "openai-organization", "openai-project"}) append_field(to, headers, name);
}

// Anthropic's version and beta features are told in headers, and change what is answered.
void append_wire_headers(std::string& to, const http::Headers& headers) {
  for (const std::string_view name : {"anthropic-version", "anthropic-beta"}) append_field(to, headers, name);
}

std::string identity_of(const Judgement& judgement, const Destination& destination, const http::Headers& headers,
                        std::string_view canonical, const chat::KeyMaker& keys, std::string room = {}) {
  const std::string credential = caller_of(headers, judgement.client, *destination.target->upstream);
  std::string query(destination.query);
  if (judgement.request.endpoint == chat::Endpoint::messages) append_wire_headers(query, headers);
  return keys.identity({.scope = judgement.policy->scope,
                        .level = judgement.policy->normalise,
                        .epoch = judgement.policy->epoch,
                        .upstream = destination.target->identity,
                        .query = query,
                        .credential = credential,
                        .app = judgement.request.app,
                        .user = judgement.request.user,
                        .canonical = canonical},
                       std::move(room));
}

}  // namespace

Steering steering(const http::Headers& headers) {
  Steering result;
  if (!headers.get("cache-control")) return result;
  result.no_store = headers.has_token("cache-control", "no-store");
  result.no_cache = headers.has_token("cache-control", "no-cache");
  if (const auto joined = headers.joined("cache-control")) result.max_age = max_age_in(*joined);
  if (result.max_age == Duration::zero()) result.no_cache = true;
  return result;
}

std::string credential_of(const http::Headers& headers) {
  std::string credential;
  for (const std::string_view name : {"authorization", "x-api-key", "api-key", "x-goog-api-key"}) {
    append_field(credential, headers, name);
  }
  append_account(credential, headers);
  return credential;
}

std::string caller_of(const http::Headers& headers, const config::Client* client, const config::Upstream& upstream) {
  if (client == nullptr || upstream.keys.empty()) return credential_of(headers);
  std::string caller = "\nclient=" + client->name;  // no field is called so, and names have no line ends
  append_account(caller, headers);
  return caller;
}

bool is_understood(const Destination& destination, std::string_view method, const http::Headers& headers) {
  return destination.place.endpoint != chat::Endpoint::other && method == "POST" && !headers.get("content-encoding");
}

chat::Request understand(const Snapshot& snapshot, const Destination& destination, std::string_view body, std::string room) {
  const Level usual = snapshot.policy(nullptr, destination.route).normalise;
  chat::Request request = providers::understand(destination.place.endpoint, body, usual, std::move(room));
  if (snapshot.config().models.empty()) return request;
  // Only the body says which model is asked for, and a [[model]] may ask for another level.
  const Level level = snapshot.policy(snapshot.config().model_for(request.model), destination.route).normalise;
  if (level == usual) return request;
  return providers::understand(destination.place.endpoint, body, level, std::move(request.canonical));
}

Judgement judge(const Snapshot& snapshot, const Destination& destination, const http::Headers& headers,
                const config::Client* client, chat::Request request, const chat::KeyMaker& keys, std::string room) {
  Judgement judgement;
  judgement.client = client;
  judgement.request = std::move(request);
  judgement.model = snapshot.config().model_for(judgement.request.model);
  judgement.policy = &snapshot.policy(judgement.model, destination.route);
  judgement.steering = steering(headers);
  judgement.bypass = reason_to_bypass(*judgement.policy, judgement.request, judgement.steering);
  if (judgement.bypass) return judgement;
  judgement.identity = identity_of(judgement, destination, headers, judgement.request.canonical, keys, std::move(room));
  return judgement;
}

std::string input_identity(const Judgement& judgement, const Destination& destination, const http::Headers& headers,
                           const chat::Request::Input& input, const chat::KeyMaker& keys) {
  return identity_of(judgement, destination, headers, input.canonical, keys);
}

}  // namespace outrigger::proxy
