#include "sim/dify/desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/answers.h"
#include "sim/dify/errors.h"
#include "sim/dify/ids.h"
#include "sim/dify/query.h"
#include "sim/settings.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::is_utf8;
using sim_provider::json_quoted;
using sim_provider::text_at;
using sim_provider::whole;

constexpr std::string_view k_json = "application/json";
constexpr std::uint64_t k_min_body = 4u << 20;
constexpr std::size_t k_max_parts = 12;

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty() && parts.size() < k_max_parts) {
    const std::size_t slash = path.find('/');
    if (slash != 0) parts.push_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

// The path with ids left out, for the counts.
std::string endpoint(std::string_view method, std::string_view path) {
  std::string text(method);
  for (const std::string_view part : parts_of(path))
    text.append(text == method ? " /" : "/").append(is_uuid(part) ? "*" : part);
  return is_utf8(text) ? text : "(binary)";
}

bool cut_prefix(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.remove_prefix(prefix.size());
  return true;
}

}  // namespace

Desk::Desk(Settings settings, Rng rng, MonoTime now)
    : settings_(std::move(settings)), rng_(rng), schedule_(settings_.faults, now) {
  for (App& app : settings_.apps) {
    if (app.id.empty()) app.id = stable_uuid(app.key);
  }
}

void Desk::reset(MonoTime now) {
  ledger_ = {};
  records_ = {};
  runs_.reset();
  const Sockets old = std::exchange(sockets_, {});
  sockets_.open = sockets_.open_max = old.open;
  sockets_.waiting = sockets_.waiting_max = old.waiting;
  schedule_.restart(now);
}

std::uint64_t Desk::body_limit() const { return std::max(settings_.max_upload + (64 << 10), k_min_body); }

std::string Desk::fresh_id() { return fresh_uuid(rng_); }

const App* Desk::app_by_key(std::string_view key) const {
  const auto found = std::ranges::find(settings_.apps, key, &App::key);
  return found == settings_.apps.end() ? nullptr : &*found;
}

std::uint64_t Desk::version_of(const App& app) const {
  const auto found = records_.app_versions.find(app.id);
  return found == records_.app_versions.end() ? 1 : found->second;
}

bool Desk::Call::fits(std::string_view pattern) const {
  const auto wanted = parts_of(pattern);
  if (wanted.size() != parts.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != "*" && wanted[i] != parts[i]) return false;
  }
  return true;
}

Owner Desk::Call::owner() const { return {app == nullptr ? std::string() : app->key, user}; }

Desk::Reply Desk::answer(const Received& request, MonoTime now, WallTime wall) {
  const auto [path, query] = http::split_target(request.head.target);
  std::string_view name = path;
  if (path == "/health") {
    Reply own{whole(200, k_json, R"({"pid":1,"status":"ok","version":"1.17.0"})")};
    own.script.counted = false;
    return own;
  }
  if (cut_prefix(name, "/sim/")) {
    Reply own = answer_sim(request, name, query, now);
    own.script.counted = false;
    return own;
  }
  ledger_.note(request, endpoint(request.head.method, path), settings_.remember, settings_.remember_body);
  const std::string_view key = sim_provider::credential_of(request.head.headers);
  Call call{request, path, query, {}, now, wall};
  call.app = app_by_key(key);
  if (const Fault* fault = schedule_.match({path, call.app == nullptr ? "" : call.app->name, key}, now, rng_)) {
    sim_provider::Ledger::count(ledger_.by_fault, kind(*fault));
    call.fault = *fault;
  }
  Reply reply = answer_call(call);
  if (reply.script.head) reply.script.head->headers.add("x-version", "1.17.0");
  sim_provider::spoil(reply.script, call.fault);
  return reply;
}

Desk::Reply Desk::answer_call(Call& call) {
  const Fault& fault = call.fault;
  if (fault.refuse || fault.garbage || fault.endless_headers) {
    Fault instead = fault;
    instead.status.reset();
    return {*sim_provider::answer_instead(instead, {}, {}, {}, {})};
  }
  std::string_view rest = call.path;
  const bool service = cut_prefix(rest, "/v1/") || cut_prefix(rest, "/api/");
  const bool console = !service && cut_prefix(rest, "/console/api/");
  call.parts = parts_of(rest);
  if (call.request.body_whole && !call.request.body.empty()) {
    call.doc = sim_provider::parse_json(call.request.body);
    yyjson_val* root = yyjson_doc_get_root(call.doc.get());
    if (yyjson_is_obj(root)) call.body = root;
  }
  call.user = call.body != nullptr ? text_at(call.body, "user") : query_value(call.query, "user");
  if (service) return answer_service(call);
  if (fault.status) return {told_failure(call, *fault.status, fault.code)};
  return console ? answer_console(call) : Reply{answer_other(call)};
}

Desk::Reply Desk::answer_service(Call& call) {
  const Fault& fault = call.fault;
  const std::string_view credential = call.request.head.headers.get("authorization").value_or("");
  if (!call.parts.empty() && call.parts.front() == "datasets") {
    const std::string_view key = sim_provider::credential_of(call.request.head.headers);
    if (key.empty() || (!settings_.dataset_key.empty() && key != settings_.dataset_key)) {
      ++ledger_.unauthorized;
      return {answer_error(401)};
    }
    if (fault.status) return {told_failure(call, *fault.status, fault.code)};
    return {answer_dataset(call)};
  }
  if (call.app == nullptr) {
    ++ledger_.unauthorized;
    const bool bearer = credential.size() > 7 && http::equal_ignoring_case(credential.substr(0, 7), "bearer ");
    return {answer_error(401, {}, bearer ? "" : "Authorization header must be provided and start with 'Bearer'")};
  }
  if (call.fits("POST", "chat-messages")) return run(call, true);
  if (call.fits("POST", "completion-messages") || call.fits("POST", "workflows/run") ||
      call.fits("POST", "workflows/*/run")) {
    return run(call, false);
  }
  if (fault.status) return {told_failure(call, *fault.status, fault.code)};
  if (call.fits("POST", "chat-messages/*/stop") || call.fits("POST", "completion-messages/*/stop")) {
    return {stop(call, call.parts[1], false)};
  }
  if (call.fits("POST", "workflows/tasks/*/stop")) return {stop(call, call.parts[2], true)};
  return {answer_record(call)};
}

// Datasets: whatever is created, changed or deleted changes what apps know.
Script Desk::answer_dataset(Call& call) {
  const bool asks =
      call.is("GET") || call.is("HEAD") || call.parts.back() == "retrieve" || call.parts.back() == "hit-testing";
  if (asks) return whole(200, k_json, R"({"data":[],"records":[],"has_more":false,"limit":20,"total":0,"page":1})");
  ++records_.knowledge;
  if (call.is("DELETE")) return whole(204, k_json, "");
  std::string name = std::string(text_at(call.body, "name"));
  if (name.empty()) name = "document";
  if (std::ranges::find(call.parts, "segments") != call.parts.end()) {
    return whole(200, k_json,
                 fmt::format(R"({{"data":[{{"id":"{}","status":"completed","enabled":true}}],"doc_form":"text_model"}})",
                             fresh_id()));
  }
  return whole(
      200, k_json,
      fmt::format(R"({{"document":{{"id":"{}","name":{},"indexing_status":"waiting","enabled":true}},"batch":"{}"}})",
                  fresh_id(), json_quoted(name), unix_millis(call.wall)));
}

Desk::Reply Desk::answer_console(Call& call) {
  if (call.fits("GET", "apps")) {
    std::string list;
    for (const App& app : settings_.apps) {
      list += fmt::format(R"({}{{"id":"{}","name":{},"mode":"{}"}})", list.empty() ? "" : ",", app.id, json_quoted(app.name),
                          name(app.mode));
    }
    return {whole(
        200, k_json,
        fmt::format(R"({{"page":1,"limit":20,"total":{},"has_more":false,"data":[{}]}})", settings_.apps.size(), list))};
  }
  if (call.fits("POST", "login")) {
    Script script = whole(200, k_json, R"({"result":"success"})");
    script.head->headers.add("set-cookie", "access_token=simulated; Path=/; HttpOnly; SameSite=Lax");
    script.head->headers.add("set-cookie", "csrf_token=simulated; Path=/; SameSite=Lax");
    return {std::move(script)};
  }
  if (call.fits("GET", "oauth/login/*")) {
    Script script = whole(302, "text/html; charset=utf-8", "");
    script.head->headers.add("location", "https://accounts.example.com/authorize?client_id=simulated");
    return {std::move(script)};
  }
  if (call.is("GET") || call.is("HEAD") || call.parts.empty()) return {answer_other(call)};
  const std::string_view what = call.parts.back();
  if (call.parts.front() == "datasets") {
    ++records_.knowledge;
  } else if (call.parts.front() == "apps" && call.parts.size() > 2) {
    const bool draft = std::ranges::find(call.parts, "draft") != call.parts.end();
    const bool notes = std::ranges::find(call.parts, "annotations") != call.parts.end();
    if (what == "publish" || what == "model-config" || notes) {
      const auto app = std::ranges::find(settings_.apps, call.parts[1], &App::id);
      if (app == settings_.apps.end()) return {answer_error(404, "app_not_found", "App not found.")};
      change_app(app->id);
    } else if (!draft) {
      return {answer_other(call)};
    }
  } else {
    return {answer_other(call)};
  }
  if (call.is("DELETE")) return {whole(204, k_json, "")};
  return {whole(what == "publish" ? 201 : 200, k_json,
                fmt::format(R"({{"result":"success","created_at":{}}})", unix_seconds(call.wall)))};
}

// What the simulation knows nothing of (/mcp, /triggers, /files, ...) it repeats.
Script Desk::answer_other(const Call& call) const {
  if (!call.request.body_whole) {
    return whole(200, k_json,
                 fmt::format(R"({{"body_size":{},"body_sha256":"{}"}})", call.request.body_size, call.request.body_sha256));
  }
  return whole(200, k_json, echo_json(call.request));
}

Script Desk::told_failure(Call& call, int status, std::string_view code) {
  Script script = answer_error(status, code);
  script.wait = call.fault.first_token.value_or(0s);
  return script;
}

std::string Desk::stats(MonoTime now) {
  const Sockets& s = sockets_;
  std::string versions;
  for (const App& app : settings_.apps) {
    versions += fmt::format("{}{}:{}", versions.empty() ? "" : ",", json_quoted(app.name), version_of(app));
  }
  return fmt::format(
      R"({{"runs":{},"connections":{{"total":{},"open":{},"open_max":{},"waiting":{},"waiting_max":{},"refused":{},"web_sockets":{}}},)"
      R"("knowledge":{},"app_versions":{{{}}},"http":{}}})",
      runs_.json(now), s.total, s.open, s.open_max, s.waiting, s.waiting_max, s.refused, s.web_sockets, records_.knowledge,
      versions, ledger_.json());
}

Desk::Reply Desk::answer_sim(const Received& request, std::string_view name, std::string_view query, MonoTime now) {
  const bool post = request.head.method == "POST";
  if (name == "stats") return {whole(200, k_json, stats(now))};
  if (name == "reset" && post) {
    reset(now);
    return {whole(200, k_json, "{}")};
  }
  if (name == "faults" && post) {
    auto faults = sim_provider::faults_from_text(request.body);
    if (!faults) return {answer_error(400, "invalid_param", faults.error().detail)};
    const std::size_t count = faults->size();
    set_faults(std::move(*faults), now);
    return {whole(200, k_json, fmt::format(R"({{"faults":{}}})", count))};
  }
  if (name == "echo") {
    if (query == "raw" && request.body_whole) {
      return {whole(200, request.head.headers.get("content-type").value_or("application/octet-stream"),
                    std::string(request.body))};
    }
    return {whole(200, k_json, echo_json(request))};
  }
  return {answer_error(404)};
}

}  // namespace outrigger::sim_dify
