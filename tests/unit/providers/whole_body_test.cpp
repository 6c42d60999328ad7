// Rerank and embeddings that are kept whole: golden exchanges, and what becomes of an answer between the wire and the wire.
#include "providers/whole_body.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "providers/dialect.h"
#include "providers/json_doc.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using chat::Endpoint;

struct Golden {
  std::string name;
  std::string body;
  std::string request;
  Endpoint asked = Endpoint::rerank;
  std::string bypass;
  std::string verdict;
  std::uint64_t prompt_tokens = 0;
  bool fresh_id = false;
  bool fresh_created = false;
};

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

Endpoint endpoint_named(std::string_view name) {
  for (std::size_t i = 0; i < chat::k_endpoints; ++i) {
    if (chat::name(static_cast<Endpoint>(i)) == name) return static_cast<Endpoint>(i);
  }
  FAIL("no endpoint " << name);
  return Endpoint::other;
}

const std::vector<Golden>& goldens() {
  static const std::vector<Golden> all = [] {
    std::vector<Golden> found;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/whole")) {
      if (entry.path().extension() != ".want") continue;
      const JsonDoc want = JsonDoc::read(contents(entry.path()));
      const auto text = [&](std::string_view name) { return std::string(string_of(member(want.root(), name)).value()); };
      found.push_back({.name = entry.path().stem().string(),
                       .body = contents(entry.path().parent_path() / entry.path().stem()),
                       .request = text_of(member(want.root(), "request")),
                       .asked = endpoint_named(text("endpoint")),
                       .bypass = text("bypass"),
                       .verdict = text("verdict"),
                       .prompt_tokens = whole_number_of(member(want.root(), "prompt_tokens")).value(),
                       .fresh_id = yyjson_is_true(member(want.root(), "fresh_id")),
                       .fresh_created = yyjson_is_true(member(want.root(), "fresh_created"))});
    }
    std::ranges::sort(found, {}, &Golden::name);
    return found;
  }();
  return all;
}

// Embeddings that must not be cut are answered as `embed`.
Endpoint answered_as(const Golden& golden) { return golden.asked == Endpoint::embeddings ? Endpoint::embed : golden.asked; }

std::string sent(const Rendered& rendered) {
  return std::string(personalise(rendered, 0x123456789abcdef, 77, 1'800'000'000).view());
}

std::string verdict(Endpoint endpoint, std::string_view body) {
  return verdict_of(read_whole(endpoint, false, body)->finish());
}
std::string of_rerank(std::string_view body) { return verdict(Endpoint::rerank, body); }
std::string of_embed(std::string_view body) { return verdict(Endpoint::embed, body); }

TEST_CASE("golden requests of rerank and embeddings are understood") {
  REQUIRE(goldens().size() > 15);
  for (const Golden& golden : goldens()) {
    INFO(golden.name << " " << golden.request);
    const chat::Request request = providers::understand(golden.asked, golden.request, Level::safe);
    CHECK((request.bypass ? std::string(chat::name(*request.bypass)) : "") == golden.bypass);
    CHECK(request.endpoint == answered_as(golden));
    CHECK(request.inputs.empty());
    CHECK_FALSE(request.canonical.empty());
    CHECK(request.needs.ping == (golden.bypass == "ping"));
    CHECK(request.prompt_tokens > 0);
    CHECK(request.prompt_tokens < 2000);
    CHECK(request.needs.vision ==
          (golden.request.find("image/png") != std::string::npos || golden.request.find("\"image\":") != std::string::npos));
  }
}

TEST_CASE("golden answers of rerank and embeddings get the verdict and the usage that stand beside them") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    const auto reader = read_whole(answered_as(golden), false, golden.body, 7);
    const auto answer = reader->finish();
    CHECK(verdict_of(answer) == golden.verdict);
    CHECK(reader->saw_error() == (golden.verdict == "error_in_answer"));
    CHECK(reader->events().empty());
    CHECK(reader->usage().has_value() == (golden.prompt_tokens > 0));
    if (reader->usage()) CHECK(reader->usage()->prompt_tokens == golden.prompt_tokens);
    if (answer) CHECK(answer->usage.has_value() == reader->usage().has_value());
  }
}

TEST_CASE("what is stored whole is sent as it came, but for a fresh id and time") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored") continue;
    INFO(golden.name);
    const Endpoint endpoint = answered_as(golden);
    const Answer answer = stored(endpoint, false, golden.body);
    const auto out = render(endpoint, answer.encoded.view(), {});
    REQUIRE(out);
    CHECK(out->ids.size() == (golden.fresh_id ? 1 : 0));
    CHECK(out->createds.size() == (golden.fresh_created ? 1 : 0));
    const std::string text = sent(*out);
    std::vector<std::string> changes;
    if (golden.fresh_created) changes.emplace_back("~/created");
    if (golden.fresh_id) changes.emplace_back("~/id");
    auto found = differences(golden.body, text);
    std::ranges::sort(found);
    CHECK(found == changes);
    if (!golden.fresh_id && !golden.fresh_created) CHECK(text == golden.body);
    // What was sent can be stored again, and tells the same.
    const Answer again = stored(endpoint, false, text);
    CHECK(again.model == answer.model);
    const auto once_more = render(endpoint, again.encoded.view(), {});
    REQUIRE(once_more);
    CHECK(sent(*once_more) == text);
  }
}

TEST_CASE("an id of a word and a random part is made fresh, others stay") {
  struct Row {
    std::string_view id;
    std::string_view begins;  // of the fresh one; empty: it stays
  };
  for (const Row& row : {
           Row{"rerank-fae51b2b664d4ed38f5969b612edff77", "rerank-"},
           Row{"score_12345678", "score_"},
           Row{"gen-rerank-1234567890-abc", "gen-"},
           Row{"rerank-1234567", ""},
           Row{"07734bd2-2473-4f07-94e1-0d9f0e6843cf", ""},
           Row{"abcdefab-abcd-abcd-abcd-abcdefabcdef", ""},
           Row{"0199000a2b3c4d5e6f708192a3b4c5d6", ""},
           Row{"-abcdefghijk", ""},
           Row{"a1-abcdefghijk", ""},
           Row{R"(rerank-\u0061bcdefghijk)", ""},
           Row{"", ""},
       }) {
    INFO(row.id);
    const std::string body = R"({"id":")" + std::string(row.id) + R"(","results":[{"index":0,"score":1}]})";
    const Answer answer = stored(Endpoint::rerank, false, body);
    const std::string text = sent(*render(Endpoint::rerank, answer.encoded.view(), {}));
    if (row.begins.empty()) {
      CHECK(text == body);
    } else {
      const JsonDoc doc = JsonDoc::read(text);
      const auto id = string_of(member(doc.root(), "id"));
      REQUIRE(id);
      CHECK(id->starts_with(row.begins));
      CHECK(id->size() == row.begins.size() + k_id_size);
      CHECK(*id != row.id);
    }
  }
}

TEST_CASE("the usage of a whole body is told as nothing when that is wanted") {
  const std::string body = R"({"usage":{"total_tokens":56,"details":{"x":7}},"results":[{"index":3,"score":0.5}],)"
                           R"("meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":61}}})";
  const Answer answer = stored(Endpoint::rerank, false, body);
  CHECK(rendered(Endpoint::rerank, answer, {.usage = UsagePolicy::zero}) ==
        R"({"usage":{"total_tokens":0,"details":{"x":7}},"results":[{"index":3,"score":0.5}],)"
        R"("meta":{"billed_units":{"search_units":0},"tokens":{"input_tokens":0}}})");
  CHECK(rendered(Endpoint::rerank, answer, {}) == body);
}

TEST_CASE("verdicts on rerank answers") {
  struct Row {
    std::string_view body;
    std::string_view verdict;
  };
  for (const Row& row : {
           Row{R"({"results":[{"index":0,"relevance_score":0.5}]})", "stored"},
           Row{R"({"results":[{"index":0,"score":-1e-3}]})", "stored"},
           Row{R"({"data":[{"index":0,"relevance_score":1}]})", "stored"},
           Row{R"( [{"index":0,"score":1}] )", "stored"},
           Row{R"({"results":[]})", "empty"},
           Row{"[]", "empty"},
           Row{R"({"results":null})", "not_understood"},
           Row{R"({"results":{}})", "not_understood"},
           Row{R"({"results":[1]})", "not_understood"},
           Row{R"({"results":[{"index":0}]})", "not_understood"},
           Row{R"({"results":[{"index":-1,"score":1}]})", "not_understood"},
           Row{R"({"results":[{"index":"0","score":1}]})", "not_understood"},
           Row{R"({"results":[{"index":0,"score":"1"}]})", "not_understood"},
           Row{R"({"results":[{"index":0,"score":1},{}]})", "not_understood"},
           Row{R"([{"index":0,"score":1},2])", "not_understood"},
           Row{R"({"results":[{"index":0,"score":NaN}]})", "not_understood"},
           Row{R"({"results":[{"index":0,"score":1}])", "not_understood"},
           Row{R"({"error":"overloaded"})", "error_in_answer"},
           Row{R"({"object":"error","message":"x"})", "error_in_answer"},
           Row{R"({"detail":"x"})", "not_understood"},
           Row{"", "not_understood"},
           Row{"null", "not_understood"},
           Row{"\"x\"", "not_understood"},
           Row{"<html>", "not_understood"},
       }) {
    INFO(row.body);
    CHECK(of_rerank(row.body) == row.verdict);
  }
}

TEST_CASE("verdicts on embeddings that are kept whole") {
  struct Row {
    std::string_view body;
    std::string_view verdict;
  };
  for (const Row& row : {
           Row{R"({"embeddings":[[1]]})", "stored"},
           Row{R"({"embeddings":["AACAPw=="]})", "stored"},
           Row{R"({"embeddings":{"float":[[1]],"int8":null}})", "stored"},
           Row{R"({"embeddings":{"base64":["AA=="]}})", "stored"},
           Row{R"({"data":[{"embedding":[1]}]})", "stored"},
           Row{R"({"data":[{"embedding":"AA=="}]})", "stored"},
           Row{R"({"data":[{"embedding":{"float":[1]}}]})", "stored"},
           Row{R"({"data":[{"embeddings":[[1]]}]})", "stored"},
           Row{R"({"embeddings":[]})", "empty"},
           Row{R"({"embeddings":[[]]})", "empty"},
           Row{R"({"embeddings":{}})", "empty"},
           Row{R"({"embeddings":{"float":[[1]],"int8":[[]]}})", "empty"},
           Row{R"({"data":[]})", "empty"},
           Row{R"({"data":[{"embedding":[]}]})", "empty"},
           Row{R"({"embeddings":1})", "not_understood"},
           Row{R"({"embeddings":[1]})", "not_understood"},
           Row{R"({"embeddings":{"float":1}})", "not_understood"},
           Row{R"({"embeddings":{"float":[1]}})", "not_understood"},
           Row{R"({"data":[{}]})", "not_understood"},
           Row{R"({"data":[1]})", "not_understood"},
           Row{"[[1]]", "not_understood"},
           Row{"{}", "not_understood"},
           Row{R"({"error":{"message":"x"}})", "error_in_answer"},
       }) {
    INFO(row.body);
    CHECK(of_embed(row.body) == row.verdict);
  }
}

TEST_CASE("usage is taken from where it is counted first") {
  const auto tokens = [](std::string_view more) {
    const auto reader =
        read_whole(Endpoint::rerank, false, R"({"results":[{"index":0,"score":1}],)" + std::string(more) + "}");
    CHECK(reader->finish().has_value());
    return reader->usage() ? reader->usage()->prompt_tokens : 0;
  };
  CHECK(tokens(R"("usage":{"total_tokens":5})") == 5);
  CHECK(tokens(R"("usage":{"prompt_tokens":4,"total_tokens":5})") == 4);
  CHECK(tokens(R"("usage":{"prompt_tokens":0,"total_tokens":5})") == 5);
  CHECK(tokens(R"("usage":{"total_tokens":0},"meta":{"tokens":{"input_tokens":6},"billed_units":{"input_tokens":7}})") == 6);
  CHECK(tokens(R"("meta":{"billed_units":{"input_tokens":7}})") == 7);
  CHECK(tokens(R"("meta":{"billed_units":{"search_units":7}})") == 0);
  CHECK(tokens(R"("usage":{"total_tokens":-5})") == 0);
  CHECK(tokens(R"("usage":{"total_tokens":99999999999999999999999})") == 0);
  CHECK(tokens(R"("usage":3)") == 0);
}

TEST_CASE("what is not a stored whole body of that endpoint is not rendered") {
  const std::string body =
      R"({"id":"rerank-0123456789","created":1754000000,"results":[{"index":0,"score":1}],"usage":{"a":1}})";
  const Answer answer = stored(Endpoint::rerank, false, body);
  const std::string good(answer.encoded.view());
  CHECK(render(Endpoint::rerank, good, {}));
  CHECK_FALSE(render(Endpoint::rerank, good, {.stream = true}));
  for (const Endpoint other : {Endpoint::embed, Endpoint::embed_v2, Endpoint::chat_completions, Endpoint::completions}) {
    CHECK_FALSE(render(other, good, {}));
  }
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(render(Endpoint::rerank, good.substr(0, size), {}));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK_FALSE(render(Endpoint::rerank, bad, {}));
  }
  CHECK_FALSE(render(Endpoint::rerank, good + "x", {}));
}

TEST_CASE("these endpoints have no streams") {
  CHECK(make_answer_reader(Endpoint::rerank, true) == nullptr);
  CHECK(make_answer_reader(Endpoint::embed, true) == nullptr);
  CHECK(make_answer_reader(Endpoint::embeddings, false) == nullptr);
}

TEST_CASE("a body too large to keep is not understood") {
  WholeBodyReader reader(Endpoint::rerank, [](yyjson_val*) { return std::optional<chat::NoStoreReason>(); });
  const std::string piece(std::size_t{1} << 20, ' ');
  for (std::size_t size = 0; size <= WholeBodyReader::k_body_size_max; size += piece.size()) reader.feed(piece);
  reader.feed("[]");
  CHECK(verdict_of(reader.finish()) == "not_understood");
}

}  // namespace
}  // namespace outrigger::providers
