#include "sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base64.h"
#include "sim/hash.h"
#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::size_t k_max_names = 256;
constexpr std::array<std::string_view, 7> k_credentials{
    "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization", "openai-api-key"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string counts_json(const Counts& counts) {
  std::string text = "{";
  for (const auto& [name, count] : counts) {
    text += fmt::format("{}{}:{}", text.size() > 1 ? "," : "", json_quoted(name), count);
  }
  return text + "}";
}

// Gemini's clients may send their key in the query.
std::string without_key(std::string_view target) {
  std::string shown(target);
  for (const std::string_view mark : {"?key=", "&key="}) {
    const std::size_t at = shown.find(mark);
    if (at == std::string::npos) continue;
    const std::size_t from = at + mark.size();
    shown.replace(from, std::min(shown.find('&', from), shown.size()) - from, "(set)");
  }
  return shown;
}

// Text where it is text, base64 where it is not.
std::string body_json(const Seen& seen) {
  if (!seen.body_kept) return {};
  if (is_utf8(seen.body)) return ",\"body\":" + json_quoted(seen.body);
  return ",\"body_base64\":\"" + base64(seen.body) + "\"";
}

std::string seen_json(const Seen& seen) {
  std::string headers = "{";
  for (const auto& [name, value] : seen.headers) {
    headers += fmt::format("{}{}:{}", headers.size() > 1 ? "," : "", json_quoted(name),
                           json_quoted(is_utf8(value) ? value : "(binary)"));
  }
  return fmt::format(
      R"({{"method":{},"path":{},"headers":{}}},"authorized":{},"credential_sha256":"{}","body_size":{},"body_sha256":"{}"{}}})",
      json_quoted(seen.method), json_quoted(is_utf8(seen.target) ? seen.target : "(binary)"), headers,
      !seen.credential_sha256.empty(), seen.credential_sha256, seen.body_size, seen.body_sha256, body_json(seen));
}

}  // namespace

void Ledger::count(Counts& counts, std::string_view name) {
  if (const auto found = counts.find(name); found != counts.end()) {
    ++found->second;
  } else {
    ++counts[std::string(counts.size() < k_max_names ? name : "(others)")];
  }
}

void Ledger::remember(Seen seen, std::uint64_t most) {
  if (most == 0) return;
  last.push_back(std::move(seen));
  if (last.size() > most) last.pop_front();
}

void Ledger::note(const Received& request, std::string_view endpoint, std::uint64_t most, std::uint64_t longest_body) {
  ++requests;
  count(by_endpoint, endpoint);
  if (most == 0) return;
  Seen seen = seen_head(request.head);
  seen.body_size = request.body_size;
  seen.body_sha256 = request.body_sha256;
  seen.body_kept = request.body_whole && request.body_size <= longest_body;
  if (seen.body_kept) seen.body = request.body;
  remember(std::move(seen), most);
}

std::string Ledger::json() const {
  std::string list;
  for (const Seen& seen : last) list += (list.empty() ? "" : ",") + seen_json(seen);
  return fmt::format(
      R"({{"requests":{},"connections":{},"streams":{},"unauthorized":{},"rate_limited":{},"over_concurrency":{},"in_flight_max":{},"clients_gone":{},"answers_sent":{},)"
      R"("prompt_tokens":{},"completion_tokens":{},"texts_embedded":{},"by_endpoint":{},"by_model":{},"by_fault":{},"last":[{}]}})",
      requests, connections, streams, unauthorized, rate_limited, over_concurrency, in_flight_max, clients_gone,
      answers_sent, prompt_tokens, completion_tokens, texts_embedded, counts_json(by_endpoint), counts_json(by_model),
      counts_json(by_fault), list);
}

std::string_view credential_of(const http::Headers& headers) {
  for (const std::string_view name : {"authorization", "x-api-key", "api-key", "x-goog-api-key"}) {
    std::string_view value = headers.get(name).value_or("");
    if (value.size() > 7 && http::equal_ignoring_case(value.substr(0, 7), "bearer ")) value.remove_prefix(7);
    if (!value.empty()) return value;
  }
  return {};
}

Seen seen_head(const http::RequestHead& head) {
  Seen seen;
  seen.method = head.method;
  seen.target = without_key(head.target);
  for (std::size_t i = 0; i < head.headers.size(); ++i) {
    std::string name = lower(head.headers[i].name);
    const bool secret = std::ranges::find(k_credentials, name) != k_credentials.end();
    const std::string_view shown = secret && !head.headers[i].value.empty() ? "(set)" : head.headers[i].value;
    seen.headers.emplace_back(std::move(name), shown);
  }
  if (const std::string_view credential = credential_of(head.headers); !credential.empty()) {
    seen.credential_sha256 = sha256_hex(credential);
  }
  return seen;
}

}  // namespace outrigger::sim_provider
