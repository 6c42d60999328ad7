// Context: what goes through the whole reading of one file: its remarks, the environment, and the files that it names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/document.h"

namespace outrigger::config {

// A string value with "env:NAME" and "file:/path" followed. `shown` is how messages name it: quoted when it stands in the file
// in plain, else by where it came from, because it may be a secret.
struct Text {
  std::string value;
  std::string source;  // as in Secret
  Place place;
  [[nodiscard]] bool is_inline() const { return source == "inline"; }
  [[nodiscard]] std::string shown() const;
  // `error` may quote parts of the value. Of one that came from elsewhere (and may be a key that was put into the wrong variable)
  // only the expected form is told.
  [[nodiscard]] std::string problem(const std::string& error, std::string_view expected) const;
  [[nodiscard]] Secret secret() const { return {value, source}; }
};

class Context {
 public:
  Context(std::string file, const Environment& environment) : file_(std::move(file)), environment_(environment) {}

  void error(Place place, std::string message) { add(place, true, std::move(message)); }
  void warning(Place place, std::string message) { add(place, false, std::move(message)); }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }

  // Follows env: and file:. nullopt: an error has been noted at the node's place. The node must be a string.
  std::optional<Text> resolve(const Node& node);

  // What "env:NAME" and "file:/path" stood for, as far as they have been followed.
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& followed() const { return followed_; }

  // All remarks in the order of the file; errors before warnings at the same place.
  std::vector<Diagnostic> take_diagnostics();
  std::vector<std::string> take_files() { return std::move(files_); }

 private:
  void add(Place place, bool error, std::string message);
  std::optional<Text> from_environment(std::string_view name, const Node& node);
  std::optional<Text> from_file(const std::string& path, const Node& node);

  std::string file_;
  const Environment& environment_;
  std::vector<Diagnostic> diagnostics_;
  std::vector<std::string> files_;
  std::map<std::string, std::string, std::less<>> followed_;
  bool failed_ = false;
};

// The whole of a file of at most 1 MiB. nullopt: `error` says why not, in words that follow the path.
std::optional<std::string> read_file(const std::string& path, std::string& error);

}  // namespace outrigger::config
