#include <catch2/catch_test_macros.hpp>

#include "providers/json_doc.h"
#include "support.h"

namespace outrigger::providers {
namespace {

TEST_CASE("every error has a body in OpenAI's shape, short and without an address") {
  for (int code = 0; code <= static_cast<int>(ErrorCode::io_failed); ++code) {
    const std::string body = error_body(chat::Endpoint::chat_completions, static_cast<ErrorCode>(code));
    INFO(body);
    CHECK(body.size() < 200);
    CHECK(body.find("://") == std::string::npos);
    const JsonDoc doc = JsonDoc::read(body);
    yyjson_val* error = member(doc.root(), "error");
    CHECK(string_of(member(error, "message")) == traits(static_cast<ErrorCode>(code)).message);
    CHECK(string_of(member(error, "type")) == traits(static_cast<ErrorCode>(code)).type);
    CHECK(string_of(member(error, "code")) == traits(static_cast<ErrorCode>(code)).name);
    CHECK(yyjson_is_null(member(error, "param")));
  }
}

TEST_CASE("an error inside a stream makes Dify's loop fail, and is read as an error by us") {
  const std::string begun = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
  const std::string text = error_event(chat::Endpoint::chat_completions, ErrorCode::upstream_cut);
  CHECK(text == R"(data: {"error":{"message":"The model provider's answer broke off.","type":"upstream_error","param":null,)"
                R"("code":"upstream_cut"}})"
                "\n\n");
  CHECK(told_to_dify(begun + text).failure.starts_with("error: "));
  const auto reader = read_whole(chat::Endpoint::chat_completions, true, begun + text);
  CHECK(letters(reader->events()) == "te");
}

TEST_CASE("a usage event takes after the stream that it goes into") {
  const std::string like = "data: {\"id\":\"chatcmpl-x\",\"created\":1754000000,\"model\":\"m\",\"choices\":[]}\n\n";
  CHECK(usage_event(chat::Endpoint::chat_completions, like, {3, 4}) ==
        R"(data: {"id":"chatcmpl-x","object":"chat.completion.chunk","created":1754000000,"model":"m","choices":[],)"
        R"("usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})"
        "\n\n");
  const Told told = told_to_dify(usage_event(chat::Endpoint::completions, "event: x\r\n" + like, {3, 4}));
  CHECK(told.failure.empty());
  CHECK(told.usage == std::array<std::uint64_t, 3>{3, 4, 7});
  CHECK(told.model == "m");
  for (const std::string_view poor : {"", "data: [DONE]\n\n", "data: {\"id\":7}", ": note\n\n"}) {
    INFO(poor);
    CHECK(told_to_dify(usage_event(chat::Endpoint::chat_completions, poor, {3, 4})).failure.empty());
  }
}

}  // namespace
}  // namespace outrigger::providers
