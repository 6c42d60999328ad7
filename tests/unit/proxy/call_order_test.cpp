// What the door asks of a Pursuit, from the request alone.
#include "proxy/call_order.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy {
namespace {

PursuitOrder order_of(const std::shared_ptr<const Snapshot>& snapshot, std::string_view body,
                      const std::vector<std::pair<std::string, std::string>>& fields = {},
                      std::string_view target = "/v1/chat/completions") {
  http::RequestHead head;
  head.method = "POST";
  head.target = target;
  for (const auto& [name, value] : fields) head.headers.add(name, value);
  const Destination destination = snapshot->destination(head.target);
  const chat::KeyMaker keys("a secret for tests that is long");
  const Judgement judgement = judge(*snapshot, destination, head.headers, snapshot->client_with(presented_key(head.headers)),
                                    understand(*snapshot, destination, body), keys);
  Rng rng(1);
  return call_order(snapshot, judgement, head, Bytes::copy(body), rng);
}

constexpr std::string_view k_chat = R"({"model":"m","messages":[{"role":"user","content":"hello"}]})";
constexpr std::string_view k_stream = R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]})";

TEST_CASE("classes: who reads along comes before who waits, and embeddings last") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  CHECK(order_of(snapshot, k_stream).queue_class == resilience::QueueClass::streaming);
  CHECK(order_of(snapshot, k_chat).queue_class == resilience::QueueClass::blocking);
  CHECK(order_of(snapshot, R"({"model":"m","input":["a"]})", {}, "/v1/embeddings").queue_class ==
        resilience::QueueClass::batch);
  CHECK(order_of(snapshot, R"({"model":"m","input":[{"text":"a"}]})", {}, "/v1/embeddings").queue_class ==
        resilience::QueueClass::batch);
  CHECK(order_of(snapshot, R"({"model":"m","texts":["a"]})", {}, "/v2/embed").queue_class == resilience::QueueClass::batch);
  // Somebody waits for a rerank.
  CHECK(order_of(snapshot, R"({"model":"m","query":"q","documents":["a"]})", {}, "/v1/rerank").queue_class ==
        resilience::QueueClass::blocking);
}

TEST_CASE("turns are the client's where there are clients, however many users and keys it has") {
  const auto snapshot = test::snapshot_of(
      test::k_basic_config + "[[client]]\nname = \"one\"\nkey = \"a\"\n[[client]]\nname = \"two\"\nkey = \"b\"\n");
  constexpr std::string_view k_of_user = R"({"model":"m","messages":[{"role":"user","content":"hello"}],"user":"u"})";
  const auto flow = [&](const std::string& key, std::string_view body) {
    return order_of(snapshot, body, {{"Authorization", "Bearer " + key}}).flow;
  };
  CHECK(flow("a", k_chat) == flow("a", k_of_user));
  CHECK(flow("a", k_of_user) != flow("b", k_of_user));
}

TEST_CASE("priority is what the client says, if it is a word that is known") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  const auto priority = [&](std::string value) {
    return order_of(snapshot, k_chat, {{"x-outrigger-priority", value}}).priority;
  };
  CHECK(priority("high") == resilience::Priority::high);
  CHECK(priority("LOW") == resilience::Priority::low);
  CHECK(priority("normal") == resilience::Priority::normal);
  CHECK(priority("urgent!") == resilience::Priority::normal);
}

TEST_CASE("patience: the client's own words, the SDK's, or what is known of Dify") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  struct Case {
    std::string name, value;
    Duration patience, total;
  };
  for (const Case& c : {Case{"x-outrigger-timeout", "3s", 3s, 3s}, Case{"x-outrigger-timeout", "soon", 240s, 300s},
                        Case{"x-outrigger-timeout", "-1s", 240s, 300s}, Case{"x-stainless-read-timeout", "10", 8s, 300s},
                        Case{"x-stainless-read-timeout", "1e", 240s, 300s}, Case{"x-unknown", "1", 240s, 300s}}) {
    CAPTURE(c.name, c.value);
    const PursuitOrder order = order_of(snapshot, k_chat, {{c.name, c.value}});
    CHECK(order.patience == c.patience);
    CHECK(order.limits.total == c.total);
  }
  CHECK(order_of(snapshot, R"({"model":"m","input":["a"]})", {}, "/v1/embeddings").patience == 45s);
}

TEST_CASE("what a request costs is its prompt and what may come, as far as it says") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  const auto cost = [&](std::string_view more) {
    return order_of(snapshot, R"({"model":"m",)" + std::string(more) + R"("messages":[{"role":"user","content":"hello"}]})")
        .cost;
  };
  CHECK(cost(R"("max_tokens":1000,)") - cost(R"("max_tokens":100,)") == 900);
  CHECK(cost("") > cost(R"("max_tokens":1,)"));
  // An absurd one is dear, and does not wrap around to cheap.
  CHECK(cost(R"("max_tokens":18446744073709551615,)") > 1'000'000);
  // Embeddings generate nothing.
  const PursuitOrder embeddings = order_of(snapshot, R"({"model":"m","input":["a","b"]})", {}, "/v1/embeddings");
  CHECK(embeddings.cost > 0);
  CHECK(embeddings.cost < 10);
  const PursuitOrder rerank = order_of(snapshot, R"({"model":"m","query":"q","documents":["a","b"]})", {}, "/v1/rerank");
  CHECK(rerank.cost > 0);
  CHECK(rerank.cost < 10);
}

TEST_CASE("turns are between users, or else between credentials") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  const auto flow = [&](std::string_view user, std::string key) {
    return order_of(snapshot, R"({"model":"m",)" + std::string(user) + R"("messages":[{"role":"user","content":"hello"}]})",
                    {{"authorization", "Bearer " + key}})
        .flow;
  };
  CHECK(flow(R"("user":"a",)", "k") == flow(R"("user":"a",)", "other"));
  CHECK(flow(R"("user":"a",)", "k") != flow(R"("user":"b",)", "k"));
  CHECK(flow("", "k") == flow("", "k"));
  CHECK(flow("", "k") != flow("", "other"));
}

TEST_CASE("a lane is told by a digest of the credential, never by itself") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  const PursuitOrder order = order_of(snapshot, k_chat, {{"authorization", "Bearer very-secret"}});
  CHECK(order.account.size() == 64);
  CHECK(order.account.find("secret") == std::string::npos);
  CHECK(order_of(snapshot, k_chat).account.empty());
}

TEST_CASE("of what is not understood nobody else is asked") {
  const auto snapshot = test::snapshot_of(test::k_basic_config + "fallback = [\"main:other\"]\n");
  CHECK(order_of(snapshot, k_chat).chain.size() == 2);
  CHECK(order_of(snapshot, "{\"model\":\"m\",").chain.size() == 1);
  CHECK(order_of(snapshot, k_chat, {}, "/v1/images/generations").chain.size() == 1);
}

}  // namespace
}  // namespace outrigger::proxy
