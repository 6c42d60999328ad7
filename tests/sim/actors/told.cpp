#include "sim/actors/told.h"

#include <yyjson.h>

#include <algorithm>
#include <map>
#include <memory>

namespace outrigger::sim {
namespace {

using Doc = std::unique_ptr<yyjson_doc, void (*)(yyjson_doc*)>;

// Half a character in an answer is a provider's fault and no reason not to look further.
Doc parse(std::string_view text) {
  return {yyjson_read(text.data(), text.size(), YYJSON_READ_ALLOW_INVALID_UNICODE), yyjson_doc_free};
}

std::string_view text_of(yyjson_val* value) {
  return yyjson_is_str(value) ? std::string_view(yyjson_get_str(value), yyjson_get_len(value)) : std::string_view();
}
std::string_view text_at(yyjson_val* object, const char* name) { return text_of(yyjson_obj_get(object, name)); }

void add_calls(yyjson_val* calls, Told& told) {
  for (std::size_t i = 0; i < yyjson_arr_size(calls); ++i) {
    yyjson_val* function = yyjson_obj_get(yyjson_arr_get(calls, i), "function");
    if (const std::string_view name = text_at(function, "name"); !name.empty())
      told.calls.append("|").append(name).append(" ");
    told.calls.append(text_at(function, "arguments"));
  }
}

// A choice of a chat answer (`holder` is "message" or "delta") or of a completion.
void add_choice(yyjson_val* choice, const char* holder, Told& told) {
  yyjson_val* said = yyjson_obj_get(choice, holder);
  std::string_view text = text_at(said, "content");
  if (text.empty()) text = text_at(choice, "text");
  told.text += text;
  if (!text.empty()) told.pieces = told.pieces * 31 + hash_of(text);
  told.thought += text_at(said, "reasoning_content");
  told.refusal += text_at(said, "refusal");
  add_calls(yyjson_obj_get(said, "tool_calls"), told);
  if (const std::string_view reason = text_at(choice, "finish_reason"); !reason.empty()) told.finish_reason = reason;
}

void add_event(std::string_view json, Told& told) {
  if (told.done) told.broken_event = true;
  if (json == "[DONE]") {
    told.done = true;
    return;
  }
  const Doc doc = parse(json);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root)) {
    told.broken_event = true;
    return;
  }
  if (yyjson_obj_get(root, "error") != nullptr) told.error = true;
  if (yyjson_is_obj(yyjson_obj_get(root, "usage"))) told.usage = true;
  if (yyjson_val* choice = yyjson_arr_get_first(yyjson_obj_get(root, "choices"))) {
    told.readable = true;
    add_choice(choice, "delta", told);
  }
}

}  // namespace

Told told_by_stream(std::string_view body) {
  Told told;
  std::string data;
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      if (!data.empty()) add_event(data, told);
      data.clear();
    } else if (line.starts_with("data:")) {
      line.remove_prefix(line.starts_with("data: ") ? 6 : 5);
      if (!data.empty()) data += '\n';
      data += line;
    }
  }
  // The last event is as good without the blank line that should follow, if it is whole.
  if (!data.empty()) add_event(data, told);
  return told;
}

Told told_by_body(std::string_view body) {
  Told told;
  const Doc doc = parse(body);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root)) return told;
  told.error = yyjson_obj_get(root, "error") != nullptr;
  told.usage = yyjson_is_obj(yyjson_obj_get(root, "usage"));
  if (yyjson_val* choice = yyjson_arr_get_first(yyjson_obj_get(root, "choices"))) {
    told.readable = true;
    add_choice(choice, "message", told);
  }
  return told;
}

Told told_by_embeddings(std::string_view body) {
  Told told;
  const Doc doc = parse(body);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root)) return told;
  told.error = yyjson_obj_get(root, "error") != nullptr;
  told.usage = yyjson_is_obj(yyjson_obj_get(root, "usage"));
  yyjson_val* data = yyjson_obj_get(root, "data");
  if (!yyjson_is_arr(data)) return told;
  std::map<std::uint64_t, std::uint64_t> by_index;
  for (std::size_t i = 0; i < yyjson_arr_size(data); ++i) {
    yyjson_val* item = yyjson_arr_get(data, i);
    yyjson_val* index = yyjson_obj_get(item, "index");
    std::size_t size = 0;
    const std::unique_ptr<char, void (*)(void*)> json(
        yyjson_val_write(yyjson_obj_get(item, "embedding"), YYJSON_WRITE_NOFLAG, &size), std::free);
    if (json == nullptr || !yyjson_is_uint(index)) return told;
    by_index[yyjson_get_uint(index)] = hash_of({json.get(), size});
  }
  for (const auto& [index, hash] : by_index) {
    if (index != told.embeddings.size()) return told;
    told.embeddings.push_back(hash);
  }
  told.readable = true;
  told.finish_reason = "stop";
  return told;
}

std::uint64_t number_in(std::string_view text) {
  constexpr std::size_t k_digits = k_blank_mark.size() - k_mark.size();
  for (std::size_t at = text.find(k_mark); at != std::string_view::npos; at = text.find(k_mark, at + 1)) {
    const std::string_view digits = text.substr(at + k_mark.size(), k_digits);
    if (digits.size() < k_digits || digits.find_first_not_of("0123456789") != std::string_view::npos) continue;
    std::uint64_t number = 0;
    for (const char c : digits) number = number * 10 + static_cast<std::uint64_t>(c - '0');
    return number;
  }
  return 0;
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace outrigger::sim
