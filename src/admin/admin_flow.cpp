#include "admin/admin_flow.h"

#include <yyjson.h>

#include <charconv>
#include <limits>

#include <fmt/format.h>
#include "admin/accept.h"
#include "admin/history_json.h"
#include "admin/json.h"
#include "admin/page.h"

namespace outrigger::admin {
namespace {

constexpr std::string_view k_places =
    "GET / (the dashboard), /healthz, /readyz, /metrics, /api/status, /api/history?span=hour|day|month, "
    "/api/requests?limit=200, /api/events; POST /api/explain?path=/v1/chat/completions, /api/cache/purge, "
    "/api/targets/<upstream:model>/open|close, /api/reload, /api/drain";

constexpr std::string_view k_targets = "/api/targets/";
constexpr std::string_view k_explain = "/api/explain";

// Of every body but that of a request to be explained: what is purged is said in a line.
constexpr std::uint64_t k_body_max = 64 * 1024;

bool only_reads(const http::RequestHead& request) { return request.method == "GET" || request.method == "HEAD"; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// The value of `name` in a query string, decoded.
std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) return percent_decoded(pair.substr(equals + 1));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

// The purge request, or in `problem` what is wrong with it.
cache::PurgeFilter purge_filter(std::string_view body, bool& dry_run, std::string& problem) {
  cache::PurgeFilter filter;
  const std::unique_ptr<yyjson_doc, void (*)(yyjson_doc*)> document(yyjson_read(body.data(), body.size(), 0),
                                                                    yyjson_doc_free);
  yyjson_val* root = yyjson_doc_get_root(document.get());
  if (!yyjson_is_obj(root)) {
    problem = R"(Send a JSON object, such as {"model": "gpt-4o", "dry_run": true} or {"all": true}.)";
    return filter;
  }
  std::size_t i = 0;
  std::size_t count = 0;
  yyjson_val* name_value = nullptr;
  yyjson_val* value = nullptr;
  yyjson_obj_foreach(root, i, count, name_value, value) {
    const std::string_view name(yyjson_get_str(name_value), yyjson_get_len(name_value));
    const bool is_text = yyjson_is_str(value);
    const std::string text = is_text ? std::string(yyjson_get_str(value), yyjson_get_len(value)) : std::string();
    if (name == "dry_run" && yyjson_is_bool(value)) {
      dry_run = yyjson_get_bool(value);
    } else if (name == "all" && yyjson_is_bool(value)) {
      filter.all = yyjson_get_bool(value);
    } else if (name == "model" && is_text) {
      filter.model = text;
    } else if (name == "route" && is_text) {
      filter.route = text;
    } else if (name == "tag" && is_text) {
      filter.tag = text;
    } else if (name == "key" && is_text) {
      filter.key = chat::key_from_hex(text);
      if (!filter.key) problem = "`key` must be the 64 hex digits that /api/explain shows.";
    } else {
      problem = "Unknown member or wrong type: `" + std::string(name.substr(0, 40)) +
                "`. Known: model, route, tag, key (texts), all, dry_run (true or false).";
    }
  }
  if (problem.empty() && !filter.all && !filter.model && !filter.route && !filter.tag && !filter.key) {
    problem = R"(Say what to purge: "model", "route", "tag", "key" or "all": true.)";
  }
  return filter;
}

}  // namespace

void AdminFlow::begin() {
  const http::RequestHead& request = exchange_.request();
  const std::string_view path = http::split_target(request.target).path;
  if (!enter(path)) return;
  if (!only_reads(request)) body_max_ = path == k_explain ? std::numeric_limits<std::uint64_t>::max() : k_body_max;
  if (request.content_length.value_or(0) > body_max_ || (request.chunked && body_max_ == 0)) refuse_body();
}

void AdminFlow::on_body(std::string_view data) {
  if (exchange_.responded()) return;
  if (data.size() > body_max_ - body_.size()) return refuse_body();
  body_.append(data);
}

void AdminFlow::refuse_body() {
  refuse(ErrorCode::body_too_large,
         body_max_ == 0 ? "A GET has no body here." : fmt::format("This takes a body of at most {} KiB.", k_body_max >> 10));
}

void AdminFlow::on_body_end() {
  if (exchange_.responded()) return;  // begin() or on_body() has refused it
  const http::RequestHead& request = exchange_.request();
  const http::Target target = http::split_target(request.target);
  if (only_reads(request)) return get(target);
  if (request.method == "POST") return post(target);
  refuse(ErrorCode::method_not_allowed, std::string("Known: ") + std::string(k_places));
}

bool AdminFlow::enter(std::string_view path) {
  const http::RequestHead& request = exchange_.request();
  if (only_reads(request) && (path == "/healthz" || path == "/readyz" || path == "/metrics")) return true;
  const Entry entry = may_enter(door_.access_, request);
  if (entry == Entry::granted) return true;
  http::Headers challenge;
  if (entry == Entry::unproven) {
    door_.note_refused(exchange_.peer());
    // A browser asks its user then: any name, and the admin token as the password.
    if (!door_.access_.token.empty()) challenge.add("WWW-Authenticate", "Basic realm=\"outrigger\", charset=\"UTF-8\"");
  }
  refuse(ErrorCode::unauthorized,
         "This address needs the admin token: send `Authorization: Bearer <admin_token>`, or give it as the password in a "
         "browser, and set `admin_token` in the configuration. Web pages of other origins may not come in.",
         std::move(challenge));
  return false;
}

void AdminFlow::get(const http::Target& target) {
  const std::string_view path = target.path;
  if (path == "/") return show_page();
  if (path == "/healthz") return answer(200, "text/plain", "ok\n");
  if (path == "/readyz") {
    const bool ready = door_.hooks_.is_ready();
    return answer(ready ? 200 : 503, "text/plain", ready ? "ready\n" : "not ready\n");
  }
  if (path == "/metrics") return metrics();
  if (path == "/api/status") return answer_json(200, door_.status(JsonForm::indented));
  if (path == "/api/history") return show_history(target.query);
  if (path == "/api/requests") return show_requests(target.query);
  if (path == "/api/events") return listen();
  refuse(ErrorCode::not_found, std::string("Known: ") + std::string(k_places));
}

void AdminFlow::show_page() {
  http::Headers more;
  more.add("ETag", dashboard_etag());
  more.add("Content-Security-Policy",
           "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
           "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  more.add("Referrer-Policy", "no-referrer");
  more.add("Cache-Control", "no-cache");
  const bool is_known = exchange_.request().headers.get("if-none-match") == dashboard_etag();
  answer(is_known ? 304 : 200, "text/html; charset=utf-8", is_known ? std::string_view() : dashboard(), std::move(more));
}

void AdminFlow::show_history(std::string_view query) {
  const std::string wanted = query_value(query, "span");
  const auto span = wanted.empty() ? obs::History::Span::hour : obs::history_span(wanted);
  if (!span) return refuse(ErrorCode::bad_request, "`span` is hour, day or month.");
  answer_json(200, to_json(door_.journal_.history().view(*span, door_.world_.loop.wall_now()), *span));
}

void AdminFlow::show_requests(std::string_view query) {
  constexpr std::size_t k_usual = 200;
  const std::string wanted = query_value(query, "limit");
  std::size_t limit = k_usual;
  const auto [end, problem] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
  if (!wanted.empty() && (problem != std::errc() || end != wanted.data() + wanted.size())) {
    return refuse(ErrorCode::bad_request, fmt::format("`limit` is a number up to {}.", obs::Recent::k_records));
  }
  std::string body = "{\"requests\":[";
  door_.journal_.recent().newest(limit, [&body](std::string_view line) {
    if (body.back() != '[') body += ',';
    body += line;
  });
  answer_json(200, body += "]}");
}

void AdminFlow::listen() {
  if (exchange_.request().method == "HEAD") return answer(200, "text/event-stream", {});
  listener_ = door_.events_.listen(exchange_);
  if (listener_ != nullptr) return;
  http::Headers more;
  more.add("Retry-After", "10");
  refuse(ErrorCode::overloaded,
         fmt::format("{} listeners are being told already. Close a dashboard elsewhere.", Events::k_listeners_max),
         std::move(more));
}

void AdminFlow::metrics() {
  if (prefers_open_metrics(exchange_.request().headers.joined("accept").value_or(""))) {
    return answer(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", door_.registry_.expose_open_metrics());
  }
  answer(200, "text/plain; version=0.0.4; charset=utf-8", door_.registry_.expose());
}

void AdminFlow::post(const http::Target& target) {
  if (target.path == k_explain) return explain(target.query);
  if (target.path == "/api/cache/purge") return purge();
  if (target.path.starts_with(k_targets)) return steer_target(target.path.substr(k_targets.size()));
  if (target.path == "/api/reload") {
    const std::string problem = door_.hooks_.reload();
    if (!problem.empty()) return refuse(ErrorCode::bad_config, problem);
    return answer_json(200, "{\"reloaded\": true}\n");
  }
  if (target.path == "/api/drain") {
    answer_json(202, "{\"draining\": true}\n");
    return door_.hooks_.drain();
  }
  refuse(ErrorCode::not_found, std::string("Known: ") + std::string(k_places));
}

void AdminFlow::explain(std::string_view query) {
  explained_target_ = query_value(query, "path");
  if (explained_target_.empty()) explained_target_ = "/v1/chat/completions";
  if (!explained_target_.starts_with('/')) explained_target_.insert(0, 1, '/');
  const std::shared_ptr<const proxy::Snapshot> snapshot = door_.door_.snapshot();
  Explanation explanation = admin::explain(*snapshot, door_.door_.keys(), explained_target_, explained_headers(), body_);
  cache::Store& store = door_.door_.store();
  std::vector<cache::EntryPtr> found;
  bool all = true;
  for (const cache::Store::Wanted& wanted : explanation.lookups) {
    found.push_back(store.find_now(wanted.identity));
    all = all && found.back() != nullptr;
  }
  const WallTime now = door_.world_.loop.wall_now();
  if (all || !store.can_find_later()) return answer_json(200, to_json(explanation, found, &store, now));
  auto wanted = explanation.lookups;
  lookup_ = store.find_later(std::move(wanted), [this, snapshot, explanation = std::move(explanation), now](auto later) {
    answer_json(200, to_json(explanation, later, &door_.door_.store(), now));
  });
}

// What proves that the operator may ask says nothing of the client whose request it is. That one's key may be told apart.
http::Headers AdminFlow::explained_headers() const {
  http::Headers headers = exchange_.request().headers;
  const std::string& token = door_.access_.token;
  const bool has_own = headers.remove("x-outrigger-admin-token") > 0;
  if (!has_own && !door_.access_.is_open && presented_token(headers) == token) headers.remove("authorization");
  if (const auto key = headers.get("x-outrigger-explain-key")) {
    const std::string authorization = "Bearer " + std::string(*key);
    headers.remove("x-outrigger-explain-key");
    headers.set("Authorization", authorization);
  }
  return headers;
}

void AdminFlow::purge() {
  bool dry_run = false;
  std::string problem;
  const cache::PurgeFilter filter = purge_filter(body_, dry_run, problem);
  if (!problem.empty()) return refuse(ErrorCode::bad_request, problem);
  if (!dry_run) {
    door_.door_.fills().forget(filter);
    if (proxy::DifyDoor* dify = door_.hooks_.dify ? door_.hooks_.dify() : nullptr) dify->forget_all();
  }
  door_.door_.store().purge(filter, dry_run,
                            [this, dry_run, alive = std::weak_ptr(alive_)](const cache::PurgeReport& report) {
                              if (alive.expired()) return;
                              Json json;
                              json.put(json.root(), "dry_run", dry_run);
                              json.put(json.root(), dry_run ? "matching" : "purged",
                                       static_cast<std::uint64_t>(std::max(report.memory, report.redis)));
                              json.put(json.root(), "memory", static_cast<std::uint64_t>(report.memory));
                              json.put(json.root(), "redis", static_cast<std::uint64_t>(report.redis));
                              json.put(json.root(), "redis_complete", report.redis_complete);
                              answer_json(200, json.text());
                            });
}

// `rest`: "<name>/open" shuts the breaker off from requests, "<name>/close" lets it decide by itself again. The name may hold
// slashes, as models of some providers do, and may be percent-encoded.
void AdminFlow::steer_target(std::string_view rest) {
  const std::size_t slash = rest.rfind('/');
  const std::string_view verb = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  const std::string name = percent_decoded(rest.substr(0, slash));
  proxy::Lanes& lanes = door_.door_.lanes();
  if (verb != "open" && verb != "close") {
    return refuse(ErrorCode::not_found,
                  "Use POST /api/targets/<upstream:model>/open (nothing is sent there any more) or .../close.");
  }
  const bool is_known = verb == "open" ? lanes.force_open(name) : lanes.force_close(name);
  if (!is_known) {
    return refuse(ErrorCode::not_found,
                  "There is no such target yet: they are known from the first request on. GET /api/status lists them as "
                  "upstream:model.");
  }
  Json json;
  json.put(json.root(), "target", name);
  json.put(json.root(), "breaker", verb == "open" ? "open" : "closed");
  answer_json(200, json.text());
}

void AdminFlow::on_client_gone() {
  lookup_.reset();
  listener_.reset();
  alive_.reset();
}

void AdminFlow::answer(int status, std::string_view content_type, std::string_view body, http::Headers more) {
  http::ResponseHead head;
  head.status = status;
  head.headers = std::move(more);
  head.headers.add("Content-Type", content_type);
  head.headers.add("X-Content-Type-Options", "nosniff");
  if (!head.headers.get("cache-control")) head.headers.add("Cache-Control", "no-store");
  exchange_.respond_whole(head, Bytes::copy(body));
}

void AdminFlow::refuse(ErrorCode code, std::string_view message, http::Headers more) {
  Json json;
  const Json::Value error = json.object(json.root(), "error");
  json.put(error, "message", message);
  json.put(error, "type", traits(code).type);
  json.put(error, "code", traits(code).name);
  answer(traits(code).status, "application/json", json.text(), std::move(more));
}

}  // namespace outrigger::admin
