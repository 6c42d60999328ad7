// cache_fuzz [seed] [iterations]: entries as they lie in Redis, damaged in every way, through the decoder and the head reader;
// and bytes that are almost Redis' protocol through the reply reader. Prints the seed first; a run is the same for the same seed.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "cache/codec.h"
#include "cache/resp.h"
#include "core/check.h"
#include "core/rng.h"

namespace outrigger::cache {
namespace {

std::string random_text(Rng& rng, std::size_t longest) {
  std::string text(rng.below(longest + 1), '\0');
  const bool repetitive = rng.chance(0.5);
  for (char& c : text) c = static_cast<char>(repetitive ? 'a' + rng.below(3) : rng.below(256));
  return text;
}

EntryPtr random_entry(Rng& rng) {
  Meta meta;
  meta.model = random_text(rng, 20);
  meta.served_by = random_text(rng, 20);
  meta.route = random_text(rng, 10);
  for (std::uint64_t i = rng.below(4); i > 0; --i) meta.tags.push_back(random_text(rng, 10));
  meta.endpoint = static_cast<chat::Endpoint>(rng.below(4));
  meta.stored_at = WallTime{std::chrono::milliseconds(rng.below(std::uint64_t{1} << 42))};
  meta.ttl = std::chrono::seconds(rng.below(1'000'000));
  meta.stale = std::chrono::seconds(rng.below(1'000'000));
  meta.prompt_tokens = rng.next();
  chat::Key key{};
  for (unsigned char& c : key) c = static_cast<unsigned char>(rng.below(256));
  return std::make_shared<Entry>(key, random_text(rng, 300), std::move(meta), Bytes::copy(random_text(rng, 2000)));
}

void mutate(Rng& rng, std::string& bytes) {
  for (std::uint64_t left = 1 + rng.below(4); left > 0; --left) {
    const std::size_t at = bytes.empty() ? 0 : rng.below(bytes.size());
    switch (rng.below(7)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes += random_text(rng, 40);
        break;
      case 2:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
        break;
      case 3:
        bytes.insert(at, random_text(rng, 8));
        break;
      case 4:
        bytes.erase(at, rng.below(8));
        break;
      case 5:
        bytes += bytes.substr(at);
        break;
      default:
        for (std::size_t i = at; i < at + 4 && i < bytes.size(); ++i)
          bytes[i] = static_cast<char>(rng.chance(0.5) ? 0xff : 0);
    }
  }
}

void fuzz_codec(Rng& rng, Codec& codec, std::uint64_t& survived) {
  const EntryPtr entry = random_entry(rng);
  std::optional<std::string> bytes = codec.encode(*entry);
  OR_CHECK(bytes.has_value());
  const auto back = codec.decode(*bytes, entry->key(), std::string(entry->identity()));
  OR_CHECK(back.has_value() && (*back)->payload().view() == entry->payload().view());
  mutate(rng, *bytes);
  // In a block of its own size, so that the sanitizer sees a read beyond its end.
  const std::vector<char> exact(bytes->begin(), bytes->end());
  const std::string_view view(exact.data(), exact.size());
  const auto damaged = codec.decode(view, entry->key(), std::string(entry->identity()));
  // Some bits of a zstd frame mean nothing; whatever else is accepted must be the truth.
  if (damaged.has_value()) {
    ++survived;
    OR_CHECK((*damaged)->payload().view() == entry->payload().view());
    OR_CHECK((*damaged)->meta().model == entry->meta().model);
  }
  static_cast<void>(read_head(view.substr(0, rng.below(view.size() + 1))));
}

std::string random_reply(Rng& rng, int depth) {
  const std::string text = random_text(rng, 12);
  switch (rng.below(depth < 5 ? 7 : 5)) {
    case 0:
      return "+" + std::to_string(rng.next()) + "\r\n";
    case 1:
      return "-ERR " + std::to_string(rng.next()) + "\r\n";
    case 2:
      return ":" + std::to_string(static_cast<std::int64_t>(rng.next())) + "\r\n";
    case 3:
      return "$-1\r\n";
    case 4:
      return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    default: {
      const std::uint64_t size = rng.below(4);
      std::string reply = "*" + std::to_string(size) + "\r\n";
      for (std::uint64_t i = 0; i < size; ++i) reply += random_reply(rng, depth + 1);
      return reply;
    }
  }
}

void fuzz_replies(Rng& rng) {
  std::string bytes;
  for (std::uint64_t i = rng.below(5); i > 0; --i) bytes += random_reply(rng, 0);
  if (rng.chance(0.7)) mutate(rng, bytes);
  ReplyReader reader({.bytes = 1 << 16, .elements = 1000});
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = 1 + rng.below(20);
    reader.feed(std::string_view(bytes).substr(at, size));
    at += size;
    for (;;) {
      const auto reply = reader.next();
      if (!reply.has_value()) return;
      if (!reply->has_value()) break;
    }
  }
}

int run(std::uint64_t seed, std::uint64_t iterations) {
  fmt::print("cache_fuzz seed {} iterations {}\n", seed, iterations);
  Rng rng(seed);
  Codec codec;
  std::uint64_t survived = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    fuzz_codec(rng, codec, survived);
    fuzz_replies(rng);
  }
  fmt::print("ok, {} damaged entries were still whole\n", survived);
  return 0;
}

}  // namespace
}  // namespace outrigger::cache

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t iterations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20'000;
  return outrigger::cache::run(seed, iterations);
}
