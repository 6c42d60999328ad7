#include "obs/savings.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::obs {
namespace {

TEST_CASE("a model's price is that of its name, whatever its date, snapshot or tag") {
  struct Row {
    std::string_view model;
    double input, output;
  };
  const Row rows[] = {{"gpt-4o", 2.5, 10},
                      {"gpt-4o-2024-08-06", 2.5, 10},
                      {"gpt-4o-2024-05-13", 5, 15},
                      {"gpt-4o-mini-2024-07-18", 0.15, 0.6},
                      {"GPT-4O-MINI", 0.15, 0.6},
                      {"openai/gpt-4o-mini", 0.15, 0.6},
                      {"gpt-4", 30, 60},
                      {"gpt-4-turbo-2024-04-09", 10, 30},
                      {"o3", 2, 8},
                      {"o3-mini", 1.1, 4.4},
                      {"claude-sonnet-4-20250514", 3, 15},
                      {"claude-opus-4-1", 15, 75},
                      {"claude-3-5-sonnet@20240620", 3, 15},
                      {"us.anthropic.claude-3-haiku-20240307-v1:0", 0.25, 1.25},
                      {"models/gemini-2.5-flash-lite", 0.1, 0.4},
                      {"deepseek/deepseek-chat:free", 0.28, 0.42},
                      {"text-embedding-3-small", 0.02, 0},
                      {"Pro/BAAI/bge-m3", 0, 0},
                      {"glm-4.5-air", 0.2, 1.1},
                      // Dates, snapshots and stages in all their forms.
                      {"gpt-4-0613", 30, 60},
                      {"gpt-3.5-turbo-0613", 1.5, 2},
                      {"gpt-3.5-turbo-0125", 0.5, 1.5},
                      {"o1-preview-2024-09-12", 15, 60},
                      {"gpt-4-turbo-preview", 10, 30},
                      {"gpt-4-vision-preview", 10, 30},
                      {"gpt-5-chat-latest", 1.25, 10},
                      {"gemini-2.5-pro-preview-05-06", 1.25, 10},
                      {"gemini-2.5-flash-lite-preview-09-2025", 0.1, 0.4},
                      {"gemini-3-pro-preview", 2, 12},
                      {"gemini-2.0-flash-001", 0.1, 0.4},
                      {"kimi-k2-0905-preview", 0.6, 2.5},
                      {"claude-3-5-sonnet-latest", 3, 15},
                      {"claude-3-5-sonnet-v2@20241022", 3, 15},
                      {"claude-sonnet-4-5-20250929", 3, 15},
                      {"claude-opus-4-0", 15, 75},
                      {"claude-sonnet-4-6", 3, 15},
                      {"anthropic.claude-opus-4-1-20250805-v1:0", 15, 75},
                      {"claude-opus-4-5@20251101", 5, 25},
                      {"command-r-08-2024", 0.15, 0.6},
                      {"qwen-max-latest", 1.6, 6.4},
                      {"mistral-large-2411", 2, 6},
                      {"BAAI/bge-large-zh-v1.5", 0, 0},
                      // Variants at prices of their own.
                      {"o3-deep-research", 10, 40},
                      {"o3-deep-research-2025-06-26", 10, 40},
                      {"o4-mini-deep-research", 2, 8},
                      {"gpt-5.1-codex-mini", 0.25, 2},
                      {"grok-3-mini-fast-latest", 0.6, 4},
                      {"codestral-embed-2505", 0.15, 0}};
  for (const Row& row : rows) {
    INFO(row.model);
    const auto price = built_in_price(row.model);
    REQUIRE(price);
    CHECK(price->input == row.input);
    CHECK(price->output == row.output);
  }
}

TEST_CASE("a model that is not known has no price") {
  for (const std::string_view model :
       {"", "llama3:8b", "gpt", "gpt-4.7", "gpt-4oo", "o30", "my-gpt-4o", "/", "openai/", "gpt-50", "claude-sonnet-40",
        // Other models than the ones that they are named after.
        "gpt-4o-audio-preview", "gpt-4o-audio-preview-2025-06-03", "gpt-4o-realtime-preview", "gpt-4o-mini-tts",
        "gpt-4o-transcribe", "gpt-4o-search-preview", "gemini-2.5-flash-image", "gemini-3-pro-image-preview",
        "gemini-2.5-flash-preview-tts", "gemini-2.5-flash-native-audio-preview-09-2025", "gemini-2.0-flash-live-001",
        "deepseek-r1-distill-qwen-32b", "deepseek-r1-0528-qwen3-8b", "o3-ultra", "gpt-5-image",
        // Versions, not dates.
        "claude-opus-4-7", "claude-sonnet-4-12", "claude-opus-4-7-20270101", "gpt-4-5", "mistral-large-v2",
        // Nothing that anybody says.
        "gpt-4o-", "gpt-4o--2024", "gpt-4o-2024-", "gpt-4o-previews", "gpt-4o_2024", "gpt-4o-v"}) {
    INFO(model);
    CHECK_FALSE(built_in_price(model));
  }
  CHECK_FALSE(built_in_price("gpt-4o-" + std::string(1'000'000, 'x')));
}

TEST_CASE("a cost is tokens times price, by the million") {
  CHECK(cost_usd({3, 15}, 1'000'000, 100'000) == Catch::Approx(4.5));
  CHECK(cost_usd({3, 15}, 0, 0) == 0);
}

TEST_CASE("what is saved is booked by model and by how") {
  Registry registry;
  Savings savings(registry);
  CHECK(savings.book("gpt-4o", SavedBy::hit, 1000, 500) == Catch::Approx(0.0075));
  CHECK(savings.book("gpt-4o", SavedBy::hit, 1000, 500) == Catch::Approx(0.0075));
  CHECK(savings.book("gpt-4o", SavedBy::coalesced, 0, 100) == Catch::Approx(0.001));
  CHECK(savings.book("mine", SavedBy::stale, 10, 10) == 0);

  const std::string text = registry.expose();
  CHECK(text.find("outrigger_saved_tokens_total{model=\"gpt-4o\",by=\"hit\"} 3000\n") != std::string::npos);
  CHECK(text.find("outrigger_saved_tokens_total{model=\"gpt-4o\",by=\"coalesced\"} 100\n") != std::string::npos);
  CHECK(text.find("outrigger_saved_tokens_total{model=\"mine\",by=\"stale\"} 20\n") != std::string::npos);
  CHECK(text.find("outrigger_saved_usd_total{model=\"gpt-4o\",by=\"hit\"} 0.015\n") != std::string::npos);
  CHECK(text.find("outrigger_saved_usd_total{model=\"mine\",by=\"stale\"} 0\n") != std::string::npos);

  CHECK(savings.total().requests == 4);
  CHECK(savings.total().prompt_tokens == 2010);
  CHECK(savings.total().completion_tokens == 1110);
  CHECK(savings.total().usd == Catch::Approx(0.016));
  CHECK(savings.total(SavedBy::hit).requests == 2);
  CHECK(savings.total(SavedBy::stale).usd == 0);

  const auto rows = savings.by_model(10);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].model == "gpt-4o");
  CHECK(rows[0].totals.requests == 3);
  CHECK(rows[1].model == "mine");
  CHECK(savings.by_model(1).size() == 1);
}

TEST_CASE("a configured price overrides the built-in one") {
  Registry registry;
  Savings savings(registry);
  CHECK(savings.book("gpt-4o", SavedBy::hit, 1'000'000, 0, TokenPrice{1, 1}) == Catch::Approx(1));
  CHECK(savings.book("mine", SavedBy::hit, 0, 1'000'000, TokenPrice{1, 2}) == Catch::Approx(2));
}

TEST_CASE("names that clients make up do not grow the books without bound, and still have their price") {
  Registry registry;
  Savings savings(registry);
  for (int i = 0; i < 10'000; ++i) savings.book("made-up-" + std::to_string(i), SavedBy::hit, 1, 0);
  CHECK(savings.by_model(100'000).size() == 201);
  CHECK(savings.total().requests == 10'000);
  CHECK(savings.book("gpt-4o", SavedBy::hit, 1'000'000, 0) == Catch::Approx(2.5));
  CHECK(registry.expose().find("outrigger_saved_tokens_total{model=\"other\",by=\"hit\"} 1009800\n") != std::string::npos);
  savings.book(std::string(5000, 'x'), SavedBy::hit, 1, 1);
  CHECK(savings.by_model(1000).size() == 201);
}

TEST_CASE("each way of saving has its word") {
  CHECK(name(SavedBy::hit) == "hit");
  CHECK(name(SavedBy::coalesced) == "coalesced");
  CHECK(name(SavedBy::stale) == "stale");
}

}  // namespace
}  // namespace outrigger::obs
