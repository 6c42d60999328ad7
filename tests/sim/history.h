// History: what was asked and what came of it, written down by the actors in order of time. Nobody judges here; checkers do.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/time.h"
#include "sim/actors/told.h"

namespace outrigger::sim {

enum class Kind : std::uint8_t {
  chat,
  completion,
  embeddings,
  upload,    // a file, passed through; the answer tells its length and hash
  models,    // GET, passed through
  not_json,  // the provider's own refusal is the right answer
  odd_http,  // malformed, too large, too long: refused at the edge
};
std::string_view name(Kind kind);

// Who shares answers with whom; decided by the path.
enum class Sharing : std::uint8_t { credential, everybody, user };

// One request of a client and its answer.
struct Request {
  std::uint64_t id = 0;
  std::size_t instance = 0;
  Kind kind = Kind::chat;
  std::string wire;  // as it is sent
  std::string path, model, user;
  std::string credential;
  std::string upstream;  // its name
  Sharing sharing = Sharing::credential;
  bool stream = false, include_usage = false;
  bool no_store = false, no_cache = false;
  std::optional<Duration> max_age;
  std::vector<std::string> questions;  // their names, "Q17"; embeddings: one per text
  std::string upload_sha256;
  std::uint64_t upload_size = 0;

  // How the client behaves.
  std::optional<std::uint64_t> leaves_after;  // bytes of the answer
  std::optional<Duration> leaves_in;
  Duration read_pause{};          // between two reads; zero: it reads as it comes
  std::vector<std::size_t> cuts;  // the request is sent in pieces that end here, with pauses
  bool calm = false;              // nothing was wrong with the world: it must be answered well, and soon

  // What happened.
  enum class End : std::uint8_t { none, whole, broken, left, impatient, not_connected } end = End::none;
  MonoTime began{}, sent{}, first_byte{}, ended{};
  Duration silence{};  // the longest time without a byte for it, from when it was the next to be answered to its end
  int status = 0;
  std::string cache, served_by, request_id, attempts, content_type;
  std::optional<std::uint64_t> age;
  std::uint64_t body_size = 0, body_hash = 0;
  std::string body;          // of an error, and of what is not an answer of a model
  std::string wire_problem;  // what HTTP does not allow
  Told told;
  std::uint64_t number = 0;  // of the provider's answer that it shows; zero: none
};

// One request that reached a provider, and what the provider put on the wire.
struct Call {
  std::uint64_t number = 0;
  std::string upstream, path, credential, model, user;
  Kind kind = Kind::chat;
  bool stream = false, include_usage = false, no_store = false;
  std::vector<std::string> questions;
  MonoTime asked{}, ended{};
  int status = 0;
  bool whole = false;  // all that HTTP wants was written
  Told told;
  std::uint64_t body_hash = 0, body_size = 0;
  std::set<std::uint64_t> ends;  // hashes of a stream's body up to each of its last events

  // May this answer be stored?
  [[nodiscard]] bool storable() const;
};

struct Purge {
  std::size_t instance = 0;
  MonoTime asked{}, done{};
  bool all = false, complete = false;
};

struct History {
  std::deque<Request> requests;
  std::map<std::uint64_t, Call> calls;
  // A text's embedding is as good as a mark: it depends on the mark in the text.
  struct Origin {
    std::uint64_t call;
    std::string question;
  };
  std::unordered_map<std::uint64_t, Origin> embeddings;
  std::vector<Purge> purges;
  std::vector<std::string> complaints;  // of actors, about what nobody else could see
  std::uint64_t last_call = 0;
  bool wall_jumped = false;
  bool lost_ground = false;  // an instance was killed

  void complain(std::string words);
};

// Beyond so many nobody reads them.
inline constexpr std::size_t k_complaints_max = 40;

}  // namespace outrigger::sim
