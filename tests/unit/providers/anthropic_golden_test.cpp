// Golden exchanges of Anthropic's messages: what comes, and what must become of it, in both forms, at every cut and every split.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "anthropic_support.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using anthropic_test::golden_messages;
using anthropic_test::k_messages;
using AnthropicExchange = anthropic_test::Exchange;

// What both forms must tell.
anthropic_test::Told essence(anthropic_test::Told told) {
  told.events = 0;
  told.model.clear();
  told.usage.reset();
  return told;
}

std::string golden_render(const AnthropicExchange& exchange, const RenderOptions& options) {
  return rendered(k_messages, stored(k_messages, exchange.streamed, exchange.body), options);
}

TEST_CASE("golden messages get the verdict, the events and the usage that stand beside them") {
  REQUIRE(golden_messages().size() > 60);
  for (const AnthropicExchange& exchange : golden_messages()) {
    INFO(exchange.name);
    const auto reader = read_whole(k_messages, exchange.streamed, exchange.body);
    const auto answer = reader->finish();
    CHECK(verdict_of(answer) == exchange.verdict);
    CHECK(reader->saw_error() == (exchange.verdict == "error_in_answer"));
    if (exchange.events) CHECK(letters(reader->events()) == *exchange.events);
    if (exchange.verdict != "stored") continue;
    REQUIRE(reader->usage().has_value() == exchange.want.usage.has_value());
    CHECK(answer->usage.has_value() == exchange.want.usage.has_value());
    CHECK(answer->estimated_completion_tokens > 0);
    if (!exchange.want.usage) continue;
    CHECK(reader->usage()->prompt_tokens == (*exchange.want.usage)[0]);
    CHECK(reader->usage()->completion_tokens == (*exchange.want.usage)[1]);
  }
}

TEST_CASE("golden messages that are stored tell the same in either form") {
  for (const AnthropicExchange& exchange : golden_messages()) {
    if (exchange.verdict != "stored") continue;
    INFO(exchange.name);
    const std::string body = golden_render(exchange, {});
    INFO(body);
    const auto told = anthropic_test::told_by_body(body);
    CHECK(essence(told) == essence(exchange.want));
    if (exchange.want.usage) CHECK(told.usage == exchange.want.usage);
    if (!exchange.want.model.empty()) CHECK(told.model == exchange.want.model);
    const std::string stream = golden_render(exchange, {.stream = true});
    INFO(stream);
    auto streamed = anthropic_test::told_by_stream(stream);
    if (exchange.name == "unknown_things_stream.sse") {
      // A client that does not know a kind of delta leaves it out.
      streamed.content[0] = exchange.want.content[0];
    }
    CHECK(essence(streamed) == essence(exchange.want));
    CHECK(streamed.usage == told.usage);
    CHECK(streamed.model == told.model);
  }
}

TEST_CASE("rendered messages can be read and stored again, in either form, and render the same") {
  for (const AnthropicExchange& exchange : golden_messages()) {
    if (exchange.verdict != "stored") continue;
    INFO(exchange.name);
    const Answer first = stored(k_messages, exchange.streamed, exchange.body);
    const std::string stream = rendered(k_messages, first, {.stream = true});
    const Answer again = stored(k_messages, true, stream);
    CHECK(rendered(k_messages, again, {.stream = true}) == stream);
    CHECK(again.estimated_completion_tokens == first.estimated_completion_tokens);
    const std::string body = rendered(k_messages, first, {});
    const Answer once_more = stored(k_messages, false, body);
    CHECK(rendered(k_messages, once_more, {}) == body);
    CHECK(once_more.estimated_completion_tokens == first.estimated_completion_tokens);
    // Through the other form and back nothing is lost either.
    CHECK(anthropic_test::sorted(rendered(k_messages, again, {})) == anthropic_test::sorted(body));
  }
}

TEST_CASE("any split of a message gives the same events and the same answer") {
  for (const AnthropicExchange& exchange : golden_messages()) {
    INFO(exchange.name);
    const auto whole = read_whole(k_messages, exchange.streamed, exchange.body);
    const auto answer = whole->finish();
    const auto compare = [&](AnswerReader& reader) {
      const auto other = reader.finish();
      REQUIRE(verdict_of(other) == verdict_of(answer));
      REQUIRE(reader.saw_error() == whole->saw_error());
      REQUIRE(letters(reader.events()) == letters(whole->events()));
      for (std::size_t i = 0; i < whole->events().size(); ++i) REQUIRE(reader.events()[i].end == whole->events()[i].end);
      if (answer) REQUIRE(other->encoded.view() == answer->encoded.view());
    };
    for (std::size_t cut = 1; cut < exchange.body.size(); ++cut) {
      INFO("cut after " << cut);
      const auto reader = make_answer_reader(k_messages, exchange.streamed);
      reader->feed(std::string_view(exchange.body).substr(0, cut));
      reader->feed(std::string_view(exchange.body).substr(cut));
      compare(*reader);
    }
    for (const std::size_t size : {1, 2, 7, 100}) compare(*read_whole(k_messages, exchange.streamed, exchange.body, size));
  }
}

TEST_CASE("a message cut anywhere is stored only if nothing of it is missing") {
  for (const AnthropicExchange& exchange : golden_messages()) {
    INFO(exchange.name);
    for (std::size_t size = 0; size < exchange.body.size(); ++size) {
      INFO("cut after " << size << " of " << exchange.body.size());
      const std::string_view part = std::string_view(exchange.body).substr(0, size);
      const auto answer = read_whole(k_messages, exchange.streamed, part)->finish();
      if (!answer) continue;
      REQUIRE(exchange.verdict == "stored");
      REQUIRE(essence(anthropic_test::told_by_body(rendered(k_messages, *answer, {}))) == essence(exchange.want));
    }
  }
}

TEST_CASE("a replayed message has the pieces of the original, keep-alives left out") {
  for (const AnthropicExchange& exchange : golden_messages()) {
    if (exchange.verdict != "stored" || !exchange.streamed || exchange.body.starts_with('{')) continue;
    INFO(exchange.name);
    const std::string stream = golden_render(exchange, {.stream = true});
    const auto tokens = [](std::string_view text) {
      return std::ranges::count(letters(read_whole(k_messages, true, text)->events()), 't');
    };
    CHECK(tokens(stream) == tokens(exchange.body));
    CHECK(stream.find("ping") == std::string::npos);
  }
}

TEST_CASE("a personal copy of a message differs from the rendered one in its id only") {
  for (const bool stream : {false, true}) {
    const Answer answer = stored(k_messages, true, anthropic_test::golden_message("tool_stream.sse").body);
    const auto shared = render(k_messages, answer.encoded.view(), {.stream = stream});
    REQUIRE(shared);
    CHECK(shared->createds.empty());
    REQUIRE(shared->ids.size() == 1);
    std::string copy(personalise(*shared, 1, 2, 1'754'000'123).view());
    CHECK(copy.substr(shared->ids[0] - 10, 10) == R"("id":"msg_)");
    CHECK(copy != shared->text.view());
    copy.replace(shared->ids[0], k_id_size, k_id_size, '0');
    CHECK(copy == shared->text.view());
  }
}

}  // namespace
}  // namespace outrigger::providers
