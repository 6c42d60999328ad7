// providers_fuzz [seed] [iterations]: the golden exchanges, damaged as bytes, as JSON and as events, through the readers; what is
// stored through every form of rendering and back; stored forms damaged behind a right checksum; request bodies, damaged or not,
// rewritten for another target; errors and headers damaged; rerank and embed, requests and answers; messages, responses and Dify's
// runs in steps of their own. Prints the seed first; a run is the same for the same seed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/rng.h"
#include "fuzz/dify_steps.h"
#include "fuzz/messages_steps.h"
#include "fuzz/responses_steps.h"
#include "providers/answer.h"
#include "providers/dialect.h"
#include "providers/json_doc.h"
#include "providers/openai/pieces.h"
#include "providers/openai/rewrite.h"
#include "providers/sealed.h"
#include "providers/signals.h"
#include "providers/told_times.h"
#include "unit/chat/random_request.h"

namespace outrigger::providers {
namespace {

using chat::Endpoint;

struct Body {
  std::string text;
  Endpoint endpoint;
  bool streamed;
};

std::vector<Body> golden_bodies() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/exchanges")) {
    if (entry.path().extension() != ".want") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<Body> bodies;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    const bool completions = path.filename().string().starts_with("completions");
    bodies.push_back({std::string(std::istreambuf_iterator<char>(file), {}),
                      completions ? Endpoint::completions : Endpoint::chat_completions, path.extension() == ".sse"});
  }
  OR_CHECK(!bodies.empty());
  return bodies;
}

constexpr std::array<std::string_view, 22> k_tokens{"null",
                                                    "[]",
                                                    "{}",
                                                    "\"\"",
                                                    "\"x\"",
                                                    "0",
                                                    "-1",
                                                    "1.5",
                                                    "128",
                                                    "1024",
                                                    "true",
                                                    "[1]",
                                                    "{\"a\":1}",
                                                    "\"\\ud83d\"",
                                                    "\"\\ud83d\\ude00\"",
                                                    "\"\\u2028\"",
                                                    "99999999999999999999",
                                                    "\"stop\"",
                                                    "\"length\"",
                                                    "\"error\"",
                                                    "\n\n",
                                                    "data: [DONE]\n\n"};

std::size_t somewhere(Rng& rng, std::string_view text) { return text.empty() ? 0 : rng.below(text.size()); }

// The value after a colon is replaced by another.
void change_value(Rng& rng, std::string& text) {
  const std::size_t colon = text.find("\":", somewhere(rng, text));
  if (colon == std::string::npos) return;
  const std::size_t end = text.find_first_of(",}\n", colon + 2);
  text.replace(colon + 2, end == std::string::npos ? end : end - colon - 2, k_tokens[rng.below(k_tokens.size())]);
}

// An event is dropped, doubled or put elsewhere.
void move_event(Rng& rng, std::string& text) {
  const std::size_t begin = text.find("data:", somewhere(rng, text));
  if (begin == std::string::npos) return;
  const std::size_t end = std::min(text.size(), text.find("\n\n", begin) + 2);
  if (end < begin) return;
  const std::string event = text.substr(begin, end - begin);
  if (rng.chance(0.6)) text.erase(begin, event.size());
  if (rng.chance(0.5)) {
    const std::size_t place = text.find("data:", somewhere(rng, text));
    text.insert(place == std::string::npos ? text.size() : place, event);
  }
}

void mutate(Rng& rng, std::string& text) {
  for (std::uint64_t left = rng.below(4); left > 0; --left) {
    const std::size_t at = somewhere(rng, text);
    switch (rng.below(9)) {
      case 0:
        text.resize(at);
        break;
      case 1:
        if (!text.empty()) text[at] = static_cast<char>(rng.below(256));
        break;
      case 2:
        text.erase(at, rng.below(20));
        break;
      case 3:
        text.insert(at, k_tokens[rng.below(k_tokens.size())]);
        break;
      case 4:
      case 5:
        move_event(rng, text);
        break;
      default:
        change_value(rng, text);
    }
  }
}

std::expected<Answer, chat::NoStoreReason> read(AnswerReader& reader, std::string_view text) {
  // In a block of its own size, so that the sanitizer sees a read beyond its end.
  const std::vector<char> exact(text.begin(), text.end());
  reader.feed(std::string_view(exact.data(), exact.size()));
  return reader.finish();
}

void check_json(std::string_view text) { OR_CHECK(yyjson_is_obj(JsonDoc::read(text).root())); }

// Every event is one line of strict JSON, but for the mark at the end.
void check_stream(std::string_view text) {
  constexpr std::string_view k_done = "data: [DONE]\n\n";
  OR_CHECK(text.ends_with(k_done));
  text.remove_suffix(k_done.size());
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    OR_CHECK(text.starts_with("data: ") && text.substr(end).starts_with("\n\n"));
    check_json(text.substr(6, end - 6));
    text.remove_prefix(end + 2);
  }
}

// What was stored renders in each form, and what was rendered is stored again.
void check_forms(Endpoint endpoint, const Answer& answer, Rng& rng) {
  for (const bool stream : {false, true}) {
    const auto out = render(endpoint, answer.encoded.view(), {.stream = stream, .include_usage = rng.chance(0.5)});
    OR_CHECK(out.has_value());
    OR_CHECK(out->ids.size() == out->createds.size() && !out->ids.empty());
    const Bytes copy = personalise(*out, rng.next(), rng.next(), static_cast<std::int64_t>(rng.next()));
    stream ? check_stream(copy.view()) : check_json(copy.view());
    const auto reader = make_answer_reader(endpoint, stream);
    const auto again = read(*reader, copy.view());
    OR_CHECK(again.has_value());
    OR_CHECK(again->estimated_completion_tokens == answer.estimated_completion_tokens);
    OR_CHECK(render(endpoint, again->encoded.view(), {}).has_value());
  }
}

bool fuzz_reader(Rng& rng, Body body) {
  mutate(rng, body.text);
  const auto whole = make_answer_reader(body.endpoint, body.streamed);
  const auto answer = read(*whole, body.text);
  const auto parts = make_answer_reader(body.endpoint, body.streamed);
  std::size_t grown = 0;
  for (std::string_view left = body.text; !left.empty();) {
    const std::string_view part = left.substr(0, 1 + rng.below(rng.chance(0.5) ? 8 : 500));
    parts->feed(part);
    left.remove_prefix(part.size());
    OR_CHECK(parts->events().size() >= grown);
    grown = parts->events().size();
  }
  const auto other = parts->finish();
  OR_CHECK(answer.has_value() == other.has_value());
  OR_CHECK(whole->saw_error() == parts->saw_error());
  OR_CHECK(whole->events().size() == parts->events().size());
  std::size_t last = 0;
  for (std::size_t i = 0; i < whole->events().size(); ++i) {
    const Event& event = whole->events()[i];
    OR_CHECK(event.end == parts->events()[i].end && event.kind == parts->events()[i].kind);
    OR_CHECK(event.end > last && event.end <= body.text.size());
    last = event.end;
  }
  if (!answer) {
    OR_CHECK(answer.error() == other.error());
    return false;
  }
  OR_CHECK(answer->encoded.view() == other->encoded.view());
  check_forms(body.endpoint, *answer, rng);
  static_cast<void>(usage_event(body.endpoint, body.text, {rng.next(), 1}));
  return true;
}

void fuzz_stored(Rng& rng, const Body& body) {
  const auto reader = make_answer_reader(body.endpoint, body.streamed);
  const auto answer = read(*reader, body.text);
  if (!answer) return;
  constexpr std::size_t k_sealed = 12;  // magic, version and checksum
  std::string pieces(answer->encoded.view().substr(k_sealed));
  for (std::uint64_t left = 1 + rng.below(4); left > 0 && !pieces.empty(); --left) {
    const std::size_t at = rng.below(pieces.size());
    if (rng.chance(0.2)) pieces.resize(at + 1);
    pieces[at] = static_cast<char>(rng.below(256));
  }
  const Bytes sealed = openai::encode({.streamed = rng.chance(0.5), .model = "m"}, pieces);
  for (const bool stream : {false, true}) {
    static_cast<void>(render(Endpoint::chat_completions, sealed.view(), {.stream = stream, .include_usage = true}));
    static_cast<void>(render(body.endpoint, pieces, {.stream = stream}));
  }
}

void fuzz_embeddings(Rng& rng) {
  EmbeddingsAnswer answer{"m", {}, rng.below(100)};
  for (std::uint64_t left = 1 + rng.below(4); left > 0; --left) {
    answer.embeddings.emplace_back(rng.chance(0.5) ? "[0.10,-2e-5]" : "\"AACAPw==\"");
  }
  std::string text = render_embeddings(answer);
  mutate(rng, text);
  const std::vector<char> exact(text.begin(), text.end());
  const auto read = read_embeddings(std::string_view(exact.data(), exact.size()), answer.embeddings.size());
  if (!read) return;
  const std::string rendered = render_embeddings(*read);
  check_json(rendered);
  const auto again = read_embeddings(rendered, answer.embeddings.size());
  OR_CHECK(again.has_value() && again->embeddings == read->embeddings && again->prompt_tokens == read->prompt_tokens);
}

// Members of the top level that no rewrite below names, in their order.
std::vector<std::string> untouched(const JsonDoc& doc) {
  constexpr std::array<std::string_view, 8> k_touched{
      "model",  "max_tokens",     "max_completion_tokens", "max_output_tokens",
      "stream", "stream_options", "temperature",           "of_old"};
  std::vector<std::string> found;
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* name = nullptr;
  yyjson_val* value = nullptr;
  yyjson_obj_foreach(doc.root(), index, count, name, value) {
    const std::string_view own = *string_of(name);
    if (std::ranges::find(k_touched, own) == k_touched.end()) found.push_back(text_of(name) + text_of(value));
  }
  return found;
}

// Returns whether the body was one that can be rewritten.
bool fuzz_rewrite(Rng& rng) {
  std::string body = chat::test::written(chat::test::random_chat(rng), &rng);
  mutate(rng, body);
  const std::vector<char> exact(body.begin(), body.end());
  const std::string_view view(exact.data(), exact.size());
  const JsonDoc before = JsonDoc::read(body);
  const bool is_object = yyjson_is_obj(before.root());
  const auto same = openai::rewrite_request(view, {});
  OR_CHECK(same.has_value() == is_object);
  OR_CHECK(!same || *same == view);
  openai::RequestRewrite rewrite;
  if (rng.chance(0.5)) rewrite.drop.emplace_back("temperature");
  if (rng.chance(0.3)) rewrite.rename.push_back({"max_tokens", "max_completion_tokens"});
  if (rng.chance(0.3)) rewrite.rename.push_back({"max_completion_tokens", "max_tokens"});
  if (rng.chance(0.3)) rewrite.rename.push_back({"temperature", "of_old"});
  if (rng.chance(0.5)) rewrite.max_output = rng.below(200);
  if (rng.chance(0.5)) rewrite.stream = rng.chance(0.5);
  if (rng.chance(0.5)) rewrite.model = "m\n\"";
  const auto text = openai::rewrite_request(view, rewrite);
  OR_CHECK(text.has_value() == is_object);
  if (!text) return false;
  const JsonDoc after = JsonDoc::read(*text);
  OR_CHECK(yyjson_is_obj(after.root()));
  OR_CHECK(untouched(after) == untouched(before));
  if (rewrite.model) OR_CHECK(string_of(member(after.root(), "model")) == *rewrite.model);
  if (rewrite.stream.value_or(false)) OR_CHECK(yyjson_is_true(member(after.root(), "stream")));
  return true;
}

constexpr std::array<std::string_view, 9> k_errors{
    R"({"error":{"message":"Rate limit reached. Please try again in 6m0s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}})",
    R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":null}})",
    R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
    R"([{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"reason":"X"},{"retryDelay":"17s"}],"message":"limit: 0,"}}])",
    R"({"choices":[],"base_resp":{"status_code":1002,"status_msg":"rate limit"}})",
    R"({"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"},"metadata":{"reasons":["a"]}}})",
    R"({"code":"rate_limit_error","message":"x","status":429})",
    R"("Tokens per minute limit exceeded, retry after 7 seconds")",
    "<html><h1>502</h1></html>"};

constexpr std::array<std::string_view, 16> k_values{"1s",
                                                    "6m0s",
                                                    "17ms",
                                                    "1h2m3s",
                                                    "59.70",
                                                    "0",
                                                    "-1",
                                                    "1755780090",
                                                    "1755780090500",
                                                    "2025-08-21T12:40:59Z",
                                                    "2025-08-21T20:41:30.250+08:00",
                                                    "Thu, 21 Aug 2025 12:41:30 GMT",
                                                    "99999999999999999999",
                                                    "1e308",
                                                    "",
                                                    "5000"};

void check_length(std::optional<Duration> length) { OR_CHECK(!length || (*length >= 0s && *length <= k_told_max)); }

void check_signal(const Signal& signal) {
  OR_CHECK(signal.code.size() <= Signal::k_code_max);
  OR_CHECK(signal.code.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") ==
           std::string::npos);
  OR_CHECK(!signal.retry_after || *signal.retry_after > 0s);
  check_length(signal.retry_after);
}

// Headers that change each time they are asked for, around errors and answers.
void fuzz_signals(Rng& rng, const Body& body) {
  static constexpr std::array k_statuses{200, 204, 302, 400, 401, 402, 403, 404, 408, 413, 429, 500, 503, 529, 0, -7};
  std::string error(rng.chance(0.2) ? std::string_view(body.text) : k_errors[rng.below(k_errors.size())]);
  mutate(rng, error);
  std::string value;
  std::uint32_t asked = 0;
  const auto header = [&](std::string_view) -> std::optional<std::string_view> {
    if (rng.chance(0.3)) return std::nullopt;
    ++asked;
    value = k_values[rng.below(k_values.size())];
    if (rng.chance(0.5)) mutate(rng, value);
    return value;
  };
  const WallTime now{std::chrono::milliseconds(1'755'780'060'000 + static_cast<std::int64_t>(rng.below(1'000'000)))};
  const std::vector<char> exact(error.begin(), error.end());
  const std::string_view view(exact.data(), exact.size());
  const int status = k_statuses[rng.below(k_statuses.size())];
  const Signal signal = read_signal(status, header, view, now);
  OR_CHECK(signal.kind != SignalKind::ok || (status >= 200 && status < 300));
  check_signal(signal);
  check_signal(read_event_signal(view));
  asked = 0;
  std::uint32_t ignored = 0;
  const Limits limits = read_limits(header, now, ignored);
  OR_CHECK(ignored <= asked);
  check_length(limits.requests_reset);
  check_length(limits.tokens_reset);
}

// ---- whole bodies: rerank and embed ------------------------------------------------------------------------------------

struct Whole {
  std::string body;
  std::string request;  // of the golden exchange, as JSON
};

std::vector<Whole> golden_wholes() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/whole")) {
    if (entry.path().extension() == ".want") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  const auto contents = [](const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::vector<Whole> wholes;
  for (const auto& path : paths) {
    const JsonDoc want = JsonDoc::read(contents(path));
    wholes.push_back({contents(path.parent_path() / path.stem()), text_of(member(want.root(), "request"))});
  }
  OR_CHECK(!wholes.empty());
  return wholes;
}

constexpr std::array k_whole_endpoints{Endpoint::rerank, Endpoint::embed, Endpoint::embed_v2};

// An answer, damaged or not, at any split; what is stored of it on the wire and back, and damaged behind a right seal.
bool fuzz_whole(Rng& rng, Whole whole) {
  mutate(rng, whole.request);
  for (const Endpoint endpoint : {Endpoint::rerank, Endpoint::embed, Endpoint::embed_v2, Endpoint::embeddings}) {
    const chat::Request request = providers::understand(endpoint, whole.request, Level::safe);
    OR_CHECK(request.canonical.empty() == request.needs.unknown);
    OR_CHECK(request.inputs.empty() || request.endpoint == Endpoint::embeddings);
  }
  mutate(rng, whole.body);
  const Endpoint endpoint = k_whole_endpoints[rng.below(k_whole_endpoints.size())];
  const auto reader = make_answer_reader(endpoint, false);
  const auto parts = make_answer_reader(endpoint, false);
  const auto answer = read(*reader, whole.body);
  for (std::string_view left = whole.body; !left.empty();) {
    const std::string_view part = left.substr(0, 1 + rng.below(100));
    parts->feed(part);
    left.remove_prefix(part.size());
  }
  const auto other = parts->finish();
  OR_CHECK(answer.has_value() == other.has_value() && reader->saw_error() == parts->saw_error());
  if (!answer) return false;
  OR_CHECK(answer->encoded.view() == other->encoded.view());
  for (const UsagePolicy usage : {UsagePolicy::original, UsagePolicy::zero}) {
    const auto out = render(endpoint, answer->encoded.view(), {.usage = usage});
    OR_CHECK(out.has_value() && out->ids.size() <= 1 && out->createds.size() <= 1);
    const Bytes copy = personalise(*out, rng.next(), rng.next(), static_cast<std::int64_t>(rng.next()));
    OR_CHECK(JsonDoc::read(copy.view()).root() != nullptr);
    if (out->ids.empty() && out->createds.empty() && usage == UsagePolicy::original) OR_CHECK(copy.view() == whole.body);
    OR_CHECK(read(*make_answer_reader(endpoint, false), copy.view()).has_value());
  }
  constexpr std::string_view k_magic = "ORW\x01";
  std::string content(*unseal(k_magic, answer->encoded.view()));
  for (std::uint64_t left = 1 + rng.below(4); left > 0 && !content.empty(); --left) {
    const std::size_t at =
        rng.chance(0.8) ? rng.below(std::min<std::size_t>(content.size(), 60)) : rng.below(content.size());
    content[at] = static_cast<char>(rng.chance(0.5) ? rng.below(256) : rng.below(4));
    if (rng.chance(0.1)) content.resize(at);
  }
  const Bytes sealed = seal(k_magic, content);
  for (const Endpoint any : k_whole_endpoints) {
    const auto out = render(any, sealed.view(), {.usage = UsagePolicy::zero});
    if (out) static_cast<void>(personalise(*out, 1, 2, 3));
  }
  return true;
}

int run(std::uint64_t seed, std::uint64_t iterations) {
  fmt::print("providers_fuzz seed {} iterations {}\n", seed, iterations);
  Rng rng(seed);
  const std::vector<Body> bodies = golden_bodies();
  std::uint64_t stored = 0;
  std::uint64_t rewritten = 0;
  std::uint64_t responses_stored = 0;
  std::uint64_t runs_stored = 0;
  std::uint64_t files_known = 0;
  const std::vector<Whole> wholes = golden_wholes();
  std::uint64_t kept_whole = 0;
  MessagesSteps messages;
  std::uint64_t messages_stored = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    const Body& body = bodies[rng.below(bodies.size())];
    if (fuzz_reader(rng, body)) ++stored;
    fuzz_stored(rng, body);
    fuzz_embeddings(rng);
    if (fuzz_rewrite(rng)) ++rewritten;
    fuzz_signals(rng, body);
    if (responses_fuzz::step(rng, mutate)) ++responses_stored;
    if (dify_fuzz::step(rng, mutate)) ++runs_stored;
    if (dify_fuzz::upload_step(rng, mutate)) ++files_known;
    if (fuzz_whole(rng, wholes[rng.below(wholes.size())])) ++kept_whole;
    if (messages.run(rng, [&rng](std::string& text) { mutate(rng, text); })) ++messages_stored;
  }
  fmt::print(
      "ok, {} of them were stored, {} rewritten, {} whole bodies, {} messages, {} responses and {} runs stored, {} files "
      "known\n",
      stored, rewritten, kept_whole, messages_stored, responses_stored, runs_stored, files_known);
  return 0;
}

}  // namespace
}  // namespace outrigger::providers

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t iterations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20'000;
  return outrigger::providers::run(seed, iterations);
}
