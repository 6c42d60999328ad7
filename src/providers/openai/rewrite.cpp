#include "providers/openai/rewrite.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <forward_list>
#include <utility>

#include "chat/json.h"
#include "chat/json_spans.h"
#include "chat/number.h"
#include "providers/json_text.h"

namespace outrigger::providers::openai {
namespace {

constexpr std::array<std::string_view, 3> k_output_limits{"max_tokens", "max_completion_tokens", "max_output_tokens"};

std::string json_quoted(std::string_view text) {
  std::string json;
  append_string(json, text);
  return json;
}

// Exactly for whole numbers, to the nearest double for all others.
bool is_above(std::string_view number, std::uint64_t limit) {
  if (!chat::is_plain_integer(number)) return chat::to_double(number) > static_cast<double>(limit);
  std::uint64_t value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  return read.ec == std::errc::result_out_of_range || value > limit;
}

bool is_number(std::string_view value) {
  return !value.empty() && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
}

// The members of a body while they are being changed.
class Draft {
 public:
  explicit Draft(std::string_view body) : body_(body) {
    for (const chat::MemberText& text : chat::members_of(body)) members_.push_back({.was = text, .is = text});
  }

  void drop(std::string_view name) {
    for (Member& m : members_) {
      if (is(m, name)) m.dropped = true;
    }
  }
  void rename(std::string_view from, std::string_view to);
  void clamp(std::string_view name, std::uint64_t limit);
  void include_usage();
  // Sets all members of that name; adds one if there is none and `add` says so.
  void set(std::string_view name, std::string json, bool add);

  [[nodiscard]] std::string text() const;

 private:
  struct Member {
    chat::MemberText was;  // views into the body
    chat::MemberText is;   // or into texts_
    bool dropped = false;
  };
  static bool is(const Member& m, std::string_view name) { return !m.dropped && chat::is_named(m.is.name, name); }
  std::string_view keep(std::string text) {
    texts_.push_front(std::move(text));
    return texts_.front();
  }

  std::string_view body_;
  std::vector<Member> members_;
  std::vector<chat::MemberText> added_;
  std::forward_list<std::string> texts_;  // what was not in the body; a list, because views point into it
};

void Draft::rename(std::string_view from, std::string_view to) {
  if (from == to || std::ranges::none_of(members_, [&](const Member& m) { return is(m, from); })) return;
  bool is_there = false;
  for (Member& m : members_) {
    if (!is(m, to)) continue;
    if (m.is.value == "null") m.dropped = true;
    is_there = is_there || !m.dropped;
  }
  for (Member& m : members_) {
    if (!is(m, from)) continue;
    m.dropped = is_there;
    if (!is_there) m.is.name = keep(json_quoted(to));
    is_there = true;
  }
}

void Draft::clamp(std::string_view name, std::uint64_t limit) {
  for (Member& m : members_) {
    if (is(m, name) && is_number(m.is.value) && is_above(m.is.value, limit)) m.is.value = keep(std::to_string(limit));
  }
}

void Draft::include_usage() {
  constexpr std::string_view k_name = "stream_options";
  bool is_there = false;
  for (Member& m : members_) {
    if (!is(m, k_name)) continue;
    is_there = true;
    if (m.is.value == "null") m.is.value = "{}";
    if (!m.is.value.starts_with('{')) continue;
    Draft options(m.is.value);
    options.set("include_usage", "true", true);
    m.is.value = keep(options.text());
  }
  if (!is_there) set(k_name, R"({"include_usage":true})", true);
}

void Draft::set(std::string_view name, std::string json, bool add) {
  const std::string_view value = keep(std::move(json));
  bool is_there = false;
  for (Member& m : members_) {
    if (!is(m, name)) continue;
    m.is.value = value;
    is_there = true;
  }
  if (!is_there && add) added_.push_back({keep(json_quoted(name)), value});
}

// Between two commas stands a member with the blanks around it: it is copied or left out as a whole.
std::string Draft::text() const {
  const auto begins = [this](std::string_view view) { return static_cast<std::size_t>(view.data() - body_.data()); };
  std::string out;
  out.reserve(body_.size() + 128);
  std::size_t at = body_.find('{') + 1;
  out.append(body_.substr(0, at));
  bool is_first = true;
  const auto separate = [&] {
    if (!is_first) out += ',';
    is_first = false;
  };
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const Member& m = members_[i];
    const std::size_t value_end = begins(m.was.value) + m.was.value.size();
    const std::size_t end = body_.find(i + 1 < members_.size() ? ',' : '}', value_end);
    if (!m.dropped) {
      separate();
      const std::size_t name_end = begins(m.was.name) + m.was.name.size();
      out.append(body_.substr(at, begins(m.was.name) - at)).append(m.is.name);
      out.append(body_.substr(name_end, begins(m.was.value) - name_end)).append(m.is.value);
      out.append(body_.substr(value_end, end - value_end));
    }
    at = i + 1 < members_.size() ? end + 1 : end;
  }
  for (const chat::MemberText& m : added_) {
    separate();
    out.append(m.name).append(":").append(m.value);
  }
  return out.append(body_.substr(at));
}

}  // namespace

std::optional<std::string> rewrite_request(std::string_view body, const RequestRewrite& rewrite) {
  if (!yyjson_is_obj(yyjson_doc_get_root(chat::parse_json(body).get()))) return std::nullopt;
  Draft draft(body);
  for (const std::string& name : rewrite.drop) draft.drop(name);
  for (const auto& [from, to] : rewrite.rename) draft.rename(from, to);
  if (rewrite.max_output) {
    for (const std::string_view name : k_output_limits) draft.clamp(name, *rewrite.max_output);
  }
  if (rewrite.stream) {
    draft.set("stream", *rewrite.stream ? "true" : "false", *rewrite.stream);
    if (!*rewrite.stream) draft.drop("stream_options");
  }
  if (rewrite.include_usage) draft.include_usage();
  if (rewrite.model) draft.set("model", json_quoted(*rewrite.model), true);
  return draft.text();
}

}  // namespace outrigger::providers::openai
