#include "config/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <tuple>

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_file = 1u << 20;    // a hundred times the longest sensible file or certificate chain
constexpr std::size_t k_max_diagnostics = 200;  // nobody reads more, and a megabyte of rubbish must not become ten
constexpr std::size_t k_max_quoted = 80;

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// "$NAME" and "${NAME}": what a shell or Compose would have replaced. Empty: it is neither.
std::string_view shell_variable(std::string_view text) {
  if (!text.starts_with('$')) return {};
  text.remove_prefix(1);
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  return is_variable_name(text) ? text : std::string_view();
}

}  // namespace

std::string Text::shown() const {
  if (!is_inline()) return fmt::format("the value of {}", source);
  if (value.size() > k_max_quoted) return fmt::format("\"{}…\"", std::string_view(value).substr(0, k_max_quoted));
  return fmt::format("\"{}\"", value);
}

std::string Text::problem(const std::string& error, std::string_view expected) const {
  return is_inline() ? error : fmt::format("{} does not hold {}", source, expected);
}

std::optional<Text> Context::resolve(const Node& node) {
  const std::string_view text = node.text;
  if (text.starts_with("env:")) return from_environment(text.substr(4), node);
  if (text.starts_with("file:")) return from_file(std::string(text.substr(5)), node);
  if (const std::string_view variable = shell_variable(text); !variable.empty()) {
    error(node.place, fmt::format("variables are not replaced inside text; write \"env:{}\"", variable));
    return std::nullopt;
  }
  return Text{node.text, "inline", node.place};
}

std::optional<Text> Context::from_environment(std::string_view name, const Node& node) {
  if (!is_variable_name(name)) {
    error(node.place, R"("env:" is followed by the name of an environment variable, such as "env:RELAY_KEY")");
    return std::nullopt;
  }
  const auto found = environment_.find(name);
  if (found == environment_.end() || found->second.empty()) {
    const std::string_view state = found == environment_.end() ? "not set" : "empty";
    error(node.place, fmt::format("the environment variable `{0}` is {1}; set {0} where outrigger is started, or write the "
                                  "value itself or \"file:/path\"",
                                  name, state));
    return std::nullopt;
  }
  followed_[node.text] = found->second;
  return Text{found->second, node.text, node.place};
}

std::optional<Text> Context::from_file(const std::string& path, const Node& node) {
  if (!path.starts_with('/')) {
    error(node.place, R"("file:" is followed by an absolute path, such as "file:/run/secrets/relay_key")");
    return std::nullopt;
  }
  files_.push_back(path);
  std::string problem;
  std::error_code ignored;
  auto text = std::filesystem::is_fifo(path, ignored) ? std::nullopt : read_file(path, problem);
  if (!text) {
    // Reading a pipe would wait for a writer, for ever at worst.
    if (problem.empty()) problem = "is a pipe, not a file";
    error(node.place, fmt::format("`{}` {}; name a file that outrigger may read", path, problem));
    return std::nullopt;
  }
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (text->empty()) {
    error(node.place, fmt::format("`{}` is empty; put the value into it", path));
    return std::nullopt;
  }
  followed_[node.text] = *text;
  return Text{std::move(*text), node.text, node.place};
}

void Context::add(Place place, bool error, std::string message) {
  failed_ = failed_ || error;
  if (diagnostics_.size() > k_max_diagnostics) return;
  if (diagnostics_.size() == k_max_diagnostics) {
    diagnostics_.push_back({file_, UINT32_MAX, 0, error, "there are more mistakes than are listed here; mend these first"});
    return;
  }
  diagnostics_.push_back({file_, place.line, place.column, error, std::move(message)});
}

std::vector<Diagnostic> Context::take_diagnostics() {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(), [](const Diagnostic& left, const Diagnostic& right) {
    return std::tuple(left.line, left.column, !left.error) < std::tuple(right.line, right.column, !right.error);
  });
  for (Diagnostic& diagnostic : diagnostics_) {
    if (diagnostic.line == UINT32_MAX) diagnostic.line = 0;  // it was to stand last; it is about the file as a whole
  }
  return std::move(diagnostics_);
}

std::optional<std::string> read_file(const std::string& path, std::string& error) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (status.type() == std::filesystem::file_type::not_found) {
    error = "does not exist";
    return std::nullopt;
  }
  if (status.type() == std::filesystem::file_type::directory) {
    error = "is a directory";
    return std::nullopt;
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text(k_max_file + 1, '\0');
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {
    error = "cannot be read (is this user allowed to?)";
    return std::nullopt;
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > k_max_file) {
    error = "is larger than 1 MiB";
    return std::nullopt;
  }
  return text;
}

}  // namespace outrigger::config
