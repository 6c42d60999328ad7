// The simulated Dify's other calls: records, files, knowledge, the console, WebSockets, what an upload looks like.
#include <array>

#include "core/rng.h"
#include "sim/dify/ids.h"
#include "sim/dify/query.h"
#include "sim/dify/web_socket.h"
#include "sim/hash.h"
#include "unit/sim/dify_shop.h"

namespace outrigger::sim_dify {
namespace {

std::string upload_body(std::string_view data, std::string_view type = "text/plain") {
  std::string body =
      "--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nu1\r\n--x\r\nContent-Disposition: form-data; "
      "name=\"file\"; filename=\"a.txt\"\r\nContent-Type: ";
  return body.append(type).append("\r\n\r\n").append(data).append("\r\n--x--\r\n");
}
const DifyShop::Fields k_multipart{{"content-type", "multipart/form-data; boundary=x"}};

TEST_CASE("messages and conversations are there for their user, and gone when deleted") {
  DifyShop shop;
  const auto first = shop.post("/v1/chat-messages", "app-chat", chat_body("What is first?"));
  const std::string conversation = text_in(first->body, "conversation_id"), message = text_in(first->body, "message_id");
  (void)shop.post("/v1/chat-messages", "app-chat", chat_body("And then?", "u1", conversation));
  const std::string list = shop.ask("GET", "/v1/messages?user=u1&conversation_id=" + conversation, "app-chat")->body;
  CHECK(text_in(list, "data.0.id") == message);
  CHECK(text_in(list, "data.1.query") == "And then?");
  const std::string page = shop.ask("GET", "/v1/messages?user=u1&limit=1&conversation_id=" + conversation, "app-chat")->body;
  CHECK(text_in(page, "data.0.query") == "And then?");
  CHECK(page.find("\"has_more\":true") != std::string::npos);
  CHECK(shop.ask("GET", "/v1/messages?user=u2&conversation_id=" + conversation, "app-chat")->status() == 404);
  CHECK(text_in(shop.ask("GET", "/v1/conversations?user=u1", "app-chat")->body, "data.0.name") == "What is first?");
  CHECK(shop.ask("GET", "/v1/conversations?user=u2", "app-chat")->body == R"({"limit":20,"has_more":false,"data":[]})");

  const std::string of_message = "/v1/messages/" + message;
  CHECK(shop.post(of_message + "/feedbacks", "app-chat", R"({"rating":"like","user":"u1"})")->body ==
        R"({"result":"success"})");
  CHECK(text_in(shop.ask("GET", "/v1/messages?user=u1&conversation_id=" + conversation, "app-chat")->body,
                "data.0.feedback.rating") == "like");
  const auto strange = shop.post(of_message + "/feedbacks", "app-chat", R"({"rating":"like","user":"u2"})");
  CHECK(strange->status() == 404);
  CHECK(text_in(strange->body, "message") == "Message Not Exists.");
  CHECK(text_in(shop.ask("GET", of_message + "/suggested?user=u1", "app-chat")->body, "data.0") ==
        "What else about: What is first?");
  CHECK(shop.ask("GET", "/v1/messages/" + stable_uuid("no") + "/suggested?user=u1", "app-chat")->status() == 404);

  const std::string of_conversation = "/v1/conversations/" + conversation;
  CHECK(text_in(shop.post(of_conversation + "/name", "app-chat", R"({"name":"New","user":"u1"})")->body, "name") == "New");
  CHECK(shop.ask("DELETE", of_conversation, "app-chat", R"({"user":"u2"})")->status() == 404);
  CHECK(shop.ask("DELETE", of_conversation, "app-chat", R"({"user":"u1"})")->status() == 204);
  CHECK(shop.post("/v1/chat-messages", "app-chat", chat_body("q", "u1", conversation))->status() == 404);
}

TEST_CASE("an app tells of itself, and a workflow's run of itself") {
  DifyShop shop;
  CHECK(text_in(shop.ask("GET", "/v1/info", "app-workflow")->body, "mode") == "workflow");
  CHECK(text_in(shop.ask("GET", "/v1/site", "app-chat")->body, "title") == "chat");
  for (const char* path : {"/v1/parameters", "/v1/meta"}) {
    CHECK(sim_provider::parse_json(shop.ask("GET", path, "app-chat")->body) != nullptr);
  }
  const auto run = shop.post("/v1/workflows/6f0cdd87-3b9a-4a40-9d02-9f6f4d4a7c0e/run", "app-workflow", run_body("q"));
  const std::string path = "/v1/workflows/run/" + text_in(run->body, "workflow_run_id");
  CHECK(text_in(shop.ask("GET", path, "app-workflow")->body, "status") == "succeeded");
  CHECK(text_in(shop.ask("GET", path, "app-workflow")->body, "outputs.text") == text_in(run->body, "data.outputs.text"));
  CHECK(shop.ask("GET", path, "app-chat")->status() == 404);
  // Whatever names the workflow.
  CHECK(shop.post("/v1/workflows/draft/run", "app-workflow", run_body("q"))->status() == 200);
  CHECK(number_in(shop.stats(), "runs.by_path.workflows/*/run.total") == 2);
}

TEST_CASE("a file goes up and comes down, whole or in part, and an answer depends on what is in it") {
  DifyShop shop("max_upload = \"1KiB\"");
  const std::string data("0123456789\r\n--\x00\xff", 17);
  const auto up = shop.ask("POST", "/v1/files/upload", "app-chat", upload_body(data), k_multipart);
  CHECK(up->status() == 201);
  CHECK(number_in(up->body, "size") == data.size());
  CHECK(text_in(up->body, "hash") == sim_provider::sha256_hex(data));
  CHECK(text_in(up->body, "extension") == "txt");
  const std::string path = "/v1/files/" + text_in(up->body, "id") + "/preview";
  const auto down = shop.ask("GET", path, "app-chat");
  CHECK(down->status() == 200);
  CHECK(down->body == data);
  CHECK(down->header("content-type") == "text/plain");
  struct Row {
    const char* range;
    int status;
    const char *body, *told;
  };
  static constexpr Row k_rows[] = {
      {"bytes=2-4", 206, "234", "bytes 2-4/17"},
      {"bytes=8-9", 206, "89", "bytes 8-9/17"},
      {"bytes=17-", 416, nullptr, "bytes */17"},
      {"bytes=-0", 416, nullptr, "bytes */17"},
      {"bytes=5-4", 416, nullptr, "bytes */17"},
      {"bytes=0-99", 206, nullptr, "bytes 0-16/17"},
      {"bytes=-99", 206, nullptr, "bytes 0-16/17"},
      {"bytes=12-", 206, nullptr, "bytes 12-16/17"},
      {"bytes=x", 200, nullptr, ""},
      {"bytes=0-1,4-5", 200, nullptr, ""},
  };
  for (const Row& row : k_rows) {
    INFO(row.range);
    const auto part = shop.ask("GET", path, "app-chat", {}, {{"range", row.range}});
    CHECK(part->status() == row.status);
    CHECK(part->header("content-range") == row.told);
    if (row.body != nullptr) CHECK(part->body == row.body);
  }
  CHECK(shop.ask("GET", path, "app-workflow")->status() == 404);

  const auto asked = [&](const std::string& id) {
    return text_in(
        shop.post("/v1/chat-messages", "app-chat",
                  R"({"inputs":{},"query":"q","user":"u1","files":[{"type":"image","transfer_method":"local_file",)"
                  R"("upload_file_id":")" +
                      id + "\"}]}")
            ->body,
        "answer");
  };
  const auto again = shop.ask("POST", "/v1/files/upload", "app-chat", upload_body(data), k_multipart);
  const auto other = shop.ask("POST", "/v1/files/upload", "app-chat", upload_body("else"), k_multipart);
  CHECK(text_in(again->body, "id") != text_in(up->body, "id"));
  CHECK(asked(text_in(again->body, "id")) == asked(text_in(up->body, "id")));
  CHECK(asked(text_in(other->body, "id")) != asked(text_in(up->body, "id")));

  const auto large = shop.ask("POST", "/v1/files/upload", "app-chat", upload_body(std::string(1025, 'x')), k_multipart);
  CHECK(large->status() == 413);
  CHECK(text_in(large->body, "code") == "file_too_large");
  CHECK(shop.ask("POST", "/v1/files/upload", "app-chat", upload_body(std::string(5 << 20, 'x')), k_multipart)->status() ==
        413);
  CHECK(text_in(shop.ask("POST", "/v1/files/upload", "app-chat", "nothing", k_multipart)->body, "code") ==
        "no_file_uploaded");
}

TEST_CASE("sound goes both ways") {
  DifyShop shop;
  const auto text = shop.ask("POST", "/v1/audio-to-text", "app-chat", upload_body("RIFF", "audio/wav"), k_multipart);
  CHECK(text_in(text->body, "text").starts_with("4 bytes of speech, "));
  const auto sound = shop.post("/v1/text-to-audio", "app-chat", R"({"text":"hello","user":"u1"})");
  CHECK(sound->header("content-type") == "audio/mpeg");
  CHECK(sound->body.starts_with("ID3"));
  CHECK(shop.post("/v1/text-to-audio", "app-chat", R"({"user":"u1"})")->status() == 400);
}

TEST_CASE("what changes knowledge or an app shows in the next answer") {
  struct Row {
    const char *method, *path, *key;
    int status;
    const char* begins;
  };
  DifyShop shop("dataset_key = \"dataset-1\"");
  const std::string id = text_in(shop.ask("GET", "/console/api/apps")->body, "data.0.id");
  const std::string app = "/console/api/apps/" + id;
  const std::string publish = app + "/workflows/publish", config = app + "/model-config", draft = app + "/workflows/draft";
  const Row rows[] = {
      {"GET", "/v1/datasets/d/documents", "dataset-1", 200, "[knowledge 1, app 1] "},
      {"POST", "/v1/datasets/d/document/create-by-text", "dataset-2", 401, "[knowledge 1, app 1] "},
      {"POST", "/v1/datasets/d/document/create-by-text", "dataset-1", 200, "[knowledge 2, app 1] "},
      {"POST", "/v1/datasets/d/retrieve", "dataset-1", 200, "[knowledge 2, app 1] "},
      {"POST", "/v1/datasets/d/documents/x/segments", "dataset-1", 200, "[knowledge 3, app 1] "},
      {"POST", "/v1/datasets/d/documents/x/segments/y", "dataset-1", 200, "[knowledge 4, app 1] "},
      {"DELETE", "/v1/datasets/d/documents/x/segments/y", "dataset-1", 204, "[knowledge 5, app 1] "},
      {"PATCH", "/console/api/datasets/d/documents/x", "", 200, "[knowledge 6, app 1] "},
      {"POST", publish.c_str(), "", 201, "[knowledge 6, app 2] "},
      {"POST", config.c_str(), "", 200, "[knowledge 6, app 3] "},
      {"POST", draft.c_str(), "", 200, "[knowledge 6, app 3] "},
      {"POST", "/v1/apps/annotations", "app-chat", 200, "[knowledge 6, app 4] "},
      {"POST", "/console/api/apps/unknown/model-config", "", 404, "[knowledge 6, app 4] "},
  };
  for (const Row& row : rows) {
    INFO(row.method << " " << row.path);
    CHECK(shop.ask(row.method, row.path, row.key, "{}")->status() == row.status);
    CHECK(text_in(shop.post("/v1/chat-messages", "app-chat", chat_body("q"))->body, "answer").starts_with(row.begins));
  }
  CHECK(text_in(shop.post("/v1/workflows/run", "app-workflow", run_body("q"))->body, "data.outputs.text")
            .starts_with("[knowledge 6, app 1] "));
}

TEST_CASE("what it knows nothing of it repeats; health and the console are quick") {
  DifyShop shop;
  CHECK(text_in(shop.ask("PUT", "/mcp/server/x?a=1", "", "abc")->body, "target") == "/mcp/server/x?a=1");
  CHECK(shop.ask("POST", "/sim/echo?raw", "", "abc")->body == "abc");
  CHECK(*shop.ask("GET", "/console/api/apps")->end_after < 50ms);
  CHECK(text_in(shop.ask("GET", "/health")->body, "status") == "ok");
  const auto login = shop.post("/console/api/login", "", "{}");
  CHECK(login->head->headers.joined("set-cookie")->find(", csrf_token=") != std::string::npos);
  CHECK(shop.ask("GET", "/console/api/oauth/login/github")->status() == 302);
  CHECK(shop.ask("GET", "/v1/nothing", "app-chat")->status() == 404);
}

TEST_CASE("a WebSocket echoes what it is told") {
  DifyShop shop;
  const auto peer = sim::dial(shop.world, shop.address);
  REQUIRE(peer != nullptr);
  peer->send(
      "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: dify\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  shop.world.loop.run_for(1s);
  const std::string head = peer->take();
  CHECK(head.starts_with("HTTP/1.1 101 "));
  CHECK(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  peer->send(std::string("\x81\x82\x01\x02\x03\x04", 6) + "ij");  // "hh" under the mask
  shop.world.loop.run_for(1s);
  CHECK(peer->take() == "\x81\x02hh");
  shop.world.loop.run_for(5min);
  CHECK_FALSE(peer->ended());
  peer->send(std::string("\x88\x80\x00\x00\x00\x00", 6));
  shop.world.loop.run_for(1s);
  CHECK(peer->take() == std::string("\x88\x00", 2));
  CHECK(peer->ended());
  CHECK(shop.door.desk().sockets().web_sockets == 1);
}

TEST_CASE("frames are echoed however they are cut, and a breach of the protocol ends it") {
  const std::string mask("\x00\x00\x00\x00", 4);
  const std::string small = std::string("\x81\x83", 2) + mask + "abc";
  const std::string middle = std::string("\x82\xfe\x01\x00", 4) + mask + std::string(256, 'm');
  const std::string ping = std::string("\x89\x81", 2) + mask + "p", pong = std::string("\x8a\x80", 2) + mask;
  const std::string all = small + middle + ping + pong + small;
  const std::string back = std::string("\x81\x03") + "abc" + std::string("\x82\x7e\x01\x00", 4) + std::string(256, 'm') +
                           "\x8a\x01p" + "\x81\x03" + "abc";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, all.size()}) {
    FrameEcho echo;
    std::string out;
    for (std::size_t at = 0; at < all.size(); at += piece) out += echo.take(std::string_view(all).substr(at, piece));
    CHECK(out == back);
    CHECK_FALSE(echo.over());
  }
  for (const std::string& bad :
       {std::string("\x81\x01x....", 7), std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + mask}) {
    FrameEcho echo;
    CHECK(echo.take(bad) == "\x88\x02\x03\xea");
    CHECK(echo.over());
    CHECK(echo.take(small).empty());
  }
}

TEST_CASE("parts of a form are found, and half ones are not") {
  const std::string body = upload_body("data");
  const auto parts = multipart("multipart/form-data; boundary=\"x\"", body);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].name == "user");
  CHECK(parts[0].data == "u1");
  CHECK(parts[1].file_name == "a.txt");
  CHECK(parts[1].type == "text/plain");
  CHECK(parts[1].data == "data");
  for (std::size_t size = 0; size < body.size(); ++size) {
    CHECK(multipart("multipart/form-data; boundary=x", body.substr(0, size)).size() <= 2);
  }
  CHECK(multipart("text/plain", body).empty());
  CHECK(multipart("multipart/form-data", body).empty());
  CHECK(query_value("a=1&user=u%201%C3%A9+x&user=2", "user") == "u 1\xc3\xa9 x");
  CHECK(query_value("user=%ff", "user").empty());
  CHECK(query_value("user=%4", "user") == "%4");
}

TEST_CASE("ids look like UUIDs of version 4") {
  Rng rng(1);
  const std::string one = fresh_uuid(rng), two = fresh_uuid(rng);
  CHECK(one != two);
  CHECK(is_uuid(one));
  CHECK(one[14] == '4');
  CHECK(std::string_view("89ab").find(one[19]) != std::string_view::npos);
  CHECK(stable_uuid("a") == stable_uuid("a"));
  CHECK(stable_uuid("a") != stable_uuid("b"));
  CHECK_FALSE(is_uuid("x"));
  CHECK_FALSE(is_uuid(std::string(36, '-')));
}

TEST_CASE("the example of a configuration is one, and what is wrong is told with its place") {
  const auto example = sim_provider::settings_from_file(OUTRIGGER_SOURCE_DIR "/conf/sim.toml");
  REQUIRE(example.has_value());
  REQUIRE(example->dify.has_value());
  CHECK(example->dify->apps.size() == 5);
  CHECK(example->dify->faults.size() == 1);
  CHECK_FALSE(sim_provider::settings_from_toml("", "x")->dify.has_value());
  struct Row {
    const char *toml, *told;
  };
  static constexpr Row k_rows[] = {
      {"dify = 1", "x.toml:1:8: `dify` must be written as [dify]"},
      {"[dify]\nover = \"drop\"", "`over` must be \"wait\" or \"429\""},
      {"[dify]\nping = \"0s\"", "`ping` must be at least 1ms"},
      {"[dify]\nthinks = 1", "x.toml:2:10: `thinks` is not known here"},
      {"[dify]\napp = 1", "`app` must be written as [[dify.app]]"},
      {"[[dify.app]]\nname = \"x\"", "an app needs a `key`"},
      {"[[dify.app]]\nkey = \"a\"\nmode = \"x\"", "`mode` must be \"chat\""},
      {"[[dify.app]]\nkey = \"a\"\n[[dify.app]]\nkey = \"a\"", "two apps have the same `key`"},
      {"[[dify.fault]]\nstatsu = 1", "`statsu` is not known here"},
  };
  for (const Row& row : k_rows) {
    const auto read = sim_provider::settings_from_toml(row.toml, "x.toml");
    INFO(row.toml);
    REQUIRE_FALSE(read.has_value());
    INFO(read.error().detail);
    CHECK(read.error().detail.find(row.told) != std::string::npos);
  }
}

}  // namespace
}  // namespace outrigger::sim_dify
