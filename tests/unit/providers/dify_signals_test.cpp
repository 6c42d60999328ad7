// What Dify's answers say.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "providers/dify/info.h"
#include "providers/dify/signals.h"

namespace outrigger::providers::dify {
namespace {

constexpr WallTime k_now{std::chrono::seconds(1'755'780'090)};

Signal signal(int status, std::string_view body, std::string_view retry_after = {}) {
  const auto header = [&](std::string_view name) -> std::optional<std::string_view> {
    if (name == "retry-after" && !retry_after.empty()) return retry_after;
    return std::nullopt;
  };
  return read_answer(status, header, body, k_now);
}

std::string envelope(std::string_view code, int status, std::string_view message = "words") {
  return R"({"code":")" + std::string(code) + R"(","message":")" + std::string(message) + R"(","status":)" +
         std::to_string(status) + "}";
}

TEST_CASE("dify signals: an envelope is read by its code, whatever its status") {
  struct Case {
    std::string_view code;
    int status;
    SignalKind kind;
  };
  using enum SignalKind;
  const Case cases[] = {
      {"too_many_requests", 429, rate},
      {"rate_limit_error", 429, quota},
      {"provider_quota_exceeded", 400, quota},
      {"provider_not_initialize", 400, credential},
      {"unauthorized", 401, credential},
      {"forbidden", 403, credential},
      {"completion_request_error", 400, health},
      {"internal_server_error", 500, health},
      {"invalid_param", 400, client_fault},
      {"bad_request", 400, client_fault},
      {"app_unavailable", 400, client_fault},
      {"not_chat_app", 400, client_fault},
      {"not_workflow_app", 400, client_fault},
      {"model_currently_not_support", 400, client_fault},
      {"conversation_completed", 400, client_fault},
      {"agent_not_published", 400, client_fault},
      {"workflow_version_execution_not_allowed", 403, client_fault},
      {"not_found", 404, client_fault},
      {"file_too_large", 413, client_fault},
      {"unsupported_file_type", 415, client_fault},
      {"something_new", 400, client_fault},
      {"something_new", 503, health},
      {"something_new", 429, rate},
  };
  for (const Case& c : cases) {
    INFO(c.code);
    const Signal of_body = signal(c.status, envelope(c.code, c.status));
    CHECK(name(of_body.kind) == name(c.kind));
    CHECK(of_body.code == c.code);
    const Signal of_event = read_event(R"({"event":"error","message_id":"m",)" + envelope(c.code, c.status).substr(1));
    CHECK(name(of_event.kind) == name(c.kind));
    CHECK(of_event.code == c.code);
  }
}

TEST_CASE("dify signals: without an envelope the status speaks") {
  CHECK(signal(200, "").kind == SignalKind::ok);
  CHECK(signal(204, "").kind == SignalKind::ok);
  CHECK(signal(304, "").kind == SignalKind::ok);
  CHECK(signal(302, envelope("internal_server_error", 500)).kind == SignalKind::ok);
  CHECK(signal(502, "<html>nginx</html>").kind == SignalKind::health);
  CHECK(signal(504, "").kind == SignalKind::health);
  CHECK(signal(408, "").kind == SignalKind::health);
  CHECK(signal(429, "busy").kind == SignalKind::rate);
  CHECK(signal(401, "[]").kind == SignalKind::credential);
  CHECK(signal(404, "<!doctype html>").kind == SignalKind::client_fault);
  CHECK(signal(418, R"({"code":7,"message":[],"status":"x"})").kind == SignalKind::client_fault);
  CHECK(signal(0, "").kind == SignalKind::health);
  CHECK(signal(999, "").kind == SignalKind::health);
}

TEST_CASE("dify signals: a wait that is told is passed on") {
  const std::string body = envelope("too_many_requests", 429);
  CHECK(signal(429, body).retry_after == std::nullopt);
  CHECK(signal(429, body, "3").retry_after == Duration(3s));
  CHECK(signal(429, body, "Thu, 21 Aug 2025 12:41:40 GMT").retry_after == Duration(10s));
  CHECK(signal(429, body, "soon").retry_after == std::nullopt);
  CHECK(signal(429, body, "0").retry_after == std::nullopt);
}

TEST_CASE("dify signals: of what a provider found wrong with the request Dify is not to blame") {
  const auto kind = [](std::string_view message) {
    return signal(400, envelope("completion_request_error", 400, message)).kind;
  };
  CHECK(kind("[openai] Bad Request Error, context length exceeded") == SignalKind::client_fault);
  CHECK(kind("[openai] Incorrect model credentials provided, please check and try again.") == SignalKind::credential);
  CHECK(kind("[openai] Server Unavailable Error, 503") == SignalKind::health);
  CHECK(kind("[openai] Connection Error, refused") == SignalKind::health);
  CHECK(kind("[openai] Rate Limit Error, slow down") == SignalKind::health);
  // Only at the beginning: the rest may be what somebody wrote.
  CHECK(kind("[openai] Error: Bad Request Error") == SignalKind::health);
  CHECK(kind("[openai") == SignalKind::health);
  CHECK(kind("") == SignalKind::health);
}

TEST_CASE("dify signals: an event is a failure, or nothing is said") {
  const auto kind = [](std::string_view data) { return read_event(data).kind; };
  CHECK(kind(R"({"event":"message","answer":"hi","code":"internal_server_error","message":"x","status":500})") ==
        SignalKind::ok);
  CHECK(kind(R"({"event":"error"})") == SignalKind::health);
  CHECK(kind(R"({"event":"error","status":400,"code":"invalid_param","message":"x"})") == SignalKind::client_fault);
  const auto finished = [&](std::string_view status) {
    return read_event(R"({"event":"workflow_finished","data":{"status":")" + std::string(status) + "\"}}");
  };
  CHECK(finished("failed").kind == SignalKind::health);
  CHECK(finished("failed").code == "workflow_failed");
  CHECK(finished("succeeded").kind == SignalKind::ok);
  CHECK(finished("partial-succeeded").kind == SignalKind::ok);
  CHECK(finished("stopped").kind == SignalKind::ok);
  CHECK(kind(R"({"event":"node_finished","data":{"status":"failed"}})") == SignalKind::ok);
  for (const std::string_view rubbish : {"", "[DONE]", "null", "[]", "{", "\"error\"", R"({"event":["error"]})"}) {
    CHECK(kind(rubbish) == SignalKind::ok);
  }
}

TEST_CASE("dify signals: a failed run in a 200 is a failure") {
  CHECK(signal(200, R"({"workflow_run_id":"r","task_id":"t","data":{"status":"failed","error":"x"}})").kind ==
        SignalKind::health);
  CHECK(signal(200, R"({"workflow_run_id":"r","task_id":"t","data":{"status":"succeeded"}})").kind == SignalKind::ok);
  CHECK(signal(200, R"({"data":{"status":"failed"}})").kind == SignalKind::ok);  // somebody's list
  CHECK(signal(200, R"({"code":"success","message":"done"})").kind == SignalKind::ok);
  CHECK(signal(200, envelope("completion_request_error", 400)).kind == SignalKind::health);
}

TEST_CASE("dify signals: a code that is no name is left out") {
  CHECK(signal(500, envelope("a b", 500)).code == "");
  CHECK(signal(500, envelope("app-secret", 500)).code == "");
  CHECK(signal(500, envelope(std::string(65, 'a'), 500)).code == "");
}

TEST_CASE("dify: of codes only those that are known become labels") {
  CHECK(known_code("completion_request_error") == "completion_request_error");
  CHECK(known_code("workflow_failed") == "workflow_failed");
  CHECK(known_code("made_up") == "other");
  CHECK(known_code("") == "other");
}

TEST_CASE("dify: an app's name is fit for a line, whatever it holds") {
  CHECK(app_name(R"({"name":"Help Desk","description":""})") == "Help Desk");
  CHECK(app_name(R"({"name":"  Help\n\t\u0001 Desk\u007f "})") == "Help Desk");
  CHECK(app_name(R"({"name":"客服"})") == "客服");
  CHECK(app_name(R"({"name":")" + std::string(100, 'x') + "\"}") == std::string(k_app_name_max, 'x'));
  std::string long_name;
  for (int i = 0; i < 30; ++i) long_name += "客";
  CHECK(app_name(R"({"name":"a)" + long_name + "\"}").size() == k_app_name_max);
  CHECK(app_name(R"({"name":")" + long_name + "\"}") == long_name.substr(0, 63));
  for (const std::string_view none : {"", "{", "[]", "{}", R"({"name":null})", R"({"name":7})", R"({"name":" \n"})"}) {
    CHECK(app_name(none).empty());
  }
}

}  // namespace
}  // namespace outrigger::providers::dify
