#include "sim/toml_reader.h"

namespace outrigger::sim_provider {

std::string place(const std::string& file, const toml::source_region& where) {
  if (where.begin.line == 0) return file;
  return fmt::format("{}:{}:{}", file, static_cast<unsigned>(where.begin.line), static_cast<unsigned>(where.begin.column));
}

// toml++ reports by exception; nothing of it leaves this function.
Result<toml::table> parse_toml(std::string_view text, const std::string& file) {
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::bad_config, fmt::format("{}: {}", place(file, error.source()), error.description()));
  }
}

}  // namespace outrigger::sim_provider
