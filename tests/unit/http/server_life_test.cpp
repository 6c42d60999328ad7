// Ends of all kinds, and back-pressure both ways.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "unit/http/server_bench.h"

namespace outrigger::http {
namespace {

using test::body_of;
using test::Record;
using test::ServerBench;

constexpr std::string_view k_get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

std::string post(std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST_CASE("a client that hangs up is told to the handler exactly once") {
  const auto shut = [](sim::Peer& client) { client.shutdown(); };
  const auto close = [](sim::Peer& client) { client.close(); };
  for (const bool streaming : {false, true}) {
    for (const bool half : {false, true}) {
      INFO("streaming " << streaming << " half " << half);
      ServerBench bench;
      if (streaming) bench.on_body_end = [](Record& r) { r.exchange->respond({}, BodyLength::streamed()); };
      auto client = bench.connect();
      bench.ask(*client, k_get);
      half ? shut(*client) : close(*client);
      Exchange& exchange = *bench.last().exchange;
      bench.on_gone = [&](Record&) {
        exchange.write(Bytes::literal("x"));
        exchange.finish();
        exchange.read_body(false);
        exchange.read_body(true);
        CHECK(exchange.unsent() == 0);
      };
      bench.settle();
      CHECK(bench.last().gone == 1);
      CHECK(bench.last().exchange == nullptr);
      CHECK(bench.server.connections() == 0);
      bench.world.loop.run_for(1h);
      CHECK(bench.last().gone == 1);
    }
  }
}

TEST_CASE("a client that breaks off inside a head or between requests is told to nobody") {
  ServerBench bench;
  bench.answer_with_target();
  auto idle = bench.connect();
  bench.ask(*idle, k_get);
  idle->close();
  auto busy = bench.connect();
  bench.ask(*busy, "GET / HT");
  busy->shutdown();
  bench.settle();
  CHECK(bench.server.connections() == 0);
  CHECK(bench.refusals.empty());
  CHECK(bench.last().gone == 0);
}

TEST_CASE("a client that breaks off inside a body is gone") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
  client->shutdown();
  bench.settle();
  CHECK(bench.last().gone == 1);
  CHECK(bench.last().ends == 0);
}

TEST_CASE("an answer that is complete reaches a client that has closed its direction") {
  ServerBench bench;
  const std::string big(300'000, 'b');
  bench.on_body_end = [&](Record& r) { r.exchange->respond_whole({}, Bytes::copy(big)); };
  auto client = bench.connect();
  client->pause();
  client->send(k_get);
  bench.settle();
  CHECK(bench.last().exchange == nullptr);
  client->shutdown();
  bench.settle();
  client->resume();
  bench.settle();
  CHECK(body_of(client->received()) == big);
  CHECK(client->eof());
  CHECK(bench.server.connections() == 0);
}

TEST_CASE("abort closes at once, before and during the answer, inside and outside of the handler") {
  for (const bool inside : {false, true}) {
    for (const bool responded : {false, true}) {
      INFO("inside " << inside << " responded " << responded);
      ServerBench bench;
      const auto act = [&](Record& r) {
        if (responded) {
          r.exchange->respond({}, BodyLength::streamed());
          r.exchange->write(Bytes::literal("abc"));
        }
        r.exchange->abort();
        r.exchange->write(Bytes::literal("def"));
        r.exchange->finish();
      };
      if (inside) bench.on_body_end = act;
      auto client = bench.connect();
      bench.ask(*client, std::string(k_get) + std::string(k_get));
      if (!inside) act(bench.last());
      bench.settle();
      CHECK(client->ended());
      CHECK(client->received().find("\r\n0\r\n") == std::string::npos);
      CHECK(bench.records.size() == 1);
      CHECK(bench.last().gone == 0);
      CHECK(bench.last().exchange == nullptr);
      CHECK(bench.server.connections() == 0);
    }
  }
}

TEST_CASE("a handler may end its exchange in any of its calls") {
  enum class Way { finish, abort };
  for (const Way way : {Way::finish, Way::abort}) {
    for (int place = 0; place < 3; ++place) {
      INFO("way " << static_cast<int>(way) << " place " << place);
      ServerBench bench;
      const auto act = [&](Record& r) {
        if (way == Way::abort) return r.exchange->abort();
        r.exchange->respond_whole({}, Bytes::literal("done"));
      };
      if (place == 0) bench.on_request_hook = act;
      if (place == 1) bench.on_body = [&](Record& r, std::string_view) { act(r); };
      if (place == 2) bench.on_body_end = act;
      auto client = bench.connect();
      bench.ask(*client, post("abcdef"));
      CHECK(bench.last().exchange == nullptr);
      CHECK(bench.last().gone == 0);
      CHECK(client->ended() == (way == Way::abort));
      if (way == Way::finish) CHECK(body_of(client->received()) == "done");
    }
  }
}

TEST_CASE("an answer before the body is whole lets the rest of the body pass by and keeps the connection") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->respond_whole({}, Bytes::copy(r.target)); };
  auto client = bench.connect();
  CHECK(body_of(bench.ask(*client, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")) == "/1");
  CHECK(bench.last().body.empty());
  CHECK(bench.last().exchange == nullptr);
  CHECK(bench.ask(*client, "de").empty());
  CHECK(body_of(bench.ask(*client, "fGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")) == "/2");
  CHECK(body_of(bench.ask(*client, post(std::string(50'000, 'x')) + std::string(k_get))).starts_with("/p"));
  CHECK(client->received().ends_with("/a"));
}

TEST_CASE("a body that goes on for longer than linger after its answer ends the connection") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->respond_whole({}, Bytes::literal("early")); };
  auto client = bench.connect();
  bench.ask(*client, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  for (int i = 0; i < 19; ++i) {
    client->send("x");
    bench.world.loop.run_for(100ms);
  }
  CHECK_FALSE(client->ended());
  CHECK(body_of(client->received()) == "early");
  bench.world.loop.run_for(200ms);
  CHECK(client->ended());
  CHECK(bench.server.connections() == 0);
}

TEST_CASE("a body that is broken after its early answer ends the connection without another answer") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->respond_whole({}, Bytes::literal("early")); };
  auto client = bench.connect();
  bench.ask(*client, "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  bench.ask(*client, "zz\r\n");
  CHECK(client->eof());
  CHECK(body_of(client->received()) == "early");
  CHECK(bench.refusals.empty());
}

TEST_CASE("a body that nobody reads stays with its client") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->read_body(false); };
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string body(1'000'000, 'b');
  bench.ask(*client, post(body));
  CHECK(bench.last().body.empty());
  // Two windows of 64 KiB at most have left: one in the kernel, one with us.
  CHECK(client->unsent() >= body.size() - 3 * 64 * 1024);
  bench.on_body = [](Record& r, std::string_view) { r.exchange->read_body(false); };
  for (int i = 0; i < 100 && bench.last().exchange != nullptr; ++i) {
    const std::size_t pieces = bench.last().pieces;
    bench.last().exchange->read_body(true);
    CHECK(bench.last().pieces == pieces);  // never inside the call
    bench.settle();
  }
  CHECK(bench.last().body == body);
  CHECK(body_of(client->received()) == "/p");
}

TEST_CASE("pipelined bytes behind an exchange are bounded") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  std::string many;
  while (many.size() < 1'000'000) many += k_get;
  bench.ask(*client, many);
  CHECK(client->unsent() >= many.size() - 3 * 64 * 1024);
  bench.answer_with_target();
  bench.last().exchange->respond_whole({}, Bytes::literal("x"));
  bench.world.loop.run_for(10s);
  CHECK(client->unsent() == 0);
  CHECK(bench.records.size() == 1 + many.size() / k_get.size());
}

TEST_CASE("a client that pipelines and does not read is not served further until it reads") {
  ServerBench bench;
  const std::string big(200'000, 'b');
  bench.on_body_end = [&](Record& r) { r.exchange->respond_whole({}, Bytes::copy(big)); };
  auto client = bench.connect();
  client->pause();
  client->send(std::string(k_get) + std::string(k_get) + std::string(k_get));
  bench.world.loop.run_for(1s);
  CHECK(bench.records.size() == 1);
  client->resume();
  bench.world.loop.run_for(1s);
  CHECK(bench.records.size() == 3);
  CHECK(client->received().size() > 3 * big.size());
}

TEST_CASE("a finished answer that its client does not take is dropped after body_timeout without progress") {
  ServerBench bench;
  const std::string big(400'000, 'b');
  bench.on_body_end = [&](Record& r) { r.exchange->respond_whole({}, Bytes::copy(big)); };
  auto client = bench.connect();
  client->pause();
  client->send(k_get);
  bench.world.loop.run_for(50s);
  client->resume();
  bench.world.loop.run_for(300us);
  client->pause();
  bench.world.loop.run_for(59s);
  CHECK(bench.server.connections() == 1);
  bench.world.loop.run_for(62s);
  CHECK(bench.server.connections() == 0);
}

TEST_CASE("unsent shows what a slow client leaves, and on_drained tells when it is gone") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  client->pause();
  Exchange& exchange = *bench.last().exchange;
  exchange.respond({}, BodyLength::streamed());
  exchange.write(Bytes::literal("small"));
  CHECK(exchange.unsent() == 0);
  bench.settle();
  CHECK(bench.last().drained == 0);
  for (int i = 0; i < 4; ++i) exchange.write(Bytes::copy(std::string(100'000, 'x')));
  CHECK(exchange.unsent() > 300'000);
  bench.settle();
  CHECK(bench.last().drained == 0);
  client->resume();
  bench.settle();
  CHECK(exchange.unsent() == 0);
  CHECK(bench.last().drained == 1);
}

TEST_CASE("a handler may finish or abort in on_drained") {
  for (const bool abort : {false, true}) {
    ServerBench bench;
    bench.on_drained = [&](Record& r) { abort ? r.exchange->abort() : r.exchange->finish(); };
    auto client = bench.connect();
    bench.ask(*client, k_get);
    bench.last().exchange->respond({}, BodyLength::streamed());
    bench.last().exchange->write(Bytes::copy(std::string(300'000, 'x')));
    bench.settle();
    CHECK(bench.last().exchange == nullptr);
    CHECK(client->received().ends_with("\r\n0\r\n\r\n") == !abort);
    CHECK(client->ended() == abort);
  }
}

TEST_CASE("draining closes idle connections now and busy ones after their answer") {
  ServerBench bench;
  bench.answer_with_target();
  auto fresh = bench.connect();
  auto idle = bench.connect();
  bench.ask(*idle, k_get);
  bench.on_body_end = nullptr;
  auto busy = bench.connect();
  bench.ask(*busy, k_get);
  auto streaming = bench.connect();
  bench.ask(*streaming, k_get);
  bench.records[2]->exchange->respond({}, BodyLength::streamed());
  auto begun = bench.connect();
  bench.ask(*begun, "GET /be");
  int told = 0;
  bench.server.drain();
  bench.server.when_idle([&] { ++told; });
  bench.settle();
  CHECK(fresh->ended());
  CHECK(idle->ended());
  CHECK(bench.server.connections() == 3);
  CHECK(told == 0);

  bench.records[1]->exchange->respond_whole({}, Bytes::literal("last"));
  bench.settle();
  CHECK(busy->received().find("Connection: close\r\n") != std::string::npos);
  CHECK(busy->eof());
  bench.records[2]->exchange->write(Bytes::literal("x"));
  bench.records[2]->exchange->finish();
  bench.settle();
  CHECK(streaming->eof());
  CHECK(streaming->received().ends_with("0\r\n\r\n"));
  bench.answer_with_target();
  CHECK(body_of(bench.ask(*begun, "gun HTTP/1.1\r\nHost: h\r\n\r\n")) == "/begun");
  CHECK(begun->eof());
  bench.world.loop.run_for(3s);
  CHECK(bench.server.connections() == 0);
  CHECK(told == 1);

  auto late = bench.connect();
  bench.settle();
  CHECK(late->ended());
}

TEST_CASE("when_idle tells a server that is idle already, later") {
  ServerBench bench;
  int told = 0;
  bench.server.when_idle([&] { ++told; });
  CHECK(told == 0);
  bench.settle();
  CHECK(told == 1);
}

TEST_CASE("a server that is destroyed closes everything") {
  sim::SimWorld world;
  struct Silent : Acceptor {
    struct Handler : ExchangeHandler {
      explicit Handler(Exchange& with) : exchange(with) {}
      ~Handler() override { exchange.abort(); }
      void on_body(std::string_view) override {}
      void on_body_end() override {}
      void on_drained() override {}
      void on_client_gone() override {}
      Exchange& exchange;
    };
    std::unique_ptr<ExchangeHandler> on_request(Exchange& exchange) override { return std::make_unique<Handler>(exchange); }
    ErrorBody on_refused(ErrorCode) override { return {}; }
  } acceptor;
  auto server = std::make_unique<Server>(world.world(), ServerLimits{}, acceptor);
  auto listener = world.net.listen({"127.0.0.1", 80}, std::nullopt,
                                   [&](std::unique_ptr<io::Stream> stream) { server->accept(std::move(stream)); });
  auto client = sim::dial(world, {"127.0.0.1", 80});
  client->send(k_get);
  world.loop.run_for(10ms);
  CHECK(server->connections() == 1);
  server.reset();
  world.loop.run_for(10ms);
  CHECK(client->ended());
}

TEST_CASE("a request costs a kept connection no timer") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  bench.ask(*client, k_get);
  bench.ask(*client, k_get);
  const std::uint64_t before = bench.world.loop.callbacks();
  for (int i = 0; i < 100; ++i) bench.ask(*client, k_get);
  // Arrival and delivery, both ways: the simulated network's own.
  CHECK(bench.world.loop.callbacks() - before <= 400);
}

}  // namespace
}  // namespace outrigger::http
