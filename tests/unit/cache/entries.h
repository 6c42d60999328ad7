// Builders of entries for the tests of this room.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "cache/entry.h"

namespace outrigger::cache {

inline constexpr WallTime k_noon{std::chrono::sys_days{std::chrono::year{2025} / 6 / 1} + std::chrono::hours{12}};

// The number stands in the first 8 bytes, which the memory tier hashes, and in the last ones.
inline chat::Key a_key(std::uint64_t number) {
  chat::Key key{};
  const std::uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
  std::memcpy(key.data(), &mixed, sizeof(mixed));
  std::memcpy(key.data() + 24, &number, sizeof(number));
  return key;
}

inline std::string an_identity(std::uint64_t number) { return "identity of " + std::to_string(number); }

struct EntryBuilder {
  std::uint64_t number = 0;
  std::string model = "gpt-4o";
  std::string route{};
  std::vector<std::string> tags{};
  std::size_t payload = 100;
  WallTime stored_at = k_noon;
  Duration ttl = 10min;
  Duration stale = 24h;

  [[nodiscard]] EntryPtr make() const {
    Meta meta;
    meta.model = model;
    meta.served_by = "relay:" + model;
    meta.route = route;
    meta.tags = tags;
    meta.endpoint = chat::Endpoint::chat_completions;
    meta.stored_at = stored_at;
    meta.ttl = ttl;
    meta.stale = stale;
    meta.prompt_tokens = 12;
    meta.completion_tokens = 34;
    return std::make_shared<Entry>(a_key(number), an_identity(number), std::move(meta), Bytes::copy(text(payload)));
  }
  [[nodiscard]] std::string text(std::size_t size) const {
    std::string text;
    while (text.size() < size) text += "answer " + std::to_string(number) + " 你好. ";
    text.resize(size);
    return text;
  }
};

inline EntryPtr an_entry(std::uint64_t number, std::size_t payload = 100) {
  EntryBuilder builder;
  builder.number = number;
  builder.payload = payload;
  return builder.make();
}

inline std::shared_ptr<const providers::Rendered> a_form(std::size_t size) {
  auto form = std::make_shared<providers::Rendered>();
  form->text = Bytes::copy(std::string(size, 'x'));
  form->ids = {1, 2, 3};
  return form;
}

}  // namespace outrigger::cache
