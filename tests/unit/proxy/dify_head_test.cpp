// Heads on their way to Dify's api, paths of stop calls, and which backend a user belongs to.
#include <catch2/catch_test_macros.hpp>

#include "dify_bench.h"
#include "proxy/dify_chain.h"
#include "proxy/dify_head.h"

namespace outrigger::proxy {
namespace {

using namespace test;

http::RequestHead head_of(std::initializer_list<http::Headers::Field> fields) {
  http::RequestHead head;
  head.method = "GET";
  head.target = "/v1/parameters?user=a%20b";
  head.headers.add("Host", "dify.example.com:8443");
  for (const auto& [name, value] : fields) head.headers.add(name, value);
  return head;
}

struct Sent {
  http::RequestHead head;
  std::string operator[](std::string_view name) const { return head.headers.joined(name).value_or("-"); }
};

Sent sent(const http::RequestHead& from, std::string_view peer, bool tls = false,
          std::string_view trusted = "172.16.0.0/12") {
  const auto snapshot = snapshot_of(k_dify_config);
  const std::vector<config::Network> networks{*config::parse_network(trusted)};
  return {dify_head(from, *snapshot->target_named("new"), {peer, tls, networks})};
}

const auto k_forged = [] {
  return head_of({{"X-Forwarded-For", "1.1.1.1"},
                  {"x-forwarded-proto", "https"},
                  {"X-Forwarded-Host", "evil"},
                  {"X-Forwarded-Port", "1"},
                  {"CF-Connecting-IP", "2.2.2.2"},
                  {"X-Real-IP", "3.3.3.3"},
                  {"Forwarded", "for=4.4.4.4"}});
};

TEST_CASE("what a stranger says of whom it asks for is not believed") {
  const Sent out = sent(k_forged(), "203.0.113.7:4711");
  CHECK(out["x-forwarded-for"] == "203.0.113.7");
  CHECK(out["x-forwarded-proto"] == "http");
  CHECK(out["x-forwarded-host"] == "dify.example.com:8443");
  CHECK(out["x-forwarded-port"] == "8443");
  for (const std::string_view name : {"cf-connecting-ip", "x-real-ip", "forwarded"}) CHECK(out[name] == "-");
}

TEST_CASE("a trusted proxy is believed, and its own address added") {
  for (const std::string_view peer : {"172.20.0.5:4711", "127.0.0.1:1", "[::1]:1", "[::ffff:172.20.0.5]:1"}) {
    const Sent out = sent(k_forged(), peer);
    INFO(peer);
    CHECK(out["x-forwarded-for"] == "1.1.1.1, " + std::string(address_of(peer)));
    CHECK(out["x-forwarded-proto"] == "https");
    CHECK(out["x-forwarded-host"] == "evil");
    CHECK(out["cf-connecting-ip"] == "2.2.2.2");
  }
  CHECK(sent(k_forged(), "/run/outrigger.sock")["x-forwarded-for"] == "1.1.1.1");
  CHECK(sent(head_of({}), "127.0.0.1:1")["x-forwarded-for"] == "127.0.0.1");
}

TEST_CASE("the host and everything else of the client stay, hop-by-hop fields go") {
  const Sent out = sent(head_of({{"Connection", "keep-alive, X-Hop"},
                                 {"X-Hop", "1"},
                                 {"TE", "trailers"},
                                 {"Upgrade", "h2c"},
                                 {"Expect", "100-continue"},
                                 {"Cookie", "a=b"},
                                 {"Range", "bytes=1-2"},
                                 {"Authorization", "Bearer app-faq"},
                                 {"x-outrigger-priority", "high"}}),
                        "9.9.9.9:1", true);
  CHECK(out["host"] == "dify.example.com:8443");
  CHECK(out["cookie"] == "a=b");
  CHECK(out["range"] == "bytes=1-2");
  CHECK(out["authorization"] == "Bearer app-faq");
  CHECK(out["x-forwarded-proto"] == "https");
  CHECK(out.head.target == "/v1/parameters?user=a%20b");
  for (const std::string_view name : {"connection", "x-hop", "te", "upgrade", "expect", "x-outrigger-priority"}) {
    INFO(name);
    CHECK(out[name] == "-");
  }
}

TEST_CASE("peers as streams tell them") {
  CHECK(address_of("203.0.113.7:4711") == "203.0.113.7");
  CHECK(address_of("[2001:db8::1]:4711") == "2001:db8::1");
  for (const std::string_view odd : {"", "/run/x.sock", "[::1", "host"}) CHECK(address_of(odd).empty());
}

TEST_CASE("where a run is stopped") {
  CHECK(stop_path("/v1/chat-messages", "t-1") == "/v1/chat-messages/t-1/stop");
  CHECK(stop_path("/v1/completion-messages", "t-1") == "/v1/completion-messages/t-1/stop");
  CHECK(stop_path("/v1/workflows/run", "t-1") == "/v1/workflows/tasks/t-1/stop");
  CHECK(stop_path("/v1/workflows/5b1c/run", "t-1") == "/v1/workflows/tasks/t-1/stop");
  for (const std::string& task : {std::string(), std::string("../../x"), std::string("t?a"), std::string(65, 't')}) {
    CHECK(stop_path("/v1/chat-messages", task).empty());
  }
  CHECK(stop_path("/v1/audio-to-text", "t-1").empty());
}

TEST_CASE("models are not asked of Dify's api, even if it stands first") {
  const auto snapshot = snapshot_of(k_dify_config + "[[upstream]]\nname = \"relay\"\nurl = \"http://relay/v1\"\n");
  CHECK(snapshot->destination("/v1/chat/completions").target->upstream->name == "relay");
  CHECK(snapshot->destination("/new/v1/info").target->upstream->name == "new");
  CHECK(dify_chain(*snapshot, 1).front().name == "new");
}

TEST_CASE("users are shared out by weight, each always to the same backend, and nobody moves back as a weight grows") {
  const auto with = [](int percent) {
    return snapshot_of(k_dify_config +
                       fmt::format("[dify]\ntarget = [{{ to = \"old\", weight = {} }}, {{ to = \"new\", weight = "
                                   "{} }}]\nfallback = [\"old\"]\n",
                                   100 - percent, percent));
  };
  const auto few = with(5), many = with(50);
  int moved_early = 0, moved_late = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t user = spread_of("user-" + std::to_string(i));
    const Chain before = dify_chain(*few, user), after = dify_chain(*many, user);
    CHECK(dify_chain(*few, user).front().name == before.front().name);
    moved_early += before.front().name == "new";
    moved_late += after.front().name == "new";
    if (before.front().name == "new") CHECK(after.front().name == "new");
    CHECK(before.back().name == "old");
  }
  CHECK(moved_early > 50);
  CHECK(moved_early < 150);
  CHECK(moved_late > 900);
  CHECK(moved_late < 1100);
  CHECK(dify_chain(*many, std::nullopt).front().name == "old");
}

}  // namespace
}  // namespace outrigger::proxy
