#include "obs/spending.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::obs {
namespace {

TEST_CASE("what is spent is booked by model, and shown") {
  Registry registry;
  Spending spending(registry);
  spending.book("gpt-4o", 1000, 500, 0.0075);
  spending.book("gpt-4o", 1000, 0, 0.0025);
  spending.book("mine", 10, 20, 0);

  const std::string text = registry.expose();
  CHECK(text.find("outrigger_spent_usd_total{model=\"gpt-4o\"} 0.01\n") != std::string::npos);
  CHECK(text.find("outrigger_spent_usd_total{model=\"mine\"} 0\n") != std::string::npos);

  CHECK(spending.total().requests == 3);
  CHECK(spending.total().prompt_tokens == 2010);
  CHECK(spending.total().completion_tokens == 520);
  CHECK(spending.total().usd == Catch::Approx(0.01));
  const auto rows = spending.by_model(10);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].model == "gpt-4o");
  CHECK(rows[0].totals.requests == 2);
  CHECK(spending.by_model(1).size() == 1);
}

TEST_CASE("names that clients make up do not grow the book of spending without bound") {
  Registry registry;
  Spending spending(registry);
  for (int i = 0; i < 10'000; ++i) spending.book("made-up-" + std::to_string(i), 1, 0, 0.5);
  spending.book(std::string(5000, 'x'), 1, 0, 0.5);
  CHECK(spending.by_model(100'000).size() == 201);
  CHECK(spending.total().usd == Catch::Approx(5000.5));
  CHECK(registry.expose().find("outrigger_spent_usd_total{model=\"other\"} 4900.5\n") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::obs
