// A Client in a simulated world, and an origin that a test plays byte by byte.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/client.h"
#include "sim/world/peer.h"
#include "sim/world/sim_world.h"

namespace outrigger::http::test {

// One call and all that it told.
class Caller final : public CallHandler {
 public:
  void on_head(ResponseHead with) override {
    ++heads;
    head = std::move(with);
    if (at_head) at_head(*this);
  }
  void on_body(const Bytes& data) override {
    body += data.view();
    pieces.emplace_back(data.view());
    if (at_body) at_body(*this);
  }
  void on_end() override {
    ++ends;
    if (at_end) at_end(*this);
  }
  void on_error(Error with) override {
    ++errors;
    error = std::move(with);
    if (at_error) at_error(*this);
  }
  void on_drained() override {
    ++drained;
    if (at_drained) at_drained(*this);
  }
  [[nodiscard]] bool over() const { return ends + errors > 0; }

  std::unique_ptr<Call> call;
  ResponseHead head;
  std::string body;
  std::vector<std::string> pieces;
  Error error;
  int heads = 0, ends = 0, errors = 0, drained = 0;
  std::function<void(Caller&)> at_head, at_body, at_end, at_error, at_drained;
};

class ClientBench {
 public:
  explicit ClientBench(ClientLimits limits = {}, std::uint64_t seed = 1)
      : world(seed), server(world, {"origin.example", 80}), client(world.world(), limits) {
    origin.address = server.address();
  }

  std::unique_ptr<Caller> start(CallOptions options = {}, const std::string& method = "GET") {
    auto caller = std::make_unique<Caller>();
    start(*caller, std::move(options), method);
    return caller;
  }
  void start(Caller& caller, CallOptions options = {}, const std::string& method = "GET") {
    RequestHead head;
    head.method = method;
    head.target = "/v1/x";
    head.headers.add("Host", "origin.example");
    caller.call = client.start(origin, head, std::move(options), caller);
  }
  void settle() { world.loop.run_for(20ms); }
  // The connection that came last.
  sim::Peer& peer() { return server.peer(server.accepted() - 1); }
  void answer(std::string_view text) {
    peer().send(text);
    settle();
  }
  // One whole exchange.
  void exchange_once() {
    auto caller = start();
    settle();
    answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }

  sim::SimWorld world;
  sim::ScriptedServer server;
  Origin origin;
  Client client;
};

}  // namespace outrigger::http::test
