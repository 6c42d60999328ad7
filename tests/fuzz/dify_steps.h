// Steps of providers_fuzz for Dify's service API: paths, bodies of runs, answers and uploads, damaged, through everything that reads
// them; what is stored through both forms of rendering and back; stored forms damaged behind a right checksum.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "chat/form.h"
#include "core/check.h"
#include "core/rng.h"
#include "providers/dify/answer.h"
#include "providers/dify/run_request.h"
#include "providers/dify/signals.h"
#include "providers/dify/upload.h"
#include "providers/json_doc.h"
#include "providers/sealed.h"

namespace outrigger::providers::dify_fuzz {

using Mutate = std::function<void(Rng&, std::string&)>;

struct Exchange {
  std::string text;
  dify::RunKind kind;
  bool streamed;
};

inline const std::vector<Exchange>& exchanges() {
  static const std::vector<Exchange> all = [] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/dify")) {
      if (entry.path().extension() == ".sse" || entry.path().extension() == ".json") paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    std::vector<Exchange> found;
    for (const auto& path : paths) {
      std::ifstream file(path, std::ios::binary);
      const std::string name = path.filename().string();
      const auto kind = name.starts_with("workflow")     ? dify::RunKind::workflow
                        : name.starts_with("completion") ? dify::RunKind::completion
                                                         : dify::RunKind::chat;
      found.push_back({std::string(std::istreambuf_iterator<char>(file), {}), kind, path.extension() == ".sse"});
    }
    OR_CHECK(!found.empty());
    return found;
  }();
  return all;
}

inline dify::Fresh fresh(Rng& rng) {
  const auto id = [&rng] { return dify::uuid_of(rng.next(), rng.next()); };
  return {.task = id(), .message = id(), .conversation = id(), .run = id(), .user = "a\"\n", .now = 1'755'780'090};
}

inline void check_text(std::string_view text, bool stream) {
  while (stream && !text.empty()) {
    const std::size_t end = text.find("\n\n");
    OR_CHECK(text.starts_with("data: ") && end != text.npos);
    OR_CHECK(yyjson_is_obj(JsonDoc::read(text.substr(6, end - 6)).root()));
    text.remove_prefix(end + 2);
  }
  if (!stream) OR_CHECK(yyjson_is_obj(JsonDoc::read(text).root()));
}

// Whether the exchange was stored.
inline bool answer_step(Rng& rng, const Exchange& exchange) {
  dify::RunReader whole(exchange.kind, exchange.streamed, true);
  whole.feed(exchange.text);
  const auto answer = whole.finish();
  dify::RunReader parts(exchange.kind, exchange.streamed, true);
  for (std::string_view rest = exchange.text; !rest.empty();) {
    // A copy of its own, so that a sanitizer sees a step beyond the end.
    const std::vector<char> part(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                                  rest.size(), 1 + rng.below(rng.chance(0.5) ? 8 : 500))));
    parts.feed({part.data(), part.size()});
    rest.remove_prefix(part.size());
  }
  const auto other = parts.finish();
  OR_CHECK(answer.has_value() == other.has_value());
  OR_CHECK(whole.saw_error() == parts.saw_error() && whole.begun() == parts.begun());
  OR_CHECK(whole.ids().task == parts.ids().task && whole.signal().code == parts.signal().code);
  if (!answer) {
    OR_CHECK(answer.error() == other.error());
    return false;
  }
  OR_CHECK(answer->encoded.view() == other->encoded.view());
  OR_CHECK(whole.ended_well());
  for (const bool stream : {false, true}) {
    const auto out = dify::render_run(exchange.kind, answer->encoded.view(), stream);
    OR_CHECK(out.has_value());
    const Bytes copy = personalise(*out, fresh(rng));
    check_text(copy.view(), stream);
    dify::RunReader again(exchange.kind, stream, true);
    again.feed(copy.view());
    OR_CHECK(again.finish().has_value());
  }
  std::string contents(*unseal("ORD\x02", answer->encoded.view()));
  for (std::uint64_t left = 1 + rng.below(4); left > 0 && !contents.empty(); --left) {
    const std::size_t at = rng.below(contents.size());
    if (rng.chance(0.2)) contents.resize(at + 1);
    contents[at] = static_cast<char>(rng.below(rng.chance(0.5) ? 256 : 9));
  }
  for (const bool stream : {false, true}) {
    if (const auto out = dify::render_run(exchange.kind, seal("ORD\x02", contents).view(), stream)) {
      static_cast<void>(personalise(*out, fresh(rng)));
    }
  }
  return true;
}

inline void request_step(Rng& rng, const Mutate& mutate) {
  static constexpr std::string_view k_bodies[] = {
      R"({"inputs":{"a":"b","n":[1,2.5,null]},"query":"Hi there?","response_mode":"streaming","user":"u","conversation_id":""})",
      R"({"inputs":{"query":"x","f":{"type":"image","transfer_method":"local_file","upload_file_id":"i"}},"user":"u"})",
      R"({"inputs":{},"query":"q","user":"u","files":[{"type":"image","transfer_method":"remote_url","url":"http://e"}]})"};
  static constexpr std::string_view k_paths[] = {
      "/v1/chat-messages", "/v1/messages/45701982-8118-4bc5-8e9b-64562b4555f2/x?a=b",
      "/console/api/apps/45701982-8118-4bc5-8e9b-64562b4555f2/site", "/v1/%2e%2e//v1/workflows/run?conversation_id=%41"};
  std::string body(k_bodies[rng.below(std::size(k_bodies))]);
  mutate(rng, body);
  const auto kind = static_cast<dify::RunKind>(1 + rng.below(3));
  const auto known = [](std::string_view id) { return id == "i" ? std::optional<std::string>("hash") : std::nullopt; };
  const dify::RunRequest request =
      dify::read_run(kind, body, {.level = Level::faq_plus, .per_user = rng.chance(0.5)}, known);
  const bool nothing =
      request.bypass == chat::BypassReason::not_json || request.bypass == chat::BypassReason::not_understood;
  OR_CHECK(request.canonical.empty() == nothing);
  if (!nothing) {
    chat::FormReader form(request.canonical);
    OR_CHECK(form.head().has_value() && form.skip() && form.rest().empty());
  }
  std::string path(k_paths[rng.below(std::size(k_paths))]);
  for (std::uint64_t left = rng.below(4); left > 0; --left) path[rng.below(path.size())] = static_cast<char>(rng.below(256));
  static_cast<void>(dify::classify(rng.chance(0.5) ? "POST" : "GET", path));
}

inline const std::vector<std::string>& uploads() {
  static const std::vector<std::string> all = [] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/uploads")) {
      paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    std::vector<std::string> found;
    for (const auto& path : paths) {
      std::ifstream file(path, std::ios::binary);
      found.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    OR_CHECK(!found.empty());
    return found;
  }();
  return all;
}

// Whether its file was known in the end.
inline bool upload_step(Rng& rng, const Mutate& mutate) {
  constexpr std::size_t k_name_size = std::string_view("Content-Type: ").size();
  std::string form = uploads()[rng.below(uploads().size())];
  const std::size_t end = form.find("\r\n\r\n");
  std::string type = form.substr(k_name_size, end - k_name_size);
  form.erase(0, end + 4);
  if (rng.chance(0.1)) mutate(rng, type);
  if (rng.chance(0.9)) mutate(rng, form);
  // What is put in the wrong place may well be a delimiter.
  if (rng.chance(0.2)) form.insert(rng.below(form.size() + 1), form.substr(0, rng.below(100)));
  dify::UploadReader whole(type), parts(type);
  whole.feed(form);
  for (std::string_view rest = form; !rest.empty();) {
    const std::vector<char> part(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                                  rest.size(), 1 + rng.below(rng.chance(0.5) ? 4 : 200))));
    parts.feed({part.data(), part.size()});
    rest.remove_prefix(part.size());
  }
  const auto content = whole.finish();
  const auto other = parts.finish();
  OR_CHECK(content.has_value() == other.has_value());
  std::string answer =
      R"({"id":"72fa9618-8f89","name":"menu.txt","size":45,"extension":"txt","mime_type":"text/plain","created_at":1})";
  mutate(rng, answer);
  const auto upload = dify::read_upload(content.value_or(dify::FileContent{"", 45}), 201, answer);
  OR_CHECK(!upload || (!upload->id.empty() && upload->hash.size() == 64));
  if (!content) return false;
  OR_CHECK(content->sha256 == other->sha256 && content->size == other->size);
  // It is a piece of the body, whole lines but for the last.
  bool is_there = false;
  for (std::size_t at = form.find("\r\n\r\n"); at != form.npos && !is_there; at = form.find("\r\n\r\n", at + 1)) {
    is_there = chat::sha256_hex(std::string_view(form).substr(at + 4).substr(0, content->size)) == content->sha256;
  }
  OR_CHECK(is_there);
  return true;
}

// Whether the exchange was stored.
inline bool step(Rng& rng, const Mutate& mutate) {
  Exchange exchange = exchanges()[rng.below(exchanges().size())];
  mutate(rng, exchange.text);
  request_step(rng, mutate);
  static_cast<void>(dify::read_event(exchange.text));
  return answer_step(rng, exchange);
}

}  // namespace outrigger::providers::dify_fuzz
