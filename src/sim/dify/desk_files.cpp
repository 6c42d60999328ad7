// Files, up and down, and sound.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "sim/dify/desk.h"
#include "sim/dify/errors.h"
#include "sim/dify/query.h"
#include "sim/hash.h"
#include "sim/prose.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::is_utf8;
using sim_provider::json_quoted;
using sim_provider::text_at;
using sim_provider::whole;

constexpr std::string_view k_json = "application/json";
constexpr std::size_t k_speech_size = 16 << 10;

struct Range {
  std::uint64_t first = 0, size = 0;
};

// "bytes=2-5", "bytes=2-", "bytes=-5" (RFC 9110 §14.1.2); more than one range counts as none. The outer optional: is there a
// range; the inner one: can it be satisfied.
std::optional<std::optional<Range>> range_of(std::string_view field, std::uint64_t size) {
  if (!field.starts_with("bytes=") || field.find(',') != std::string_view::npos) return std::nullopt;
  field.remove_prefix(6);
  const std::size_t dash = field.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto first = number(field.substr(0, dash)), last = number(field.substr(dash + 1));
  if (!first && !last) return std::nullopt;
  if (!first) {
    const std::uint64_t tail = std::min(*last, size);
    if (tail == 0) return std::optional<Range>();
    return Range{size - tail, tail};
  }
  if (*first >= size || (last && *last < *first)) return std::optional<Range>();
  return Range{*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

// Names and types of files go into header fields and JSON.
std::string tame(std::string_view text, std::string_view otherwise) {
  return is_utf8(text) && http::is_field_value(text) && !text.empty() ? std::string(text) : std::string(otherwise);
}

const Part* part_named(const std::vector<Part>& parts, std::string_view name) {
  const auto found = std::ranges::find(parts, name, &Part::name);
  return found == parts.end() ? nullptr : &*found;
}

}  // namespace

Script Desk::upload(Call& call) {
  if (!call.request.body_whole) return answer_error(413);
  const auto parts = multipart(call.request.head.headers.get("content-type").value_or(""), call.request.body);
  const Part* part = part_named(parts, "file");
  if (part == nullptr) return answer_error(400, "no_file_uploaded", "Please upload your file.");
  if (part->data.size() > settings_.max_upload) return answer_error(413);
  if (const Part* user = part_named(parts, "user"); user != nullptr && is_utf8(user->data)) call.user = user->data;
  File file{call.owner(),
            tame(part->file_name, "file"),
            tame(part->type, "application/octet-stream"),
            std::string(part->data),
            sim_provider::sha256_hex(part->data),
            unix_seconds(call.wall)};
  const std::size_t dot = file.name.rfind('.');
  const std::string id = fresh_id();
  const std::string json = fmt::format(
      R"({{"id":"{}","name":{},"size":{},"extension":{},"mime_type":{},"hash":"{}","created_by":"{}","created_at":{},"preview_url":null}})",
      id, json_quoted(file.name), file.content.size(),
      json_quoted(dot == std::string::npos ? "" : file.name.substr(dot + 1)), json_quoted(file.type), file.sha256,
      sim_provider::sha256_hex(call.user).substr(0, 32), file.created);
  records_.files.keep(id, std::move(file));
  return whole(201, k_json, json);
}

Script Desk::preview(const Call& call) {
  if (!call.is("GET") && !call.is("HEAD")) return answer_error(405);
  const File* file = records_.files.find(call.parts[1]);
  if (file == nullptr || file->owner.app != call.app->key) return answer_error(404, "not_found", "File not found.");
  const auto range = range_of(call.request.head.headers.get("range").value_or(""), file->content.size());
  if (range && !*range) {
    Script script = answer_error(416);
    script.head->headers.add("content-range", fmt::format("bytes */{}", file->content.size()));
    return script;
  }
  const Range part = range ? **range : Range{0, file->content.size()};
  Script script = whole(range ? 206 : 200, file->type, file->content.substr(part.first, part.size));
  script.head->headers.add("accept-ranges", "bytes");
  script.head->headers.add("etag", fmt::format("\"{}\"", file->sha256.substr(0, 32)));
  if (range) {
    script.head->headers.add("content-range",
                             fmt::format("bytes {}-{}/{}", part.first, part.first + part.size - 1, file->content.size()));
  }
  if (query_value(call.query, "as_attachment") == "true") {
    script.head->headers.add("content-disposition", fmt::format("attachment; filename=\"{}\"", file->name));
  }
  return script;
}

Script Desk::audio_to_text(const Call& call) {
  if (!call.request.body_whole) return answer_error(413, "audio_too_large", "Audio size exceeded.");
  const auto parts = multipart(call.request.head.headers.get("content-type").value_or(""), call.request.body);
  const Part* part = part_named(parts, "file");
  if (part == nullptr) return answer_error(400, "no_audio_uploaded", "Please upload your audio.");
  const std::string hash = sim_provider::sha256_hex(part->data);
  return whole(200, k_json, fmt::format(R"({{"text":"{} bytes of speech, {}"}})", part->data.size(), hash.substr(0, 16)));
}

// As a stream of unknown length: that is how speech leaves Dify.
Script Desk::text_to_audio(const Call& call) {
  const std::string_view text = text_at(call.body, "text");
  const Message* message = records_.messages.find(text_at(call.body, "message_id"));
  const std::string spoken(text.empty() && message != nullptr ? std::string_view(message->answer) : text);
  if (spoken.empty()) return answer_error(400, "invalid_param", "text or message_id is required.");
  Script script =
      whole(200, "audio/mpeg", "ID3" + sim_provider::sized_answer(sim_provider::stable_hash(spoken), k_speech_size));
  script.length = http::BodyLength::streamed();
  return script;
}

}  // namespace outrigger::sim_dify
