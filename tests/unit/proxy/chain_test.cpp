// Which targets a request may go to, and in which order.
#include "proxy/chain.h"

#include <catch2/catch_test_macros.hpp>

#include <map>

#include "core/rng.h"
#include "unit/proxy/door_bench.h"

namespace outrigger::proxy {
namespace {

constexpr std::string_view k_path = "/v1/chat/completions";

const std::string k_upstreams = R"(
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[upstream]]
name = "relay"
url = "http://relay:9000/api/v1"
keys = ["its-own"]
[[upstream]]
name = "claude"
url = "http://claude:9000/v1"
dialect = "anthropic"
)";

std::vector<std::string> names(const Chain& chain) {
  std::vector<std::string> names;
  for (const Link& link : chain) names.push_back(link.name);
  return names;
}

Chain chain_of(const Snapshot& snapshot, std::string_view asked, std::uint64_t user = 1, std::string_view path = k_path) {
  return chain_for(snapshot, path, snapshot.config().model_for(asked), asked, user);
}

TEST_CASE("without a [[model]] a request goes where it was sent, as it is") {
  const auto snapshot = test::snapshot_of(k_upstreams);
  const Chain chain = chain_of(*snapshot, "gpt-4o", 1, "/relay/v1/chat/completions");
  REQUIRE(names(chain) == std::vector<std::string>{"relay:gpt-4o"});
  CHECK(chain.front().model.empty());
  CHECK(chain.front().destination.place.path == "/api/v1/chat/completions");
  CHECK(chain.front().passes_credential);
  CHECK_FALSE(chain.front().is_downgrade);
}

TEST_CASE("the target and its fallbacks, in the operator's order") {
  const auto snapshot = test::snapshot_of(k_upstreams + R"(
[[model]]
name = "big"
target = "main:big-2"
fallback = ["relay:big-2", "relay:small", "main"]
)");
  const Chain chain = chain_of(*snapshot, "big");
  REQUIRE(names(chain) == std::vector<std::string>{"main:big-2", "relay:big-2", "relay:small", "main:big"});
  CHECK(chain[0].model == "big-2");
  CHECK(chain[3].model.empty());
  // The same model elsewhere is as good; another one is not.
  CHECK_FALSE(chain[1].is_downgrade);
  CHECK(chain[2].is_downgrade);
  CHECK(chain[3].is_downgrade);
  // The client's credential is for the first upstream only.
  CHECK(chain[0].passes_credential);
  CHECK_FALSE(chain[1].passes_credential);
  CHECK_FALSE(chain[2].passes_credential);
  CHECK(chain[3].passes_credential);
  CHECK(chain[1].destination.place.path == "/api/v1/chat/completions");
}

TEST_CASE("a model without a target falls back from where it was sent") {
  const auto snapshot = test::snapshot_of(k_upstreams + R"(
[[model]]
name = "gpt-*"
fallback = ["relay"]
)");
  CHECK(names(chain_of(*snapshot, "gpt-4o")) == std::vector<std::string>{"main:gpt-4o", "relay:gpt-4o"});
  // Where it was sent already, it is not sent again.
  CHECK(names(chain_of(*snapshot, "gpt-4o", 1, "/relay/v1/chat/completions")) == std::vector<std::string>{"relay:gpt-4o"});
}

TEST_CASE("a target of another dialect is asked on its own wire, or left out where it has nothing like the endpoint") {
  const auto snapshot = test::snapshot_of(k_upstreams + R"(
[[model]]
name = "gpt-4o"
fallback = ["claude:sonnet", "relay"]
)");
  const Chain chain = chain_of(*snapshot, "gpt-4o");
  CHECK(names(chain) == std::vector<std::string>{"main:gpt-4o", "claude:sonnet", "relay:gpt-4o"});
  CHECK_FALSE(chain[0].destination.is_translated());
  CHECK(chain[1].destination.is_translated());
  CHECK(chain[1].destination.wire == chat::Endpoint::messages);
  CHECK(chain[1].destination.path() == "/v1/messages");
  CHECK(names(chain_of(*snapshot, "gpt-4o", 1, "/v1/embeddings")) ==
        std::vector<std::string>{"main:gpt-4o", "relay:gpt-4o"});
}

TEST_CASE("a target is paced by what its own name says, a fallback not by the one that it stands in for") {
  const auto snapshot = test::snapshot_of(k_upstreams + R"(
[[model]]
name = "big"
fallback = ["relay:small", "relay:free"]
rate = { requests_per_minute = 10 }
[[model]]
name = "small"
rate = { requests_per_minute = 20 }
[[target]]
name = "relay:sm*"
context = 8000
)");
  const Chain chain = chain_of(*snapshot, "big");
  REQUIRE(chain.size() == 3);
  CHECK(chain[0].settings->name == "big");
  CHECK(chain[1].settings->name == "small");
  CHECK(chain[2].settings == nullptr);
  CHECK(chain[0].traits == nullptr);
  REQUIRE(chain[1].traits != nullptr);
  CHECK(chain[1].traits->context == 8000);
}

TEST_CASE("weights are shares of a line, and a growing last one takes nobody back") {
  const auto targets = [](double first, double last) {
    return std::vector<config::WeightedTarget>{{"a", first}, {"b", 0}, {"c", last}};
  };
  CHECK(weighted_choice(targets(95, 5), 0) == 0);
  CHECK(weighted_choice(targets(95, 5), 0.9499999) == 0);
  CHECK(weighted_choice(targets(95, 5), 0.95) == 2);
  CHECK(weighted_choice(targets(95, 5), 0.9999999) == 2);
  CHECK(weighted_choice(targets(0, 1), 0) == 2);
  CHECK(weighted_choice(targets(1, 0), 0.9999999) == 0);
  Rng rng(7);
  for (int i = 0; i < 1000; ++i) {
    const double point = rng.unit();
    if (weighted_choice(targets(95, 5), point) == 2) CHECK(weighted_choice(targets(80, 20), point) == 2);
  }
}

TEST_CASE("users are spread by weight and each stays where it is") {
  const auto snapshot = test::snapshot_of(k_upstreams + R"(
[[model]]
name = "m"
target = [{ to = "main", weight = 90 }, { to = "relay:m-new", weight = 10 }]
fallback = ["main"]
)");
  std::map<std::string, int> counts;
  for (std::uint64_t user = 1; user <= 5000; ++user) {
    const Chain chain = chain_of(*snapshot, "m", user);
    CHECK(names(chain) == names(chain_of(*snapshot, "m", user)));
    ++counts[chain.front().name];
    // Those on the new one fall back to the old one.
    CHECK(names(chain).back() == "main:m");
  }
  CHECK(counts.size() == 2);
  CHECK(counts["relay:m-new"] > 400);
  CHECK(counts["relay:m-new"] < 600);
}

TEST_CASE("models that are not called in ASCII are different targets") {
  const auto snapshot = test::snapshot_of(k_upstreams + R"(
[[model]]
name = "文心一言"
fallback = ["main:通义千问"]
)");
  CHECK(names(chain_of(*snapshot, "文心一言")) == std::vector<std::string>{"main:文心一言", "main:通义千问"});
}

}  // namespace
}  // namespace outrigger::proxy
