#include "config/changes.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <set>

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_shown = 100;  // bytes of a value in a line
constexpr std::string_view k_hidden = "(hidden)";

// Keys whose values let somebody in, or name who may come in.
bool is_secret(std::string_view key) {
  static constexpr std::array<std::string_view, 6> k_secret{"key", "keys", "secret", "password", "admin_token", "cert"};
  return std::ranges::find(k_secret, key) != k_secret.end();
}

bool is_reference(std::string_view text) { return text.starts_with("env:") || text.starts_with("file:"); }

// URLs may bring a password along.
bool has_credential(std::string_view text) { return text.contains("://") && text.contains('@'); }

// One line, however it is written in the file.
std::string in_quotes(std::string_view text) {
  std::string line = "\"";
  for (const char c : text.substr(0, k_max_shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line + (text.size() > k_max_shown ? "…\"" : "\"");
}

// Takes a file's tree apart into settings.
class Reader {
 public:
  explicit Reader(const Context& context) : context_(context) {}

  std::vector<Setting> read(const Node& root) {
    for (const Member& member : root.members) {
      const Node& value = member.value;
      if (value.kind == Node::Kind::table) {
        add_table(value, fmt::format("[{}]", member.key), "", false);
      } else if (is_section_list(value)) {
        add_sections(value, member.key);
      } else {
        add({}, member.key, value, is_secret(member.key));
      }
    }
    return std::move(settings_);
  }

 private:
  static bool is_section_list(const Node& node) {
    return node.kind == Node::Kind::array && !node.items.empty() && node.items.front().kind == Node::Kind::table;
  }

  // What a section is called in the file; else its number.
  static std::string label(const Node& section, std::size_t number) {
    for (const std::string_view key : {"name", "path"}) {
      const Member* member = section.find(key);
      if (member != nullptr && member->value.kind == Node::Kind::string) return member->value.text;
    }
    return fmt::format("{}.", number);
  }

  void add_sections(const Node& list, const std::string& name) {
    std::set<std::string, std::less<>> labels;
    std::string order;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      const Node& section = list.items[i];
      std::string called = label(section, i + 1);
      if (!labels.insert(called).second) called = fmt::format("{} ({}.)", called, i + 1);
      order += order.empty() ? "" : ", ";
      order += called;
      const std::string line = in_quotes(called);
      add_table(section, fmt::format("[[{}]] `{}`", name, std::string_view(line).substr(1, line.size() - 2)), "", false);
    }
    // The first that matches is taken, so their order is a setting as well.
    if (list.items.size() > 1) settings_.push_back({fmt::format("[[{}]]", name), "order", in_quotes(order), digest(order)});
  }

  void add_table(const Node& table, const std::string& owner, const std::string& prefix, bool secret) {
    for (const Member& member : table.members) {
      const std::string key = prefix + member.key;
      const bool hidden = secret || is_secret(member.key);
      if (member.value.kind == Node::Kind::table) {
        add_table(member.value, owner, key + ".", hidden || member.key == "headers");
      } else {
        add(owner, key, member.value, hidden);
      }
    }
  }

  void add(const std::string& owner, const std::string& key, const Node& value, bool secret) {
    std::string worth;
    std::string shown;
    write(value, secret, worth, shown);
    if (shown.size() > 2 * k_max_shown) shown = shown.substr(0, 2 * k_max_shown) + "…";
    settings_.push_back({owner, key, std::move(shown), digest(worth)});
  }

  // Appends what the value is worth, and how it may be shown.
  void write(const Node& value, bool secret, std::string& worth, std::string& shown) const {
    worth += fmt::format("{}:", static_cast<int>(value.kind));
    std::string text;
    switch (value.kind) {
      case Node::Kind::string: {
        const auto followed = context_.followed().find(value.text);
        worth += followed != context_.followed().end() ? followed->second : value.text;
        const bool hidden = !is_reference(value.text) && (secret || has_credential(value.text));
        shown += hidden ? std::string(k_hidden) : in_quotes(value.text);
        break;
      }
      case Node::Kind::integer:
        text = fmt::format("{}", value.integer);
        break;
      case Node::Kind::floating:
        text = fmt::format("{}", value.floating);
        break;
      case Node::Kind::boolean:
        text = value.boolean ? "true" : "false";
        break;
      case Node::Kind::time:
        text = "a time";
        break;
      case Node::Kind::array:
        shown += '[';
        for (const Node& item : value.items) {
          if (&item != &value.items.front()) shown += ", ";
          write(item, secret, worth, shown);
        }
        shown += ']';
        break;
      case Node::Kind::table:
        shown += "{ ";
        for (const Member& member : value.members) {
          if (&member != &value.members.front()) shown += ", ";
          worth += member.key + '=';
          shown += member.key + " = ";
          write(member.value, secret || is_secret(member.key), worth, shown);
        }
        shown += " }";
        break;
    }
    worth += text;
    worth += '\n';
    shown += secret && !text.empty() ? k_hidden : std::string_view(text);
  }

  static std::string digest(std::string_view worth) {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(worth.data()), worth.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
  }

  const Context& context_;
  std::vector<Setting> settings_;
};

const Setting* find(const std::vector<Setting>& settings, const Setting& like) {
  const auto found =
      std::ranges::find_if(settings, [&](const Setting& one) { return one.owner == like.owner && one.key == like.key; });
  return found != settings.end() ? &*found : nullptr;
}

bool is_section(std::string_view owner) { return owner.starts_with("[[") && owner.contains('`'); }
bool has_section(const std::vector<Setting>& settings, std::string_view owner) {
  return std::ranges::any_of(settings, [&](const Setting& one) { return one.owner == owner; });
}
// "[[model]]" of "[[model]] `gpt-4o`".
std::string_view list_of(std::string_view owner) { return owner.substr(0, owner.find("]]") + 2); }

std::string path(const Setting& setting) {
  return setting.owner.empty() ? setting.key : fmt::format("{} {}", setting.owner, setting.key);
}

// Sections that one of the two files has and the other has not, as one line each.
void compare_sections(const std::vector<Setting>& these, const std::vector<Setting>& others, std::string_view words,
                      std::set<std::string_view>& lists, std::vector<std::string>& lines) {
  std::set<std::string_view> seen;
  for (const Setting& setting : these) {
    if (!is_section(setting.owner) || !seen.insert(setting.owner).second || has_section(others, setting.owner)) continue;
    lists.insert(list_of(setting.owner));
    lines.push_back(fmt::format("{} {}", setting.owner, words));
  }
}

std::string difference(const Setting& before, const Setting& after) {
  if (before.shown != after.shown) return fmt::format("{}: {} is now {}", path(after), before.shown, after.shown);
  if (after.shown.contains(k_hidden)) return fmt::format("{} has changed", path(after));
  return fmt::format("{}: what {} holds has changed", path(after), after.shown);
}

}  // namespace

std::vector<Setting> settings_of(const Node& root, const Context& context) { return Reader(context).read(root); }

std::vector<std::string> changes(const Config& before, const Config& after) {
  std::vector<std::string> lines;
  std::set<std::string_view> lists;  // whose sections are not the same
  compare_sections(before.settings, after.settings, "is gone", lists, lines);
  compare_sections(after.settings, before.settings, "is new", lists, lines);
  for (const Setting& setting : after.settings) {
    const Setting* old = find(before.settings, setting);
    if (old != nullptr && old->digest == setting.digest && old->shown == setting.shown) continue;
    if (is_section(setting.owner) && !has_section(before.settings, setting.owner)) continue;
    if (setting.key == "order" && (old == nullptr || lists.contains(setting.owner))) continue;
    lines.push_back(old != nullptr ? difference(*old, setting)
                                   : fmt::format("{} = {} is new", path(setting), setting.shown));
  }
  for (const Setting& setting : before.settings) {
    if (find(after.settings, setting) != nullptr || setting.key == "order") continue;
    if (is_section(setting.owner) && !has_section(after.settings, setting.owner)) continue;
    lines.push_back(fmt::format("{} is no longer set; it was {}", path(setting), setting.shown));
  }
  if (lines.size() > k_max_changes) {
    const std::size_t more = lines.size() - k_max_changes;
    lines.resize(k_max_changes);
    lines.push_back(fmt::format("and {} more", more));
  }
  return lines;
}

}  // namespace outrigger::config
