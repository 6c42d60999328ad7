// Heads on their way to Dify's api, and paths of stop calls.
#include <catch2/catch_test_macros.hpp>

#include "dify_bench.h"
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

TEST_CASE("a name with an underscore is no way around") {
  // A WSGI server reads X_Forwarded_For and Transfer_Encoding as if they had dashes.
  const http::RequestHead from =
      head_of({{"X_Forwarded_For", "1.1.1.1"}, {"CF_Connecting-IP", "1.1.1.1"}, {"Transfer_Encoding", "chunked"}});
  for (const std::string_view peer : {"203.0.113.7:4711", "127.0.0.1:1"}) {
    const Sent out = sent(from, peer);
    for (const std::string_view name : {"x_forwarded_for", "cf_connecting-ip", "transfer_encoding"}) CHECK(out[name] == "-");
  }
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

}  // namespace
}  // namespace outrigger::proxy
