// The settings of the simulated Dify: the [dify] table of the simulator's TOML file. conf/sim.toml is the commented reference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "io/net.h"
#include "sim/fault.h"

namespace outrigger::sim_dify {

using sim_provider::Fault;

enum class Mode : unsigned char { chat, agent_chat, advanced_chat, completion, workflow };
std::string_view name(Mode mode);
std::optional<Mode> mode_from(std::string_view name);
// Does an app of this mode have conversations?
constexpr bool is_chat(Mode mode) { return mode != Mode::completion && mode != Mode::workflow; }

struct App {
  std::string key;   // "app-..."
  std::string id;    // for the console; without one, made from the key
  std::string name;  // as GET /info tells it
  Mode mode = Mode::chat;
  std::optional<Duration> think, between_tokens;  // in place of Settings'
  std::optional<std::uint64_t> tokens;
  std::optional<std::uint64_t> max_active;  // runs at once; beyond: 429 too_many_requests (APP_MAX_ACTIVE_REQUESTS)
  bool rare = false;                        // streams hold every event that there is, also those that few apps send
  bool pauses = false;                      // workflows wait for a person in the end (workflow_paused)
};

// What becomes of a connection beyond Settings::connections.
enum class Over : unsigned char {
  wait,    // it is accepted and not read until another one closes, as gunicorn's workers let it
  refuse,  // its requests are answered with 429 too_many_requests
};

struct Settings {
  std::string listen = "127.0.0.1:0";
  std::string admin_listen;  // the same without a limit on connections, for those who watch; empty: none
  // A model to ask for what is said, by chat completions: the address ends before "/chat/completions". Nothing: invented.
  struct Llm {
    io::Address address;
    std::string host, path;  // as in the URL
    std::string model = "gpt-4o-mini", key;
  };
  std::optional<Llm> llm;
  std::vector<App> apps;
  std::string dataset_key;                   // asked for under /v1/datasets; empty: any
  std::optional<std::uint64_t> connections;  // at once; SERVER_WORKER_CONNECTIONS
  Over over = Over::wait;
  Duration keep_alive = 2s;  // an idle connection keeps its place so long; gunicorn's default
  Duration think = 200ms;    // before the first token
  Duration between_tokens = 10ms;
  std::uint64_t tokens = 30;               // of an answer
  Duration ping = 10s;                     // between two keep-alives of a stream that has nothing to say
  std::uint64_t max_upload = 15u << 20;    // beyond: 413 file_too_large; UPLOAD_FILE_SIZE_LIMIT
  std::uint64_t remember = 64;             // the last requests, for /sim/stats
  std::uint64_t remember_body = 64 << 10;  // longer bodies are remembered by their hash only
  std::vector<Fault> faults;
};

}  // namespace outrigger::sim_dify
