// Entry: one stored answer, and how it looks in Redis.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/key.h"
#include "core/bytes.h"
#include "core/time.h"
#include "providers/answer.h"

namespace outrigger::cache {

struct Meta {
  std::string model;      // that was asked for
  std::string served_by;  // "upstream:model" that answered
  std::string route;      // name (path) of the [[route]], or empty
  std::vector<std::string> tags;
  chat::Endpoint endpoint = chat::Endpoint::other;
  WallTime stored_at{};             // when the answer was complete; `age` counts from here
  Duration ttl{};                   // fresh for so long
  Duration stale{};                 // and then kept so long for when every target is down
  std::uint64_t prompt_tokens = 0;  // what a hit saves
  std::uint64_t completion_tokens = 0;
};

// Immutable but for `wire`, which fills as forms are asked for. Shared between the memory tier and the flows that serve it.
class Entry {
 public:
  Entry(chat::Key key, std::string identity, Meta meta, Bytes payload)
      : key_(key), identity_(std::move(identity)), meta_(std::move(meta)), payload_(std::move(payload)) {}

  [[nodiscard]] const chat::Key& key() const { return key_; }
  [[nodiscard]] std::string_view identity() const { return identity_; }  // compared on every hit
  [[nodiscard]] const Meta& meta() const { return meta_; }
  // providers::Answer::encoded, or for embeddings the JSON text of one vector.
  [[nodiscard]] const Bytes& payload() const { return payload_; }

  [[nodiscard]] Duration age(WallTime now) const {
    return now > meta_.stored_at ? now - meta_.stored_at : WallTime::duration{};
  }
  [[nodiscard]] bool fresh(WallTime now) const { return age(now) < meta_.ttl; }
  // Not fresh any more, but not for long: `window` is how long past its time.
  [[nodiscard]] bool expired_less_than(Duration window, WallTime now) const {
    return !fresh(now) && age(now) < meta_.ttl + window;
  }
  [[nodiscard]] bool usable_if_error(WallTime now) const { return age(now) < meta_.ttl + meta_.stale; }

  // Wire-ready forms, made on first use: blocking, streamed, streamed with usage.
  enum Form : unsigned char {
    blocking,
    blocking_zero_usage,
    streamed,
    streamed_with_usage,
    streamed_zero_usage,
    form_count
  };
  std::array<std::shared_ptr<const providers::Rendered>, form_count> wire;

  // Bytes that this entry holds, wire forms and bookkeeping included: what the memory tier charges.
  [[nodiscard]] std::size_t cost() const;
  // What the memory tier needs beside the entry: two nodes (its own, and one in the ghost queue) of 48 bytes, and two places
  // in an index that is at least a third full.
  static constexpr std::size_t k_bookkeeping = 144;

 private:
  chat::Key key_;
  std::string identity_;
  Meta meta_;
  Bytes payload_;
};
using EntryPtr = std::shared_ptr<Entry>;

}  // namespace outrigger::cache
