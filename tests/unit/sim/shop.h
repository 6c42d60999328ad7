// A simulated provider in a simulated world, and a client that asks it.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/client.h"
#include "sim/json.h"
#include "sim/provider.h"
#include "sim/world/peer.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim_provider {

// All that a client heard.
struct Heard final : http::CallHandler {
  explicit Heard(io::Loop& with_loop) : loop(with_loop), asked_at(loop.now()) {}

  void on_head(http::ResponseHead got) override {
    head = std::move(got);
    head_after = loop.now() - asked_at;
  }
  void on_body(const Bytes& data) override {
    if (body.empty()) body_after = loop.now() - asked_at;
    body += data.view();
  }
  void on_end() override { end_after = loop.now() - asked_at; }
  void on_error(Error got) override {
    error = std::move(got);
    error_after = loop.now() - asked_at;
  }
  void on_drained() override {}

  [[nodiscard]] bool over() const { return end_after.has_value() || error.has_value(); }
  [[nodiscard]] int status() const { return head ? head->status : 0; }
  [[nodiscard]] std::string header(std::string_view name) const { return std::string(head->headers.get(name).value_or("")); }
  // The payloads of the stream's events, LF framing.
  [[nodiscard]] std::vector<std::string> events() const {
    std::vector<std::string> found;
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t end = body.find("\n\n", at);
      REQUIRE(end != std::string::npos);
      REQUIRE(body.compare(at, 6, "data: ") == 0);
      found.push_back(body.substr(at + 6, end - at - 6));
      at = end + 2;
    }
    return found;
  }

  // The same where every event has an `event:` line: the line's word, and the payload.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> named_events() const {
    std::vector<std::pair<std::string, std::string>> found;
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t end = body.find("\n\n", at), line = body.find('\n', at);
      REQUIRE(end != std::string::npos);
      REQUIRE(body.compare(at, 7, "event: ") == 0);
      REQUIRE(body.compare(line + 1, 6, "data: ") == 0);
      found.emplace_back(body.substr(at + 7, line - at - 7), body.substr(line + 7, end - line - 7));
      at = end + 2;
    }
    return found;
  }
  // Their words, one run of equal ones counted as one: "a b c".
  [[nodiscard]] std::string event_names() const {
    std::string names, last;
    for (const auto& [name, data] : named_events()) {
      if (name != last) names += (names.empty() ? "" : " ") + name;
      last = name;
    }
    return names;
  }

  io::Loop& loop;
  MonoTime asked_at;
  std::optional<http::ResponseHead> head;
  std::string body;
  std::optional<Error> error;
  std::optional<Duration> head_after, body_after, end_after, error_after;
};

struct Shop {
  // Settings in TOML; the address is this shop's business.
  explicit Shop(std::string_view toml = "") : provider(world.world(), settings(toml)) {
    const auto bound = provider.listen();
    REQUIRE(bound.has_value());
    address = *bound;
  }

  static Settings settings(std::string_view toml) {
    auto read = settings_from_toml(toml, "shop.toml");
    INFO((read ? std::string() : read.error().detail));
    REQUIRE(read.has_value());
    read->listen = "127.0.0.1:9999";
    return std::move(*read);
  }

  using Fields = std::vector<std::pair<std::string, std::string>>;
  std::unique_ptr<Heard> ask(std::string_view method, std::string_view target, std::string_view body = {},
                             Fields fields = {}) {
    auto heard = std::make_unique<Heard>(world.loop);
    http::RequestHead head;
    head.method = method;
    head.target = target;
    head.headers.add("host", "shop");
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    http::CallOptions options;
    if (!body.empty()) options.body = Bytes::copy(body);
    const auto call = client.start(http::Origin{address, {}, {}}, head, std::move(options), *heard);
    world.loop.run_until([&] { return heard->over(); }, 10min);
    return heard;
  }
  std::unique_ptr<Heard> chat(std::string_view body) { return ask("POST", "/v1/chat/completions", body); }

  // Anthropic's messages.
  std::unique_ptr<Heard> message(std::string_view body) {
    return ask("POST", "/v1/messages", body, {{"anthropic-version", "2023-06-01"}});
  }

  // Everything that comes back for these bytes, until the other side closes or nothing happens any more.
  std::string raw(std::string_view bytes, bool* broken = nullptr) {
    const auto peer = sim::dial(world, address);
    REQUIRE(peer != nullptr);
    peer->send(bytes);
    world.loop.run_until([&] { return peer->ended(); }, 1min);
    if (broken != nullptr) *broken = peer->error().has_value();
    return peer->received();
  }

  sim::SimWorld world;
  Provider provider;
  http::Client client{world.world(), {}};
  io::Address address;
};

inline constexpr std::string_view k_question =
    R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Where is my parcel?"}]})";
inline constexpr std::string_view k_streamed =
    R"({"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"Where is my parcel?"}]})";
inline constexpr std::string_view k_streamed_usage =
    R"({"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Where is my parcel?"}]})";

// A value by path: "choices.0.message.content". Null when it is not there.
inline yyjson_val* at(const Json& doc, std::string_view path) {
  yyjson_val* value = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  while (!path.empty()) {
    const std::string step(path.substr(0, path.find('.')));
    path.remove_prefix(std::min(path.size(), step.size() + 1));
    value = yyjson_is_arr(value) ? yyjson_arr_get(value, static_cast<std::size_t>(std::stoul(step)))
                                 : yyjson_obj_get(value, step.c_str());
  }
  return value;
}
inline std::string text_in(std::string_view json, std::string_view path) {
  const Json doc = parse_json(json);
  return std::string(text_of(at(doc, path)));
}
inline std::uint64_t number_in(std::string_view json, std::string_view path) {
  const Json doc = parse_json(json);
  return yyjson_get_uint(at(doc, path));
}

// What all the events say at this path, joined.
inline std::string joined(const Heard& heard, std::string_view path) {
  std::string text;
  for (const auto& [name, data] : heard.named_events()) text += text_in(data, path);
  return text;
}

// Answers at once, so that only the fault takes time.
inline std::string quick(std::string_view fault) {
  return "first_token = \"0s\"\nbetween_tokens = \"0s\"\n[[fault]]\n" + std::string(fault);
}

// The text of a chat stream.
inline std::string streamed_text(const Heard& heard) {
  std::string text;
  for (const std::string& event : heard.events()) text += text_in(event, "choices.0.delta.content");
  return text;
}

}  // namespace outrigger::sim_provider
