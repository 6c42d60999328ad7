// The simulated provider's settings: one TOML file, every key with a default that makes a pleasant demo.
// conf/sim.toml is the commented reference. Unknown keys are errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "sim/dify/settings.h"
#include "sim/fault.h"

namespace outrigger::sim_provider {

// Where the text of an answer comes from.
enum class AnswerMode : unsigned char {
  derived,  // sentences chosen by a hash of the prompt: the same question, the same answer
  echo,     // the last user message
  fixed,    // Settings::text
  size,     // words, of exactly Settings::size bytes
};

struct Settings {
  std::string listen = "127.0.0.1:9999";  // port 0: the kernel chooses
  std::vector<std::string> models;        // others get 404; empty: whatever is asked for
  std::string key;                        // asked for as a bearer token (or x-api-key, api-key); empty: none
  AnswerMode mode = AnswerMode::derived;
  std::string text = "This is a fixed answer.";
  std::uint64_t size = 2048;     // bytes; for mode `size`
  std::uint64_t tokens = 40;     // of a derived answer
  Duration first_token = 120ms;  // a hosted small model's usual order of size
  Duration between_tokens = 15ms;
  std::uint64_t dimensions = 1536;  // of an embedding, unless the request says otherwise; text-embedding-3-small's
  std::optional<std::uint64_t> requests_per_minute, tokens_per_minute;
  std::optional<std::uint64_t> burst;            // requests at once; without it, a whole minute's
  std::optional<std::uint64_t> window_requests;  // in any stretch of time as long as `window`, whether served or refused
  Duration window = 1min;
  std::optional<std::uint64_t> concurrency;  // requests under way at once; beyond: 429
  std::uint64_t remember = 64;               // the last requests, for /sim/stats
  std::uint64_t remember_body = 64 << 10;    // longer bodies are remembered by their hash only
  std::uint64_t max_body = 1ull << 30;       // beyond: 413
  // For benchmarks: no waits, answers made once per model, nothing remembered but counts.
  bool fast = false;
  std::uint64_t events_per_write = 1;  // fast streams only
  std::vector<Fault> faults;
  std::optional<sim_dify::Settings> dify;  // a Dify beside the provider
};

// Errors (bad_config) are FILE:LINE:COL: message.
Result<Settings> settings_from_toml(std::string_view toml, const std::string& file_name);
Result<Settings> settings_from_file(const std::string& path);

// A schedule alone, as POST /sim/faults takes it: TOML with [[fault]] tables, or JSON: {"fault": [...]}, or a bare array.
Result<std::vector<Fault>> faults_from_text(std::string_view text);

// "120ms", "5s", "10m", "1h", "500us". "2KiB", "1MiB", "300B". Nothing when it is neither.
std::optional<Duration> duration_from(std::string_view text);
std::optional<std::uint64_t> size_from(std::string_view text);

}  // namespace outrigger::sim_provider
