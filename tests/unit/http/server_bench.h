// A Server in a simulated world, an application that does as a test says, and clients that speak raw bytes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "http/server.h"
#include "sim/world/peer.h"
#include "sim/world/sim_world.h"

namespace outrigger::http::test {

// What one exchange heard. Outlives the handler.
struct Record {
  Exchange* exchange = nullptr;  // null once the handler is destroyed
  std::string method, target;
  Headers headers;
  std::string body;
  std::size_t pieces = 0;
  int ends = 0;
  int drained = 0;
  int gone = 0;
};

// Passes everything on and counts the calls of write().
class SpyStream : public io::Stream {
 public:
  SpyStream(std::unique_ptr<io::Stream> inner, std::vector<std::string>& writes)
      : inner_(std::move(inner)), writes_(writes) {}
  void set_handler(io::StreamHandler* handler) override { inner_->set_handler(handler); }
  void read(bool on) override { inner_->read(on); }
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override {
    std::string all;
    for (const Bytes& chunk : chunks) all += chunk.view();
    writes_.push_back(all);
    inner_->write(chunks);
  }
  [[nodiscard]] std::size_t unsent() const override { return inner_->unsent(); }
  void shutdown() override { inner_->shutdown(); }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

 private:
  std::unique_ptr<io::Stream> inner_;
  std::vector<std::string>& writes_;
};

class ServerBench : public Acceptor {
 public:
  explicit ServerBench(ServerLimits limits = {}, std::uint64_t seed = 1)
      : world(seed), server(world.world(), limits, *this) {
    auto result = world.net.listen(at, std::nullopt, [this](std::unique_ptr<io::Stream> stream) {
      server.accept(std::make_unique<SpyStream>(std::move(stream), writes));
    });
    listener = std::move(*result);
  }

  // What the application does. Called with the record of the exchange.
  std::function<void(Record&)> on_request_hook;
  std::function<void(Record&, std::string_view)> on_body;
  std::function<void(Record&)> on_body_end;
  std::function<void(Record&)> on_drained;
  std::function<void(Record&)> on_gone;
  std::function<void(Record&)> on_destroyed;

  // Answers every request when its body is complete with what it asked for.
  void answer_with_target() {
    on_body_end = [](Record& r) {
      ResponseHead head;
      head.headers.add("Content-Type", "text/plain");
      r.exchange->respond_whole(head, Bytes::copy(r.target));
    };
  }

  std::unique_ptr<sim::Peer> connect() { return sim::dial(world, at); }
  // Sends and lets everything happen that happens soon.
  std::string ask(sim::Peer& client, std::string_view text) {
    client.send(text);
    settle();
    return client.take();
  }
  void settle() { world.loop.run_for(20ms); }
  Record& last() { return *records.back(); }

  // Acceptor
  ErrorBody on_refused(ErrorCode code) override {
    refusals.push_back(code);
    return {"application/json", "{\"error\":\"" + std::string(traits(code).name) + "\"}"};
  }

  sim::SimWorld world;
  const io::Address at{"127.0.0.1", 8080};
  std::vector<std::string> writes;
  std::vector<std::unique_ptr<Record>> records;
  std::vector<ErrorCode> refusals;
  Server server;
  std::unique_ptr<io::Listener> listener;

 private:
  class Handler;
  std::unique_ptr<ExchangeHandler> on_request(Exchange& exchange) override;
};

class ServerBench::Handler final : public ExchangeHandler {
 public:
  Handler(ServerBench& bench, Record& record) : bench_(bench), record_(record) {}
  ~Handler() override {
    OR_CHECK(inside_ == 0);  // the server's promise
    if (bench_.on_destroyed) bench_.on_destroyed(record_);
    record_.exchange = nullptr;
  }
  void on_body(std::string_view data) override {
    const Guard guard(*this);
    record_.body += data;
    ++record_.pieces;
    if (bench_.on_body) bench_.on_body(record_, data);
  }
  void on_body_end() override {
    const Guard guard(*this);
    ++record_.ends;
    if (bench_.on_body_end) bench_.on_body_end(record_);
  }
  void on_drained() override {
    const Guard guard(*this);
    ++record_.drained;
    if (bench_.on_drained) bench_.on_drained(record_);
  }
  void on_client_gone() override {
    const Guard guard(*this);
    ++record_.gone;
    if (bench_.on_gone) bench_.on_gone(record_);
  }

 private:
  struct Guard {
    explicit Guard(Handler& handler) : inside(handler.inside_) { ++inside; }
    ~Guard() { --inside; }
    int& inside;
  };
  ServerBench& bench_;
  Record& record_;
  int inside_ = 0;
};

inline std::unique_ptr<ExchangeHandler> ServerBench::on_request(Exchange& exchange) {
  records.push_back(std::make_unique<Record>());
  Record& record = last();
  record.exchange = &exchange;
  record.method = exchange.request().method;
  record.target = exchange.request().target;
  record.headers = exchange.request().headers;
  auto handler = std::make_unique<Handler>(*this, record);
  if (on_request_hook) on_request_hook(record);
  return handler;
}

// The body of an answer in chunks; what comes after it stays in `rest`.
struct Unchunked {
  std::vector<std::string> chunks;
  bool complete = false;
  std::string rest;
};
inline Unchunked unchunk(std::string_view text) {
  Unchunked result;
  while (!text.empty()) {
    const std::size_t line = text.find("\r\n");
    if (line == std::string_view::npos) break;
    const std::size_t size = std::stoul(std::string(text.substr(0, line)), nullptr, 16);
    if (text.size() < line + 2 + size + 2) break;
    text.remove_prefix(line + 2);
    if (size > 0) result.chunks.emplace_back(text.substr(0, size));
    text.remove_prefix(size + 2);
    if (size == 0) {
      result.complete = true;
      break;
    }
  }
  result.rest = text;
  return result;
}

// The part of a message after its head.
inline std::string body_of(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string() : std::string(message.substr(end + 4));
}

}  // namespace outrigger::http::test
