#include "cache/codec.h"

#include <zstd.h>

#include <catch2/catch_test_macros.hpp>

#include "cache/head.h"
#include "core/rng.h"
#include "unit/cache/entries.h"

namespace outrigger::cache {
namespace {

using Refusal = Codec::Refusal;

std::string encoded(const Entry& entry) { return Codec().encode(entry).value(); }

auto decode(std::string_view bytes, std::uint64_t number = 1) {
  return Codec().decode(bytes, a_key(number), an_identity(number));
}

// A well-formed head before any frame.
std::string with_frame(std::string_view frame) {
  std::string bytes;
  REQUIRE(append_head(bytes, an_entry(1)->meta()));
  return bytes.append(frame);
}

std::string compressed(std::string_view raw, bool with_size = true) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, with_size ? 1 : 0);
  std::string out(ZSTD_compressBound(raw.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), raw.data(), raw.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::string raw_of(std::uint32_t identity_size, std::string_view rest) {
  std::string raw;
  append_u32(raw, identity_size);
  return raw.append(rest);
}

TEST_CASE("an entry comes back as it was") {
  EntryBuilder builder;
  builder.number = 1;
  builder.route = "/faq";
  builder.tags = {"a", "", "帮助"};
  builder.payload = 5000;
  const EntryPtr entry = builder.make();
  const auto back = decode(encoded(*entry));
  REQUIRE(back.has_value());
  CHECK((*back)->key() == entry->key());
  CHECK((*back)->identity() == entry->identity());
  CHECK((*back)->payload().view() == entry->payload().view());
  const Meta& meta = (*back)->meta();
  CHECK(meta.model == "gpt-4o");
  CHECK(meta.served_by == "relay:gpt-4o");
  CHECK(meta.route == "/faq");
  CHECK(meta.tags == builder.tags);
  CHECK(meta.endpoint == chat::Endpoint::chat_completions);
  CHECK(meta.stored_at == k_noon);
  CHECK(meta.ttl == 10min);
  CHECK(meta.stale == 24h);
  CHECK(meta.prompt_tokens == 12);
  CHECK(meta.completion_tokens == 34);
}

TEST_CASE("an empty payload and empty names are entries too") {
  const EntryPtr entry = std::make_shared<Entry>(a_key(1), "", Meta{}, Bytes{});
  const auto back = Codec().decode(encoded(*entry), a_key(1), "");
  REQUIRE(back.has_value());
  CHECK((*back)->payload().empty());
}

TEST_CASE("one codec does many entries, large and small in turn") {
  Codec codec;
  for (const std::size_t size : {std::size_t{10}, std::size_t{3u << 20}, std::size_t{0}, std::size_t{2000}}) {
    const EntryPtr entry = an_entry(1, size);
    const auto back = codec.decode(codec.encode(*entry).value(), a_key(1), an_identity(1));
    REQUIRE(back.has_value());
    CHECK((*back)->payload().view() == entry->payload().view());
  }
}

TEST_CASE("repeated text is stored small") { CHECK(encoded(*an_entry(1, 100'000)).size() < 1000); }

TEST_CASE("another identity is told from rubbish") {
  const std::string bytes = encoded(*an_entry(1));
  CHECK(decode(bytes, 2).error() == Refusal::other_identity);
  CHECK(Codec().decode(bytes, a_key(1), an_identity(1) + "x").error() == Refusal::other_identity);
  CHECK(Codec().decode(bytes, a_key(1), "").error() == Refusal::other_identity);
}

TEST_CASE("every truncation is rubbish") {
  const std::string bytes = encoded(*an_entry(1));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO("size " << size);
    REQUIRE(decode(std::string_view(bytes).substr(0, size)).error() == Refusal::rubbish);
  }
  CHECK(decode(bytes + "x").error() == Refusal::rubbish);
  CHECK(decode(bytes + bytes).error() == Refusal::rubbish);
}

TEST_CASE("every flipped bit is rubbish") {
  const std::string bytes = encoded(*an_entry(1));
  Codec codec;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string broken = bytes;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    const auto back = codec.decode(broken, a_key(1), an_identity(1));
    INFO("bit " << bit);
    // A few bits of a zstd frame mean nothing; then the entry must be the true one.
    if (back.has_value()) {
      REQUIRE((*back)->payload().view() == an_entry(1)->payload().view());
      REQUIRE((*back)->meta().model == "gpt-4o");
    } else {
      REQUIRE(back.error() == Refusal::rubbish);
    }
  }
}

TEST_CASE("a frame is believed only if it says its size, and that is within the limit") {
  const std::string good = raw_of(static_cast<std::uint32_t>(an_identity(1).size()), an_identity(1) + "payload");
  CHECK(decode(with_frame(compressed(good))).has_value());
  CHECK(decode(with_frame(compressed(good, false))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed(good) + compressed(""))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed("") + compressed(good))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed(good) + std::string("\x50\x2a\x4d\x18\0\0\0\0", 8))).error() == Refusal::rubbish);
  CHECK(decode(with_frame("")).error() == Refusal::rubbish);
  CHECK(decode(with_frame("not a frame at all")).error() == Refusal::rubbish);
  // 16 MiB of zeros in a few hundred bytes.
  const std::string bomb = compressed(std::string(16u << 20, '\0'));
  CHECK(bomb.size() < 4096);
  CHECK(decode(with_frame(bomb)).error() == Refusal::rubbish);
}

TEST_CASE("lengths inside the frame are not believed") {
  CHECK(decode(with_frame(compressed(""))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed("abc"))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed(raw_of(4, "abc")))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed(raw_of(0xffffffff, "abc")))).error() == Refusal::rubbish);
  CHECK(decode(with_frame(compressed(raw_of(3, "abc")))).error() == Refusal::other_identity);
}

TEST_CASE("times and endpoints that nobody can have written are rubbish") {
  const auto reads = [](auto change) {
    Meta meta = an_entry(1)->meta();
    change(meta);
    std::string bytes;
    REQUIRE(append_head(bytes, meta));
    return read_head(bytes).has_value();
  };
  CHECK(reads([](Meta&) {}));
  CHECK_FALSE(reads([](Meta& m) { m.ttl = -1ms; }));
  CHECK_FALSE(reads([](Meta& m) { m.stale = -1ms; }));
  CHECK_FALSE(reads([](Meta& m) { m.ttl = 24h * 366 * 11; }));
  CHECK_FALSE(reads([](Meta& m) { m.stale = 24h * 366 * 11; }));
  CHECK_FALSE(reads([](Meta& m) { m.stored_at = WallTime(-1ms); }));
  CHECK_FALSE(reads([](Meta& m) { m.stored_at = WallTime::max(); }));
  CHECK_FALSE(reads([](Meta& m) { m.endpoint = static_cast<chat::Endpoint>(chat::k_endpoints); }));
}

TEST_CASE("an entry at the limit of size is written and one byte more is not") {
  const std::size_t around = sizeof(std::uint32_t) + an_identity(1).size();
  CHECK(Codec().encode(*an_entry(1, k_raw_max - around)).has_value());
  CHECK_FALSE(Codec().encode(*an_entry(1, k_raw_max - around + 1)).has_value());
}

TEST_CASE("names that fill the head exactly are written and one byte more is not") {
  EntryBuilder builder;
  builder.number = 1;
  builder.model.clear();
  std::string empty;
  REQUIRE(append_head(empty, builder.make()->meta()));
  // The model stands twice: in `model` and after "relay:" in `served_by`.
  const std::size_t room = k_head_max - empty.size();
  builder.model.assign(room / 2, 'm');
  builder.route.assign(room % 2, 'r');
  const EntryPtr entry = builder.make();
  const std::string bytes = encoded(*entry);
  const std::optional<Meta> head = read_head(std::string_view(bytes).substr(0, k_head_max));
  REQUIRE(head.has_value());
  CHECK(head->model == builder.model);
  CHECK_FALSE(read_head(std::string_view(bytes).substr(0, k_head_max - 1)).has_value());
  builder.route += 'r';
  CHECK_FALSE(Codec().encode(*builder.make()).has_value());
}

TEST_CASE("very many tags and very long names are refused without being written") {
  EntryBuilder builder;
  builder.tags.assign(100'000, "");
  CHECK_FALSE(Codec().encode(*builder.make()).has_value());
  builder.tags.assign(1, std::string(70'000, 't'));
  CHECK_FALSE(Codec().encode(*builder.make()).has_value());
}

TEST_CASE("the head is read without what follows it") {
  const std::string bytes = encoded(*an_entry(1, 100'000));
  const std::optional<Meta> meta = read_head(std::string_view(bytes).substr(0, k_head_max));
  REQUIRE(meta.has_value());
  CHECK(meta->model == "gpt-4o");
  CHECK_FALSE(read_head("").has_value());
  CHECK_FALSE(read_head("ORe").has_value());
  CHECK_FALSE(read_head(std::string("ORe\x01\xff\xff\xff\xff", 8)).has_value());
  CHECK_FALSE(read_head(std::string("ORe\x01\0\0\0\0", 8)).has_value());
}

}  // namespace
}  // namespace outrigger::cache
