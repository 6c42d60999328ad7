#include "proxy/call_order.h"

#include <algorithm>
#include <charconv>

#include "chat/digest.h"
#include "chat/json_spans.h"
#include "config/units.h"
#include "proxy/dify_chain.h"
#include "proxy/fill.h"
#include "resilience/deadline.h"

namespace outrigger::proxy {
namespace {

// Answers of chats are mostly shorter; used for pacing until `usage` tells, when the client sets no limit of its own.
constexpr std::uint64_t k_usual_output = 500;

// Seconds, perhaps with a fraction: what the SDKs say of themselves.
std::optional<double> read_timeout(const http::Headers& headers) {
  const auto text = headers.get("x-stainless-read-timeout");
  if (!text) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

bool is_embedding(chat::Endpoint endpoint) {
  return endpoint == chat::Endpoint::embeddings || endpoint == chat::Endpoint::embed || endpoint == chat::Endpoint::embed_v2;
}

resilience::QueueClass queue_class_of(const chat::Request& request) {
  if (is_embedding(request.endpoint)) return resilience::QueueClass::batch;
  return request.stream ? resilience::QueueClass::streaming : resilience::QueueClass::blocking;
}

// Does its body tell which model is asked for, and what the request needs?
bool is_readable(const chat::Request& request) {
  return request.endpoint != chat::Endpoint::other && !request.model.empty() &&
         request.bypass != chat::BypassReason::not_json && request.bypass != chat::BypassReason::not_understood;
}

// The Responses API answers at once then, and what it has generated is fetched later.
bool is_in_background(const chat::Request& request, std::string_view body) {
  if (request.endpoint != chat::Endpoint::responses || !request.needs.bound) return false;
  return std::ranges::any_of(chat::members_of(body), [](const chat::MemberText& member) {
    return chat::is_named(member.name, "background") && member.value == "true";
  });
}

}  // namespace

std::optional<Duration> own_timeout(const http::Headers& headers) {
  const auto asked = headers.get("x-outrigger-timeout");
  if (!asked) return std::nullopt;
  std::string hint;
  const auto limit = config::parse_duration(*asked, hint);
  return limit && *limit > Duration::zero() ? limit : std::nullopt;
}

resilience::Priority priority_of(const http::Headers& headers) {
  const auto asked = headers.get("x-outrigger-priority");
  if (asked && http::equal_ignoring_case(*asked, "high")) return resilience::Priority::high;
  if (asked && http::equal_ignoring_case(*asked, "low")) return resilience::Priority::low;
  return resilience::Priority::normal;
}

PursuitOrder call_order(std::shared_ptr<const Snapshot> snapshot, const Judgement& judgement, const http::RequestHead& head,
                        Bytes body, Rng& rng) {
  static const config::Model k_defaults;
  const chat::Request& request = judgement.request;
  // What is not understood goes where it was sent, at the pace of its model if it names one.
  const config::Model* model = is_readable(request) ? judgement.model : nullptr;
  const bool has_settings = judgement.model != nullptr && !request.model.empty();
  const config::Model& settings = has_settings ? *judgement.model : k_defaults;
  const std::uint64_t user = request.user.empty() ? rng.next() : spread_of(request.user);

  PursuitOrder order;
  order.chain = chain_for(*snapshot, head.target, model, request.model, user);
  if (request.endpoint == chat::Endpoint::other) {
    for (Link& link : order.chain) link.destination.pass_untranslated();
  }
  order.snapshot = std::move(snapshot);
  order.head = head;
  order.is_background = is_in_background(request, body.view());
  order.body = std::move(body);
  order.streamed_answer = request.stream;
  order.include_usage = request.include_usage;
  order.endpoint = request.endpoint;
  order.hold_max = is_embedding(request.endpoint) ? Fill::k_batch_max : Fill::k_unstored_max;
  order.limits = settings.timeout;
  const auto asked = own_timeout(head.headers);
  if (asked) order.limits.total = std::min(order.limits.total, *asked);
  order.asked = request.model;
  order.prompt_tokens = request.prompt_tokens;
  const bool is_wordless = is_embedding(request.endpoint) || request.endpoint == chat::Endpoint::rerank;
  if (!is_wordless) order.output_tokens = request.needs.max_output.value_or(k_usual_output);
  order.is_paced = order.endpoint != chat::Endpoint::other || !request.model.empty();
  if (!order.is_paced) return order;

  const std::string credential = credential_of(head.headers);
  if (!credential.empty()) order.account = chat::sha256_hex(credential);
  order.needs = request.needs;
  order.retry = settings.retry;
  order.hedge = settings.hedge;
  order.queue_wait = settings.queue.wait;
  order.patience =
      resilience::client_patience({.kind = is_wordless ? resilience::CallKind::embeddings : resilience::CallKind::chat,
                                   .asked = asked,
                                   .read_timeout_seconds = read_timeout(head.headers)});
  order.flow = request.user.empty() ? spread_of(credential) : user;
  // Who has many users, or many keys, gets no more than who has one.
  if (judgement.client != nullptr) order.flow = spread_of("client\n" + judgement.client->name);
  order.queue_class = queue_class_of(request);
  order.priority = priority_of(head.headers);
  order.cost = order.prompt_tokens + order.output_tokens;
  return order;
}

cache::EntryPtr fixed_entry(const Judgement& judgement, WallTime now) {
  if (judgement.model == nullptr || !judgement.model->fixed_answer || judgement.request.needs.ping) return nullptr;
  const chat::Request& request = judgement.request;
  auto answer = providers::fixed_answer(request.endpoint, request.model, *judgement.model->fixed_answer);
  if (!answer) return nullptr;
  cache::Meta meta;
  meta.model = request.model;
  meta.served_by = "fixed";
  meta.endpoint = request.endpoint;
  meta.stored_at = now;
  return std::make_shared<cache::Entry>(chat::Key{}, std::string(), std::move(meta), std::move(answer->encoded));
}

}  // namespace outrigger::proxy
