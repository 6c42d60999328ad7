#include "providers/openai/pieces.h"

#include <catch2/catch_test_macros.hpp>

#include "core/rng.h"
#include "support.h"

namespace outrigger::providers::openai {
namespace {

Piece full_piece() {
  Piece piece;
  piece.object = "\"o\"";
  piece.model = "\"m\"";
  piece.usage = "{\"prompt_tokens\":1}";
  piece.extras = {{"system_fingerprint", "\"fp\""}, {"x", "[1,2]"}, {"service_tier", "null"}};
  ChoicePiece& choice = piece.choices.emplace_back();
  choice.index = 127;
  choice.role = "assistant";
  choice.content = "";
  choice.reasoning_content = "a";
  choice.reasoning = "b";
  choice.refusal = "c";
  choice.function_name = "f";
  choice.function_arguments = "{}";
  choice.logprobs = "{\"content\":[]}";
  choice.finish_reason = "stop";
  choice.usage = "{}";
  choice.without_delta = true;
  choice.function_extras = {{"f", "1"}, {"name", "null"}};
  choice.delta_extras = {{"d", "1"}, {"tool_calls", "[]"}, {"tool_calls", "{}"}};
  choice.extras = {{"e", "2.50"}};
  ToolPiece& tool = choice.tools.emplace_back();
  tool.index = 3;
  tool.id = "call";
  tool.name = std::string_view("n\0m", 3);
  tool.custom = true;
  tool.extras = {{"t", "true"}};
  tool.call_extras = {{"arguments", "null"}};
  choice.tools.emplace_back().arguments = "";
  piece.choices.emplace_back();
  return piece;
}

void check_equal(const Extras& a, const Extras& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].name == b[i].name);
    CHECK(a[i].json == b[i].json);
  }
}

void check_equal(const Piece& a, const Piece& b) {
  CHECK(a.object == b.object);
  CHECK(a.model == b.model);
  CHECK(a.usage == b.usage);
  CHECK(a.usage_only == b.usage_only);
  check_equal(a.extras, b.extras);
  REQUIRE(a.choices.size() == b.choices.size());
  for (std::size_t i = 0; i < a.choices.size(); ++i) {
    const ChoicePiece& x = a.choices[i];
    const ChoicePiece& y = b.choices[i];
    CHECK(x.index == y.index);
    for (const auto text :
         {&ChoicePiece::role, &ChoicePiece::content, &ChoicePiece::reasoning_content, &ChoicePiece::reasoning,
          &ChoicePiece::refusal, &ChoicePiece::function_name, &ChoicePiece::function_arguments, &ChoicePiece::logprobs,
          &ChoicePiece::finish_reason, &ChoicePiece::usage}) {
      CHECK(x.*text == y.*text);
    }
    CHECK(x.without_delta == y.without_delta);
    check_equal(x.function_extras, y.function_extras);
    check_equal(x.delta_extras, y.delta_extras);
    check_equal(x.extras, y.extras);
    REQUIRE(x.tools.size() == y.tools.size());
    for (std::size_t j = 0; j < x.tools.size(); ++j) {
      CHECK(x.tools[j].index == y.tools[j].index);
      CHECK(x.tools[j].custom == y.tools[j].custom);
      for (const auto text : {&ToolPiece::id, &ToolPiece::type, &ToolPiece::name, &ToolPiece::arguments}) {
        CHECK(x.tools[j].*text == y.tools[j].*text);
      }
      check_equal(x.tools[j].extras, y.tools[j].extras);
      check_equal(x.tools[j].call_extras, y.tools[j].call_extras);
    }
  }
}

Head full_head() {
  Head head{.form = Form::text, .streamed = true, .model = "m", .estimated_completion_tokens = 7};
  head.usage = UsageTold{{300, UINT64_MAX}, 1, {{"prompt_tokens_details", "{\"cached_tokens\":0}"}}};
  return head;
}

TEST_CASE("pieces and head read back as they were written") {
  const Piece piece = full_piece();
  Piece bare;
  bare.choices.emplace_back().content = std::string_view("x");
  Piece ordinary = piece;
  ordinary.usage = "null";
  Piece usage_only;
  usage_only.usage_only = true;
  const Piece* const order[] = {&piece, &piece, &bare, &bare, &ordinary, &usage_only, &piece};
  PieceWriter writer;
  for (const Piece* one : order) writer.add(*one);
  const Bytes encoded = encode(full_head(), writer.pieces());

  auto reader = PieceReader::open(encoded.view());
  REQUIRE(reader);
  CHECK(reader->head().form == Form::text);
  CHECK(reader->head().streamed);
  CHECK(reader->head().model == "m");
  CHECK(reader->head().estimated_completion_tokens == 7);
  REQUIRE(reader->head().usage);
  CHECK(reader->head().usage->usage.prompt_tokens == 300);
  CHECK(reader->head().usage->usage.completion_tokens == UINT64_MAX);
  CHECK(reader->head().usage->total_tokens == 1);
  CHECK(reader->head().usage->details == full_head().usage->details);
  Piece read;
  for (const Piece* one : order) {
    REQUIRE(reader->next(read));
    check_equal(read, *one);
  }
  CHECK(!reader->next(read));
  CHECK(!reader->broken());
}

TEST_CASE("members that every chunk repeats are stored once") {
  Piece piece;
  piece.extras = {{"system_fingerprint", "\"fp_0123456789\""}};
  piece.choices.emplace_back().content = "x";
  PieceWriter writer;
  writer.add(piece);
  const std::size_t first = writer.pieces().size();
  writer.add(piece);
  CHECK(writer.pieces().size() - first < 10);
}

TEST_CASE("a null that vendors send in every chunk costs a byte") {
  const auto size_with = [](const Extras& extras) {
    Piece piece;
    piece.choices.emplace_back().delta_extras = extras;
    PieceWriter writer;
    writer.add(piece);
    return writer.pieces().size();
  };
  const std::size_t one = size_with({{"reasoning_content", "null"}});
  CHECK(one <= size_with({}) + 2);
  CHECK(size_with({{"reasoning_content", "null"}, {"tool_calls", "null"}, {"refusal", "null"}}) == one + 2);
}

TEST_CASE("a stored answer with any bit changed, cut anywhere or grown is not readable") {
  const Exchange& exchange = golden_exchange("openai_tools_stream.sse");
  const Answer answer = stored(exchange.endpoint, true, exchange.body);
  const std::string good(answer.encoded.view());
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      REQUIRE(!render(exchange.endpoint, bad, {}));
    }
    REQUIRE(!render(exchange.endpoint, std::string_view(good).substr(0, i), {.stream = true}));
  }
  CHECK(!render(exchange.endpoint, good + "x", {}));
  CHECK(render(exchange.endpoint, good, {}));
  CHECK(!render(chat::Endpoint::completions, good, {}));
  CHECK(!render(chat::Endpoint::embeddings, good, {}));
}

TEST_CASE("rubbish behind a right checksum is read without harm") {
  const std::uint64_t seed = 4711;
  INFO("seed " << seed);
  Rng rng(seed);
  PieceWriter writer;
  writer.add(full_piece());
  writer.add(full_piece());
  for (int round = 0; round < 20'000; ++round) {
    std::string pieces(writer.pieces());
    for (std::uint64_t left = 1 + rng.below(4); left > 0; --left) {
      pieces[rng.below(pieces.size())] = static_cast<char>(rng.below(256));
    }
    pieces.resize(rng.below(pieces.size() + 1));
    const Bytes encoded = encode({.form = Form::chat, .streamed = rng.chance(0.5), .model = "m"}, pieces);
    for (const bool stream : {false, true}) {
      const auto out = render(chat::Endpoint::chat_completions, encoded.view(), {.stream = stream});
      if (out) REQUIRE(out->ids.size() == out->createds.size());
    }
  }
}

}  // namespace
}  // namespace outrigger::providers::openai
