#include "config/table_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "config/suggest.h"
#include "config/units.h"

namespace outrigger::config {
namespace {

// Where keys belong that people look for in the wrong table. TOML puts a key below a [table] line into that table, and one above
// the first line into none.
struct Home {
  std::string_view key, place;
};
constexpr std::array k_homes{
    Home{"drain", "at the top of the file, before the first [table]"},
    Home{"admin_token", "at the top of the file, before the first [table]"},
    Home{"llm", "in [listen]"},
    Home{"admin", "in [listen]"},
    Home{"ttl", "in [cache]"},
    Home{"mode", "in [cache]"},
    Home{"normalise", "in [cache]"},
    Home{"scope", "in [cache]"},
    Home{"memory", "in [cache]"},
    Home{"max_temperature", "in [cache]"},
    Home{"stale_if_error", "in [cache]"},
    Home{"secret", "in [cache]"},
    Home{"epoch", "in [cache]"},
    Home{"body", "in [limits]"},
    Home{"connections", "in [limits]"},
    Home{"url", "in [[upstream]]"},
    Home{"keys", "in [[upstream]]"},
    Home{"dialect", "in [[upstream]]"},
    Home{"speaks", "in [[upstream]]"},
    Home{"proxy", "in [[upstream]]"},
    Home{"fallback", "in [[model]] or [dify]"},
    Home{"answer", "in [[model]]"},
    Home{"concurrency", "in [[model]], [[target]], [dify] or [[app]]"},
    Home{"rate", "in [[model]] or [[target]]"},
    Home{"breaker", "in [[model]], [[target]] or [dify]"},
    Home{"queue", "in [[model]] or [dify]"},
    Home{"retry", "in [[model]]"},
    Home{"hedge", "in [[model]]"},
    Home{"price", "in [[model]]"},
    Home{"timeout", "in [[model]]"},
    Home{"context", "in [[target]]"},
    Home{"tools", "in [[target]]"},
    Home{"vision", "in [[target]]"},
    Home{"json_schema", "in [[target]]"},
    Home{"max_output", "in [[target]]"},
    Home{"drop", "in [[target]]"},
    Home{"rename", "in [[target]]"},
    Home{"endpoint", "in [trace]"},
    Home{"sample", "in [trace]"},
    Home{"exemplars", "in [trace]"},
};

std::string home_of(std::string_view key) {
  for (const Home& home : k_homes) {
    if (home.key == key) return fmt::format("; it belongs {}", home.place);
  }
  return {};
}

}  // namespace

const Member* TableReader::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return table_.find(key);
}

Place TableReader::place_of(std::string_view key) const {
  const Member* member = table_.find(key);
  return member == nullptr ? table_.place : member->place;
}

void TableReader::wrong_type(const Member& member, std::string_view wanted) {
  context_.error(member.value.place,
                 fmt::format("`{}` in {} must be {}, not {}", member.key, where_, wanted, describe(member.value.kind)));
}

void TableReader::wrong_word(std::string_view key, const Text& written, std::span<const std::string_view> words) {
  context_.error(written.place,
                 fmt::format("`{}` cannot be {}; write one of \"{}\"{}", key, written.shown(), fmt::join(words, "\", \""),
                             written.is_inline() ? did_you_mean(written.value, words) : std::string()));
}

std::optional<Text> TableReader::text_of(const Node& node, std::string_view key, bool literal) {
  auto text = literal ? Text{node.text, "inline", node.place} : context_.resolve(node);
  if (text && text->value.empty()) {
    context_.error(node.place, fmt::format("`{}` in {} must not be empty; write a value or leave it out", key, where_));
    return std::nullopt;
  }
  return text;
}

std::optional<Text> TableReader::text(std::string_view key) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  if (member->value.kind == Node::Kind::string) return text_of(member->value, key, false);
  wrong_type(*member, "text in double quotes");
  return std::nullopt;
}

std::optional<Text> TableReader::literal(std::string_view key) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  if (member->value.kind == Node::Kind::string) return text_of(member->value, key, true);
  wrong_type(*member, "text in double quotes");
  return std::nullopt;
}

std::vector<Text> TableReader::texts(std::string_view key, bool literal) {
  std::vector<Text> result;
  const Member* member = find(key);
  if (member == nullptr) return result;
  if (member->value.kind != Node::Kind::array) {
    wrong_type(*member, fmt::format("a list of texts such as {} = [\"…\"]", key));
    return result;
  }
  for (const Node& item : member->value.items) {
    if (item.kind != Node::Kind::string) {
      context_.error(item.place, fmt::format("`{}` in {} must be a list of texts, but here is {}; put it in double quotes",
                                             key, where_, describe(item.kind)));
    } else if (auto text = text_of(item, key, literal)) {
      result.push_back(std::move(*text));
    }
  }
  return result;
}

std::optional<Duration> TableReader::duration(std::string_view key, Range<Duration> range) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  const Node& node = member->value;
  std::optional<Duration> value;
  std::string hint;
  if (node.kind == Node::Kind::integer && node.integer != 0) {
    context_.error(node.place, fmt::format("`{0}` needs a unit: write \"{1}s\" for seconds or \"{1}ms\" for milliseconds",
                                           key, node.integer));
  } else if (node.kind == Node::Kind::integer) {
    value = Duration(0);
  } else if (const auto written = text(key)) {
    value = parse_duration(written->value, hint);
    if (!value) context_.error(node.place, fmt::format("`{}` cannot be {}: {}", key, written->shown(), hint));
  }
  if (value && (*value < range.least || *value > range.most)) {
    context_.error(node.place, fmt::format("`{}` must be from {} to {}, not {}", key, format_duration(range.least),
                                           format_duration(range.most), format_duration(*value)));
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> TableReader::size(std::string_view key, Range<std::uint64_t> range) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  const Node& node = member->value;
  std::optional<std::uint64_t> value;
  std::string hint;
  if (node.kind == Node::Kind::integer && node.integer != 0) {
    context_.error(
        node.place,
        fmt::format("`{0}` needs a unit: write \"{1}B\" for bytes, or one of KiB, MiB, GiB, KB, MB, GB", key, node.integer));
  } else if (node.kind == Node::Kind::integer) {
    value = 0;
  } else if (const auto written = text(key)) {
    value = parse_size(written->value, hint);
    if (!value) context_.error(node.place, fmt::format("`{}` cannot be {}: {}", key, written->shown(), hint));
  }
  if (value && (*value < range.least || *value > range.most)) {
    context_.error(node.place, fmt::format("`{}` must be from {} to {}, not {}", key, format_size(range.least),
                                           format_size(range.most), format_size(*value)));
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> TableReader::integer(std::string_view key, Range<std::uint64_t> range) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  const Node& node = member->value;
  if (node.kind != Node::Kind::integer) {
    wrong_type(*member, "a whole number without quotes");
    return std::nullopt;
  }
  const bool inside = node.integer >= 0 && static_cast<std::uint64_t>(node.integer) >= range.least &&
                      static_cast<std::uint64_t>(node.integer) <= range.most;
  if (inside) return static_cast<std::uint64_t>(node.integer);
  context_.error(node.place, fmt::format("`{}` must be from {} to {}, not {}", key, range.least, range.most, node.integer));
  return std::nullopt;
}

std::optional<double> TableReader::number(std::string_view key, Range<double> range) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  const Node& node = member->value;
  if (node.kind != Node::Kind::integer && node.kind != Node::Kind::floating) {
    wrong_type(*member, "a number without quotes");
    return std::nullopt;
  }
  const double value = node.kind == Node::Kind::integer ? static_cast<double>(node.integer) : node.floating;
  if (value >= range.least && value <= range.most) return value;  // false for nan
  context_.error(node.place, fmt::format("`{}` must be from {} to {}, not {}", key, range.least, range.most, value));
  return std::nullopt;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  if (member->value.kind == Node::Kind::boolean) return member->value.boolean;
  wrong_type(*member, "true or false without quotes");
  return std::nullopt;
}

const Node* TableReader::table(std::string_view key) {
  const Member* member = find(key);
  if (member == nullptr) return nullptr;
  if (member->value.kind == Node::Kind::table) return &member->value;
  const bool doubled = member->value.kind == Node::Kind::array && !member->value.items.empty() &&
                       member->value.items.front().kind == Node::Kind::table;
  if (doubled) {
    context_.error(member->value.items.front().place,
                   fmt::format("there is only one `{0}`; write [{0}] with single brackets", key));
  } else {
    wrong_type(*member, fmt::format("a table such as {} = {{ … }}", key));
  }
  return nullptr;
}

std::vector<const Node*> TableReader::tables(std::string_view key) {
  std::vector<const Node*> result;
  const Member* member = find(key);
  if (member == nullptr) return result;
  if (member->value.kind == Node::Kind::table) {
    context_.error(member->value.place,
                   fmt::format("there can be several of `{0}`; write [[{0}]] with double brackets", key));
    return result;
  }
  if (member->value.kind != Node::Kind::array) {
    wrong_type(*member, fmt::format("a list of tables, each under a line [[{}]]", key));
    return result;
  }
  for (const Node& item : member->value.items) {
    if (item.kind == Node::Kind::table) {
      result.push_back(&item);
    } else {
      context_.error(item.place, fmt::format("`{0}` must be a list of tables; put each under a line [[{0}]]", key));
    }
  }
  return result;
}

void TableReader::refuse(std::string_view key, std::string_view reason) {
  refused_.push_back(key);
  const Member* member = table_.find(key);
  if (member != nullptr) context_.error(member->place, fmt::format("`{}` in {} {}", key, where_, reason));
}

void TableReader::finish() {
  for (const Member& member : table_.members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    if (std::find(refused_.begin(), refused_.end(), member.key) != refused_.end()) continue;
    // An exact word in the wrong place says more than a similar one in the right place.
    std::string hint = home_of(member.key);
    if (hint.empty()) hint = did_you_mean(member.key, known_);
    if (hint.empty()) hint = fmt::format("; known here are {}", fmt::join(known_, ", "));
    context_.error(member.place, fmt::format("unknown key `{}` in {}{}", member.key, where_, hint));
  }
}

}  // namespace outrigger::config
