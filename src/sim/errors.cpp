#include "sim/errors.h"

#include <fmt/format.h>

#include <array>

#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

struct StatusWords {
  int status;
  std::string_view message, type, code;  // OpenAI's
  std::string_view anthropic, google;    // the others' types
};
constexpr std::array k_words{
    StatusWords{400, "The request is not valid.", "invalid_request_error", "", "invalid_request_error", "INVALID_ARGUMENT"},
    StatusWords{401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key", "authentication_error",
                "UNAUTHENTICATED"},
    StatusWords{402, "The account's balance is used up.", "insufficient_quota", "insufficient_quota", "billing_error",
                "FAILED_PRECONDITION"},
    StatusWords{403, "Your organization must be verified to use this model.", "invalid_request_error", "forbidden",
                "permission_error", "PERMISSION_DENIED"},
    StatusWords{404, "Invalid URL.", "invalid_request_error", "", "not_found_error", "NOT_FOUND"},
    StatusWords{413, "The request body is too large.", "invalid_request_error", "", "request_too_large", "INVALID_ARGUMENT"},
    StatusWords{429, "Rate limit reached. Please try again later.", "requests", "rate_limit_exceeded", "rate_limit_error",
                "RESOURCE_EXHAUSTED"},
    StatusWords{500, "The server had an error while processing your request. Sorry about that!", "server_error", "",
                "api_error", "INTERNAL"},
    StatusWords{503, "The engine is currently overloaded, please try again later.", "server_error", "overloaded",
                "api_error", "UNAVAILABLE"},
    StatusWords{504, "The request took too long.", "server_error", "", "timeout_error", "DEADLINE_EXCEEDED"},
    StatusWords{529, "Overloaded.", "overloaded_error", "overloaded_error", "overloaded_error", "UNAVAILABLE"},
};
constexpr StatusWords k_other_client{
    0, "The simulated provider was told to fail.", "server_error", "", "invalid_request_error", "INVALID_ARGUMENT"};
constexpr StatusWords k_other_server{0,         "The simulated provider was told to fail.", "server_error", "", "api_error",
                                     "INTERNAL"};

const StatusWords& words_for(int status) {
  for (const StatusWords& words : k_words) {
    if (words.status == status) return words;
  }
  return status < 500 ? k_other_client : k_other_server;
}

std::string or_null(std::string_view text) { return text.empty() ? "null" : json_quoted(text); }

std::string anthropic_body(std::string_view type, std::string_view message, std::string_view request_id) {
  std::string body =
      fmt::format(R"({{"type":"error","error":{{"type":{},"message":{}}})", json_quoted(type), json_quoted(message));
  if (!request_id.empty()) body += ",\"request_id\":" + json_quoted(request_id);
  return body + "}";
}

constexpr std::string_view k_broken_off = "The server had an error while processing your request.";

}  // namespace

std::string error_body(std::string_view message, std::string_view type, std::string_view param, std::string_view code) {
  return fmt::format(R"({{"error":{{"message":{},"type":"{}","param":{},"code":{}}}}})", json_quoted(message), type,
                     or_null(param), or_null(code));
}

std::string problem_body(Wire wire, const Problem& problem, std::string_view request_id) {
  const StatusWords& words = words_for(problem.status);
  const std::string_view message = problem.message.empty() ? words.message : problem.message;
  switch (wire) {
    case Wire::openai:
    case Wire::responses:
      break;
    case Wire::anthropic:
      return anthropic_body(problem.type.empty() ? words.anthropic : problem.type, message, request_id);
    case Wire::jina:
      return fmt::format(R"({{"detail":{}}})", json_quoted(message));
    case Wire::cohere:
      return fmt::format(R"({{"id":{},"message":{}}})", json_quoted(request_id), json_quoted(message));
    case Wire::gemini:
      return fmt::format(R"({{"error":{{"code":{},"message":{},"status":{}}}}})", problem.status, json_quoted(message),
                         json_quoted(problem.type.empty() ? words.google : problem.type));
    case Wire::ollama:
      return fmt::format(R"({{"error":{}}})", json_quoted(message));
  }
  return error_body(message, words.type, problem.param, problem.code.empty() ? words.code : problem.code);
}

Script answer_error(Wire wire, const Problem& problem, std::string_view request_id) {
  return whole(problem.status, "application/json", problem_body(wire, problem, request_id));
}

StreamEvent stream_error(Wire wire) {
  switch (wire) {
    case Wire::anthropic:
      return {"error", anthropic_body("overloaded_error", "Overloaded", {})};
    case Wire::responses:
      return {"error", fmt::format(R"({{"type":"error","code":"server_error","message":{},"param":null}})",
                                   json_quoted(k_broken_off))};
    case Wire::openai:
      return {{}, error_body(k_broken_off, "server_error", {}, {})};
    case Wire::jina:
    case Wire::cohere:
    case Wire::gemini:
    case Wire::ollama:
      break;
  }
  return {{}, problem_body(wire, Problem{500}, {})};
}

StreamEvent unknown_event(Wire wire) {
  switch (wire) {
    case Wire::anthropic:
      return {"novelty_notice", R"({"type":"novelty_notice","notice":{"level":1}})"};
    case Wire::responses:
      return {"response.novelty.notice", R"({"type":"response.novelty.notice","notice":{"level":1}})"};
    default:
      return {{}, R"({"object":"novelty.notice","notice":{"level":1}})"};
  }
}

}  // namespace outrigger::sim_provider
