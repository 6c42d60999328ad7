#include "proxy/embedding_batch.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::proxy {
namespace {

chat::Key key_of(char letter) {
  chat::Key key{};
  key.fill(static_cast<unsigned char>(letter));
  return key;
}

cache::EntryPtr entry_of(char letter, std::uint64_t tokens) {
  cache::Meta meta;
  meta.prompt_tokens = tokens;
  return std::make_shared<cache::Entry>(key_of(letter), std::string(1, letter), meta,
                                        Bytes::copy("[" + std::to_string(static_cast<int>(letter)) + "]"));
}

// One text per letter; upper-case letters are known already.
EmbeddingBatch batch_of(std::string_view letters, std::string body = "") {
  std::vector<EmbeddingBatch::Element> elements;
  for (const char c : letters) {
    const bool known = c >= 'A' && c <= 'Z';
    const char letter = known ? static_cast<char>(c + 32) : c;
    elements.push_back({key_of(letter), std::string(1, letter), 1, known ? entry_of(letter, 5) : nullptr});
  }
  return {std::move(body), std::move(elements)};
}

using Indices = std::vector<std::size_t>;

TEST_CASE("each unknown text is asked for once") {
  CHECK(batch_of("abc").unknown() == Indices{0, 1, 2});
  CHECK(batch_of("aBa").unknown() == Indices{0});
  CHECK(batch_of("abab").unknown() == Indices{0, 1});
  CHECK(batch_of("ABC").unknown().empty());
  CHECK(batch_of("ABC").complete());
  CHECK_FALSE(batch_of("ABc").complete());
}

TEST_CASE("what is learned reaches every place of the same text, and nothing found changes nothing") {
  EmbeddingBatch batch = batch_of("aba");
  batch.learn(batch.unknown(), {nullptr, entry_of('b', 1)});
  CHECK(batch.unknown() == Indices{0});
  batch.learn(batch.unknown(), {entry_of('a', 1)});
  CHECK(batch.complete());
  CHECK(batch.elements()[2].entry == batch.elements()[0].entry);
}

TEST_CASE("what is past its time stands in for all that is unknown, or for nothing") {
  EmbeddingBatch batch = batch_of("aBca");
  cache::Meta meta;
  meta.ttl = 10s;
  meta.stale = 10s;
  const auto old = [&](char letter) {
    return std::make_shared<cache::Entry>(key_of(letter), std::string(1, letter), meta, Bytes::copy("[0]"));
  };
  CHECK_FALSE(batch.stand_in(WallTime{15s}));
  batch.keep_stale(batch.unknown(), {old('a'), nullptr});
  CHECK_FALSE(batch.stand_in(WallTime{15s}));
  CHECK(batch.unknown() == Indices{0, 2});
  batch.keep_stale(batch.unknown(), {nullptr, old('c')});
  CHECK_FALSE(batch.stand_in(WallTime{20s}));
  CHECK(batch.stand_in(WallTime{19s}));
  CHECK(batch.complete());
  CHECK(batch.elements()[3].entry == batch.elements()[0].entry);
  CHECK(batch.elements()[1].entry->payload().view() == "[98]");
}

TEST_CASE("the request upstream has only what is unknown, and is the original when that is all") {
  const std::string body = R"({"model":"e","input":["a","b","c"]})";
  CHECK(batch_of("abc", body).request_body({0, 1, 2}) == body);
  const std::string part = batch_of("aBc", body).request_body({0, 2});
  CHECK(part.find("\"a\"") != std::string::npos);
  CHECK(part.find("\"c\"") != std::string::npos);
  CHECK(part.find("\"b\"") == std::string::npos);
}

TEST_CASE("an answer is taken apart, each part with its share of the tokens") {
  EmbeddingBatch batch = batch_of("aBcc");
  const auto entries = batch.accept(
      R"({"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.25]},{"object":"embedding","index":0,"embedding":[1]}],
          "model":"e","usage":{"prompt_tokens":10,"total_tokens":10}})",
      {0, 2}, {});
  REQUIRE(entries);
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[0]->payload().view() == "[1]");
  CHECK((*entries)[1]->payload().view() == "[0.25]");
  CHECK((*entries)[0]->meta().prompt_tokens == 5);
  CHECK(batch.complete());
  CHECK(batch.tokens() == 5 + 5 + 5 + 5);
}

TEST_CASE("where the provider does not count, each text has its estimate") {
  for (const std::string_view usage : {"", R"(,"usage":{"prompt_tokens":0,"total_tokens":0})"}) {
    CAPTURE(usage);
    EmbeddingBatch batch = batch_of("aBc");
    const auto entries = batch.accept(
        std::string(R"({"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}])") + std::string(usage) + "}",
        {0, 2}, {});
    REQUIRE(entries);
    CHECK((*entries)[0]->meta().prompt_tokens == 1);
    CHECK(batch.tokens() == 1 + 5 + 1);
  }
}

TEST_CASE("an answer with another count of embeddings teaches nothing") {
  for (const std::string_view answer : {R"({"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":1}})",
                                        R"({"data":[]})", R"({"error":{"message":"no"}})", "not JSON", ""}) {
    CAPTURE(answer);
    EmbeddingBatch batch = batch_of("ab");
    CHECK_FALSE(batch.accept(answer, {0, 1}, {}));
    CHECK(batch.unknown() == Indices{0, 1});
  }
}

TEST_CASE("the whole answer has every text in the order asked") {
  EmbeddingBatch batch = batch_of("BAB");
  const std::string all = batch.render(UsagePolicy::original, "the model");
  const std::size_t b = all.find("[98]");
  const std::size_t a = all.find("[97]");
  REQUIRE(a != std::string::npos);
  CHECK(b < a);
  CHECK(all.find("[98]", a) != std::string::npos);
  CHECK(all.find("the model") != std::string::npos);
  CHECK(all.find("\"prompt_tokens\":15") != std::string::npos);
  CHECK(batch.render(UsagePolicy::zero, "m").find("\"prompt_tokens\":0") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::proxy
