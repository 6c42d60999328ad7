#include "admin/explain.h"

#include "admin/json.h"
#include "chat/canonical.h"

namespace outrigger::admin {
namespace {

double whole_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

void describe_entry(Json& json, Json::Value object, const cache::Entry& entry, WallTime now) {
  json.put(object, "key", chat::hex(entry.key()));
  json.put(object, "model", entry.meta().model);
  json.put(object, "served_by", entry.meta().served_by);
  json.put(object, "age_seconds", whole_seconds(entry.age(now)));
  json.put(object, "ttl_seconds", whole_seconds(entry.meta().ttl));
  json.put(object, "fresh", entry.fresh(now));
}

// The stored answer that shares most with this request: fewest differing places, among the newest few thousand in memory.
void describe_nearest(Json& json, const proxy::Judgement& judgement, const cache::Store& store, WallTime now) {
  constexpr std::size_t k_looked_at = 2000;
  constexpr std::size_t k_differences = 8;
  const cache::Entry* nearest = nullptr;
  std::vector<std::string> differences;
  std::size_t looked_at = 0;
  store.visit_memory([&](const cache::Entry& entry) {
    if (entry.identity() == judgement.identity) return true;
    const std::string_view canonical = chat::canonical_of_identity(entry.identity());
    auto between = chat::canonical_differences(judgement.request.canonical, canonical, k_differences);
    if (between.empty()) between.emplace_back("(outside the body: level, scope, credential, upstream, query or epoch)");
    if (nearest == nullptr || between.size() < differences.size()) {
      nearest = &entry;
      differences = std::move(between);
    }
    return ++looked_at < k_looked_at;
  });
  if (nearest == nullptr || differences.size() >= k_differences) {
    json.put_null(json.root(), "nearest");
    return;
  }
  const Json::Value object = json.object(json.root(), "nearest");
  describe_entry(json, object, *nearest, now);
  const Json::Value differs = json.array(object, "differs");
  for (const std::string& place : differences) json.append(differs, place);
}

}  // namespace

Explanation explain(const proxy::Snapshot& snapshot, const chat::KeyMaker& keys, std::string_view target,
                    const http::Headers& headers, std::string_view body) {
  Explanation explanation;
  explanation.destination = snapshot.destination(target);
  if (!proxy::is_understood(explanation.destination, "POST", headers)) {
    explanation.reason = headers.get("content-encoding") && explanation.destination.place.endpoint != chat::Endpoint::other
                             ? chat::BypassReason::encoded_body
                             : chat::BypassReason::endpoint;
    return explanation;
  }
  chat::Request request = proxy::understand(snapshot, explanation.destination, body);
  explanation.destination = snapshot.destination(target, snapshot.config().model_for(request.model));
  const config::Client* client = snapshot.client_with(proxy::presented_key(headers));
  explanation.judgement = proxy::judge(snapshot, explanation.destination, headers, client, std::move(request), keys);
  const proxy::Judgement& judgement = *explanation.judgement;
  explanation.reason = judgement.bypass;
  if (explanation.reason) return explanation;
  explanation.key = keys.key(judgement.identity);
  if (judgement.request.inputs.empty()) {
    explanation.lookups.push_back({explanation.key, judgement.identity});
  }
  for (const chat::Request::Input& input : judgement.request.inputs) {
    std::string identity = proxy::input_identity(judgement, explanation.destination, headers, input, keys);
    const chat::Key key = keys.key(identity);
    explanation.lookups.push_back({key, std::move(identity)});
  }
  return explanation;
}

std::string to_json(const Explanation& explanation, const std::vector<cache::EntryPtr>& found, const cache::Store* store,
                    WallTime now) {
  Json json;
  const Json::Value root = json.root();
  const auto& judgement = explanation.judgement;
  if (judgement && !explanation.reason) {
    json.put(root, "key", chat::hex(explanation.key));
  } else {
    json.put_null(root, "key");
  }
  json.put(root, "cacheable", !explanation.reason);
  if (explanation.reason) {
    json.put(root, "reason", chat::name(*explanation.reason));
  } else {
    json.put_null(root, "reason");
  }
  json.put(root, "endpoint", chat::name(explanation.destination.place.endpoint));
  json.put(root, "upstream", explanation.destination.target->upstream->name);
  json.put(root, "wire", chat::name(explanation.destination.wire));
  json.put(root, "path", explanation.destination.path());
  if (!judgement) {
    for (const char* absent : {"level", "scope", "canonical", "stored", "nearest"}) json.put_null(root, absent);
    return json.text();
  }
  json.put(root, "model", judgement->request.model);
  json.put(root, "mode", name(judgement->policy->mode));
  json.put(root, "level", name(judgement->policy->normalise));
  json.put(root, "scope", name(judgement->policy->scope));
  if (judgement->request.canonical.empty()) {
    json.put_null(root, "canonical");
  } else {
    json.put(root, "canonical", chat::print_canonical(judgement->request.canonical));
  }
  std::size_t known = 0;
  for (const cache::EntryPtr& entry : found) known += entry != nullptr ? 1 : 0;
  if (known == 0 || known < explanation.lookups.size()) {
    json.put_null(root, "stored");
  } else {
    describe_entry(json, json.object(root, "stored"), *found.front(), now);
  }
  if (!judgement->request.inputs.empty()) {
    json.put(root, "texts", static_cast<std::uint64_t>(explanation.lookups.size()));
    json.put(root, "texts_stored", static_cast<std::uint64_t>(known));
  }
  if (store != nullptr && !explanation.reason) {
    describe_nearest(json, *judgement, *store, now);
  } else {
    json.put_null(root, "nearest");
  }
  return json.text();
}

}  // namespace outrigger::admin
