// The simulated Dify with a model behind it, and its door for those who watch.
#include <algorithm>

#include "unit/sim/dify_shop.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::Provider;

struct ModelShop : DifyShop {
  explicit ModelShop(std::string_view model = "")
      : DifyShop("llm = \"http://127.0.0.1:9999/v1/\"\nllm_key = \"sk-1\""),
        provider(world.world(), sim_provider::Shop::settings(model)) {
    REQUIRE(provider.listen().has_value());
  }
  [[nodiscard]] std::string asked(std::size_t number) { return provider.ledger().last.at(number).body; }

  Provider provider;
};

TEST_CASE("a model is asked with what is known and what was said before") {
  ModelShop shop;
  const auto first = shop.post("/v1/chat-messages", "app-chat", chat_body("What is first?"));
  const std::string answer = text_in(first->body, "answer");
  CHECK(answer.starts_with("[knowledge 1, app 1] About \"What is first?\""));
  CHECK(text_in(shop.asked(0), "messages.0.content") == "You are chat. What is known, version 1. {}");
  CHECK(text_in(shop.asked(0), "messages.1.content") == "What is first?");
  CHECK(shop.provider.ledger().last.at(0).target == "/v1/chat/completions");

  const auto second = shop.post("/v1/chat-messages", "app-chat",
                                chat_body("And then?", "u1", text_in(first->body, "conversation_id"), true));
  CHECK(event_names(second->body) == "message message_end");
  CHECK(text_in(shop.asked(1), "messages.2.content") == answer);
  CHECK(text_in(shop.asked(1), "messages.3.content") == "And then?");
  CHECK(joined(second->body, "answer").find("Earlier you asked \"What is first?\". About \"And then?\"") !=
        std::string::npos);

  (void)shop.post("/v1/datasets/d/document/create-by-text", "dataset-1", "{}");
  (void)shop.post("/v1/workflows/run", "app-workflow", run_body("Do it"));
  CHECK(text_in(shop.asked(2), "messages.0.content").starts_with("You are workflow. What is known, version 2. "));
  CHECK(number_in(shop.stats(), "runs.completed") == 3);
}

TEST_CASE("a model that fails lets the run fail, as its mode tells it") {
  struct Row {
    const char *key, *path;
    bool stream;
    int status;
    const char* found;
  };
  static constexpr Row k_rows[] = {
      {"app-chat", "chat-messages", false, 400, R"("code":"completion_request_error")"},
      {"app-chat", "chat-messages", true, 200, R"("event":"error")"},
      {"app-workflow", "workflows/run", true, 200, R"("status":"failed")"},
      {"app-workflow", "workflows/run", false, 200, R"("status":"failed")"},
  };
  for (const char* model : {"[[fault]]\nstatus = 503", "[[fault]]\nreset_at = 100", "[[fault]]\nempty = true"}) {
    for (const Row& row : k_rows) {
      INFO(model << " " << row.key << " " << row.stream);
      ModelShop shop(model);
      const bool chat = std::string_view(row.path) == "chat-messages";
      const auto heard = shop.post("/v1/" + std::string(row.path), row.key,
                                   chat ? chat_body("q", "u1", "", row.stream) : run_body("q", row.stream));
      CHECK(heard->status() == row.status);
      CHECK(heard->body.find(row.found) != std::string::npos);
      shop.world.loop.run_for(1min);
      CHECK(number_in(shop.stats(), "runs.failed") == 1);
      CHECK(number_in(shop.stats(), "runs.running") == 0);
    }
  }
}

TEST_CASE("a run whose client has left while its model was asked comes to its end all the same") {
  ModelShop shop("first_token = \"30s\"");
  {
    Heard heard(shop.world.loop);
    const auto call = shop.start(heard, "POST", "/v1/chat-messages", "app-chat", chat_body("q"), {});
    shop.world.loop.run_for(5s);
  }
  shop.world.loop.run_for(5s);
  CHECK(number_in(shop.stats(), "runs.running") == 1);
  shop.world.loop.run_for(2min);
  CHECK(number_in(shop.stats(), "runs.completed") == 1);
}

TEST_CASE("who watches finds a door when all places are taken") {
  for (const char* over : {"wait", "429"}) {
    INFO(over);
    DifyShop shop("connections = 1\nadmin_listen = \"127.0.0.1:5002\"\nover = \"" + std::string(over) + "\"");
    const auto admin = shop.door.listen_admin();
    REQUIRE(admin.has_value());
    Heard first(shop.world.loop);
    const auto call = shop.start(first, "POST", "/v1/workflows/run", "app-workflow", run_body("q"), {});
    shop.world.loop.run_for(100ms);
    shop.address = *admin;
    CHECK(number_in(shop.stats(), "runs.running") == 1);
    CHECK(number_in(shop.stats(), "connections.open") == 1);
  }
  DifyShop shop("connections = 1\nover = \"429\"");
  Heard first(shop.world.loop);
  const auto call = shop.start(first, "POST", "/v1/workflows/run", "app-workflow", run_body("q"), {});
  shop.world.loop.run_for(100ms);
  CHECK(number_in(shop.stats(), "runs.running") == 1);
}

TEST_CASE("the address of a model is one, or it is told") {
  struct Row {
    const char *url, *host, *path;
    std::uint16_t port;
  };
  static constexpr Row k_rows[] = {
      {"http://127.0.0.1:8080/openai/v1", "127.0.0.1:8080", "/openai/v1", 8080},
      {"http://llm/v1/", "llm", "/v1", 80},
      {"http://[::1]:90", "[::1]:90", "", 90},
  };
  for (const Row& row : k_rows) {
    INFO(row.url);
    const Settings settings = DifyShop::settings("llm = \"" + std::string(row.url) + "\"");
    REQUIRE(settings.llm.has_value());
    CHECK(settings.llm->host == row.host);
    CHECK(settings.llm->path == row.path);
    CHECK(settings.llm->address.port == row.port);
  }
  for (const char* bad : {"https://x/v1", "x", "http://", "http:///v1", "http://x:y/v1"}) {
    INFO(bad);
    CHECK_FALSE(sim_provider::settings_from_toml("[dify]\nllm = \"" + std::string(bad) + "\"", "x").has_value());
  }
}

}  // namespace
}  // namespace outrigger::sim_dify
