#include "proxy/snapshot.h"

#include <catch2/catch_test_macros.hpp>

#include "chat/digest.h"
#include "unit/proxy/door_bench.h"

namespace outrigger::proxy {
namespace {

constexpr std::string_view k_config = R"(
[cache]
ttl = "10m"
tags = ["all"]
[[upstream]]
name = "first"
url = "http://one:9000/v1"
[[upstream]]
name = "second"
url = "https://two/api/paas/v4"
[[upstream]]
name = "claude"
url = "https://claude"
dialect = "anthropic"
[[route]]
path = "/faq"
upstream = "second"
cache = { ttl = "1h", scope = "global", tags = ["faq"] }
[[route]]
path = "/faq/german"
cache = { ttl = "2h" }
[[model]]
name = "gpt-*"
cache = { ttl = "5m", normalise = "faq", tags = ["gpt"] }
price = { input = 3.0, output = 15.0 }
[[model]]
name = "sent-*"
target = "second"
)";

TEST_CASE("where a request goes is said by its path") {
  using enum chat::Endpoint;
  struct Case {
    std::string_view target, upstream, route, path, query;
    chat::Endpoint endpoint;
  };
  const auto snapshot = test::snapshot_of(k_config);
  for (const Case& c : {
           Case{"/v1/chat/completions", "first", "", "/v1/chat/completions", "", chat_completions},
           Case{"/chat/completions?a=b", "first", "", "/v1/chat/completions", "a=b", chat_completions},
           Case{"/v1/v1/embeddings", "first", "", "/v1/embeddings", "", embeddings},
           Case{"/first/v1/completions", "first", "", "/v1/completions", "", completions},
           Case{"/second/v1/chat/completions", "second", "", "/api/paas/v4/chat/completions", "", chat_completions},
           Case{"/secondary/v1/chat/completions", "first", "", "/v1/secondary/v1/chat/completions", "", other},
           Case{"/faq/v1/chat/completions", "second", "/faq", "/api/paas/v4/chat/completions", "", chat_completions},
           Case{"/faqs/v1/chat/completions", "first", "", "/v1/faqs/v1/chat/completions", "", other},
           Case{"/faq/german/v1/chat/completions", "first", "/faq/german", "/v1/chat/completions", "", chat_completions},
           Case{"/claude/v1/chat/completions", "claude", "", "/v1/messages", "", chat_completions},
           Case{"/claude/v1/messages?beta=true", "claude", "", "/v1/messages", "beta=true", messages},
           Case{"/v1/messages", "first", "", "/v1/messages", "", messages},
           Case{"/v1/responses", "first", "", "/v1/responses", "", responses},
           Case{"/v1/messages/count_tokens", "first", "", "/v1/messages/count_tokens", "", other},
           Case{"/v1/models", "first", "", "/v1/models", "", other},
           Case{"/", "first", "", "/v1/", "", other},
       }) {
    CAPTURE(c.target);
    const Destination destination = snapshot->destination(c.target);
    CHECK(destination.target->upstream->name == c.upstream);
    CHECK((destination.route == nullptr ? "" : destination.route->path) == c.route);
    CHECK(destination.path() == c.path);
    CHECK(destination.query == c.query);
    CHECK(destination.place.endpoint == c.endpoint);
  }
}

TEST_CASE("what an upstream speaks decides on which wire it is asked") {
  using enum chat::Endpoint;
  struct Case {
    std::string_view upstream;  // "" : the one that the path leads to
    chat::Endpoint asked, wire;
  };
  const auto snapshot = test::snapshot_of(R"([[upstream]]
name = "plain"
url = "http://h/v1"
[[upstream]]
name = "claude"
url = "http://h"
dialect = "anthropic"
[[upstream]]
name = "other"
url = "http://h/v1"
[[upstream]]
name = "narrow"
url = "http://h/v1"
speaks = ["chat/completions"]
[[upstream]]
name = "both"
url = "http://h/v1"
speaks = ["messages", "responses"]
[[upstream]]
name = "dify"
url = "http://h/v1"
dialect = "dify"
)");
  for (const Case& c : {
           // Where the path itself leads, an upstream that says nothing is asked on the client's own wire.
           Case{"", chat_completions, chat_completions},
           Case{"", responses, responses},
           Case{"", messages, messages},
           Case{"", rerank, rerank},
           // Elsewhere what its dialect has.
           Case{"other", chat_completions, chat_completions},
           Case{"other", responses, responses},
           Case{"other", messages, chat_completions},
           Case{"other", embeddings, embeddings},
           Case{"claude", chat_completions, messages},
           Case{"claude", responses, messages},
           Case{"claude", messages, messages},
           Case{"claude", completions, completions},
           Case{"narrow", responses, chat_completions},
           Case{"narrow", messages, chat_completions},
           Case{"narrow", chat_completions, chat_completions},
           Case{"both", responses, responses},
           Case{"both", chat_completions, messages},
           Case{"dify", chat_completions, other},
       }) {
    CAPTURE(c.upstream, chat::name(c.asked));
    const Destination destination = snapshot->destination_at("/v1/" + std::string(chat::path_of(c.asked)), c.upstream);
    CHECK(chat::name(destination.wire) == chat::name(c.wire));
    if (c.wire != other) CHECK(destination.path() == "/v1/" + std::string(chat::path_of(c.wire)));
  }
}

TEST_CASE("a model with a target goes there, and its path is made for that upstream") {
  const auto snapshot = test::snapshot_of(k_config);
  const config::Config& config = snapshot->config();
  const Destination destination = snapshot->destination("/v1/chat/completions", config.model_for("sent-1"));
  CHECK(destination.target->upstream->name == "second");
  CHECK(destination.place.path == "/api/paas/v4/chat/completions");
  CHECK(snapshot->destination("/v1/chat/completions", config.model_for("gpt-4")).target->upstream->name == "first");
}

TEST_CASE("two upstreams have two identities, and so has one whose URL has changed") {
  const auto snapshot = test::snapshot_of(k_config);
  const auto moved = test::snapshot_of("[[upstream]]\nname = \"first\"\nurl = \"http://one:9001/v1\"\n");
  CHECK(snapshot->targets()[0].identity != snapshot->targets()[1].identity);
  CHECK(snapshot->targets()[0].identity != moved->targets()[0].identity);
}

TEST_CASE("the narrower cache policy wins, and tags are joined") {
  const auto snapshot = test::snapshot_of(k_config);
  const config::Config& config = snapshot->config();
  const config::Model* gpt = config.model_for("gpt-4");
  const config::Route* faq = config.routes.data();
  CHECK(snapshot->policy(nullptr, nullptr).ttl == 10min);
  CHECK(snapshot->policy(gpt, nullptr).ttl == 5min);
  CHECK(snapshot->policy(nullptr, faq).ttl == 1h);
  CHECK(snapshot->policy(gpt, faq).ttl == 1h);
  CHECK(snapshot->policy(gpt, faq).scope == Scope::global);
  CHECK(snapshot->policy(gpt, faq).normalise == Level::faq);
  CHECK(snapshot->policy(gpt, faq).tags == std::vector<std::string>{"all", "gpt", "faq"});
  REQUIRE(snapshot->price("gpt-4"));
  CHECK_FALSE(snapshot->price("other"));
}

TEST_CASE("a client is known by its key or by the digest of it") {
  const std::string digest = chat::sha256_hex("written as a digest");
  const auto snapshot = test::snapshot_of(test::k_basic_config + "[[client]]\nname = \"a\"\nkey = \"plain-key-of-a\"\n" +
                                          "[[client]]\nname = \"b\"\nkey = \"sha256:" + digest + "\"\n");
  REQUIRE(snapshot->client_with("plain-key-of-a") != nullptr);
  CHECK(snapshot->client_with("plain-key-of-a")->name == "a");
  REQUIRE(snapshot->client_with("written as a digest") != nullptr);
  CHECK(snapshot->client_with("written as a digest")->name == "b");
  for (const std::string& wrong : std::vector<std::string>{"", "plain-key-of-b", "plain-key-of-a ", digest}) {
    CHECK(snapshot->client_with(wrong) == nullptr);
  }
}

TEST_CASE("the presented key is found wherever clients put it") {
  struct Case {
    std::string_view name, value, key;
  };
  for (const Case& c : {Case{"Authorization", "Bearer abc", "abc"}, Case{"authorization", "bearer abc", "abc"},
                        Case{"Authorization", "Basic xyz", "Basic xyz"}, Case{"Authorization", "Bearer ", "Bearer "},
                        Case{"X-Api-Key", "abc", "abc"}, Case{"api-key", "abc", "abc"}, Case{"x-goog-api-key", "abc", "abc"},
                        Case{"x-other", "abc", ""}}) {
    http::Headers headers;
    headers.add(c.name, c.value);
    CHECK(presented_key(headers) == c.key);
  }
}

}  // namespace
}  // namespace outrigger::proxy
