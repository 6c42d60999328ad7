// The simulated Dify's runs: answers and streams of every mode, conversations, stop, counts, faults, the limit on connections.
#include <algorithm>

#include "sim/dify/runs.h"
#include "unit/sim/dify_shop.h"

namespace outrigger::sim_dify {
namespace {

TEST_CASE("calls without a known key are refused as Dify refuses them") {
  DifyShop shop;
  const auto none = shop.post("/v1/chat-messages", "", chat_body("q"));
  CHECK(none->status() == 401);
  CHECK(none->header("www-authenticate") == "Bearer realm=\"api\"");
  CHECK(text_in(none->body, "code") == "unauthorized");
  CHECK(number_in(none->body, "status") == 401);
  CHECK(shop.post("/v1/chat-messages", "app-unknown", chat_body("q"))->status() == 401);
  CHECK(number_in(shop.stats(), "http.unauthorized") == 2);
  CHECK(number_in(shop.stats(), "runs.total") == 0);
}

TEST_CASE("each refusal of a call has Dify's code") {
  struct Row {
    const char *path, *key, *body, *code, *message;
  };
  static constexpr Row k_rows[] = {
      {"chat-messages", "app-chat", R"({"inputs":{},"query":"q"})", "invalid_param", "Arg user must be provided."},
      {"chat-messages", "app-chat", R"({"inputs":{},"user":"u"})", "invalid_param", "query is required in input form"},
      {"chat-messages", "app-chat", R"({"query":"q","user":"u"})", "invalid_param", "inputs is required in input form"},
      {"chat-messages", "app-chat", R"({"inputs":{},"query":"q","user":"u","response_mode":"x"})", "invalid_param",
       "response_mode must be streaming or blocking"},
      {"chat-messages", "app-chat", R"({"inputs":{},"query":"q","user":"u","conversation_id":"x"})", "invalid_param",
       "conversation_id must be a valid UUID"},
      {"chat-messages", "app-agent-chat", R"({"inputs":{},"query":"q","user":"u"})", "invalid_param",
       "Agent Chat App does not support blocking mode"},
      {"chat-messages", "app-workflow", R"({"inputs":{},"query":"q","user":"u"})", "not_chat_app",
       "Please check if your app mode matches the right API route."},
      {"workflows/run", "app-chat", R"({"inputs":{},"user":"u"})", "not_workflow_app",
       "Please check if your app mode matches the right API route."},
      {"completion-messages", "app-chat", R"({"inputs":{},"user":"u"})", "app_unavailable",
       "App unavailable, please check your app configurations."},
      {"chat-messages", "app-chat", "nonsense", "bad_request",
       "The browser (or proxy) sent a request that this server could not understand."},
  };
  DifyShop shop;
  for (const Row& row : k_rows) {
    INFO(row.path << " " << row.body);
    const auto heard = shop.post("/v1/" + std::string(row.path), row.key, row.body);
    CHECK(heard->status() == 400);
    CHECK(text_in(heard->body, "code") == row.code);
    CHECK(text_in(heard->body, "message") == row.message);
    CHECK(number_in(heard->body, "status") == 400);
  }
  CHECK(number_in(shop.stats(), "runs.total") == 0);
}

TEST_CASE("blocking and streaming say the same, whoever asks, in the time that it takes") {
  DifyShop shop;
  const auto whole = shop.post("/v1/chat-messages", "app-chat", chat_body("Where is my parcel?"));
  const auto stream = shop.post("/v1/chat-messages", "app-chat", chat_body("Where is my parcel?", "u2", "", true));
  const std::string answer = text_in(whole->body, "answer");
  CHECK(answer.starts_with("[knowledge 1, app 1] About \"Where is my parcel?\""));
  CHECK(joined(stream->body, "answer") == answer);
  CHECK(stream->header("content-type") == "text/event-stream; charset=utf-8");
  CHECK(text_in(whole->body, "mode") == "chat");
  const std::uint64_t tokens = number_in(whole->body, "metadata.usage.completion_tokens");
  const Duration length = 1s + 100ms * static_cast<Duration::rep>(tokens - 1);
  for (const Heard* heard : {whole.get(), stream.get()}) {
    CHECK(*heard->end_after >= length);
    CHECK(*heard->end_after < length + 200ms);
  }
  CHECK(text_in(whole->body, "conversation_id") != text_in(stream->body.substr(stream->body.find('{')), "conversation_id"));
  CHECK(text_in(shop.post("/v1/chat-messages", "app-chat", chat_body("Another?"))->body, "answer") != answer);
}

TEST_CASE("every mode's stream has its events in their order") {
  struct Row {
    const char *key, *path, *names;
  };
  static constexpr Row k_rows[] = {
      {"app-chat", "chat-messages", "ping message message_end"},
      {"app-agent-chat", "chat-messages", "agent_thought ping agent_message agent_thought message_end"},
      {"app-advanced-chat", "chat-messages",
       "workflow_started node_started node_finished node_started ping message node_finished node_started node_finished "
       "message_end workflow_finished"},
      {"app-completion", "completion-messages", "ping message message_end"},
      {"app-workflow", "workflows/run",
       "workflow_started node_started node_finished node_started ping text_chunk node_finished node_started node_finished "
       "workflow_finished"},
      {"app-rare", "chat-messages",
       "workflow_started node_started node_finished node_started node_retry iteration_started iteration_next "
       "iteration_completed loop_started loop_next loop_completed agent_log reasoning_chunk ping message node_finished "
       "node_started node_finished tts_message message_end workflow_finished tts_message_end"},
      {"app-paused", "workflows/run",
       "workflow_started node_started node_finished node_started ping text_chunk node_finished human_input_required "
       "workflow_paused"},
  };
  DifyShop shop(R"(
    [[dify.app]]
    key = "app-rare"
    mode = "advanced-chat"
    rare = true
    [[dify.app]]
    key = "app-paused"
    mode = "workflow"
    pauses = true
  )");
  for (const Row& row : k_rows) {
    INFO(row.key);
    const bool chat = std::string_view(row.path) == "chat-messages";
    const auto heard =
        shop.post("/v1/" + std::string(row.path), row.key, chat ? chat_body("q", "u1", "", true) : run_body("q", true));
    CHECK(heard->status() == 200);
    CHECK(event_names(heard->body) == row.names);
    CHECK(heard->body.find("event: ping\n\n") != std::string::npos);
  }
}

TEST_CASE("a conversation knows what was asked first, and belongs to its user") {
  DifyShop shop;
  const auto first = shop.post("/v1/chat-messages", "app-chat", chat_body("What is first?"));
  const std::string id = text_in(first->body, "conversation_id");
  const auto second = shop.post("/v1/chat-messages", "app-chat", chat_body("And then?", "u1", id));
  CHECK(text_in(second->body, "conversation_id") == id);
  CHECK(text_in(second->body, "answer").find("Earlier you asked \"What is first?\". About \"And then?\"") !=
        std::string::npos);
  // The same history elsewhere: the same answer.
  const std::string other =
      text_in(shop.post("/v1/chat-messages", "app-chat", chat_body("What is first?", "u7"))->body, "conversation_id");
  CHECK(text_in(shop.post("/v1/chat-messages", "app-chat", chat_body("And then?", "u7", other))->body, "answer") ==
        text_in(second->body, "answer"));
  for (const auto& [key, user, conversation] :
       std::vector<std::array<std::string, 3>>{{"app-chat", "u2", id},
                                               {"app-advanced-chat", "u1", id},
                                               {"app-chat", "u1", "0f1375df-84f5-4494-a385-d1d9f4203110"}}) {
    const auto heard = shop.post("/v1/chat-messages", key, chat_body("q", user, conversation));
    CHECK(heard->status() == 404);
    CHECK(text_in(heard->body, "message") == "Conversation Not Exists.");
  }
}

TEST_CASE("only the right user's stop ends a stream, and the run with it") {
  DifyShop shop;
  Heard heard(shop.world.loop);
  const auto call = shop.start(heard, "POST", "/v1/chat-messages", "app-chat", chat_body("q", "u1", "", true), {});
  shop.world.loop.run_for(2s);
  const std::string event = heard.body.substr(heard.body.find('{'));
  const std::string stop = "/v1/chat-messages/" + text_in(event.substr(0, event.find("\n\n")), "task_id") + "/stop";
  CHECK(shop.post(stop, "app-chat", R"({"user":"u2"})")->body == R"({"result":"success"})");
  CHECK(shop.post(stop, "app-completion", R"({"user":"u1"})")->body == R"({"result":"success"})");
  shop.world.loop.run_for(100ms);
  CHECK_FALSE(heard.over());
  CHECK(number_in(shop.stats(), "runs.running") == 1);
  CHECK(shop.post(stop, "app-chat", R"({"user":"u1"})")->body == R"({"result":"success"})");
  shop.world.loop.run_for(10ms);
  CHECK(heard.end_after.has_value());
  CHECK(event_names(heard.body) == "ping message message_end");
  const std::string stats = shop.stats();
  CHECK(number_in(stats, "runs.running") == 0);
  CHECK(number_in(stats, "runs.stopped") == 1);
  CHECK(number_in(stats, "runs.completed") == 0);
}

TEST_CASE("a workflow that is stopped says so, whoever stops it") {
  DifyShop shop;
  Heard heard(shop.world.loop);
  const auto call = shop.start(heard, "POST", "/v1/workflows/run", "app-workflow", run_body("q", true), {});
  shop.world.loop.run_for(500ms);
  const std::string event = heard.body.substr(6, heard.body.find("\n\n") - 6);
  (void)shop.post("/v1/workflows/tasks/" + text_in(event, "task_id") + "/stop", "app-workflow", R"({"user":"u9"})");
  shop.world.loop.run_for(10ms);
  CHECK(heard.end_after.has_value());
  CHECK(heard.body.find(R"("status":"stopped")") != std::string::npos);
}

TEST_CASE("a run goes on when its client has left, and is counted by app, path and user") {
  DifyShop shop;
  {
    Heard heard(shop.world.loop);
    const auto call = shop.start(heard, "POST", "/v1/workflows/run", "app-workflow", run_body("q", true), {});
    shop.world.loop.run_for(1500ms);
  }
  shop.world.loop.run_for(100ms);
  std::string stats = shop.stats();
  CHECK(number_in(stats, "runs.by_app.workflow.running") == 1);
  CHECK(number_in(stats, "http.clients_gone") == 1);
  shop.world.loop.run_for(1min);
  (void)shop.post("/v1/chat-messages", "app-chat", chat_body("q", "u2"));
  stats = shop.stats();
  CHECK(number_in(stats, "runs.total") == 2);
  CHECK(number_in(stats, "runs.running") == 0);
  CHECK(number_in(stats, "runs.running_max") == 1);
  CHECK(number_in(stats, "runs.completed") == 2);
  CHECK(number_in(stats, "runs.by_path.workflows/run.total") == 1);
  CHECK(number_in(stats, "runs.by_path.chat-messages.total") == 1);
  CHECK(number_in(stats, "runs.by_user.u1.total") == 1);
  CHECK(number_in(stats, "runs.by_user.u2.running_max") == 1);
  CHECK(shop.post("/sim/reset", "", "{}")->status() == 200);
  CHECK(number_in(shop.stats(), "runs.total") == 0);
}

TEST_CASE("more connections than may be wait unread until one closes") {
  DifyShop shop("connections = 2");
  std::vector<std::unique_ptr<Heard>> heard;
  std::vector<std::unique_ptr<http::Call>> calls;
  for (int i = 0; i < 5; ++i) {
    heard.push_back(std::make_unique<Heard>(shop.world.loop));
    calls.push_back(
        shop.start(*heard.back(), "POST", "/v1/workflows/run", "app-workflow", run_body("q"), {{"connection", "close"}}));
  }
  shop.world.loop.run_for(2s);
  CHECK(shop.door.desk().sockets().open == 2);
  CHECK(shop.door.desk().sockets().waiting == 3);
  shop.world.loop.run_until([&] { return std::ranges::all_of(heard, [](const auto& one) { return one->over(); }); }, 10min);
  for (const auto& one : heard) CHECK(one->status() == 200);
  CHECK(shop.door.desk().sockets().open_max == 2);
  CHECK(number_in(shop.stats(), "runs.running_max") == 2);
  CHECK(number_in(shop.stats(), "runs.total") == 5);
}

TEST_CASE("more connections than may be are refused, if so told, and the next one finds a place") {
  DifyShop shop("connections = 1\nover = \"429\"");
  Heard first(shop.world.loop);
  auto call = shop.start(first, "POST", "/v1/workflows/run", "app-workflow", run_body("q"), {{"connection", "close"}});
  shop.world.loop.run_for(100ms);
  const auto refused = shop.post("/v1/workflows/run", "app-workflow", run_body("q"));
  CHECK(refused->status() == 429);
  CHECK(text_in(refused->body, "code") == "too_many_requests");
  CHECK(refused->header("connection") == "close");
  shop.world.loop.run_until([&] { return first.over(); }, 1min);
  CHECK(first.status() == 200);
  call.reset();
  shop.world.loop.run_for(5s);
  CHECK(shop.post("/v1/workflows/run", "app-workflow", run_body("q"))->status() == 200);
  CHECK(shop.door.desk().sockets().refused == 1);
}

TEST_CASE("an app takes so many runs at once and no more") {
  DifyShop shop("[[dify.app]]\nkey = \"app-small\"\nmode = \"workflow\"\nname = \"small\"\nmax_active = 1");
  Heard first(shop.world.loop);
  const auto call = shop.start(first, "POST", "/v1/workflows/run", "app-small", run_body("q"), {});
  shop.world.loop.run_for(100ms);
  const auto refused = shop.post("/v1/workflows/run", "app-small", run_body("q"));
  CHECK(refused->status() == 429);
  CHECK(text_in(refused->body, "code") == "too_many_requests");
  shop.world.loop.run_until([&] { return first.over(); }, 1min);
  CHECK(shop.post("/v1/workflows/run", "app-small", run_body("q"))->status() == 200);
}

TEST_CASE("a fault comes in Dify's own forms") {
  struct Row {
    const char *fault, *key, *path;
    bool stream;
    int status;
    const char *found, *names;
    int failed;
  };
  static constexpr Row k_rows[] = {
      {"status = 429", "app-chat", "chat-messages", true, 429, R"("code":"too_many_requests")", "", 0},
      {"status = 429\ncode = \"rate_limit_error\"", "app-chat", "chat-messages", false, 429, R"("code":"rate_limit_error")",
       "", 0},
      {"status = 400", "app-chat", "chat-messages", true, 400, R"("code":"completion_request_error")", "", 1},
      {"status = 400", "app-workflow", "workflows/run", false, 400, R"("code":"completion_request_error")", "", 1},
      {"status = 500", "app-workflow", "workflows/run", false, 500, R"("code":"internal_server_error")", "", 0},
      {"error_in_200 = true", "app-advanced-chat", "chat-messages", true, 200, R"("status":400)", "ping error", 1},
      {"error_in_stream = true", "app-chat", "chat-messages", true, 200, R"("code":"completion_request_error")",
       "ping message error", 1},
      {"run_failed = true", "app-chat", "chat-messages", true, 200, R"("event":"error")", "ping message error", 1},
      {"run_failed = true", "app-chat", "chat-messages", false, 400, R"("code":"completion_request_error")", "", 1},
      {"run_failed = true", "app-workflow", "workflows/run", true, 200, R"("status":"failed")",
       "workflow_started node_started node_finished node_started ping text_chunk node_finished workflow_finished", 1},
      {"run_failed = true", "app-workflow", "workflows/run", false, 200, R"("status":"failed")", "", 1},
      {"run_failed = true", "app-advanced-chat", "chat-messages", true, 200, R"("status":"failed")",
       "workflow_started node_started node_finished node_started ping message node_finished workflow_finished error", 1},
      {"truncate = true", "app-chat", "chat-messages", true, 200, "", "ping message", 0},
  };
  for (const Row& row : k_rows) {
    INFO(row.fault << " " << row.key << " " << row.stream);
    DifyShop shop("[[dify.fault]]\n" + std::string(row.fault));
    const bool chat = std::string_view(row.path) == "chat-messages";
    const auto heard = shop.post("/v1/" + std::string(row.path), row.key,
                                 chat ? chat_body("q", "u1", "", row.stream) : run_body("q", row.stream));
    CHECK(heard->status() == row.status);
    CHECK(heard->body.find(row.found) != std::string::npos);
    if (*row.names != '\0') CHECK(event_names(heard->body) == row.names);
    shop.world.loop.run_for(1min);
    CHECK(number_in(shop.stats(), "runs.failed") == static_cast<std::uint64_t>(row.failed));
  }
}

TEST_CASE("silence, cuts and a schedule that comes later") {
  DifyShop shop("[[dify.fault]]\nrequests = 1\nstall = \"30s\"\nafter = 0\n[[dify.fault]]\nrequests = 2\ncut_at = 900");
  const auto silent = shop.post("/v1/workflows/run", "app-workflow", run_body("q", true));
  CHECK(*silent->head_after >= 30s);
  CHECK(event_names(silent->body).starts_with("workflow_started"));
  CHECK(shop.post("/v1/workflows/run", "app-workflow", run_body("q", true))->error.has_value());
  CHECK(shop.post("/v1/workflows/run", "app-workflow", run_body("q", true))->status() == 200);
  CHECK(shop.post("/sim/faults", "", R"([{"status":503,"path":"workflows/*"}])")->status() == 200);
  CHECK(shop.post("/v1/workflows/run", "app-workflow", run_body("q", true))->status() == 503);
  CHECK(shop.post("/sim/faults", "", R"([{"statsu":503}])")->status() == 400);
  CHECK(number_in(shop.stats(), "http.by_fault.status_503") == 1);
}

TEST_CASE("more users than are told apart are counted together") {
  Runs runs;
  const MonoTime now{};
  for (int i = 0; i < 1100; ++i) {
    runs.begin(std::to_string(i), {.app = "a", .path = "p", .user = "u" + std::to_string(i), .ends = now + 1s}, now);
  }
  CHECK(number_in(runs.json(now), "by_user.(others).running") == 1100 - 1024);
  CHECK(number_in(runs.json(now + 1s), "by_user.(others).running") == 0);
  CHECK(number_in(runs.json(now + 1s), "by_user.u3.running") == 0);
  CHECK(number_in(runs.json(now + 1s), "completed") == 1100);
}

}  // namespace
}  // namespace outrigger::sim_dify
