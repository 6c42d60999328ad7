#include "chat/named_model.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "chat/json.h"

namespace outrigger::chat {
namespace {

// ---- path ------------------------------------------------------------------------------------------------------------

// The segments of a path. One with more than we know paths to have is looked at no further.
struct Segments {
  static constexpr std::size_t k_most = 32;
  std::array<std::string_view, k_most> at{};
  std::size_t count = 0;

  explicit Segments(std::string_view path) {
    while (!path.empty() && count < k_most) {
      const std::string_view segment = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(segment.size() + 1, path.size()));
      if (!segment.empty()) at[count++] = segment;
    }
    if (!path.empty()) count = 0;
  }
  // Empty beyond the ends.
  [[nodiscard]] std::string_view operator[](std::size_t i) const { return i < count ? at[i] : std::string_view(); }
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Nothing when a percent sign does not stand before two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

// Names in paths and forms are ASCII at every provider.
bool is_ascii_name(std::string_view name) {
  return !name.empty() && name.size() <= k_model_name_max &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string name_in(std::string_view segment) {
  if (segment.size() > 3 * k_model_name_max) return {};
  std::optional<std::string> name = percent_decoded(segment);
  return name && is_ascii_name(*name) ? std::move(*name) : std::string();
}

struct Verb {
  std::string_view name;
  bool streams = false;
};
constexpr std::array<Verb, 15> k_google_verbs{{
    {"generateContent"},
    {"streamGenerateContent", true},
    {"embedContent"},
    {"batchEmbedContents"},
    {"asyncBatchEmbedContent"},
    {"batchGenerateContent"},
    {"countTokens"},
    {"computeTokens"},
    {"generateAnswer"},
    {"predict"},
    {"predictLongRunning"},
    {"rawPredict"},
    {"streamRawPredict", true},
    {"serverStreamingPredict", true},
    {"bidiGenerateContent", true},
}};
constexpr std::array<Verb, 6> k_bedrock_verbs{{
    {"invoke"},
    {"invoke-with-response-stream", true},
    {"invoke-with-bidirectional-stream", true},
    {"converse"},
    {"converse-stream", true},
    {"count-tokens"},
}};

const Verb* verb_named(std::span<const Verb> verbs, std::string_view name) {
  const auto found = std::ranges::find(verbs, name, &Verb::name);
  return found == verbs.end() ? nullptr : &*found;
}

// What the path alone says; nothing when it names no model.
std::optional<NamedModel> in_path(const Segments& path) {
  for (std::size_t i = 0; i + 1 < path.count; ++i) {
    const std::string_view next = path[i + 1];
    if (path[i] == "openai" && next == "deployments" && !path[i + 3].empty()) return NamedModel{name_in(path[i + 2])};
    if (path[i] == "model") {
      const Verb* verb = i + 3 == path.count ? verb_named(k_bedrock_verbs, path[i + 2]) : nullptr;
      if (verb != nullptr) return NamedModel{name_in(next), verb->streams};
    }
    if ((path[i] == "models" || path[i] == "tunedModels") && i + 2 == path.count && next.size() <= 4 * k_model_name_max) {
      const std::optional<std::string> whole = percent_decoded(next);
      const std::size_t colon = whole ? whole->rfind(':') : std::string::npos;
      if (colon == std::string::npos) continue;
      const Verb* verb = verb_named(k_google_verbs, std::string_view(*whole).substr(colon + 1));
      if (verb == nullptr) continue;
      const std::string_view name = std::string_view(*whole).substr(0, colon);
      return NamedModel{is_ascii_name(name) ? std::string(name) : std::string(), verb->streams};
    }
  }
  return std::nullopt;
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

struct Told {
  std::string model;
  std::optional<bool> stream;
};

bool is_printable(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

Told in_json(std::string_view body) {
  Told told;
  if (body.size() > k_named_json_max) return told;
  const std::size_t begin = body.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || body[begin] != '{') return told;
  const Document document = parse_json(body);
  yyjson_val* root = yyjson_doc_get_root(document.get());
  Members members;
  if (!yyjson_is_obj(root) || !members.load(root)) return told;
  for (const Members::Member& member : members) {
    if (member.name() == "stream" && yyjson_is_bool(member.value)) told.stream = yyjson_is_true(member.value);
    if (member.name() != "model" || !yyjson_is_str(member.value)) continue;
    const std::string_view name = text_of(member.value);
    if (name.size() <= k_model_name_max && is_printable(name)) told.model = name;
  }
  return told;
}

// ---- form data (RFC 7578) --------------------------------------------------------------------------------------------

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool begins_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) { return a == lower(b); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The name in `form-data; name="model"`; parameters may be quoted, with anything inside.
std::string_view form_name(std::string_view disposition) {
  while (!disposition.empty()) {
    std::size_t end = 0;
    for (bool quoted = false; end < disposition.size() && (quoted || disposition[end] != ';'); ++end) {
      if (quoted && disposition[end] == '\\') {
        ++end;
      } else if (disposition[end] == '"') {
        quoted = !quoted;
      }
    }
    std::string_view parameter = trimmed(disposition.substr(0, end));
    disposition.remove_prefix(std::min(end + 1, disposition.size()));
    if (!begins_with_word(parameter, "name=")) continue;
    parameter.remove_prefix(5);
    if (parameter.size() >= 2 && parameter.front() == '"' && parameter.back() == '"') {
      parameter = parameter.substr(1, parameter.size() - 2);
    }
    return parameter;
  }
  return {};
}

std::string_view part_name(std::string_view headers) {
  constexpr std::string_view k_disposition = "content-disposition:";
  while (!headers.empty()) {
    const std::string_view line = headers.substr(0, headers.find("\r\n"));
    headers.remove_prefix(std::min(line.size() + 2, headers.size()));
    if (begins_with_word(line, k_disposition)) return form_name(line.substr(k_disposition.size()));
  }
  return {};
}

// Each part ends before a line that begins with the boundary, which is the body's own first line. A part whose end lies beyond
// what is looked through tells nothing.
Told in_form(std::string_view body) {
  constexpr std::size_t k_boundary_max = 72;  // RFC 2046: 70, and two dashes
  Told told;
  body = body.substr(0, k_named_upload_max);
  const std::size_t first = body.find("\r\n");
  if (first == std::string_view::npos || first <= 2 || first > k_boundary_max) return told;
  const std::string boundary = "\r\n" + std::string(body.substr(0, first));
  body.remove_prefix(first);
  for (;;) {
    // At the end of a boundary's line.
    if (!body.starts_with("\r\n")) return told;
    const std::size_t blank = body.find("\r\n\r\n");
    if (blank == std::string_view::npos) return told;
    const std::string_view headers = body.substr(2, blank >= 2 ? blank - 2 : 0);
    body.remove_prefix(blank + 4);
    const std::size_t end = body.find(boundary);
    if (end == std::string_view::npos) return told;
    const std::string_view value = body.substr(0, end);
    const std::string_view name = part_name(headers);
    if (name == "model" && is_ascii_name(value)) told.model = value;
    if (name == "stream") told.stream = value == "true" || value == "True" || value == "1";
    body.remove_prefix(end + boundary.size());
  }
}

}  // namespace

NamedModel named_model(std::string_view method, std::string_view path, std::string_view body) {
  if (method != "POST") return {};
  const Segments segments(path);
  std::optional<NamedModel> by_path = in_path(segments);
  Told told = body.starts_with("--") ? in_form(body) : in_json(body);
  if (by_path) {
    if (told.stream && !by_path->model.empty()) by_path->stream = by_path->stream || *told.stream;
    return std::move(*by_path);
  }
  const std::size_t last = segments.count - 1;
  const bool is_ollama =
      segments.count >= 2 && segments[last - 1] == "api" && (segments[last] == "chat" || segments[last] == "generate");
  const bool stream = told.stream.value_or(is_ollama && !told.model.empty());
  return {std::move(told.model), stream};
}

bool only_counts(std::string_view path) {
  return path.ends_with("/count_tokens") || path.ends_with(":countTokens") || path.ends_with("/input_tokens");
}

bool is_anthropic_path(std::string_view path) {
  const Segments segments(path);
  for (std::size_t i = 0; i < segments.count; ++i) {
    const std::string_view segment = segments[i];
    if (segment == "threads" || segment == "completions") return false;
    if (segment == "messages") return true;
    if (segment == "publishers" && segments[i + 1] == "anthropic") return true;
  }
  return false;
}

}  // namespace outrigger::chat
