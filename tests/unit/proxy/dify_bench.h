// The dify door in virtual time, with backends that answer what a test says, and clients that speak raw HTTP.
#pragma once

#include "door_bench.h"
#include "proxy/dify_door.h"

namespace outrigger::proxy::test {

inline const std::string k_dify_config = R"([listen]
dify = "127.0.0.1:8081"
[[upstream]]
name = "new"
url = "http://new:9000"
dialect = "dify"
[[upstream]]
name = "old"
url = "http://old:9000"
dialect = "dify"
[[app]]
name = "faq"
key = "app-faq"
)";

struct Run {
  std::string user = "u1";
  bool stream = false;
  std::string key = "app-faq";
  std::string path = "/v1/chat-messages";
  std::string fields{};
};

inline std::string wire(const Run& run) {
  return post({.fields = "Content-Type: application/json\r\n" + run.fields, .key = run.key, .path = run.path},
              fmt::format(R"({{"inputs":{{}},"query":"hello","user":"{}","response_mode":"{}"}})", run.user,
                          run.stream ? "streaming" : "blocking"));
}

inline std::string get(std::string_view path, std::string_view fields = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: dify\r\n{}\r\n", path, fields);
}

inline std::string dify_event(std::string_view kind, std::string_view more = "") {
  return fmt::format("data: {{\"event\": \"{}\", \"task_id\": \"aaaa-1\", \"message_id\": \"m-1\"{}}}\n\n", kind, more);
}
inline const std::string k_ping = "event: ping\n\n";
inline const std::string k_blocking = R"({"event":"message","task_id":"aaaa-1","id":"m-1","answer":"hi","metadata":{}})";

class DifyBench {
 public:
  explicit DifyBench(const std::string& more = "[dify]\nfallback = [\"old\"]\n")
      : client(world.world(), {}),
        metrics(registry),
        lanes(world.world()),
        store(world.world(), {.redis = {}, .fresh_secret = {}, .log = {}}),
        door(world.world(), snapshot_of(k_dify_config + more), store, lanes, client, metrics, &log),
        server(std::make_unique<http::Server>(world.world(), limits(), door)) {
    door.set_keys(std::make_shared<chat::KeyMaker>("a secret of at least 32 characters"));
    listener = std::move(*world.net.listen(
        k_door, std::nullopt, [this](std::unique_ptr<io::Stream> stream) { server->accept(std::move(stream)); }));
    for (const char* host : {"new", "old"}) {
      backends.push_back(std::make_unique<sim::ScriptedServer>(world, io::Address{host, 9000, false}));
      backends.back()->on_peer = [this, host](sim::Peer& peer) {
        peer.on_receive = [this, host](sim::Peer& from) { take(from, host); };
      };
    }
  }

  std::unique_ptr<sim::Peer> send(std::string_view bytes) {
    auto peer = sim::dial(world, k_door);
    peer->send(bytes);
    settle();
    return peer;
  }
  std::unique_ptr<sim::Peer> ask(const Run& run) { return send(wire(run)); }
  void settle() { world.loop.run_for(15ms); }
  void pass(Duration time) { world.loop.run_for(time); }
  Asked& last() { return asked.back(); }
  sim::ScriptedServer& backend(std::size_t i = 0) { return *backends[i]; }
  [[nodiscard]] std::string metric(std::string_view name) {
    const std::string text = registry.expose();
    const std::size_t at = text.find("\n" + std::string(name) + " ");
    if (at == std::string::npos) return {};
    const std::size_t from = at + name.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }

  static inline const io::Address k_door{"outrigger", 8081, false};
  sim::SimWorld world;
  std::vector<std::unique_ptr<sim::Peer>> kept;
  std::vector<std::unique_ptr<sim::ScriptedServer>> backends;  // "new", "old"
  std::deque<Asked> asked;
  http::Client client;
  obs::Registry registry;
  Metrics metrics;
  LogLines log;
  Lanes lanes;
  cache::Store store;
  DifyDoor door;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<io::Listener> listener;

 private:
  static http::ServerLimits limits() {
    http::ServerLimits limits;
    limits.body_bytes = UINT64_MAX;
    return limits;
  }
  void take(sim::Peer& peer, const std::string& host) {
    for (Asked& request : asked) {
      if (request.peer == &peer) {
        request.body += peer.take();
        return;
      }
    }
    std::string& pending = pending_[&peer];
    pending += peer.take();
    const std::size_t end = pending.find("\r\n\r\n");
    if (end == std::string::npos) return;
    asked.push_back({.peer = &peer, .host = host, .head = pending.substr(0, end + 4), .body = pending.substr(end + 4)});
  }

  std::map<sim::Peer*, std::string> pending_;
};

}  // namespace outrigger::proxy::test
