// The configuration reference: every key of the file with its type, default, limits and what it is for. `outrigger reference`
// prints it as docs/configuration.md.
//
// Defaults are taken from Config and the structs below it, so they cannot differ from what runs. What else is said here a second
// time (which keys there are, their limits, their words) is compared with the readers by tests/unit/config/drift_test.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrigger::config {

struct Entry {
  enum class Kind : unsigned char { text, duration, size, integer, number, boolean, choice, texts, table };
  std::string key;  // "ttl", or "queue.depth" for a member of an inline table
  Kind kind = Kind::text;
  std::vector<std::string> words;  // choice: all that can be written
  std::string standard;            // the default as one would write it; empty: there is none
  std::string otherwise;           // what holds without the key, when there is no default
  std::string limits;              // "from 1s to 1h", or a few words; empty: none
  std::string text;                // what it does, and why that default
  std::string as;        // "[[model]] queue.depth": as there, so it is not explained again; empty: it has words of its own
  bool is_free = false;  // table: its members' names are the operator's
};

struct Section {
  std::string name;      // "cache"; empty: the top of the file
  bool is_list = false;  // [[name]]
  std::string text;
  std::string example;  // TOML, for this section alone
  std::vector<Entry> entries;
};

// In the order of the document.
std::vector<Section> reference();

// "[cache] ttl", "[[model]] queue.depth", "drain"
std::string full_name(const Section& section, const Entry& entry);

std::string reference_markdown();

}  // namespace outrigger::config
