// What the proxy itself says in Anthropic's dialect, and what it understands of its errors.
#include <catch2/catch_test_macros.hpp>

#include "anthropic_support.h"
#include "core/error.h"
#include "providers/json_doc.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using anthropic_test::dialect;
using anthropic_test::k_messages;

std::string type_said(const ErrorSaid& error) {
  const JsonDoc doc = JsonDoc::read(dialect().error_body(error));
  return std::string(string_of(member(member(doc.root(), "error"), "type")).value_or("(none)"));
}

TEST_CASE("errors of our own come in Anthropic's shape, in a body and in a stream") {
  const ErrorSaid error{.status = 429, .type = "rate_limit_error", .code = "queue_full", .message = "Too \"many\"."};
  const std::string body =
      R"({"type":"error","error":{"type":"rate_limit_error","message":"Too \"many\".","code":"queue_full"}})";
  CHECK(dialect().error_body(error) == body);
  CHECK(dialect().error_event(error, 7) == "event: error\ndata: " + body + "\n\n");
  CHECK(error_body(k_messages, ErrorCode::body_too_large).find(R"("type":"request_too_large")") != std::string::npos);
  const auto told = anthropic_test::told_by_stream(error_event(k_messages, ErrorCode::stall_timeout));
  CHECK(told.failure == "timeout_error: " + std::string(traits(ErrorCode::stall_timeout).message));
}

TEST_CASE("every status has one of Anthropic's types") {
  struct Row {
    int status;
    std::string_view type, want;
  };
  for (const Row& row : {
           Row{400, "invalid_request_error", "invalid_request_error"},
           Row{400, "whatever", "invalid_request_error"},
           Row{401, "", "authentication_error"},
           Row{402, "", "billing_error"},
           Row{403, "", "permission_error"},
           Row{404, "invalid_request_error", "not_found_error"},
           Row{405, "invalid_request_error", "invalid_request_error"},
           Row{408, "", "timeout_error"},
           Row{413, "invalid_request_error", "request_too_large"},
           Row{422, "", "invalid_request_error"},
           Row{429, "tokens", "rate_limit_error"},
           Row{500, "server_error", "api_error"},
           Row{502, "upstream_error", "api_error"},
           Row{503, "upstream_error", "overloaded_error"},
           Row{504, "", "timeout_error"},
           Row{529, "", "overloaded_error"},
           Row{0, "overloaded_error", "overloaded_error"},
           Row{0, "rate_limit_error", "rate_limit_error"},
           Row{0, "server_error", "api_error"},
           Row{0, "", "api_error"},
       }) {
    INFO(row.status << " " << row.type);
    CHECK(type_said({.status = row.status, .type = std::string(row.type)}) == row.want);
  }
}

TEST_CASE("an error of Anthropic's is understood from its body") {
  const ErrorSaid said =
      dialect().hear_error(529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})");
  CHECK(said.status == 529);
  CHECK(said.type == "overloaded_error");
  CHECK(said.code.empty());
  CHECK(said.message == "Overloaded");
  CHECK(dialect().hear_error(0, R"({"type":"error","error":{"type":"rate_limit_error","message":"m"}})").status == 429);
  CHECK(dialect().hear_error(0, R"({"type":"error","error":{"type":"overloaded_error","message":"m"}})").status == 529);
  CHECK(dialect().hear_error(400, R"({"error":"plain"})").message == "plain");
  CHECK(dialect().hear_error(403, R"({"message":"by a gateway"})").message == "by a gateway");
  for (const std::string_view body : {"", "<html>", "[]", "{}", R"({"error":[]})", R"({"error":{"message":1}})"}) {
    INFO(body);
    CHECK(dialect().hear_error(500, body).message == traits(ErrorCode::upstream_status).message);  // never nothing
    CHECK(dialect().hear_error(500, body).status == 500);
  }
  // Said and heard again.
  const ErrorSaid ours{.status = 401, .type = "authentication_error", .code = "unauthorized", .message = "m"};
  const ErrorSaid again = dialect().hear_error(401, dialect().error_body(ours));
  CHECK(again.type == ours.type);
  CHECK(again.code == ours.code);
  CHECK(again.message == ours.message);
}

TEST_CASE("the operator's fixed words are a whole message in either form") {
  const auto answer = fixed_answer(k_messages, "m", "We are \"closed\". Come back.");
  REQUIRE(answer);
  CHECK(!answer->usage);
  const auto body = anthropic_test::told_by_body(rendered(k_messages, *answer, {.prompt_tokens_estimate = 7}));
  CHECK(body.content == std::vector{anthropic_test::sorted(R"({"type":"text","text":"We are \"closed\". Come back."})")});
  CHECK(body.stop_reason == "end_turn");
  CHECK(body.model == "m");
  CHECK(body.usage == std::array<std::uint64_t, 2>{7, answer->estimated_completion_tokens});
  const auto stream =
      anthropic_test::told_by_stream(rendered(k_messages, *answer, {.stream = true, .prompt_tokens_estimate = 7}));
  CHECK(stream.content == body.content);
  CHECK(stream.usage == body.usage);
  CHECK(stream.failure.empty());
  CHECK(stream.events == 7);
  CHECK(!fixed_answer(k_messages, "m", ""));
}

}  // namespace
}  // namespace outrigger::providers
