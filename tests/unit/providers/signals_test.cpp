#include "providers/signals.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::providers {
namespace {

using enum SignalKind;

const WallTime k_now{std::chrono::sys_days(std::chrono::year(2025) / 8 / 21) + 12h + 41min};

using Headers = std::map<std::string, std::string, std::less<>>;

Signal signal_of(int status, std::string_view body, const Headers& headers = {}) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto found = headers.find(name);
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  };
  // In a block of its own size, so that the sanitizer sees a read beyond its end.
  const std::vector<char> exact(body.begin(), body.end());
  return read_signal(status, lookup, std::string_view(exact.data(), exact.size()), k_now);
}

struct Case {
  int status;
  SignalKind kind;
  std::string_view code;
  std::string_view body;
  std::optional<Duration> retry_after = {};
};

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    INFO(c.status << " " << c.body);
    const Signal signal = signal_of(c.status, c.body);
    CHECK(name(signal.kind) == name(c.kind));
    CHECK(signal.code == c.code);
    CHECK(signal.retry_after == c.retry_after);
  }
}

TEST_CASE("OpenAI") {
  check({
      {200, ok, "", R"({"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"content":"hi"}}]})"},
      {200, ok, "", ""},
      {204, ok, "", "not JSON"},
      {429, rate, "rate_limit_exceeded",
       R"({"error":{"message":"Rate limit reached for gpt-4.1 in organization org-x on tokens per min (TPM): Limit 30000, Used 18928, Requested 11159. Please try again in 174ms. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"tokens","param":null,"code":"rate_limit_exceeded"}})",
       174ms},
      {429, rate, "rate_limit_exceeded",
       R"({"error":{"message":"Rate limit reached for gpt-4 in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.","type":"requests","param":null,"code":"rate_limit_exceeded"}})",
       20s},
      {429, rate, "rate_limit_exceeded",
       R"({"error":{"message":"Rate limit reached for gpt-4o in organization org-x on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 6m0s.","type":"requests","param":null,"code":"rate_limit_exceeded"}})",
       6min},
      // Larger than the minute's limit: waiting does not help, another target may.
      {429, unfit, "rate_limit_exceeded",
       R"({"error":{"message":"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 342389. The input or output tokens must be reduced in order to run successfully.","type":"tokens","param":null,"code":"rate_limit_exceeded"}})"},
      {429, quota, "insufficient_quota",
       R"({"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}})"},
      {429, quota, "insufficient_quota",
       R"({"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":null}})"},
      {429, quota, "billing_hard_limit_reached",
       R"({"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}})"},
      {401, credential, "invalid_api_key",
       R"({"error":{"message":"Incorrect API key provided: sk-abc*****xyz. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})"},
      {403, unfit, "unsupported_country_region_territory",
       R"({"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}})"},
      {404, unfit, "model_not_found",
       R"({"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}})"},
      {400, unfit, "context_length_exceeded",
       R"({"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})"},
      {400, unfit, "unsupported_parameter",
       R"({"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}})"},
      {400, client_fault, "decimal_above_max_value",
       R"({"error":{"message":"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 200 instead.","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}})"},
      {500, health, "server_error",
       R"({"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}})"},
      {503, health, "",
       R"({"error":{"message":"That model is currently overloaded with other requests.","type":null,"param":null,"code":null}})"},
  });
}

TEST_CASE("Azure OpenAI") {
  check({
      {429, rate, "429",
       R"({"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-05-01-preview have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 7 seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."}})",
       7s},
      {429, rate, "429", R"({"error":{"code":"429","message": "Rate limit is exceeded. Try again in 2 seconds."}})", 2s},
      {400, unfit, "content_filter",
       R"({"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"violence":{"filtered":true,"severity":"high"}}}}})"},
      {401, credential, "401",
       R"({"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}})"},
      {404, unfit, "DeploymentNotFound",
       R"({"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}})"},
      {404, client_fault, "404", R"({"error":{"code":"404","message":"Resource not found"}})"},
  });
}

TEST_CASE("Anthropic") {
  check({
      {429, rate, "rate_limit_error",
       R"({"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed the rate limit for your organization of 30,000 input tokens per minute. Please reduce the prompt length or the maximum tokens requested, or try again later."}})"},
      {429, rate, "rate_limit_error",
       R"({"error":{"code":"rate_limit_error","message":"This request would exceed the rate limit for your organization.","type":"invalid_request_error","param":null}})"},
      {529, health, "overloaded_error", R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"},
      {529, health, "", ""},
      {500, health, "api_error", R"({"type":"error","error":{"type":"api_error","message":"Internal server error"}})"},
      {400, quota, "invalid_request_error",
       R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}})"},
      {400, quota, "invalid_request_error",
       R"({"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2025-09-01 at 00:00 UTC."}})"},
      {400, unfit, "invalid_request_error",
       R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"},"request_id":"req_1"})"},
      {400, unfit, "invalid_request_error",
       R"({"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens` and try again"}})"},
      {401, credential, "authentication_error",
       R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})"},
      {403, credential, "permission_error",
       R"({"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource"}})"},
      {404, unfit, "not_found_error", R"({"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}})"},
      {413, client_fault, "request_too_large",
       R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})"},
  });
}

TEST_CASE("DeepSeek, Moonshot, SiliconFlow") {
  check({
      {402, quota, "invalid_request_error",
       R"({"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}})"},
      {401, credential, "invalid_request_error",
       R"j({"error":{"message":"Authentication Fails (no such user)","type":"authentication_error","param":null,"code":"invalid_request_error"}})j"},
      {503, health, "service_unavailable_error",
       R"({"error":{"message":"Service is too busy.","type":"service_unavailable_error","param":null,"code":null}})"},
      {429, rate, "rate_limit_reached_error",
       R"({"error":{"message":"Your account org-78<ak-f9> request reached organization max RPM: 20, please try again after 1 seconds","type":"rate_limit_reached_error"}})",
       1s},
      {429, health, "engine_overloaded_error",
       R"({"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}})"},
      {429, health, "rate_limit_error",
       R"({"error":{"type":"rate_limit_error","message":"The engine is currently overloaded, please try again later"},"type":"error"})"},
      {403, quota, "exceeded_current_quota_error",
       R"({"error":{"message":"Your account org-1 is not active, organization org-1 exceeded current quota, please check your plan and billing details","type":"exceeded_current_quota_error"}})"},
      {429, quota, "",
       R"({"error":{"message":"Your account org-446a70bb2cc542e3960c0b7f05e4e0e1 <ak-f8> is suspended due to insufficient balance, please recharge your account"}})"},
      {400, unfit, "content_filter",
       R"({"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}})"},
      {429, rate, "", R"({"message":"Request was rejected due to rate limiting. Details: TPM limit reached.","data":null})"},
      {400, unfit, "20012", R"({"code":20012,"message":"Model does not exist. Please check it carefully.","data":null})"},
      {403, quota, "30001", R"({"code":30001,"message":"Sorry, your account balance is insufficient","data":null})"},
      {401, credential, "", R"("Invalid token")"},
      {403, credential, "", ""},
  });
}

TEST_CASE("DashScope, Zhipu, MiniMax") {
  check({
      {429, rate, "Throttling.RateQuota",
       R"({"code":"Throttling.RateQuota","message":"Requests rate limit exceeded, please try again later.","request_id":"x"})"},
      {429, rate, "Throttling.AllocationQuota",
       R"({"code":"Throttling.AllocationQuota","message":"Allocated quota exceeded, please increase your quota limit.","request_id":"x"})"},
      {429, rate, "insufficient_quota",
       R"({"error":{"message":"Allocated quota exceeded, please increase your quota limit.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}})"},
      {429, quota, "insufficient_quota",
       R"({"error":{"message":"hour allocated quota exceeded.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}})"},
      {400, quota, "Arrearage",
       R"({"error":{"code":"Arrearage","param":null,"message":"Access denied, please make sure your account is in good standing.","type":"Arrearage"},"request_id":"x"})"},
      {400, unfit, "data_inspection_failed",
       R"({"error":{"code":"data_inspection_failed","param":null,"message":"Input data may contain inappropriate content.","type":"data_inspection_failed"}})"},
      {400, unfit, "invalid_parameter_error",
       R"({"error":{"code":"invalid_parameter_error","param":null,"message":"Range of input length should be [1, 30720]","type":"invalid_request_error"}})"},
      {400, unfit, "invalid_parameter_error",
       R"({"error":{"code":"invalid_parameter_error","message":"This model only support stream mode, please enable the stream parameter to access the model."}})"},
      {401, credential, "invalid_api_key",
       R"({"error":{"message":"Incorrect API key provided. ","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})"},
      {403, credential, "AccessDenied.Unpurchased",
       R"({"code":"AccessDenied.Unpurchased","message":"Access to model denied. Please make sure you are eligible for using the model."})"},
      {408, health, "RequestTimeOut", R"({"code":"RequestTimeOut","message":"Request timed out, please try again later."})"},
      {429, quota, "1113", R"({"error":{"code":"1113","message":"余额不足或无可用资源包,请充值。"}})"},
      {429, quota, "1113",
       R"({"type":"error","error":{"type":"1113","message":"Insufficient balance or no resource package. Please recharge."}})"},
      {429, rate, "1302", R"({"error":{"code":"1302","message":"您的账户已达到速率限制，请您控制请求频率"}})"},
      {429, health, "1305", R"({"error":{"code":"1305","message":"该模型当前访问量过大，请您稍后再试"},"request_id":"2"})"},
      {429, quota, "1308",
       R"({"error":{"code":"1308","message":"已达到 5 小时的使用上限。您的限额将在 2026-08-25 07:41:44 重置。"}})"},
      {401, credential, "1002", R"({"error":{"code":"1002","message":"Invalid Authentication Token"}})"},
      {400, unfit, "1211", R"({"error":{"code":"1211","message":"模型不存在，请检查模型代码。"}})"},
      {200, rate, "1002", R"j({"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit exceeded(RPM)"}})j"},
      {200, rate, "1039", R"({"base_resp":{"status_code":1039,"status_msg":"token limit"}})"},
      {200, quota, "1008", R"({"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}})"},
      {200, credential, "1004", R"({"base_resp":{"status_code":1004,"status_msg":"login fail"}})"},
      {200, unfit, "1027", R"({"base_resp":{"status_code":1027,"status_msg":"output new_sensitive"}})"},
      {200, client_fault, "2013", R"({"base_resp":{"status_code":2013,"status_msg":"invalid params"}})"},
      {200, health, "1013", R"({"base_resp":{"status_code":1013,"status_msg":"unknown error"}})"},
      {200, ok, "", R"({"choices":[{"message":{"content":"x"}}],"base_resp":{"status_code":0,"status_msg":"success"}})"},
  });
}

TEST_CASE("Gemini through its OpenAI door, vLLM, OpenRouter, Ollama, Cerebras, Dify") {
  check({
      {429, rate, "RESOURCE_EXHAUSTED",
       R"([{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}])",
       17s},
      {429, quota, "RESOURCE_EXHAUSTED",
       R"([{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}])"},
      {429, quota, "RESOURCE_EXHAUSTED",
       R"([{"error":{"code":429,"message":"You exceeded your current quota. * Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 0, model: gemini-3-pro\nPlease retry in 45.5s.","status":"RESOURCE_EXHAUSTED"}}])",
       45500ms},
      {429, rate, "RESOURCE_EXHAUSTED",
       R"([{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}])"},
      {400, credential, "INVALID_ARGUMENT",
       R"([{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}])"},
      {400, unfit, "INVALID_ARGUMENT",
       R"([{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed 1048576.","status":"INVALID_ARGUMENT"}}])"},
      {400, unfit, "FAILED_PRECONDITION",
       R"([{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}])"},
      {503, health, "UNAVAILABLE",
       R"([{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}])"},
      {400, unfit, "BadRequestError",
       R"({"object":"error","message":"This model's maximum context length is 8192 tokens. However, you requested 8204 tokens.","type":"BadRequestError","param":null,"code":400})"},
      {404, unfit, "NotFoundError",
       R"({"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404})"},
      {422, client_fault, "", R"({"detail":[{"loc":["body","messages"],"msg":"field required"}]})"},
      {402, quota, "402",
       R"({"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402}})"},
      {403, unfit, "403",
       R"({"error":{"code":403,"message":"Your chosen model requires moderation and your input was flagged","metadata":{"reasons":["violence"],"flagged_input":"x"}}})"},
      {404, unfit, "404", R"({"error":{"message":"No endpoints found that support tool use.","code":404}})"},
      {200, health, "502", R"({"error":{"message":"Provider returned error","code":502},"user_id":"u"})"},
      {200, rate, "429", R"({"error":{"message":"Provider returned error","code":429}})"},
      {403, quota, "api_error",
       R"({"error":{"message":"your subscription payment is past due. update your payment method","type":"api_error","param":null,"code":null}})"},
      {429, quota, "", R"("you (x) have reached your session usage limit, upgrade for higher limits")"},
      {429, rate, "", R"("Tokens per minute limit exceeded - too many tokens processed.")"},
      {429, rate, "too_many_requests", R"({"code":"too_many_requests","message":"Too many requests.","status":429})"},
      {429, quota, "rate_limit_error", R"({"code":"rate_limit_error","message":"Rate Limit Error","status":429})"},
      {400, health, "completion_request_error", R"({"code":"completion_request_error","message":"failed","status":400})"},
  });
}

TEST_CASE("a status without words") {
  for (const auto& [status, kind] : std::vector<std::pair<int, SignalKind>>{
           {200, ok},           {299, ok},           {301, client_fault}, {400, client_fault}, {401, credential},
           {402, quota},        {403, credential},   {404, client_fault}, {405, client_fault}, {408, health},
           {409, health},       {413, client_fault}, {415, client_fault}, {422, client_fault}, {429, rate},
           {499, client_fault}, {500, health},       {502, health},       {503, health},       {504, health},
           {524, health},       {529, health},       {0, health},         {-1, health},        {600, health}}) {
    INFO(status);
    CHECK(name(signal_of(status, "").kind) == name(kind));
  }
}

TEST_CASE("a page of a server in front of the upstream says nothing about the key") {
  CHECK(signal_of(403, "<html><title>Attention Required! | Cloudflare</title>").kind == health);
  CHECK(signal_of(404, "<html><h1>404 Not Found</h1> model</html>").kind == client_fault);
  CHECK(signal_of(502, "<html><center>nginx</center></html>").kind == health);
  CHECK(signal_of(429, "<html>slow down</html>").kind == rate);
}

TEST_CASE("what a client wrote and an error repeats closes no target") {
  for (const std::string_view phrase : {"exceeded your current quota", "Insufficient Balance", "invalid api key",
                                        "rate limit", "overloaded", "insufficient_quota", "too many requests"}) {
    INFO(phrase);
    const std::string repeated = R"({"error":{"message":"Invalid value: ')" + std::string(phrase) +
                                 R"('. Supported values are: 'a'.","type":"invalid_request_error","code":"invalid_value"}})";
    const std::string alone =
        R"({"error":{"message":"Cannot read what the model wrote: )" + std::string(phrase) + R"(","type":"server_error"}})";
    CHECK(signal_of(400, repeated).kind == client_fault);
    CHECK(signal_of(422, repeated).kind == client_fault);
    CHECK(read_event_signal(repeated).kind == client_fault);
    CHECK(read_event_signal(alone).kind == health);
  }
}

TEST_CASE("the provider's word is short and a name, or it is not shown") {
  CHECK(signal_of(400, R"({"error":{"code":"no such thing, please","type":"t"}})").code == "t");
  CHECK(signal_of(400, R"({"error":{"code":"sk-proj-1234567890"}})").code.empty());
  CHECK(signal_of(400, R"({"error":{"code":")" + std::string(64, 'a') + R"("}})").code.size() == 64);
  CHECK(signal_of(400, R"({"error":{"code":")" + std::string(65, 'a') + R"("}})").code.empty());
  CHECK(signal_of(400, "{\"error\":{\"code\":\"a\\nb\"}}").code.empty());
}

TEST_CASE("an answer as long as answers are is not searched for errors") {
  const std::string error = R"({"error":{"message":"x","type":"server_error"},"pad":")";
  CHECK(signal_of(200, error + std::string(1000, 'x') + "\"}").kind == health);
  CHECK(signal_of(200, error + std::string(k_error_body_max, 'x') + "\"}").kind == ok);
  CHECK(signal_of(500, error + std::string(k_error_body_max, 'x') + "\"}").kind == health);
}

TEST_CASE("error events of streams") {
  CHECK(read_event_signal(R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})").kind == health);
  CHECK(read_event_signal(R"({"type":"error","error":{"type":"rate_limit_error","message":"slow down"}})").kind == rate);
  CHECK(read_event_signal(R"({"type":"error","code":"rate_limit_exceeded","message":"x","param":null})").kind == rate);
  CHECK(read_event_signal(R"({"type":"error","code":"rate_limit_exceeded"})").code == "rate_limit_exceeded");
  CHECK(read_event_signal(R"({"error":{"message":"The server had an error","type":"server_error"}})").kind == health);
  CHECK(read_event_signal(R"({"error":{"message":"Provider error","code":429}})").kind == rate);
  CHECK(read_event_signal(R"({"error":{"type":"invalid_request_error","message":"bad"}})").kind == client_fault);
  CHECK(read_event_signal(R"({"error":{"message":"x","code":"context_length_exceeded"}})").kind == unfit);
  CHECK(read_event_signal(R"({"error":{"message":"Rate limit reached. Please try again in 1.2s."}})").kind == rate);
  CHECK(read_event_signal(R"({"error":{"message":"Rate limit reached. Please try again in 1.2s."}})").retry_after == 1200ms);
  CHECK(read_event_signal(R"({"code":"Throttling.RateQuota","message":"Requests rate limit exceeded"})").kind == rate);
  CHECK(read_event_signal(R"({"base_resp":{"status_code":1002,"status_msg":"rate limit"}})").kind == rate);
  CHECK(read_event_signal(R"({"choices":[{"index":0,"delta":{"content":"x"}}]})").kind == ok);
  CHECK(read_event_signal("").kind == health);
  CHECK(read_event_signal("upstream connect error").kind == health);
}

TEST_CASE("retry-after: the finer header first, then the other, then the body; useless ones do not count") {
  const std::string_view body = R"({"error":{"message":"Rate limit. Please try again in 20s."}})";
  const auto told = [&](const Headers& headers) { return signal_of(429, body, headers).retry_after; };
  CHECK(told({}) == 20s);
  CHECK(told({{"retry-after", "2"}}) == 2s);
  CHECK(told({{"retry-after", " 0.5 "}}) == 500ms);
  CHECK(told({{"retry-after", "2"}, {"retry-after-ms", "1500"}}) == 1500ms);
  CHECK(told({{"retry-after", "2"}, {"retry-after-ms", "soon"}}) == 2s);
  CHECK(told({{"retry-after-ms", "7200000"}}) == 2h);
  CHECK(told({{"retry-after", "Thu, 21 Aug 2025 12:41:30 GMT"}}) == 30s);
  for (const std::string useless : {"0", "-5", "", "soon", "2 s", "1e9", "99999999999999999999", "nan",
                                    "Thu, 21 Aug 2025 12:41:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 21 Aug 2025"}) {
    INFO(useless);
    CHECK(told({{"retry-after", useless}}) == 20s);
  }
}

}  // namespace
}  // namespace outrigger::providers
