// What the tests of this room share: loading a text, and looking at its remarks.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace outrigger::config::test {

inline const Environment k_environment{{"RELAY_KEY", "sk-relay"}, {"SUPPORT_KEY", "sk-support"}, {"EMPTY", ""}};

// An upstream is all that a file needs. It takes lines 1 to 3, so what a test adds begins on line 4.
inline constexpr std::string_view k_upstream = "[[upstream]]\nname = \"relay\"\nurl = \"https://api.example.com/v1\"\n";

inline Loaded load(std::string_view toml, const Environment& environment = k_environment) {
  return load_text(toml, "o.toml", environment);
}
inline Loaded load_with_upstream(std::string_view toml, const Environment& environment = k_environment) {
  return load(std::string(k_upstream) + std::string(toml), environment);
}

inline std::vector<std::string> remarks(const Loaded& loaded, bool errors) {
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    if (diagnostic.error == errors) texts.push_back(to_string(diagnostic));
  }
  return texts;
}
inline std::vector<std::string> errors(const Loaded& loaded) { return remarks(loaded, true); }
inline std::vector<std::string> warnings(const Loaded& loaded) { return remarks(loaded, false); }

inline std::string all(const Loaded& loaded) {
  std::string text;
  for (const Diagnostic& diagnostic : loaded.diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

// A file that is gone when the test ends.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    static int number = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("outrigger-config-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "-" + std::to_string(++number)))
                .string();
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace outrigger::config::test
