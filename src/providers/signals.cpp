#include "providers/signals.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "providers/json_doc.h"
#include "providers/openai/chunk.h"
#include "providers/signal_words.h"
#include "providers/told_times.h"

namespace outrigger::providers {
namespace {

// What a message says stands at its beginning; what follows may be what the client wrote.
constexpr std::size_t k_text_max = 1500;

std::string lower(std::string_view text) {
  std::string low(text);
  for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return low;
}

// A word may be shown to operators: nothing but a name may pass, no sentence and no key.
bool is_name(std::string_view word) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == ':' ||
           c == '-';
  };
  return !word.empty() && word.size() <= Signal::k_code_max && std::ranges::all_of(word, allowed) &&
         !word.starts_with("sk-");
}

std::optional<int> status_of(std::string_view word) {
  int status = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), status);
  if (problem != std::errc() || end != word.data() + word.size() || status < 400 || status > 599) return std::nullopt;
  return status;
}

// Takes an error apart, whichever of the known shapes it has.
class Taker {
 public:
  Taker(int status, std::string_view body) : body_(body.substr(0, k_error_body_max)), doc_(JsonDoc::read(body_)) {
    error_.status = status;
    yyjson_val* root = doc_.root();
    if (yyjson_is_arr(root)) root = yyjson_arr_get_first(root);  // Gemini
    if (yyjson_is_str(root)) {
      take_text(root);
    } else if (root != nullptr) {
      take_root(root);
    } else if (body_.contains('<')) {
      error_.page = true;
    } else {
      error_.text = lower(body_.substr(0, k_text_max));
    }
    if (error_.status == 0) error_.status = inner_status_;
    const std::string all = lower(body_);
    // Google names what was exceeded in details of its own, and an allowance of zero comes back at no time.
    error_.by_the_day = all.find("perday") != std::string::npos || error_.says("limit: 0,") || error_.says("per day") ||
                        error_.says("hour allocated") || error_.says("week allocated") || error_.says("month allocated");
    if (!error_.retry_hint) error_.retry_hint = read_retry_hint(error_.text);
  }

  [[nodiscard]] const ToldError& error() const { return error_; }
  [[nodiscard]] const std::string& code() const { return code_; }

 private:
  void take_root(yyjson_val* root) {
    if (yyjson_val* base = member(root, "base_resp"); yyjson_is_obj(base)) {
      const std::optional<std::string_view> number = number_of(member(base, "status_code"));
      if (number && *number != "0") {
        error_.minimax = true;
        take_word(member(base, "status_code"));
        take_text(member(base, "status_msg"));
        return;
      }
    }
    yyjson_val* error = member(root, "error");
    if (yyjson_is_obj(error)) {
      // The error's own words first; {"type":"error"} around it says nothing.
      take_object(error);
      return;
    }
    if (yyjson_is_str(error)) take_text(error);
    take_object(root);
    // Dify's envelope: here the word means that an allowance is used up, {"code":"rate_limit_error","message":...,"status":429}.
    const bool dify = string_of(member(root, "code")) == "rate_limit_error" && number_of(member(root, "status"));
    if (dify) error_.words = {"provider_quota_exceeded"};
  }

  void take_object(yyjson_val* object) {
    take_word(member(object, "code"));
    take_word(member(object, "type"));
    take_word(member(object, "status"));
    take_word(member(member(object, "innererror"), "code"));
    take_text(member(object, "message"));
    if (error_.text.empty()) take_text(member(object, "msg"));
    if (error_.text.empty()) take_text(member(object, "detail"));
    if (yyjson_val* metadata = member(object, "metadata")) {  // OpenRouter passes on what it was told
      if (yyjson_is_arr(member(metadata, "reasons"))) error_.words.emplace_back("content_filter");
    }
    take_details(member(object, "details"));
  }

  // Google: {"@type":".../google.rpc.RetryInfo","retryDelay":"17s"}, {"reason":"API_KEY_INVALID"}.
  void take_details(yyjson_val* details) {
    if (!yyjson_is_arr(details)) return;
    std::size_t index = 0;
    std::size_t count = 0;
    yyjson_val* detail = nullptr;
    yyjson_arr_foreach(details, index, count, detail) {
      if (const auto delay = string_of(member(detail, "retryDelay"))) error_.retry_hint = read_duration(*delay);
      if (const auto reason = string_of(member(detail, "reason"))) error_.words.push_back(lower(*reason));
    }
  }

  void take_word(yyjson_val* value) {
    std::optional<std::string_view> word = string_of(value);
    const bool number = !word;
    if (number) word = number_of(value);
    if (!word || word->empty() || word->size() > k_text_max) return;
    if (const std::optional<int> status = status_of(*word)) {
      if (inner_status_ == 0) inner_status_ = *status;
      if (code_.empty()) code_ = *word;
      return;
    }
    error_.words.push_back(lower(*word));
    if (*word == "error" || !is_name(*word)) return;
    // A word says more than a number.
    if (code_.empty() || status_of(code_)) code_ = *word;
  }

  void take_text(yyjson_val* value) {
    if (const std::optional<std::string_view> text = string_of(value)) error_.text = lower(text->substr(0, k_text_max));
  }

  std::string_view body_;
  JsonDoc doc_;
  ToldError error_;
  std::string code_;
  int inner_status_ = 0;
};

Signal signal_of(const Taker& taken) {
  const std::optional<Duration> hint = taken.error().retry_hint;
  return {classify(taken.error()), taken.code(), hint && *hint > 0s ? hint : std::nullopt};
}

bool is_error_in_200(std::string_view body) {
  if (body.size() > k_error_body_max) return false;
  const JsonDoc doc = JsonDoc::read(body);
  yyjson_val* root = doc.root();
  if (yyjson_is_arr(root)) root = yyjson_arr_get_first(root);
  return root != nullptr && openai::is_error(root);
}

}  // namespace

std::string_view name(SignalKind kind) {
  switch (kind) {
    case SignalKind::ok:
      return "ok";
    case SignalKind::client_fault:
      return "client_fault";
    case SignalKind::unfit:
      return "unfit";
    case SignalKind::rate:
      return "rate";
    case SignalKind::quota:
      return "quota";
    case SignalKind::credential:
      return "credential";
    case SignalKind::health:
      return "health";
  }
  return "health";
}

Signal read_signal(int status, const HeaderLookup& header, std::string_view body, WallTime now) {
  const bool success = status >= 200 && status < 300;
  if (success && !is_error_in_200(body)) return {};
  Signal signal = signal_of(Taker(success ? 0 : status, body));
  std::optional<Duration> told;
  if (const auto text = header("retry-after-ms")) told = read_millis(*text);
  if (!told) {
    if (const auto text = header("retry-after")) told = read_retry_after(*text, now);
  }
  if (told && *told > 0s) signal.retry_after = told;
  return signal;
}

Signal read_event_signal(std::string_view data) {
  const JsonDoc doc = JsonDoc::read(data.substr(0, k_error_body_max));
  if (!is_nothing(member(doc.root(), "choices")) && !openai::is_error(doc.root())) return {};
  return signal_of(Taker(0, data));
}

}  // namespace outrigger::providers
