// The llm door in virtual time, with an upstream that answers what a test says, byte by byte, and clients that speak raw HTTP.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "http/server.h"
#include "proxy/llm_door.h"
#include "sim/world/peer.h"
#include "sim/world/sim_redis.h"
#include "sim/world/sim_world.h"

namespace outrigger::proxy::test {

// One request that reached the upstream.
struct Asked {
  sim::Peer* peer = nullptr;
  std::string host{};  // whom
  std::string head, body;
  bool streamed_body = false;  // chunked: `body` is what came of it, raw

  void send(std::string_view bytes) const { peer->send(bytes); }
  // A whole answer with a length.
  void answer(std::string_view body_text, int status = 200,
              std::string_view fields = "Content-Type: application/json\r\n") const {
    send(fmt::format("HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n\r\n{}", status, fields, body_text.size(), body_text));
  }
  void begin_stream(std::string_view fields = "") const {
    send(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{}Transfer-Encoding: chunked\r\n\r\n", fields));
  }
  void chunk(std::string_view text) const { send(fmt::format("{:x}\r\n{}\r\n", text.size(), text)); }
  void end_stream() const { send("0\r\n\r\n"); }
};

// "data: {...}" with a text.
inline std::string event(std::string_view text) {
  return fmt::format(
      "data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
      "\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"finish_reason\":null}}]}}\n\n",
      text);
}
inline const std::string k_stop =
    "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
inline const std::string k_usage =
    "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],"
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n";
inline const std::string k_done = "data: [DONE]\n\n";

// A blocking answer with a text.
inline std::string answer_json(std::string_view text) {
  return fmt::format(
      "{{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,"
      "\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}],"
      "\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}}}",
      text);
}

struct Question {
  std::string text = "hello";
  bool stream = false;
  bool usage = false;
  std::string fields{};  // more header fields
  std::string key = "k";
  std::string path = "/v1/chat/completions";
  std::string more{};  // more members of the body, each with a comma before it
};

inline std::string post(const Question& question, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {}\r\n{}Content-Length: {}\r\n\r\n{}",
                     question.path, question.key, question.fields, body.size(), body);
}
inline std::string wire(const Question& question) {
  return post(question, fmt::format("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]{}{}{}}}",
                                    question.text, question.stream ? ",\"stream\":true" : "",
                                    question.usage ? ",\"stream_options\":{\"include_usage\":true}" : "", question.more));
}

// The body of an answer, taken out of its chunks.
inline std::string body_of(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  if (end == std::string_view::npos) return {};
  std::string_view rest = answer.substr(end + 4);
  if (answer.substr(0, end).find("chunked") == std::string_view::npos) return std::string(rest);
  std::string body;
  while (!rest.empty()) {
    const std::size_t line = rest.find("\r\n");
    if (line == std::string_view::npos) break;
    const std::size_t size = std::stoul(std::string(rest.substr(0, line)), nullptr, 16);
    if (size == 0) break;
    body += rest.substr(line + 2, size);
    rest.remove_prefix(std::min(rest.size(), line + 2 + size + 2));
  }
  return body;
}
// The value of a header field; empty: absent.
inline std::string field_of(std::string_view answer, std::string_view name) {
  std::string_view rest = answer.substr(0, answer.find("\r\n\r\n") + 2);
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + 2));
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos && http::equal_ignoring_case(line.substr(0, colon), name)) {
      return std::string(line.substr(colon + 2));
    }
  }
  return {};
}
inline bool is_whole(std::string_view answer) {
  if (field_of(answer, "Transfer-Encoding") == "chunked") return answer.ends_with("\r\n0\r\n\r\n");
  const std::string length = field_of(answer, "Content-Length");
  return !length.empty() && body_of(answer).size() == std::stoul(length);
}

// One provider that is asked once: what it says is what the client gets.
inline const std::string k_basic_config = R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[model]]
name = "*"
retry = { attempts = 1 }
breaker = { failures = 1000 }
)";

inline std::shared_ptr<const Snapshot> snapshot_of(std::string_view toml) {
  const config::Loaded loaded = config::load_text(toml, "test.toml", {});
  std::string problems;
  for (const auto& diagnostic : loaded.diagnostics) problems += config::to_string(diagnostic) + "\n";
  if (loaded.config == nullptr) std::fputs(problems.c_str(), stderr);
  OR_CHECK(loaded.config != nullptr);
  return std::make_shared<const Snapshot>(loaded.config);
}

struct LogLines final : obs::LineSink {
  std::vector<std::string> lines;
  void write(std::string_view line) override { lines.emplace_back(line); }
};

class DoorBench {
 public:
  explicit DoorBench(std::string_view toml = k_basic_config, bool with_redis = false, std::size_t memory = 8u << 20)
      : redis(with_redis ? std::make_unique<sim::SimRedis>(world) : nullptr),
        upstream(world, {"provider", 9000, false}),
        store(world.world(), settings(with_redis, memory)),
        client(world.world(), {}),
        metrics(registry),
        door(world.world(), snapshot_of(toml), store, client, metrics, &log),
        server(std::make_unique<http::Server>(world.world(), http::ServerLimits{}, door)) {
    listen_to(upstream);
    auto listening = world.net.listen(k_door, std::nullopt,
                                      [this](std::unique_ptr<io::Stream> stream) { server->accept(std::move(stream)); });
    listener = std::move(*listening);
    store.start(
        "a secret for tests that is long", 10ms, [this](const std::string& secret) { door.set_secret(secret); },
        [](const std::string&) {});
    settle();
  }

  // Another upstream, at http://<host>:9000.
  sim::ScriptedServer& add_upstream(const std::string& host) {
    others_.push_back(std::make_unique<sim::ScriptedServer>(world, io::Address{host, 9000, false}));
    listen_to(*others_.back());
    return *others_.back();
  }
  // A new connection that has sent this much.
  std::unique_ptr<sim::Peer> send(std::string_view bytes) {
    auto peer = sim::dial(world, k_door);
    peer->send(bytes);
    settle();
    return peer;
  }
  std::unique_ptr<sim::Peer> ask(const Question& question) { return send(wire(question)); }
  // Asks, lets the upstream answer with `text` at once if it is asked, and returns the whole answer.
  std::string exchange(const Question& question, std::string_view text) {
    const std::size_t before = asked.size();
    auto peer = ask(question);
    if (asked.size() > before) {
      if (question.stream) {
        last().begin_stream();
        last().chunk(event(text));
        last().chunk(k_stop);
        if (question.usage) last().chunk(k_usage);
        last().chunk(k_done);
        last().end_stream();
      } else {
        last().answer(answer_json(text));
      }
      settle();
    }
    return peer->received();
  }
  // Other answers until memory holds nothing of what it held; Redis does. The memory tier must be a small one.
  void push_out() {
    const WallTime newest = world.loop.wall_now();
    for (int i = 0; i < 100; ++i) {
      exchange({.text = "filler " + std::to_string(i)}, std::string(500, 'f'));
      bool old = false;
      store.visit_memory([&](const cache::Entry& entry) {
        old = old || entry.meta().stored_at <= newest;
        return !old;
      });
      if (!old) return;
    }
    OR_CHECK(store.stats().entries == 0);
  }
  // What happens soon: longer than every link takes, shorter than every limit.
  void settle() { world.loop.run_for(15ms); }
  Asked& last() { return asked.back(); }
  [[nodiscard]] std::string metric(std::string_view name) {
    const std::string text = registry.expose();
    const std::size_t at = text.find("\n" + std::string(name) + " ");
    if (at == std::string::npos) return {};
    const std::size_t from = at + name.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }

  static inline const io::Address k_door{"outrigger", 8080, false};
  sim::SimWorld world;
  std::vector<std::unique_ptr<sim::Peer>> kept;  // clients that must outlive the door, but not the world
  std::unique_ptr<sim::SimRedis> redis;
  sim::ScriptedServer upstream;
  std::deque<Asked> asked;  // in the order in which they came
  cache::Store store;
  http::Client client;
  obs::Registry registry;
  Metrics metrics;
  LogLines log;
  LlmDoor door;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<io::Listener> listener;

 private:
  static cache::StoreSettings settings(bool with_redis, std::size_t memory) {
    cache::StoreSettings settings;
    settings.memory_bytes = memory;
    if (with_redis) settings.redis.emplace().address = {"redis", 6379, false};
    return settings;
  }

  void listen_to(sim::ScriptedServer& server_of) {
    server_of.on_peer = [this, host = server_of.address().host](sim::Peer& peer) {
      peer.on_receive = [this, host](sim::Peer& from) { take_requests(from, host); };
    };
  }

  void take_requests(sim::Peer& peer, const std::string& host) {
    // Beyond the head of the last request of this peer: its chunked body.
    for (Asked& request : asked) {
      if (request.peer == &peer && request.streamed_body) {
        request.body += peer.take();
        return;
      }
    }
    std::string& pending = pending_[&peer];
    pending += peer.take();
    const std::size_t end = pending.find("\r\n\r\n");
    if (end == std::string::npos) return;
    Asked request{.peer = &peer, .host = host, .head = pending.substr(0, end + 4), .body = {}};
    request.streamed_body = request.head.find("chunked") != std::string::npos;
    const std::string length = field_of(request.head, "Content-Length");
    const std::size_t size = length.empty() ? 0 : std::stoul(length);
    if (!request.streamed_body && pending.size() < end + 4 + size) return;
    request.body = pending.substr(end + 4);
    pending.clear();
    asked.push_back(std::move(request));
  }

  std::vector<std::unique_ptr<sim::ScriptedServer>> others_;
  std::map<sim::Peer*, std::string> pending_;
};

}  // namespace outrigger::proxy::test
