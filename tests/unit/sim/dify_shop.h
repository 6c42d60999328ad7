// A simulated Dify in a simulated world, and clients that ask it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/dify/door.h"
#include "unit/sim/shop.h"

namespace outrigger::sim_dify {

using sim_provider::Heard;
using sim_provider::number_in;
using sim_provider::text_in;

struct DifyShop {
  // The [dify] table's keys; apps of every mode are there: "app-chat", "app-agent-chat", "app-workflow", ...
  explicit DifyShop(std::string_view toml = "") : door(world.world(), settings(toml)) {
    const auto bound = door.listen();
    REQUIRE(bound.has_value());
    address = *bound;
  }

  static Settings settings(std::string_view toml) {
    std::string text = "[dify]\nthink = \"1s\"\nbetween_tokens = \"100ms\"\nping = \"600ms\"\n" + std::string(toml) + "\n";
    for (const Mode mode : {Mode::chat, Mode::agent_chat, Mode::advanced_chat, Mode::completion, Mode::workflow}) {
      const std::string_view word = name(mode);
      text.append("[[dify.app]]\nkey = \"app-").append(word).append("\"\nmode = \"").append(word).append("\"\n");
    }
    auto read = sim_provider::settings_from_toml(text, "shop.toml");
    INFO((read ? std::string() : read.error().detail));
    REQUIRE(read.has_value());
    read->dify->listen = "127.0.0.1:5001";
    return std::move(*read->dify);
  }

  using Fields = std::vector<std::pair<std::string, std::string>>;
  // Begins a call; `heard` fills as the world goes on.
  std::unique_ptr<http::Call> start(Heard& heard, std::string_view method, std::string_view target, std::string_view key,
                                    std::string_view body, Fields fields = {}) {
    http::RequestHead head;
    head.method = method;
    head.target = target;
    head.headers.add("host", "dify");
    if (!key.empty()) head.headers.add("authorization", "Bearer " + std::string(key));
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    http::CallOptions options;
    if (!body.empty()) options.body = Bytes::copy(body);
    return client.start(http::Origin{address, {}, {}}, head, std::move(options), heard);
  }
  std::unique_ptr<Heard> ask(std::string_view method, std::string_view target, std::string_view key = {},
                             std::string_view body = {}, Fields fields = {}) {
    auto heard = std::make_unique<Heard>(world.loop);
    const auto call = start(*heard, method, target, key, body, std::move(fields));
    world.loop.run_until([&] { return heard->over(); }, 10min);
    return heard;
  }
  std::unique_ptr<Heard> post(std::string_view target, std::string_view key, std::string_view body) {
    return ask("POST", target, key, body);
  }
  std::string stats() { return ask("GET", "/sim/stats")->body; }

  sim::SimWorld world;
  Door door;
  http::Client client{world.world(), {}};
  io::Address address;
};

inline std::string chat_body(std::string_view query, std::string_view user = "u1", std::string_view conversation = {},
                             bool stream = false) {
  return "{\"inputs\":{},\"query\":\"" + std::string(query) + "\",\"user\":\"" + std::string(user) +
         "\",\"conversation_id\":\"" + std::string(conversation) + "\",\"response_mode\":\"" +
         (stream ? "streaming" : "blocking") + "\"}";
}
inline std::string run_body(std::string_view query, bool stream = false) {
  return "{\"inputs\":{\"query\":\"" + std::string(query) + "\"},\"user\":\"u1\",\"response_mode\":\"" +
         (stream ? "streaming" : "blocking") + "\"}";
}

// The stream's events, a bare ping as "ping": runs of equal ones counted as one.
inline std::string event_names(std::string_view body) {
  std::string names, last;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find("\n\n", at);
    REQUIRE(end != std::string_view::npos);
    const std::string_view block = body.substr(at, end - at);
    std::string name = "ping";
    if (block != "event: ping") {
      REQUIRE(block.starts_with("data: "));
      REQUIRE(sim_provider::parse_json(block.substr(6)) != nullptr);
      name = text_in(block.substr(6), "event");
    }
    if (name != last) names += (names.empty() ? "" : " ") + name;
    last = name;
    at = end + 2;
  }
  return names;
}

// What all events of a stream say at this path, joined.
inline std::string joined(std::string_view body, std::string_view path) {
  std::string text;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find("\n\n", at);
    const std::string_view block = body.substr(at, end - at);
    if (block.starts_with("data: ")) text += text_in(block.substr(6), path);
    if (end == std::string_view::npos) break;
    at = end + 2;
  }
  return text;
}

}  // namespace outrigger::sim_dify
