#include "config/reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/reference_parts.h"

namespace outrigger::config {
namespace {

constexpr std::string_view k_head = R"(# Configuration

<!-- Made by `outrigger reference` from src/config. A test fails when the two differ: change the code, then run
     build/dev/outrigger reference > docs/configuration.md -->

Every key that the file may have. [`conf/outrigger.toml`](../conf/outrigger.toml) is the same as a file to copy from.

`outrigger check --config FILE` says what would run, or names each mistake with its line and column. A changed file is read again by
itself and on `SIGHUP`; a file with a mistake is refused as a whole and the old one stays in force.

## How values are written

| | |
|---|---|
| text | in double quotes. Unless it is a name, a pattern or a path, it may be `"env:NAME"` (an environment variable) or `"file:/path"` (a file, without the line break at its end; read again when it changes). Keys and passwords belong there |
| duration | a number with a unit in double quotes: `"20ms"`, `"10s"`, `"5m"`, `"24h"`, `"7d"`; `0` needs no unit |
| size | likewise: `"64B"`, `"32KiB"`, `"256MiB"`, `"1GiB"`, or `KB`, `MB`, `GB` for powers of ten |
| whole number, number, true or false | without quotes |
| list | `["a", "b"]` |
| table | `{ key = value }` on one line, or under a header of its own: `[model.queue]` |
| pattern | `*` matches any run of characters, `?` one; upper and lower case differ |

An unknown key is a mistake, so that a slip of the pen cannot switch anything off unnoticed.

## Sections
)";

std::string header(const Section& section) {
  if (section.name.empty()) return {};
  return section.is_list ? fmt::format("[[{}]]", section.name) : fmt::format("[{}]", section.name);
}

std::string title(const Section& section) {
  return section.name.empty() ? std::string("At the top of the file") : fmt::format("`{}`", header(section));
}

// As GitHub makes anchors of headings.
std::string anchor(std::string_view heading) {
  std::string result;
  for (const char c : heading) {
    if (c >= 'A' && c <= 'Z') {
      result += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-') {
      result += c;
    } else if (c == ' ') {
      result += '-';
    }
  }
  return result;
}

std::string type_of(const Entry& entry) {
  switch (entry.kind) {
    case Entry::Kind::text:
      return "text";
    case Entry::Kind::duration:
      return "duration";
    case Entry::Kind::size:
      return "size";
    case Entry::Kind::integer:
      return "whole number";
    case Entry::Kind::number:
      return "number";
    case Entry::Kind::boolean:
      return "true or false";
    case Entry::Kind::choice:
      return fmt::format("one of `\"{}\"`", fmt::join(entry.words, "\"`, `\""));
    case Entry::Kind::texts:
      return "list of texts";
    case Entry::Kind::table:
      return "table";
  }
  return {};
}

constexpr std::size_t k_width = 130;  // as the other documents have it

// Lines of at most k_width bytes, unless a word is longer. Line breaks that are there stay.
std::string wrapped(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find_first_of(" \n"), text.size());
    if (column > 0 && column + 1 + length > k_width) {
      out += '\n';
      column = 0;
    }
    if (column > 0) out += ' ';
    column += length + (column > 0 ? 1 : 0);
    out += text.substr(0, length);
    text.remove_prefix(length);
    while (text.starts_with('\n')) {
      out += '\n';
      column = 0;
      text.remove_prefix(1);
    }
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return out;
}

// "duration · default `"10m"` · from 1ms to 365d"
std::string facts(const Entry& entry) {
  std::string line = type_of(entry);
  if (!entry.standard.empty()) {
    line += fmt::format(" · default `{}`", entry.standard);
  } else if (entry.otherwise.starts_with("needed")) {
    line += " · " + entry.otherwise;
  } else if (!entry.otherwise.empty()) {
    line += fmt::format(" · without it: {}", entry.otherwise);
  }
  if (!entry.limits.empty()) line += " · " + entry.limits;
  return line;
}

// What a table may hold that is explained elsewhere, as links; empty: nothing.
std::string explained_elsewhere(const Section& section, const Entry& table) {
  std::string members;
  for (const Entry& entry : section.entries) {
    if (entry.as.empty() || !entry.key.starts_with(table.key + ".")) continue;
    const std::string_view name = std::string_view(entry.key).substr(table.key.size() + 1);
    members += fmt::format("{}[`{}`](#{})", members.empty() ? "" : ", ", name, anchor(entry.as));
  }
  return members.empty() ? members : fmt::format("\n\nMembers, as they are explained there: {}.", members);
}

}  // namespace

std::string full_name(const Section& section, const Entry& entry) {
  return section.name.empty() ? entry.key : fmt::format("{} {}", header(section), entry.key);
}

std::vector<Section> reference() {
  return {parts::top_section(),   parts::listen_section(),   parts::limits_section(), parts::cache_section(),
          parts::redis_section(), parts::upstream_section(), parts::model_section(),  parts::target_section(),
          parts::route_section(), parts::dify_section(),     parts::app_section(),    parts::client_section(),
          parts::trace_section(), parts::log_section()};
}

std::string reference_markdown() {
  const std::vector<Section> sections = reference();
  std::string out(k_head);
  out += "\n| section | keys |\n|---|---|\n";
  for (const Section& section : sections) {
    std::string keys;
    for (const Entry& entry : section.entries) {
      if (entry.key.contains('.')) continue;
      keys += fmt::format("{}[`{}`](#{})", keys.empty() ? "" : ", ", entry.key, anchor(full_name(section, entry)));
    }
    out += fmt::format("| [{}](#{}) | {} |\n", title(section), anchor(title(section)), keys);
  }
  for (const Section& section : sections) {
    out += fmt::format("\n## {}\n\n{}\n", title(section), wrapped(section.text));
    if (!section.example.empty()) out += fmt::format("\n```toml\n{}```\n", section.example);
    for (const Entry& entry : section.entries) {
      if (!entry.as.empty()) continue;
      out += fmt::format("\n### `{}`\n\n{}\n\n{}\n", full_name(section, entry), facts(entry),
                         wrapped(entry.text + explained_elsewhere(section, entry)));
    }
  }
  return out;
}

}  // namespace outrigger::config
