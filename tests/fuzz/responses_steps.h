// A step of providers_fuzz for the responses dialect: its golden exchanges damaged, through reader and hearer; what is stored through
// both forms and back; what is heard said again; requests damaged, heard and said; stored forms damaged behind a right checksum.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/rng.h"
#include "providers/dialect.h"
#include "providers/json_doc.h"
#include "providers/sealed.h"

namespace outrigger::providers::responses_fuzz {

using Mutate = std::function<void(Rng&, std::string&)>;

inline const Dialect& dialect() { return *dialect_of(chat::Endpoint::responses); }

struct Exchange {
  std::string text;
  bool streamed = false;
};

inline const std::vector<Exchange>& exchanges() {
  static const std::vector<Exchange> all = [] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/responses")) {
      if (entry.path().extension() != ".want") paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    std::vector<Exchange> loaded;
    for (const auto& path : paths) {
      std::ifstream file(path, std::ios::binary);
      loaded.push_back({std::string(std::istreambuf_iterator<char>(file), {}), path.extension() == ".sse"});
    }
    OR_CHECK(!loaded.empty());
    return loaded;
  }();
  return all;
}

constexpr std::array<std::string_view, 4> k_requests{
    R"({"model":"m","instructions":"Be brief.","input":"Hi","max_output_tokens":5,"stream":true,"temperature":0.5})",
    R"({"model":"m","input":[{"role":"developer","content":"a"},{"role":"user","content":[{"type":"input_text","text":"b"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"}]},{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"c","annotations":[]}]},{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"x"},{"role":"user","content":"y"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":{"type":"function","name":"f"}})",
    R"({"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":null},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"https://a/b"}]}],"text":{"format":{"type":"json_schema","name":"n","schema":{"a":[1,2]},"strict":true},"verbosity":"low"},"reasoning":{"effort":"low","summary":"auto"}})",
    R"({"model":"m","input":"x","previous_response_id":null,"include":[],"parallel_tool_calls":true,"tools":[],"top_logprobs":0,"user":"u"})"};

// In a block of its own size, so that the sanitizer sees a read beyond its end.
inline void feed(std::string_view text, const std::function<void(std::string_view)>& to) {
  const std::vector<char> exact(text.begin(), text.end());
  to(std::string_view(exact.data(), exact.size()));
}

inline void in_parts(Rng& rng, std::string_view text, const std::function<void(std::string_view)>& to) {
  while (!text.empty()) {
    const std::string_view part = text.substr(0, 1 + rng.below(rng.chance(0.5) ? 8 : 500));
    feed(part, to);
    text.remove_prefix(part.size());
  }
}

inline void check_object(std::string_view text) { OR_CHECK(yyjson_is_obj(JsonDoc::read(text).root())); }

// Every event is two lines: its name, and strict JSON.
inline void check_events(std::string_view text) {
  while (!text.empty()) {
    const std::size_t name = text.find('\n');
    OR_CHECK(text.starts_with("event: ") && name != text.npos);
    text.remove_prefix(name + 1);
    const std::size_t end = text.find('\n');
    OR_CHECK(text.starts_with("data: ") && end != text.npos && text.substr(end).starts_with("\n\n"));
    check_object(text.substr(6, end - 6));
    text.remove_prefix(end + 2);
  }
}

inline bool read_step(Rng& rng, const Exchange& exchange) {
  const auto whole = dialect().make_reader(exchange.streamed);
  feed(exchange.text, [&](std::string_view part) { whole->feed(part); });
  const auto answer = whole->finish();
  const auto parts = dialect().make_reader(exchange.streamed);
  in_parts(rng, exchange.text, [&](std::string_view part) { parts->feed(part); });
  const auto other = parts->finish();
  OR_CHECK(answer.has_value() == other.has_value());
  OR_CHECK(whole->saw_error() == parts->saw_error());
  const auto same = [](const Event& a, const Event& b) { return a.end == b.end && a.kind == b.kind; };
  OR_CHECK(std::ranges::equal(whole->events(), parts->events(), same));
  if (!answer) {
    OR_CHECK(answer.error() == other.error());
    return false;
  }
  OR_CHECK(answer->encoded.view() == other->encoded.view());
  for (const bool stream : {false, true}) {
    const auto out = dialect().render(answer->encoded.view(), {.stream = stream});
    OR_CHECK(out.has_value() && !out->ids.empty());
    const Bytes copy = personalise(*out, rng.next(), rng.next(), static_cast<std::int64_t>(rng.next()));
    stream ? check_events(copy.view()) : check_object(copy.view());
    const auto reader = dialect().make_reader(stream);
    feed(copy.view(), [&](std::string_view part) { reader->feed(part); });
    const auto again = reader->finish();
    OR_CHECK(again.has_value());
    OR_CHECK(again->estimated_completion_tokens == answer->estimated_completion_tokens);
  }
  std::string contents(*unseal("ORR\x01", answer->encoded.view()));
  for (std::uint64_t left = 1 + rng.below(4); left > 0 && !contents.empty(); --left) {
    const std::size_t at = rng.below(contents.size());
    if (rng.chance(0.2)) contents.resize(at + 1);
    contents[at] = static_cast<char>(rng.below(rng.chance(0.5) ? 256 : 8));
  }
  const Bytes sealed = seal("ORR\x01", contents);
  for (const bool stream : {false, true}) {
    static_cast<void>(dialect().render(sealed.view(), {.stream = stream}));
    static_cast<void>(dialect().render(contents, {.stream = stream}));
  }
  return true;
}

inline void hear_step(Rng& rng, const Exchange& exchange) {
  const SpeakerOptions options{.stream = rng.chance(0.7), .id_high = rng.next(), .id_low = rng.next(), .created = 1};
  const auto whole = dialect().make_speaker(options);
  const auto hearer = dialect().make_hearer(exchange.streamed);
  feed(exchange.text, [&](std::string_view part) { hearer->feed(part, *whole); });
  hearer->finish(*whole);
  const auto parts = dialect().make_speaker(options);
  const auto other = dialect().make_hearer(exchange.streamed);
  std::string said;
  in_parts(rng, exchange.text, [&](std::string_view part) {
    other->feed(part, *parts);
    said += parts->take();
  });
  other->finish(*parts);
  said += parts->take();
  OR_CHECK(said == whole->take());
  OR_CHECK(hearer->skipped() == other->skipped());
  if (options.stream) {
    check_events(said);
  } else if (!said.empty()) {
    check_object(said);
  }
  const auto reader = dialect().make_reader(options.stream);
  reader->feed(said);
  const auto verdict = reader->finish();
  // What the speaker says is well formed, whatever it was told; only arguments are the model's.
  const bool arguments = !verdict && verdict.error() == chat::NoStoreReason::not_understood;
  OR_CHECK(!arguments || said.empty() || said.find("function_call") != said.npos);
}

inline void request_step(Rng& rng, const Mutate& mutate) {
  std::string body(k_requests[rng.below(k_requests.size())]);
  mutate(rng, body);
  static_cast<void>(providers::understand(chat::Endpoint::responses, body, Level::faq));
  chat::Losses losses;
  std::expected<chat::Conversation, chat::NotCarried> heard = std::unexpected(chat::NotCarried::not_understood);
  feed(body, [&](std::string_view exact) { heard = dialect().hear_request(exact, losses); });
  if (!heard) return;
  const auto said = dialect().say_request(*heard, losses);
  if (!said) return;
  check_object(*said);
  const auto again = dialect().hear_request(*said, losses);
  OR_CHECK(again.has_value());
  const auto once_more = dialect().say_request(*again, losses);
  OR_CHECK(once_more.has_value() && *once_more == *said);
}

// Whether the exchange was stored.
inline bool step(Rng& rng, const Mutate& mutate) {
  Exchange exchange = exchanges()[rng.below(exchanges().size())];
  mutate(rng, exchange.text);
  hear_step(rng, exchange);
  request_step(rng, mutate);
  static_cast<void>(dialect().hear_error(400, exchange.text));
  return read_step(rng, exchange);
}

}  // namespace outrigger::providers::responses_fuzz
