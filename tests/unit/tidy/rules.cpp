#include "unit/tidy/rules.h"

#include <algorithm>
#include <map>
#include <regex>
#include <string_view>

namespace outrigger::tidy {
namespace {

constexpr std::size_t k_max_lines = 500;

// What each room may include besides itself. A room that is not here has no place in the order yet.
const std::map<std::string, std::set<std::string>, std::less<>>& order() {
  static const std::map<std::string, std::set<std::string>, std::less<>> rooms{
      {"core", {}},
      {"config", {"core"}},
      {"obs", {"core"}},
      {"io", {"core"}},
      {"chat", {"core"}},
      {"resilience", {"core"}},
      {"net", {"io", "obs", "core"}},
      {"http", {"io", "core"}},
      {"providers", {"chat", "core"}},
      {"cache", {"providers", "resilience", "chat", "io", "core"}},
      {"trace", {"http", "resilience", "io", "config", "obs", "core"}},
      {"proxy", {"trace", "cache", "providers", "http", "resilience", "chat", "io", "config", "obs", "core"}},
      {"admin", {"proxy", "trace", "cache", "providers", "http", "resilience", "chat", "io", "config", "obs", "core"}},
      {"app",
       {"admin", "proxy", "trace", "cache", "providers", "http", "resilience", "chat", "io", "net", "config", "obs",
        "core"}},
      {"sim", {"http", "chat", "io", "core"}},
      {"main.cpp",
       {"app", "admin", "proxy", "trace", "cache", "providers", "http", "resilience", "chat", "io", "net", "config", "obs",
        "core"}},
      {"sim_main.cpp", {"sim", "net", "http", "chat", "io", "obs", "core"}},
  };
  return rooms;
}

struct Library {
  const char* header;  // regular expression, matched from the beginning
  std::set<std::string> rooms;
  const char* name;
};

const std::vector<Library>& libraries() {
  static const std::vector<Library> table{
      {R"(uv\.h|uv/)", {"net"}, "libuv"},
      {R"(openssl/(ssl|tls)\.h)", {"net"}, "OpenSSL's TLS"},
      // A file's are looked at before a door depends on them.
      {R"(openssl/(bio|err|x509|x509v3|pem)\.h)", {"config", "net"}, "OpenSSL's certificates"},
      // Hashes, random bytes and comparison in constant time.
      {R"(openssl/)", {"chat", "config", "net", "http", "admin", "sim"}, "OpenSSL's libcrypto"},
      {R"(llhttp\.h)", {"http"}, "llhttp"},
      {R"(hiredis/)", {"cache"}, "hiredis"},
      {R"(zstd)", {"cache"}, "zstd"},
      {R"(toml\+\+/|toml\.hpp)", {"config", "sim"}, "toml++"},
      {R"(yyjson\.h)", {"chat", "providers", "admin", "sim"}, "yyjson"},
      {R"(utf8proc\.h)", {"chat"}, "utf8proc"},
      {R"(CLI/)", {"main.cpp", "sim_main.cpp"}, "CLI11"},
      {R"(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|pthread\.h)", {"net"}, "threads"},
  };
  return table;
}

struct Ban {
  const char* pattern;
  const char* name;
  const char* instead;
};

constexpr Ban k_bans[] = {
    {R"((steady|system|high_resolution|utc|file)_clock\s*::\s*now)", "clock::now()",
     "ask io::Loop, or take `now` as a parameter"},
    {R"((^|[^\w.>])(std::|::)?time\s*\(\s*(nullptr|NULL|0|&))", "time()",
     "ask io::Loop for wall_now, or take it as a parameter"},
    {R"(\b(clock_gettime|gettimeofday|clock)\s*\()", "a C clock", "ask io::Loop, or take `now` as a parameter"},
    {R"((^|[^\w.>])s?rand(om)?(_r)?\s*\()", "rand()", "draw from the Rng& that was passed in"},
    {R"(\brandom_device\b|\bmt19937)", "a generator of its own", "draw from the Rng& that was passed in"},
    {R"(\b(sleep|usleep|nanosleep|sleep_for|sleep_until)\s*\()", "sleeping", "arm a Timer of io::Loop"},
    {R"(\b(secure_)?getenv\s*\(|\benviron\b)", "the environment", "take a config::Environment as a parameter"},
    {R"(\bstd\s*::\s*(thread|jthread|mutex|shared_mutex|recursive_mutex|async|condition_variable|future|promise)\b|\bpthread_)",
     "threads", "hand the work to io::Loop::work"},
    {R"(\bthrow\b)", "an exception", "return a Result, or an enum with the reason"},
};

bool may_touch_the_world(const std::string& path) {
  return path.starts_with("src/net/") || path == "src/main.cpp" || path == "src/sim_main.cpp";
}

// "src/http/parser.h" → "http", "src/main.cpp" → "main.cpp".
std::string room_of(const std::string& path) {
  const std::string below = path.substr(path.find('/') + 1);
  return below.substr(0, below.find('/'));
}

std::string place(const Source& source, std::size_t line) { return source.path + ":" + std::to_string(line) + ": "; }

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "nothing" : text;
}

bool matches_from_start(const std::string& text, const char* pattern) {
  return std::regex_search(text, std::regex(pattern), std::regex_constants::match_continuous);
}

}  // namespace

Findings check_direction(const Source& source) {
  Findings findings;
  const std::string room = room_of(source.path);
  const auto allowed = order().find(room);
  if (allowed == order().end()) {
    return {place(source, 1) + "the room " + room +
            " has no place in the order; add it to order() in tests/unit/tidy/rules.cpp"};
  }
  for (const Include& include : source.includes) {
    if (!include.quoted || include.path.find('/') == std::string::npos) continue;
    const std::string target = include.path.substr(0, include.path.find('/'));
    if (target == room || allowed->second.contains(target) || !order().contains(target)) continue;
    findings.push_back(place(source, include.line) + room + "/ must not know " + target + "/; it may include " +
                       joined(allowed->second) + ": move the code down, or pass an interface in");
  }
  return findings;
}

Findings check_libraries(const Source& source) {
  Findings findings;
  const std::string room = room_of(source.path);
  for (const Include& include : source.includes) {
    for (const Library& library : libraries()) {
      if (!matches_from_start(include.path, library.header)) continue;
      if (!library.rooms.contains(room)) {
        findings.push_back(place(source, include.line) + library.name + " lives in " + joined(library.rooms) +
                           " only; use what that room offers, or move the code there");
      }
      break;  // the first entry is the closest
    }
  }
  return findings;
}

Findings check_bans(const Source& source) {
  Findings findings;
  if (may_touch_the_world(source.path)) return findings;
  for (const Ban& ban : k_bans) {
    const std::regex pattern(ban.pattern);
    for (std::size_t i = 0; i < source.code.size(); ++i) {
      if (!std::regex_search(source.code[i], pattern)) continue;
      findings.push_back(place(source, i + 1) + ban.name + " is banned here; " + ban.instead);
    }
  }
  return findings;
}

Findings check_includes(const Source& source, const std::set<std::string>& paths) {
  Findings findings;
  const bool is_header = source.path.ends_with(".h");
  if (is_header && std::none_of(source.code.begin(), source.code.end(),
                                [](const std::string& line) { return line.starts_with("#pragma once"); })) {
    findings.push_back(place(source, 1) + "a header needs a guard; write #pragma once below its head comment");
  }
  for (const Include& include : source.includes) {
    if (include.quoted && !paths.contains("src/" + include.path)) {
      findings.push_back(place(source, include.line) + "\"" + include.path + "\" is not a file of src/; write <" +
                         include.path + "> for a library, or the path from src/");
    }
  }
  const std::string own = source.path.substr(0, source.path.rfind('.')) + ".h";
  if (is_header || !paths.contains(own)) return findings;
  if (source.includes.empty() || "src/" + source.includes.front().path != own) {
    findings.push_back(place(source, source.includes.empty() ? 1 : source.includes.front().line) + "include \"" +
                       own.substr(4) + "\" first, which proves that the header stands alone");
  }
  return findings;
}

Findings check_size(const Source& source) {
  Findings findings;
  if (source.lines.size() > k_max_lines) {
    findings.push_back(place(source, k_max_lines + 1) + "the file has " + std::to_string(source.lines.size()) +
                       " lines; split it by nouns into files of at most " + std::to_string(k_max_lines));
  }
  static const std::regex unfinished(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  for (std::size_t i = 0; i < source.lines.size(); ++i) {
    if (!std::regex_search(source.lines[i], unfinished)) continue;
    if (source.path.starts_with("tests/unit/tidy/")) continue;  // names the marks that it looks for
    findings.push_back(place(source, i + 1) +
                       "a mark of unfinished work; finish it, or open an issue and say here what holds now");
  }
  return findings;
}

}  // namespace outrigger::tidy
