// The reference (config/reference.h) against the readers, conf/outrigger.toml and docs/configuration.md. The readers are asked
// through what they say of mistakes: an unknown key is answered with those that are known, a wrong value with what it may be.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <set>

#include "config/document.h"
#include "config/reference.h"
#include "config/units.h"
#include "fixture.h"
#include "reference_file.h"

namespace outrigger::config {
namespace {

using namespace test;
using Kind = Entry::Kind;

constexpr std::string_view k_rubbish = "zzzzqqqq";

struct Needed {
  std::string_view section, key, value;
};
// What makes a file of all sections one that loads.
constexpr Needed k_needed[] = {{"listen", "dify", "\"127.0.0.1:8081\""},
                               {"redis", "url", "\"redis://h\""},
                               {"upstream", "name", "\"relay\""},
                               {"upstream", "url", "\"http://h\""},
                               {"model", "name", "\"x\""},
                               {"target", "name", "\"relay\""},
                               {"route", "path", "\"/faq\""},
                               {"app", "name", "\"faq\""},
                               {"app", "key", "\"app-1\""},
                               {"client", "name", "\"desk\""},
                               {"client", "key", "\"sk-1\""}};

// A file of all sections, with `line` in one of them in place of what it needs under `key`.
std::string file_with(const Section& changed, std::string_view key, const std::string& line) {
  std::string text;
  for (const Section& section : reference()) {
    if (!section.name.empty()) text += fmt::format(fmt::runtime(section.is_list ? "[[{}]]\n" : "[{}]\n"), section.name);
    for (const Needed& needed : k_needed) {
      const bool is_replaced = section.name == changed.name && needed.key == key;
      if (needed.section == section.name && !is_replaced) text += fmt::format("{} = {}\n", needed.key, needed.value);
    }
    if (section.name == changed.name) text += line + "\n";
  }
  return text + "[[upstream]]\nname = \"dify-1\"\nurl = \"http://h\"\ndialect = \"dify\"\n";
}

std::string_view root_of(std::string_view key) { return key.substr(0, key.find('.')); }

Loaded load_with(const Section& section, const Entry& entry, std::string_view value) {
  std::string line = fmt::format("{} = {}", entry.key, value);
  if (entry.key == "target.to") line = fmt::format("target = [{{ to = {} }}]", value);
  if (entry.key == "target.weight") {
    const std::string_view to = section.name == "dify" ? "dify-1" : "relay";
    line = fmt::format("target = [{{ to = \"{}\", weight = {} }}]", to, value);
  }
  return load(file_with(section, root_of(entry.key), line));
}

// What follows `before` in a remark, up to `after`; empty: no remark has it.
std::string told(const Loaded& loaded, std::string_view before, std::string_view after) {
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    const std::size_t at = diagnostic.message.find(before);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + before.size();
    const std::size_t end = after.empty() ? std::string::npos : diagnostic.message.find(after, begin);
    return diagnostic.message.substr(begin, end == std::string::npos ? end : end - begin);
  }
  return {};
}

// What a reader says that it knows, when it is shown a key that nobody can mean.
std::set<std::string> known(const Loaded& loaded) {
  std::string list = told(loaded, fmt::format("unknown key `{}`", k_rubbish), "");
  constexpr std::string_view k_words = "known here are ";
  const std::size_t at = list.find(k_words);
  if (at == std::string::npos) return {};
  list.erase(0, at + k_words.size());
  std::set<std::string> keys;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(", ", begin), list.size());
    keys.insert(list.substr(begin, end - begin));
    begin = end + 2;
  }
  return keys;
}

TEST_CASE("docs/configuration.md is what `outrigger reference` prints") {
  std::ifstream stream(std::string(OUTRIGGER_SOURCE_DIR) + "/docs/configuration.md");
  REQUIRE(stream);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  INFO("build/dev/outrigger reference > docs/configuration.md");
  CHECK((text == reference_markdown()));  // in parentheses: Catch would print both
}

TEST_CASE("the file that the other cases change is one that loads") {
  const auto loaded = load(file_with({}, "", ""));
  INFO(all(loaded));
  REQUIRE(loaded.config);
}

TEST_CASE("the reference has the keys that the readers know, no more and no less") {
  for (const Section& section : reference()) {
    CAPTURE(section.name);
    std::set<std::string> own;
    for (const Entry& entry : section.entries) own.insert(std::string(root_of(entry.key)));
    if (section.name.empty()) {
      for (const Section& other : reference()) {
        if (!other.name.empty()) own.insert(other.name);
      }
    }
    CHECK(known(load(file_with(section, "", fmt::format("{} = 1", k_rubbish)))) == own);
  }
}

TEST_CASE("of inline tables, too, and none is missing") {
  int tables = 0;
  for (const Section& section : reference()) {
    for (const Entry& entry : section.entries) {
      if (entry.key.contains('.') || entry.is_free) continue;
      CAPTURE(full_name(section, entry));
      std::set<std::string> members;
      for (const Entry& other : section.entries) {
        if (other.key.starts_with(entry.key + ".")) members.insert(other.key.substr(entry.key.size() + 1));
      }
      CHECK((entry.kind != Kind::table || !members.empty()));
      tables += members.empty() ? 0 : 1;
      const auto of = [&](std::string_view form) {
        const std::string inner = fmt::format("{{ {} = 1 }}", k_rubbish);
        const std::string line = fmt::format("{} = {}", entry.key, fmt::format(fmt::runtime(form), inner));
        return known(load(file_with(section, entry.key, line)));
      };
      const bool is_listed = entry.key == "target";
      CHECK(of("{}") == (is_listed ? std::set<std::string>() : members));
      CHECK(of("[{}]") == (is_listed ? members : std::set<std::string>()));
    }
  }
  CHECK(tables > 15);
}

// One that is beyond every limit, and that its unit's reader still understands.
std::string_view too_much(Kind kind) {
  switch (kind) {
    case Kind::duration:
      return "\"4000d\"";
    case Kind::size:
      return "\"2000GiB\"";
    case Kind::integer:
      return "9000000000000000000";
    case Kind::number:
      return "1e300";
    default:
      return {};
  }
}

TEST_CASE("the limits of the reference are the readers'") {
  int tried = 0;
  for (const Section& section : reference()) {
    for (const Entry& entry : section.entries) {
      const std::string_view value = too_much(entry.kind);
      if (value.empty()) continue;
      CAPTURE(full_name(section, entry));
      std::string limits = told(load_with(section, entry, value), "must be ", ", not");
      // A lifetime of nothing has a message of its own.
      if (entry.key == "ttl" || (entry.key == "cache.ttl" && section.name != "app")) limits.replace(0, 7, "from 1ms");
      CHECK(limits == entry.limits);
      ++tried;
    }
  }
  CHECK(tried > 50);
}

TEST_CASE("a lifetime of nothing is refused, so the reference may say from 1ms") {
  CHECK_FALSE(load_with_upstream("[cache]\nttl = \"0s\"\n").config);
  CHECK(load_with_upstream("[cache]\nttl = \"1ms\"\n").config);
}

TEST_CASE("the words of the reference are the readers'") {
  int tried = 0;
  for (const Section& section : reference()) {
    for (const Entry& entry : section.entries) {
      if (entry.kind != Kind::choice) continue;
      CAPTURE(full_name(section, entry));
      const auto loaded = load_with(section, entry, fmt::format("\"{}\"", k_rubbish));
      CHECK(told(loaded, "write one of ", "") == fmt::format("\"{}\"", fmt::join(entry.words, "\", \"")));
      ++tried;
    }
  }
  CHECK(tried > 10);
}

TEST_CASE("a value of another kind than the reference says is refused") {
  for (const Section& section : reference()) {
    for (const Entry& entry : section.entries) {
      CAPTURE(full_name(section, entry));
      CHECK_FALSE(load_with(section, entry, "1979-05-27").config);
      if (entry.kind == Kind::boolean || entry.key == "hedge") continue;
      CHECK_FALSE(load_with(section, entry, "true").config);
    }
  }
}

TEST_CASE("every default of the reference can be written") {
  int tried = 0;
  for (const Section& section : reference()) {
    for (const Entry& entry : section.entries) {
      if (entry.standard.empty()) continue;
      CAPTURE(full_name(section, entry), entry.standard);
      const auto loaded = load_with(section, entry, entry.standard);
      INFO(all(loaded));
      CHECK(loaded.config);
      ++tried;
    }
  }
  CHECK(tried > 50);
}

TEST_CASE("the reference says of each key what it is for, and either a default or what holds without it") {
  for (const Section& section : reference()) {
    CHECK_FALSE(section.text.empty());
    std::set<std::string> seen;
    for (const Entry& entry : section.entries) {
      CAPTURE(full_name(section, entry));
      CHECK((!entry.text.empty() || !entry.as.empty()));
      CHECK(entry.standard.empty() != entry.otherwise.empty());
      CHECK(seen.insert(entry.key).second);
      const std::size_t dot = entry.key.find('.');
      CHECK((dot == std::string::npos || seen.contains(entry.key.substr(0, dot))));
    }
    if (section.example.empty()) continue;
    Environment environment = k_environment;
    for (const char* name : {"ANTHROPIC_KEY", "OUTRIGGER_ADMIN_TOKEN", "DIFY_FAQ_APP_KEY", "OTLP_AUTHORIZATION"}) {
      environment[name] = "k-1";
    }
    std::string text = section.example;
    for (const char* name : {"openai", "relay"}) {
      if (section.name != "upstream") text += fmt::format("[[upstream]]\nname = \"{}\"\nurl = \"http://h\"\n", name);
    }
    const auto loaded = load(text, environment);
    INFO(all(loaded));
    CHECK(loaded.config);
  }
}

TEST_CASE(
    "what is explained in another section is a key there, with the same limits and words, and defaults if it has any") {
  const std::vector<Section> sections = reference();
  int tried = 0;
  for (const Section& section : sections) {
    for (const Entry& entry : section.entries) {
      if (entry.as.empty()) continue;
      CAPTURE(full_name(section, entry), entry.as);
      const Entry* original = nullptr;
      for (const Section& other : sections) {
        for (const Entry& one : other.entries) {
          if (full_name(other, one) == entry.as) original = &one;
        }
      }
      REQUIRE(original != nullptr);
      CHECK(original->as.empty());
      CHECK(original->limits == entry.limits);
      CHECK(original->words == entry.words);
      CHECK((entry.standard.empty() || entry.standard == original->standard));
      ++tried;
    }
  }
  CHECK(tried > 20);
}

bool same(const Node& left, const Node& right, Kind kind) {
  std::string ignored;
  if (kind == Kind::duration) return parse_duration(left.text, ignored) == parse_duration(right.text, ignored);
  if (kind == Kind::size) return parse_size(left.text, ignored) == parse_size(right.text, ignored);
  const auto is_number = [](const Node& node) {
    return node.kind == Node::Kind::integer || node.kind == Node::Kind::floating;
  };
  const auto number = [](const Node& node) {
    return node.kind == Node::Kind::integer ? static_cast<double>(node.integer) : node.floating;
  };
  if (is_number(left) && is_number(right)) return std::abs(number(left) - number(right)) < 1e-9;
  return left.kind == right.kind && left.text == right.text && left.boolean == right.boolean && left.items.empty() &&
         right.items.empty();
}

Node value_of(std::string_view line) {
  SyntaxError error;
  auto root = parse_document(line, error);
  INFO(line << ": " << error.message);
  REQUIRE(root);
  REQUIRE(root->members.size() == 1);
  return std::move(root->members.front().value);
}

const Entry& entry_named(const Section& section, std::string_view key) {
  const auto found =
      std::find_if(section.entries.begin(), section.entries.end(), [&](const Entry& entry) { return entry.key == key; });
  INFO("[" << section.name << "] " << key);
  REQUIRE(found != section.entries.end());
  return *found;
}

TEST_CASE("every key of conf/outrigger.toml is in the reference, and what it shows as a default is one there") {
  const std::vector<Section> sections = reference();
  const Section* section = &sections.front();
  int defaults = 0;
  for (const Line& line : reference_lines()) {
    CAPTURE(line.text);
    if (line.header) {
      const std::size_t open = line.text.find_first_not_of('[');
      const std::string name = line.text.substr(open, line.text.find(']') - open);
      const auto found = std::find_if(sections.begin(), sections.end(), [&](const Section& s) { return s.name == name; });
      REQUIRE(found != sections.end());
      CHECK(found->is_list == (open == 2));
      section = &*found;
      continue;
    }
    const std::string key = line.text.substr(0, line.text.find(' '));
    const Entry& entry = entry_named(*section, key);
    if (!line.commented || line.example) continue;
    const Node value = value_of(line.text);
    if (value.kind != Node::Kind::table) {
      CHECK(same(value, value_of("x = " + entry.standard), entry.kind));
      ++defaults;
      continue;
    }
    for (const Member& member : value.members) {
      CAPTURE(member.key);
      const Entry& inner = entry_named(*section, fmt::format("{}.{}", key, member.key));
      CHECK(same(member.value, value_of("x = " + inner.standard), inner.kind));
      ++defaults;
    }
  }
  CHECK(defaults > 40);
}

}  // namespace
}  // namespace outrigger::config
