// What a request at the dify door is, by method and path.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "providers/dify/call.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::string_view k_id = "45701982-8118-4bc5-8e9b-64562b4555f2";
constexpr std::string_view k_other_id = "0b2e5a58-9a4b-4f0e-8f5b-1d1b5f0f6a11";

std::string with_ids(std::string path) {
  for (std::size_t at = path.find('$'); at != path.npos; at = path.find('$')) path.replace(at, 1, k_id);
  for (std::size_t at = path.find('#'); at != path.npos; at = path.find('#')) path.replace(at, 1, k_other_id);
  return path;
}

struct Case {
  std::string_view method, path;
  CallKind kind;
  QueueClass queue = QueueClass::never;  // of a blocking request
  std::string_view id = {};
};

TEST_CASE("dify calls: every known path is what it is") {
  using enum CallKind;
  constexpr auto k_blocking = QueueClass::blocking;
  constexpr auto k_batch = QueueClass::batch;
  const Case cases[] = {
      {"POST", "/v1/chat-messages", run, k_blocking},
      {"POST", "/v1/completion-messages", run, k_blocking},
      {"POST", "/v1/workflows/run", run, k_blocking},
      {"POST", "/v1/workflows/$/run", run, k_blocking, k_id},
      {"GET", "/v1/chat-messages", other},
      {"PUT", "/v1/workflows/run", other},
      {"post", "/v1/chat-messages", other},
      {"POST", "/v1/chat-messages/$/stop", stop, {}, k_id},
      {"POST", "/v1/completion-messages/task-1/stop", stop, {}, "task-1"},
      {"POST", "/v1/workflows/tasks/$/stop", stop, {}, k_id},
      {"POST", "/v1/files/upload", upload},
      {"GET", "/v1/files/$/preview", files},
      {"POST", "/v1/audio-to-text", other, k_blocking},
      {"POST", "/v1/text-to-audio", other, k_blocking},
      {"GET", "/v1/parameters", app_info},
      {"GET", "/v1/info", app_info},
      {"HEAD", "/v1/info", app_info},
      {"GET", "/v1/meta?user=anna", app_info},
      {"GET", "/v1/site", app_info},
      {"POST", "/v1/info", other},
      {"GET", "/v1/workflows/run/$", follow_up, {}, k_id},
      {"GET", "/v1/workflow/$/events?user=u", follow_up, {}, k_id},
      {"GET", "/v1/workflows/logs", other},
      {"GET", "/v1/messages?user=u&conversation_id=$&limit=2", follow_up, {}, k_id},
      {"GET", "/v1/messages?user=u", follow_up},
      {"POST", "/v1/messages/$/feedbacks", follow_up, {}, k_id},
      {"GET", "/v1/messages/$/suggested?user=u", follow_up, {}, k_id},
      {"GET", "/v1/conversations?user=u", other},
      {"DELETE", "/v1/conversations/$", follow_up, {}, k_id},
      {"POST", "/v1/conversations/$/name", follow_up, {}, k_id},
      {"GET", "/v1/conversations/$/variables", follow_up, {}, k_id},
      {"PUT", "/v1/conversations/$/variables/#", follow_up, {}, k_id},
      {"GET", "/v1/app/feedbacks", other},
      {"GET", "/v1/end-users/$", other},
      {"POST", "/v1/form/human_input/token", other},
      {"GET", "/v1", other},
      {"GET", "/v1/", other},
      {"POST", "/v1/apps/annotations", change},
      {"PUT", "/v1/apps/annotations/$", change},
      {"GET", "/v1/apps/annotations", other},
      {"POST", "/v1/apps/annotation-reply/enable", change},
      {"GET", "/v1/apps/annotation-reply/enable/status/$", other},
      {"POST", "/v1/datasets", other},
      {"GET", "/v1/datasets/$/documents", other},
      {"POST", "/v1/datasets/$/document/create-by-text", change, k_batch, k_id},
      {"POST", "/v1/datasets/$/document/create_by_file", change, k_batch, k_id},
      {"POST", "/v1/datasets/$/documents/#/update-by-text", change, k_batch, k_id},
      {"PATCH", "/v1/datasets/$/documents/status/disable", change, k_batch, k_id},
      {"DELETE", "/v1/datasets/$/documents/#", change, k_batch, k_id},
      {"POST", "/v1/datasets/$/documents/#/segments", change, k_batch, k_id},
      {"DELETE", "/v1/datasets/$", change, k_batch, k_id},
      {"POST", "/v1/datasets/$/retrieve", other, k_blocking, k_id},
      {"POST", "/v1/datasets/tags/binding", other},
      {"POST", "/v1/datasets/pipeline/file-upload", other},
      {"POST", "/console/api/apps/$/workflows/publish", change, {}, k_id},
      {"GET", "/console/api/apps/$/workflows/publish", console},
      {"POST", "/console/api/apps/$/workflows/draft", console},
      {"POST", "/console/api/apps/$/workflows/draft/run", console},
      {"POST", "/console/api/apps/$/chat-messages", console},
      {"POST", "/console/api/apps/$/model-config", change, {}, k_id},
      {"POST", "/console/api/apps/$/annotations", change, {}, k_id},
      {"DELETE", "/console/api/apps/$/annotations/#", change, {}, k_id},
      {"POST", "/console/api/apps/$/annotation-reply/enable", change, {}, k_id},
      {"POST", "/console/api/apps/$/annotation-settings/#", change, {}, k_id},
      {"POST", "/console/api/apps/$/site", change, {}, k_id},
      {"PUT", "/console/api/apps/$", change, {}, k_id},
      {"DELETE", "/console/api/apps/$", change, {}, k_id},
      {"GET", "/console/api/apps/$", console},
      {"POST", "/console/api/apps", console},
      {"POST", "/console/api/apps/imports", change},
      {"POST", "/console/api/apps/imports/$/confirm", change},
      {"POST", "/console/api/datasets/$/documents", change, {}, k_id},
      {"PATCH", "/console/api/datasets/$", change, {}, k_id},
      {"POST", "/console/api/datasets/$/hit-testing", console, {}, k_id},
      {"POST", "/console/api/datasets/indexing-estimate", console},
      {"POST", "/console/api/datasets/$/api-keys", console, {}, k_id},
      {"GET", "/console/api/datasets/$/documents/#/notion/sync", change, {}, k_id},
      {"GET", "/console/api/datasets/$/documents/#/website-sync", change, {}, k_id},
      {"PATCH", "/console/api/datasets/external-knowledge-api/$", change},
      {"POST", "/console/api/rag/pipelines/$/workflows/published/run", change},
      {"GET", "/console/api/setup", console},
      {"POST", "/api/chat-messages", web_app, k_blocking},
      {"POST", "/api/workflows/run", web_app, k_blocking},
      {"GET", "/api/site", web_app},
      {"GET", "/files/$/file-preview?sign=x", files},
      {"POST", "/mcp/server/code/mcp", mcp, k_blocking},
      {"GET", "/mcp/server/code/mcp", mcp},
      {"POST", "/triggers/webhook/x", triggers},
      {"GET", "/socket.io/?EIO=4&transport=websocket", socket_io},
      {"GET", "/health", health},
      {"GET", "/", other},
      {"GET", "/v2/chat-messages", other},
      {"POST", "/e/plugin", other},
      {"OPTIONS", "/v1/chat-messages", other},
  };
  for (const Case& c : cases) {
    const std::string path = with_ids(std::string(c.path));
    INFO(c.method << ' ' << path);
    const Call call = classify(c.method, path);
    CHECK(name(call.kind) == name(c.kind));
    CHECK(name(queue_class(call, false)) == name(c.queue));
    CHECK(call.id == c.id);
    const bool waits_as_stream = c.queue == QueueClass::blocking;
    CHECK(queue_class(call, true) == (waits_as_stream ? QueueClass::streaming : c.queue));
  }
}

TEST_CASE("dify calls: runs, stops and infos say which") {
  CHECK(classify("POST", "/v1/chat-messages").run == RunKind::chat);
  CHECK(classify("POST", "/v1/completion-messages").run == RunKind::completion);
  CHECK(classify("POST", "/v1/workflows/run").run == RunKind::workflow);
  CHECK(classify("POST", "/v1/workflows/a/run").run == RunKind::workflow);
  CHECK(classify("POST", "/v1/workflows/a/run").id_kind == IdKind::workflow);
  CHECK(classify("POST", "/v1/completion-messages/t/stop").run == RunKind::completion);
  CHECK(classify("POST", "/v1/workflows/tasks/t/stop").run == RunKind::workflow);
  CHECK(classify("POST", "/api/completion-messages").run == RunKind::completion);
  CHECK(classify("GET", "/api/site").run == RunKind::none);
  CHECK(classify("GET", "/v1/site").info == InfoKind::site);
  CHECK(classify("GET", "/v1/meta").info == InfoKind::meta);
  CHECK(classify("GET", "/v1/workflows/run/r").id_kind == IdKind::run);
  CHECK(classify("GET", "/v1/messages/m/suggested").id_kind == IdKind::message);
  CHECK(classify("GET", "/v1/messages?conversation_id=c").id_kind == IdKind::conversation);
}

TEST_CASE("dify calls: changes say whose answers they make old") {
  const auto touches = [](std::string_view method, std::string_view path) {
    return classify(method, with_ids(std::string(path))).touches;
  };
  CHECK(touches("POST", "/v1/apps/annotations") == Touches::own_app);
  CHECK(touches("DELETE", "/v1/datasets/$/documents/#") == Touches::dataset);
  CHECK(touches("POST", "/console/api/apps/$/workflows/publish") == Touches::app);
  CHECK(touches("POST", "/console/api/apps/imports") == Touches::all);
  CHECK(touches("POST", "/v1/chat-messages") == Touches::nothing);
}

TEST_CASE("dify calls: no spelling of a path hides what it is, and none but Dify's own is answered for") {
  for (const std::string_view path :
       {"//v1//chat-messages", "/v1/chat-messages/", "/v1/%63hat-messages", "/%76%31/chat%2Dmessages", "/v1%2Fchat-messages",
        "/v1%2fchat-messages?x=1", "/./v1/./chat-messages", "/v1/x/../chat-messages", "/../v1/chat-messages",
        "/v1/%2e%2e/v1/chat-messages", "v1/chat-messages", "/v1/chat-messages//?q"}) {
    INFO(path);
    const Call call = classify("POST", path);
    CHECK(call.kind == CallKind::run);
    CHECK(call.run == RunKind::chat);
    CHECK_FALSE(call.as_written);
  }
  CHECK(classify("POST", "http://dify.example/v1/chat-messages").kind == CallKind::run);
  CHECK(classify("POST", "/v1/chat-messages?a=b/../c#d").as_written);
  CHECK(classify("POST", "/console%2Fapi/apps/imports").touches == Touches::all);
  // Escapes are read once, and what is none stays.
  CHECK(classify("POST", "/v1/%2563hat-messages").kind == CallKind::other);
  CHECK(classify("POST", "/v1/chat-messages%").kind == CallKind::other);
  CHECK(classify("POST", "/v1/chat-messages%0").kind == CallKind::other);
  CHECK(classify("POST", "/v1/chat-messages%00").kind == CallKind::other);
  CHECK(classify("POST", "/v1/chat%zzmessages").kind == CallKind::other);
}

TEST_CASE("dify calls: ids are in one case, and read from paths and queries") {
  CHECK(classify("GET", "/v1/messages/45701982-8118-4BC5-8E9B-64562B4555F2/suggested").id == k_id);
  CHECK(classify("GET", "/v1/messages?conversation%5Fid=45701982-8118-4BC5-8E9B-64562B4555F2").id == k_id);
  CHECK(classify("GET", "/v1/messages?xconversation_id=1&conversation_id=2&conversation_id=3").id == "2");
  CHECK(classify("POST", "/v1/chat-messages/Task%20A/stop").id == "Task A");
}

TEST_CASE("dify calls: whatever comes is something") {
  for (const std::string_view path :
       {"", "?", "#", "/", "//", "://", "http://", "/..", "/../..", "%", "%2", "%2F", "\xff\x00"}) {
    INFO(path);
    CHECK(classify("GET", path).kind == CallKind::other);
    CHECK(classify("", path).kind == CallKind::other);
  }
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "/v1";
  CHECK(classify("POST", deep).kind == CallKind::other);
  CHECK(classify("POST", deep + std::string(15000, '/')).kind == CallKind::other);
}

TEST_CASE("dify calls: everything has a name") {
  for (int i = 0; i <= static_cast<int>(CallKind::other); ++i) CHECK_FALSE(name(static_cast<CallKind>(i)).empty());
  CHECK(name(RunKind::workflow) == "workflow");
  CHECK(name(InfoKind::parameters) == "parameters");
  CHECK(name(QueueClass::batch) == "batch");
}

}  // namespace
}  // namespace outrigger::providers::dify
