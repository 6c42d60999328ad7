#include "providers/signal_words.h"

#include <algorithm>
#include <array>
#include <span>

namespace outrigger::providers {
namespace {

using Words = std::span<const std::string_view>;

// A word that ends in `*` stands for all that begin so.
constexpr std::string_view k_quota_words[] = {"insufficient_quota",
                                              "billing_hard_limit_reached",
                                              "billing_not_active",
                                              "billing_error",
                                              "exceeded_current_quota_error",  // Moonshot
                                              "insufficient_balance",
                                              "arrearage",
                                              "accountoverdueerror",  // DashScope, Volcengine
                                              "credit_balance_too_low",
                                              "payment_required",
                                              "prepaidbilloverdue",
                                              "postpaidbilloverdue",
                                              "insufficient_user_quota",
                                              "pre_consume_token_quota_failed",  // one-api and its kin
                                              "provider_quota_exceeded",         // Dify
                                              "usage_limit_reached",
                                              "usage_limit_exceeded",
                                              "allocationquota.freetieronly",
                                              "30001",  // SiliconFlow
                                              "1113",
                                              "1304",
                                              "1308",
                                              "1310"};  // Zhipu: arrears; the day's, five hours', the week's share

constexpr std::string_view k_unfit_words[] = {
    "context_length_exceeded", "model_not_found", "model_not_exist", "modelnotfound", "deploymentnotfound",
    "deployment_not_found", "model_not_supported", "unsupported_model", "unsupported_parameter", "unsupported_value",
    "unsupportedoperation", "model_currently_not_support", "content_filter", "content_policy_violation",
    "responsibleaipolicyviolation", "data_inspection_failed", "datainspectionfailed",
    // The place that we call from, not the request or the key; another upstream has other rules.
    "unsupported_country_region_territory", "20012", "30003",  // SiliconFlow: no such model, model disabled
    "1211", "1212", "1221", "1222", "1261", "1301"};  // Zhipu: model, method, taken offline, none such, too long, a filter

constexpr std::string_view k_overload_words[] = {"overloaded_error",
                                                 "overloaded",
                                                 "engine_overloaded_error",
                                                 "server_overloaded",
                                                 "serveroverloaded",
                                                 "modeloverloaded",
                                                 "1305",  // Zhipu: too many visitors of this model
                                                 "no_healthy_upstream",
                                                 "service_unavailable_error",
                                                 "1234"};

constexpr std::string_view k_rate_words[] = {"rate_limit_exceeded",
                                             "rate_limit_error",
                                             "rate_limit_reached_error",
                                             "rate_limited",
                                             "ratelimiterror",
                                             "ratelimitreached",
                                             "ratelimitexceeded",
                                             "too_many_requests",
                                             "throttling*",
                                             "throttled",
                                             "throttlingexception",
                                             "limit_requests",
                                             "limit_burst_rate",
                                             "accountratelimitexceeded",
                                             "1302",
                                             "1303"};  // Zhipu: at once, in a while

constexpr std::string_view k_credential_words[] = {"invalid_api_key",
                                                   "invalidapikey",
                                                   "incorrect_api_key_error",
                                                   "invalid_authentication_error",
                                                   "authentication_error",
                                                   "authenticationerror",
                                                   "permission_error",
                                                   "permission_denied",
                                                   "permission_denied_error",
                                                   "unauthenticated",
                                                   "unauthorized",
                                                   "accessdenied*",
                                                   "access_denied",
                                                   "account_deactivated",
                                                   "api_key_invalid",
                                                   "api_key_expired",
                                                   "1000",
                                                   "1001",
                                                   "1002",
                                                   "1003",
                                                   "1004",
                                                   "1110",
                                                   "1111",
                                                   "1112",
                                                   "1120",
                                                   "1121"};  // Zhipu

// Of failures. They matter only where no status tells.
constexpr std::string_view k_failure_words[] = {
    "server_error",        "api_error",           "internal_error", "internalerror*", "internal_server_error",
    "internalservererror", "service_unavailable", "unavailable",    "timeout_error"};

constexpr std::string_view k_client_words[] = {
    "invalid_request_error", "invalid_request", "invalid_argument",    "invalidparameter*",    "invalid_parameter_error",
    "badrequesterror",       "bad_request",     "failed_precondition", "unprocessable_entity", "1214"};

constexpr std::string_view k_quota_phrases[] = {"exceeded your current quota",
                                                "exceeded current quota",
                                                "insufficient balance",
                                                "balance is insufficient",
                                                "insufficient_quota",
                                                "credit balance is too low",
                                                "billing hard limit",
                                                "insufficient credits",
                                                "not enough credits",
                                                "account is not active",
                                                "payment is past due",
                                                "is suspended due to",
                                                "you have reached your specified api usage limits",
                                                "usage limit",
                                                "account is in arrears",
                                                "in good standing",
                                                "余额不足",
                                                "欠费",
                                                "使用上限"};

// Of a request that is larger than the limit of the minute: it never fits here.
constexpr std::string_view k_too_large_phrases[] = {"request too large for"};

constexpr std::string_view k_unfit_phrases[] = {"maximum context length",
                                                "context length",
                                                "context window",
                                                "context limit",
                                                "context size",
                                                "prompt is too long",
                                                "range of input length",
                                                "input is too long",
                                                "too many tokens",
                                                "maximum number of tokens",
                                                "maximum input length",
                                                "content management policy",
                                                "content filter",
                                                "safety system",
                                                "was flagged",
                                                "requires moderation",
                                                "inappropriate content",
                                                "sensitive content",
                                                "敏感",
                                                "不安全",
                                                "is not supported with this model",
                                                "not supported by this model",
                                                "not supported by the model",
                                                "not supported for this model",
                                                "model does not support",
                                                "does not support image",
                                                "does not support tool",
                                                "only support stream",
                                                "model does not exist",
                                                "model not exist",
                                                "no endpoints found",
                                                "no available model provider",
                                                "country, region, or territory",
                                                "location is not supported",
                                                "does not exist or you do not have access"};

constexpr std::string_view k_credential_phrases[] = {"api key not valid",    "invalid api key",   "invalid api-key",
                                                     "invalid_api_key",      "incorrect api key", "api key expired",
                                                     "invalid access token", "invalid token"};

constexpr std::string_view k_overload_phrases[] = {"overloaded", "访问量过大", "at capacity"};

constexpr std::string_view k_rate_phrases[] = {
    "rate limit",        "rate_limit", "rate-limit", "ratelimit",     "too many requests", "requests per minute",
    "tokens per minute", "tpm limit",  "rpm limit",  "rate limiting", "throttl",           "速率限制",
    "请求频率",          "频率过高",   "并发数过高", "请求过于频繁",
};

// MiniMax tells by number, with the status 200.
SignalKind classify_minimax(const ToldError& error) {
  struct Meaning {
    std::string_view code;
    SignalKind kind;
  };
  static constexpr std::array k_meanings{
      Meaning{"1002", SignalKind::rate},         Meaning{"1039", SignalKind::rate},  // by requests, by tokens
      Meaning{"1041", SignalKind::rate},                                             // too many at once
      Meaning{"1004", SignalKind::credential},   Meaning{"2049", SignalKind::credential},
      Meaning{"1008", SignalKind::quota},        Meaning{"2056", SignalKind::quota},
      Meaning{"1026", SignalKind::unfit},        Meaning{"1027", SignalKind::unfit},  // filters of input and output
      Meaning{"2013", SignalKind::client_fault}, Meaning{"1042", SignalKind::client_fault},
  };
  for (const Meaning& meaning : k_meanings) {
    if (error.has_word(meaning.code)) return meaning.kind;
  }
  return SignalKind::health;
}

bool matches(const ToldError& error, Words words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return error.has_word(word); });
}

bool says_any(const ToldError& error, Words phrases) {
  return std::ranges::any_of(phrases, [&](std::string_view phrase) { return error.says(phrase); });
}

// A message may repeat what the client wrote. So sentences count only with a status that goes with what they say...
bool status_in(const ToldError& error, std::initializer_list<int> statuses) {
  return error.status == 0 || std::ranges::find(statuses, error.status) != statuses.end();
}

// ...and where a target would be closed for everybody, only at the beginning, and of a 400 only as its very first words.
bool begins_with_any(const ToldError& error, std::initializer_list<int> statuses, Words phrases) {
  constexpr std::size_t k_beginning = 200;
  const std::string_view beginning = std::string_view(error.text).substr(0, k_beginning);
  if (error.status == 400) {
    constexpr std::size_t k_lead = 5;  // "Your credit balance is too low"
    return std::ranges::any_of(phrases, [&](std::string_view phrase) { return beginning.find(phrase) <= k_lead; });
  }
  return status_in(error, statuses) &&
         std::ranges::any_of(phrases, [&](std::string_view phrase) { return beginning.contains(phrase); });
}

bool is_overload(const ToldError& error) {
  if (error.status == 529 || matches(error, k_overload_words)) return true;
  return status_in(error, {429, 500, 502, 503}) && says_any(error, k_overload_phrases);
}

bool is_rate(const ToldError& error) {
  if (matches(error, k_rate_words)) return true;
  return status_in(error, {429, 500, 502, 503, 529}) && says_any(error, k_rate_phrases);
}

bool is_quota(const ToldError& error) {
  return matches(error, k_quota_words) || begins_with_any(error, {402, 403, 429}, k_quota_phrases);
}

bool is_credential(const ToldError& error) {
  return matches(error, k_credential_words) || begins_with_any(error, {401, 403}, k_credential_phrases);
}

bool is_unfit(const ToldError& error) {
  if (matches(error, k_unfit_words)) return true;
  if (status_in(error, {413, 429}) && says_any(error, k_too_large_phrases)) return true;
  if (status_in(error, {400, 403, 404, 413, 422, 503}) && says_any(error, k_unfit_phrases)) return true;
  // "The model `x` does not exist." (vLLM), "model: claude-x" (Anthropic), "models/x is not found" (Gemini).
  return error.status == 404 && error.says("model");
}

SignalKind by_status(const ToldError& error) {
  const int status = error.status;
  // A page instead of an error comes from a server in front of the upstream that does not like us, not from who knows the key.
  if (status == 403 && error.page) return SignalKind::health;
  if (status == 401 || status == 403) return SignalKind::credential;
  if (status == 402) return SignalKind::quota;
  if (status == 429) return SignalKind::rate;
  // Both clients of OpenAI try these again: a time limit of the upstream, and a conflict inside it.
  if (status == 408 || status == 409) return SignalKind::health;
  // Dify tells with a 400 that its own provider failed.
  if (error.has_word("completion_request_error")) return SignalKind::health;
  if (status >= 300 && status < 500) return SignalKind::client_fault;
  if (status == 0 && matches(error, k_client_words)) return SignalKind::client_fault;
  return SignalKind::health;
}

}  // namespace

bool ToldError::has_word(std::string_view word) const {
  const bool prefix = word.ends_with('*');
  if (prefix) word.remove_suffix(1);
  return std::ranges::any_of(words, [&](const std::string& told) { return prefix ? told.starts_with(word) : told == word; });
}

SignalKind classify(const ToldError& error) {
  if (error.minimax) return classify_minimax(error);
  // Google says "quota" of everything, Alibaba of its tokens a minute.
  const bool quota_of_the_minute = error.has_word("resource_exhausted") || error.says("allocated quota exceeded") ||
                                   error.has_word("throttling*") || error.has_word("limit_requests");
  if (quota_of_the_minute) return error.by_the_day ? SignalKind::quota : SignalKind::rate;
  // Where no status goes with it, the words of the provider come before any sentence.
  if (error.status == 0 && !error.text.empty()) {
    ToldError words_only = error;
    words_only.text.clear();
    const bool known = matches(error, k_rate_words) || is_quota(words_only) || is_unfit(words_only) ||
                       is_overload(words_only) || is_credential(words_only) || matches(error, k_client_words) ||
                       matches(error, k_failure_words);
    if (known) return classify(words_only);
  }
  if (is_quota(error)) return SignalKind::quota;
  if (is_unfit(error)) return SignalKind::unfit;
  // "Overloaded" with a limit named is a rate all the same.
  if (error.status == 529 && is_rate(error) && !matches(error, k_overload_words)) return SignalKind::rate;
  if (is_overload(error)) return SignalKind::health;
  if (is_rate(error)) return SignalKind::rate;
  if (is_credential(error)) return SignalKind::credential;
  return by_status(error);
}

}  // namespace outrigger::providers
