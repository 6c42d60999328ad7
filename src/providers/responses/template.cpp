#include "providers/responses/template.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "chat/json.h"
#include "providers/json_text.h"
#include "providers/responses/json.h"

namespace outrigger::providers::responses {
namespace {

constexpr std::string_view k_id_prefix = "resp_";
constexpr std::string_view k_id_blank = "000000000000000000000000";
static_assert(k_id_blank.size() == k_id_size);
constexpr std::string_view k_created_blank = "1000000000";

// What the provider repeats of who asked, and what stands there when it says nothing.
struct Echo {
  std::string_view name;
  std::string_view blank;
};
constexpr std::array<Echo, 4> k_echoes{
    {{"user", "null"}, {"safety_identifier", "null"}, {"prompt_cache_key", "null"}, {"metadata", "{}"}}};

// What stands in an answer that has just begun.
constexpr std::array<Echo, 6> k_beginning{{{"status", "\"in_progress\""},
                                           {"output", "[]"},
                                           {"output_text", "\"\""},
                                           {"completed_at", "null"},
                                           {"incomplete_details", "null"},
                                           {"usage", "null"}}};

const Echo* find(const auto& list, std::string_view name) {
  const auto found = std::ranges::find(list, name, &Echo::name);
  return found == list.end() ? nullptr : &*found;
}

using Bytes16 = unsigned char __attribute__((vector_size(16)));
using Words2 = unsigned long long __attribute__((vector_size(16)));
constexpr std::size_t k_lanes = 16;
constexpr auto k_last_mark = static_cast<unsigned char>(Mark::response);

// Where the next mark stands at or after `at`; the size of `text` when there is none.
std::size_t next_mark(std::string_view text, std::size_t at) {
  for (; at + k_lanes <= text.size(); at += k_lanes) {
    Bytes16 here;
    std::memcpy(&here, text.data() + at, k_lanes);
    const auto marks = reinterpret_cast<Words2>(here <= k_last_mark);
    if ((marks[0] | marks[1]) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) > k_last_mark) ++at;
  return at;
}

}  // namespace

void TemplateWriter::name(std::string_view text, bool& first) {
  if (!std::exchange(first, false)) to_ += ',';
  append_string(to_, text);
  to_ += ':';
}

bool TemplateWriter::value(yyjson_val* value, int depth) {
  if (yyjson_is_ctn(value)) return depth < chat::k_max_depth && container(value, depth + 1);
  if (const auto text = string_of(value)) {
    if (*text == id_ && !id_.empty()) {
      to_ += '"';
      to_ += k_id_prefix;
      mark(Mark::id);
      to_ += '"';
    } else {
      append_string(to_, *text);
    }
  } else if (const auto number = number_of(value)) {
    to_ += *number;
  } else {
    to_ += yyjson_is_true(value) ? "true" : yyjson_is_false(value) ? "false" : "null";
  }
  return true;
}

// `depth` is that of the container itself.
bool TemplateWriter::container(yyjson_val* value, int depth) {
  bool first = true;
  if (yyjson_is_obj(value)) {
    to_ += '{';
    const bool good = each_member(value, [&](std::string_view own, yyjson_val* member) {
      name(own, first);
      return this->value(member, depth);
    });
    to_ += '}';
    return good;
  }
  to_ += '[';
  yyjson_arr_iter iterator = yyjson_arr_iter_with(value);
  while (yyjson_val* one = yyjson_arr_iter_next(&iterator)) {
    if (!std::exchange(first, false)) to_ += ',';
    if (!this->value(one, depth)) return false;
  }
  to_ += ']';
  return true;
}

bool TemplateWriter::response(yyjson_val* object, Moment moment, std::string_view output) {
  bool first = true;
  bool has_usage = false;
  to_ += '{';
  const bool good = each_member(object, [&](std::string_view own, yyjson_val* member) {
    name(own, first);
    const Echo* echo = find(k_echoes, own);
    if (echo == nullptr && moment == Moment::beginning) echo = find(k_beginning, own);
    if (echo != nullptr) {
      to_ += echo->blank;
    } else if ((own == "created_at" || own == "completed_at") && yyjson_is_raw(member)) {
      mark(Mark::created);
    } else if (own == "output" && !output.empty()) {
      to_ += output;
    } else if (own == "usage") {
      has_usage = true;
      moment == Moment::end ? mark(Mark::usage) : static_cast<void>(to_ += "null");
    } else {
      return value(member, 2);
    }
    return true;
  });
  if (moment == Moment::end && !has_usage) {
    name("usage", first);
    mark(Mark::usage);
  }
  to_ += '}';
  return good;
}

bool TemplateWriter::event(yyjson_val* root, std::string_view type) {
  bool first = true;
  bool has_sequence = false;
  to_ += '{';
  if (member(root, "type") == nullptr) {
    name("type", first);
    append_string(to_, type);
  }
  const bool good = each_member(root, [&](std::string_view own, yyjson_val* value) {
    if (own == "obfuscation") return true;
    name(own, first);
    if (own == "sequence_number") {
      has_sequence = true;
      mark(Mark::sequence);
    } else if (own == "delta" && yyjson_is_str(value)) {
      mark(Mark::delta);
    } else if (own == "response" && yyjson_is_obj(value)) {
      mark(Mark::response);
    } else {
      return this->value(value, 1);
    }
    return true;
  });
  if (!has_sequence) {
    name("sequence_number", first);
    mark(Mark::sequence);
  }
  to_ += '}';
  return good;
}

void Filler::fill(std::string_view text, const Filling& filling, int depth) {
  for (std::size_t at = 0;;) {
    const std::size_t mark = next_mark(text, at);
    text_.append(text, at, mark - at);
    if (mark == text.size()) return;
    at = mark + 1;
    switch (static_cast<Mark>(text[mark])) {
      case Mark::id:
        out_.ids.push_back(static_cast<std::uint32_t>(text_.size()));
        text_ += k_id_blank;
        break;
      case Mark::created:
        out_.createds.push_back(static_cast<std::uint32_t>(text_.size()));
        text_ += k_created_blank;
        break;
      case Mark::sequence:
        append_number(text_, filling.sequence);
        break;
      case Mark::delta:
        text_ += filling.delta;
        break;
      case Mark::usage:
        text_ += filling.usage;
        break;
      case Mark::response:
        if (depth == 0) fill(filling.response, filling, 1);
        break;
      default:
        break;
    }
  }
}

Rendered Filler::rendered() && {
  out_.text = Bytes::copy(text_);
  return std::move(out_);
}

}  // namespace outrigger::providers::responses
