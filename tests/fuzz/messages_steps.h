// The steps of providers_fuzz for Anthropic's messages: golden exchanges and request bodies, damaged by the caller, through the
// readers, the hearers and both ways of translating; stored forms damaged behind a right checksum.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/rng.h"
#include "providers/anthropic/stored.h"
#include "providers/dialect.h"
#include "providers/json_doc.h"

namespace outrigger::providers {

class MessagesSteps {
 public:
  MessagesSteps() {
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/messages")) {
      if (entry.path().extension() == ".want") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      bodies_.push_back({std::string(std::istreambuf_iterator<char>(file), {}), entry.path().extension() == ".sse"});
    }
    OR_CHECK(!bodies_.empty());
    std::ranges::sort(bodies_, {}, &Body::text);
  }

  // `mutate(std::string&)` damages a text. Returns whether the damaged answer could be stored.
  template <class Mutate>
  bool run(Rng& rng, Mutate&& mutate) {
    Body body = bodies_[rng.below(bodies_.size())];
    damage_stored(rng, body);
    mutate(body.text);
    const bool stored = read(rng, body);
    hear(rng, body);
    std::string request(k_requests[rng.below(std::size(k_requests))]);
    mutate(request);
    translate(request);
    OR_CHECK(!dialect().hear_error(static_cast<int>(rng.below(600)), body.text).message.empty());
    return stored;
  }

 private:
  struct Body {
    std::string text;
    bool streamed;
  };

  static constexpr std::string_view k_requests[] = {
      R"({"model":"m","max_tokens":100,"system":[{"type":"text","text":"s"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],)"
      R"("messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},)"
      R"({"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"a","name":"f","input":{"a":[1]}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"r"}]}]}]})",
      R"({"model":"m","max_tokens":3000,"thinking":{"type":"enabled","budget_tokens":2000},"temperature":1,"stop_sequences":["x"],)"
      R"("tool_choice":{"type":"auto"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}},)"
      R"("messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":[)"
      R"({"type":"document","source":{"type":"text","data":"d"}},{"type":"text","text":"w"}]}]})",
  };

  static const Dialect& dialect() { return *dialect_of(chat::Endpoint::messages); }

  template <class Feed>
  static void in_parts(Rng& rng, std::string_view left, Feed&& feed) {
    while (!left.empty()) {
      const std::string_view part = left.substr(0, 1 + rng.below(rng.chance(0.5) ? 8 : 500));
      feed(part);
      left.remove_prefix(part.size());
    }
  }

  static bool read(Rng& rng, const Body& body) {
    const std::vector<char> exact(body.text.begin(), body.text.end());
    const std::string_view view(exact.data(), exact.size());
    const auto whole = dialect().make_reader(body.streamed);
    whole->feed(view);
    const auto answer = whole->finish();
    const auto parts = dialect().make_reader(body.streamed);
    in_parts(rng, view, [&](std::string_view part) { parts->feed(part); });
    const auto other = parts->finish();
    OR_CHECK(answer.has_value() == other.has_value());
    OR_CHECK(whole->saw_error() == parts->saw_error());
    OR_CHECK(whole->events().size() == parts->events().size());
    std::size_t last = 0;
    for (std::size_t i = 0; i < whole->events().size(); ++i) {
      const Event& event = whole->events()[i];
      OR_CHECK(event.end == parts->events()[i].end && event.kind == parts->events()[i].kind);
      OR_CHECK(event.end > last && event.end <= view.size());
      last = event.end;
    }
    if (!answer) {
      OR_CHECK(answer.error() == other.error());
      return false;
    }
    OR_CHECK(answer->encoded.view() == other->encoded.view());
    for (const bool stream : {false, true}) {
      const auto out = dialect().render(answer->encoded.view(), {.stream = stream});
      OR_CHECK(out.has_value() && out->ids.size() == 1);
      const auto reader = dialect().make_reader(stream);
      reader->feed(out->text.view());
      const auto again = reader->finish();
      OR_CHECK(again.has_value());
      OR_CHECK(again->estimated_completion_tokens == answer->estimated_completion_tokens);
      OR_CHECK(dialect().render(again->encoded.view(), {.stream = !stream}).has_value());
    }
    return true;
  }

  static void hear(Rng& rng, const Body& body) {
    for (const bool stream : {false, true}) {
      const auto one = dialect().make_hearer(body.streamed);
      const auto said = dialect().make_speaker({.stream = stream});
      one->feed(body.text, *said);
      one->finish(*said);
      const auto two = dialect().make_hearer(body.streamed);
      const auto same = dialect().make_speaker({.stream = stream});
      in_parts(rng, body.text, [&](std::string_view part) { two->feed(part, *same); });
      two->finish(*same);
      const std::string text = said->take();
      OR_CHECK(text == same->take());
      OR_CHECK(one->skipped() == two->skipped());
      if (!stream) OR_CHECK(text.empty() || JsonDoc::read(text).root() != nullptr);
      // What comes out of a stream is a stream, whole or not, that its own reader takes.
      const auto reader = dialect().make_reader(stream);
      reader->feed(text);
      const auto read_again = reader->finish();
      OR_CHECK(!stream || read_again || read_again.error() != chat::NoStoreReason::not_understood ||
               text.find("input_json_delta") != std::string::npos || text.find(R"("name":"")") != std::string::npos);
    }
  }

  static void translate(const std::string& request) {
    static_cast<void>(providers::understand(chat::Endpoint::messages, request, Level::synonyms));
    chat::Losses losses;
    const auto heard = dialect().hear_request(request, losses);
    if (!heard) return;
    const auto said = dialect().say_request(*heard, losses);
    if (!said) return;
    OR_CHECK(yyjson_is_obj(JsonDoc::read(*said).root()));
    OR_CHECK(dialect().hear_request(*said, losses).has_value());
    const auto bypass = providers::understand(chat::Endpoint::messages, *said, Level::safe).bypass;
    OR_CHECK(bypass != chat::BypassReason::not_json && bypass != chat::BypassReason::not_understood);
  }

  static void damage_stored(Rng& rng, const Body& body) {
    const auto reader = dialect().make_reader(body.streamed);
    reader->feed(body.text);
    const auto answer = reader->finish();
    if (!answer) return;
    constexpr std::size_t k_sealed = 12;  // magic, version and checksum
    std::string records(answer->encoded.view().substr(k_sealed));
    for (std::uint64_t left = rng.below(5); left > 0 && !records.empty(); --left) {
      const std::size_t at = rng.below(records.size());
      if (rng.chance(0.2)) records.resize(at + 1);
      records[at] = static_cast<char>(rng.below(256));
    }
    // With and without a head of their own in front: the first record is then rubbish, or what was the head.
    const Bytes sealed = anthropic::encode({.streamed = rng.chance(0.5), .model = "m"}, records);
    const std::string_view without_head = std::string_view(records).substr(std::min(records.size(), k_head));
    const Bytes close = anthropic::encode({.streamed = body.streamed, .model = "m"}, without_head);
    for (const bool stream : {false, true}) {
      static_cast<void>(dialect().render(sealed.view(), {.stream = stream}));
      static_cast<void>(dialect().render(close.view(), {.stream = stream}));
      static_cast<void>(dialect().render(records, {.stream = stream}));
    }
  }

  // Flags, a model of 26 letters with its length, an estimate, two counts: about what a head takes.
  static constexpr std::size_t k_head = 31;

  std::vector<Body> bodies_;
};

}  // namespace outrigger::providers
