// What answers cost, as the door books it.
#include <catch2/catch_test_macros.hpp>

#include <cmath>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

// A token of the prompt costs an eighth of a USD, one of the answer a quarter.
constexpr std::string_view k_priced = R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
keys = ["secret-key"]
[[upstream]]
name = "other"
url = "http://other:9000/v1"
keys = ["secret-key"]
[[model]]
name = "small"
price = { input = 375e3, output = 625e3 }
[[model]]
name = "*"
price = { input = 125e3, output = 250e3 }
fallback = ["other:small"]
retry = { attempts = 1 }
)";

double spent(DoorBench& b, std::string_view model) {
  const std::string value = b.metric(fmt::format("outrigger_spent_usd_total{{model=\"{}\"}}", model));
  return value.empty() ? 0 : std::stod(value);
}
bool logged(const DoorBench& b, double usd) {
  const std::string& line = b.log.lines.back();
  if (usd == 0) return line.find("spent_usd") == std::string::npos;
  return line.find(fmt::format("\"spent_usd\":{},", usd)) != std::string::npos;
}

TEST_CASE("an answer costs what its provider counted; a hit costs nothing") {
  DoorBench b(k_priced);
  b.exchange({}, "one");
  CHECK(spent(b, "m") == (7 + 2 * 2) / 8.0);
  CHECK(logged(b, 1.375));
  b.exchange({}, "one");
  CHECK(spent(b, "m") == 1.375);
  CHECK(logged(b, 0));
  CHECK(b.metrics.spending().total().requests == 1);
  CHECK(b.metrics.savings().total().usd == 1.375);
}

TEST_CASE("where the provider does not count, the tokens that were paid for are told as an estimate") {
  DoorBench b(k_priced);
  b.exchange({.stream = true}, "one");
  const std::string streamed = b.log.lines.back();
  CHECK(streamed.contains("\"spent_tokens\":"));
  CHECK_FALSE(streamed.contains("prompt_tokens"));
  const obs::Totals total = b.metrics.spending().total();
  CHECK(streamed.contains(fmt::format("\"spent_tokens\":{},", total.prompt_tokens + total.completion_tokens)));
  b.exchange({.text = "counted"}, "two");
  CHECK(b.log.lines.back().contains("\"prompt_tokens\":7"));
  CHECK_FALSE(b.log.lines.back().contains("spent_tokens"));
}

TEST_CASE("who joins pays nothing, and an answer is paid for once though its first client left") {
  DoorBench b(k_priced);
  auto first = b.ask({});
  const auto second = b.ask({});
  first->close();
  b.settle();
  CHECK(spent(b, "m") == 0);
  b.last().answer(answer_json("one"));
  b.settle();
  CHECK(is_whole(second->received()));
  CHECK(logged(b, 0));
  CHECK(spent(b, "m") == 1.375);
}

TEST_CASE("where nobody counted, the tokens are estimates: of the prompt, and one for each piece of the answer") {
  DoorBench b(k_priced);
  b.exchange({.text = "four words of prompt", .stream = true}, "one");
  const double whole = spent(b, "m");
  CHECK(whole > 0.25);
  CHECK(logged(b, whole));
  // Cut after two pieces: what came is paid for.
  const auto cut = b.ask({.text = "four words of prompt, again", .stream = true});
  b.last().begin_stream();
  b.last().chunk(event("one"));
  b.last().chunk(event("two"));
  b.settle();
  b.last().peer->close();
  b.settle();
  CHECK(body_of(cut->received()).find("upstream_cut") != std::string::npos);
  const double part = spent(b, "m") - whole;
  CHECK(part > 0.5);
  CHECK(logged(b, part));
}

TEST_CASE("a client that leaves has cost what came until then, or the prompt") {
  DoorBench b(k_priced);
  auto early = b.ask({.text = "a prompt", .stream = true});
  early->close();
  b.settle();
  const double prompt = spent(b, "m");
  CHECK(prompt > 0);
  auto late = b.ask({.text = "a prompt", .stream = true});
  b.last().begin_stream();
  b.last().chunk(event("one"));
  b.settle();
  late->close();
  b.settle();
  CHECK(spent(b, "m") == 2 * prompt + 0.25);
}

TEST_CASE("errors cost nothing, and what stands in has the price of its own model") {
  DoorBench b(k_priced);
  b.add_upstream("other");
  const auto refused = b.ask({});
  b.last().answer(R"({"error":{"message":"no","type":"invalid_request_error"}})", 400);
  b.settle();
  CHECK(b.metrics.spending().total().requests == 0);
  CHECK(logged(b, 0));
  const auto stood_in = b.ask({.text = "another"});
  b.last().answer("{}", 503);
  b.settle();
  REQUIRE(b.last().host == "other");
  b.last().answer(answer_json("one"));
  b.settle();
  CHECK(is_whole(stood_in->received()));
  CHECK(spent(b, "m") == 0);
  CHECK(spent(b, "small") == (7 * 3 + 2 * 5) / 8.0);
  CHECK(logged(b, 3.875));
}

// A blocking answer that came to its end, however it ended: 7 tokens and 2, with a message and whatever else stands in the choice.
std::string ended(std::string_view choice, std::string_view usage = R"({"prompt_tokens":7,"completion_tokens":2})") {
  return fmt::format(
      R"({{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,{}}}],"usage":{}}})", choice,
      usage);
}

TEST_CASE("of an answer that came to its end the provider's own count is right, though it is not to be kept") {
  DoorBench b(k_priced);
  const std::string logprobs(4000, '7');
  double before = 0;
  int n = 0;
  for (const std::string& choice : {
           R"("message":{"role":"assistant","content":"cut short"},"finish_reason":"length","logprobs":")" + logprobs + '"',
           std::string(R"("message":{"role":"assistant","content":"filtered"},"finish_reason":"content_filter")"),
           std::string(
               R"("message":{"role":"assistant","content":null,"refusal":"I would rather not."},"finish_reason":"stop")"),
           std::string(R"("message":{"role":"assistant","content":""},"finish_reason":"stop")"),
           std::string(R"("message":{"role":"assistant","content":"odd"},"finish_reason":"for_reasons_of_its_own")"),
       }) {
    CAPTURE(choice.substr(0, 100));
    const auto client = b.ask({.text = "one of " + std::to_string(n++)});
    b.last().answer(ended(choice));
    b.settle();
    CHECK(is_whole(client->received()));
    CHECK(spent(b, "m") - before == 1.375);
    CHECK(logged(b, 1.375));
    before = spent(b, "m");
  }
  // A stream that ends by its limit, too: of three pieces two were counted.
  const auto client = b.ask({.text = "streamed", .stream = true, .usage = true});
  b.last().begin_stream();
  for (int i = 0; i < 3; ++i) b.last().chunk(event("a"));
  std::string stop = k_stop;
  stop.replace(stop.find("\"stop\""), 6, "\"length\"");
  for (const std::string& part : {stop, k_usage, k_done}) b.last().chunk(part);
  b.last().end_stream();
  b.settle();
  CHECK(is_whole(client->received()));
  CHECK(spent(b, "m") - before == 1.375);
}

TEST_CASE("an answer in words that is told to have none is taken by estimate, and saves as much as it cost") {
  DoorBench b(k_priced);
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word ";
  const auto ask = [&] { return b.ask({.text = "many"}); };
  const auto first = ask();
  b.last().answer(ended(R"("message":{"role":"assistant","content":")" + words + R"("},"finish_reason":"stop")",
                        R"({"prompt_tokens":7,"completion_tokens":0})"));
  b.settle();
  const double cost = spent(b, "m");
  CHECK(cost > (7 + 100 * 2) / 8.0);
  CHECK(cost < (7 + 400 * 2) / 8.0);
  const auto second = ask();
  CHECK(field_of(second->received(), "x-outrigger-cache") == "hit");
  CHECK(b.metrics.savings().total().usd == cost);
  // Without words there is nothing to estimate.
  const auto empty = b.ask({.text = "none"});
  b.last().answer(ended(R"("message":{"role":"assistant","content":""},"finish_reason":"stop")",
                        R"({"prompt_tokens":7,"completion_tokens":0})"));
  b.settle();
  CHECK(spent(b, "m") - cost == 7 / 8.0);
}

TEST_CASE("embeddings that nobody counted are paid for by estimate, and later told and saved as such") {
  DoorBench b(k_priced);
  const auto embed = [&] {
    return b.send(
        post({.path = "/v1/embeddings"}, R"({"model":"e","input":["some twenty letters", "and a few more here"]})"));
  };
  const auto first = embed();
  b.last().answer(R"({"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[0.5]},)"
                  R"({"object":"embedding","index":1,"embedding":[0.25]}]})");
  b.settle();
  CHECK(is_whole(first->received()));
  const double cost = spent(b, "e");
  CHECK(cost >= 1);
  CHECK(cost < 4);
  CHECK(logged(b, cost));
  const auto second = embed();
  CHECK(field_of(second->received(), "x-outrigger-cache") == "hit");
  CHECK(body_of(second->received()).contains(fmt::format("\"prompt_tokens\":{},", cost * 8)));
  CHECK(b.metrics.savings().total().usd == cost);
  CHECK(b.asked.size() == 1);
}

TEST_CASE("a hit saves what its miss has cost also where only the model that an alias stands for has a price") {
  DoorBench b(R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[model]]
name = "m"
target = "main:gpt-4o"
[[model]]
name = "e"
target = "main:text-embedding-3-small"
[[model]]
name = "both"
target = [{ to = "main:gpt-4o", weight = 1 }, { to = "main:gpt-4o-mini", weight = 1 }]
)");
  const auto saved = [&] { return b.metrics.savings().total().usd; };
  b.exchange({}, "one");
  CHECK(spent(b, "m") > 0);
  b.exchange({}, "one");
  CHECK(saved() == spent(b, "m"));
  b.exchange({.stream = true}, "one");
  CHECK(saved() == 2 * spent(b, "m"));
  // Who joins saves as much.
  const double before = saved(), paid = spent(b, "m");
  const auto first = b.ask({.text = "two"}), second = b.ask({.text = "two"});
  b.last().answer(answer_json("two"));
  b.settle();
  CHECK(field_of(second->received(), "x-outrigger-cache") == "coalesced");
  CHECK(std::abs((saved() - before) - (spent(b, "m") - paid)) < 1e-12);

  const std::string question = R"({"model":"e","input":["some text"]})";
  const double words = saved();
  const auto vector = b.send(post({.path = "/v1/embeddings"}, question));
  b.last().answer(R"({"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[0.5]}],)"
                  R"("usage":{"prompt_tokens":1000,"total_tokens":1000}})");
  b.settle();
  CHECK(spent(b, "e") > 0);
  const auto again = b.send(post({.path = "/v1/embeddings"}, question));
  CHECK(field_of(again->received(), "x-outrigger-cache") == "hit");
  CHECK(field_of(again->received(), "x-outrigger-served-by") == "main:text-embedding-3-small");
  CHECK(std::abs((saved() - words) - spent(b, "e")) < 1e-12);

  // Of several, the one that has answered.
  for (int i = 0; i < 16; ++i) {
    const std::string body = fmt::format(R"({{"model":"both","messages":[{{"role":"user","content":"{}"}}]}})", i);
    const double cost = spent(b, "both"), earlier = saved();
    const auto miss = b.send(post({}, body));
    b.last().answer(answer_json("answer"));
    b.settle();
    const auto hit = b.send(post({}, body));
    CHECK(field_of(hit->received(), "x-outrigger-cache") == "hit");
    CHECK(std::abs((saved() - earlier) - (spent(b, "both") - cost)) < 1e-12);
  }
}

TEST_CASE("of a batch only the texts that went upstream are paid for") {
  DoorBench b(k_priced);
  const auto embed = [&](std::string_view inputs, std::size_t count) {
    const std::size_t before = b.asked.size();
    const auto peer = b.send(post({.path = "/v1/embeddings"}, fmt::format(R"({{"model":"e","input":[{}]}})", inputs)));
    if (b.asked.size() == before) return;
    std::string data;
    for (std::size_t i = 0; i < count; ++i) {
      data += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":[0.5]}})", i > 0 ? "," : "", i);
    }
    b.last().answer(
        fmt::format(R"({{"object":"list","data":[{}],"model":"e","usage":{{"prompt_tokens":{},"total_tokens":{}}}}})", data,
                    10 * count, 10 * count));
    b.settle();
  };
  embed(R"("one","two")", 2);
  CHECK(spent(b, "e") == 2.5);
  embed(R"("two","three")", 1);
  CHECK(spent(b, "e") == 3.75);
  CHECK(logged(b, 1.25));
  embed(R"("three","one")", 0);
  CHECK(spent(b, "e") == 3.75);
}

}  // namespace
}  // namespace outrigger::proxy::test
