#include "sim/fast.h"

#include <utility>

#include "sim/answers.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::size_t k_max_models = 64;
constexpr std::string_view k_blanks = " \t\r\n";

// What follows `name` and its colon; empty when the member is not there.
std::string_view value_of(std::string_view json, std::string_view quoted_name) {
  for (std::size_t at = json.find(quoted_name); at != std::string_view::npos; at = json.find(quoted_name, at + 1)) {
    const std::size_t colon = json.find_first_not_of(k_blanks, at + quoted_name.size());
    if (colon == std::string_view::npos || json[colon] != ':') continue;
    const std::size_t value = json.find_first_not_of(k_blanks, colon + 1);
    return value == std::string_view::npos ? std::string_view() : json.substr(value);
  }
  return {};
}

Prepared::Stream joined(const Script& script, std::uint64_t events_per_write) {
  std::string text;
  Prepared::Stream stream;
  for (std::size_t i = 0; i < script.steps.size(); ++i) {
    text += script.steps[i].data;
    if ((i + 1) % events_per_write == 0 || i + 1 == script.steps.size()) stream.ends.push_back(text.size());
  }
  stream.text = Bytes::copy(text);
  return stream;
}

Prepared prepare(Endpoint endpoint, std::string_view model, const Settings& settings, std::int64_t created) {
  const bool chat = endpoint == Endpoint::chat;
  const Stamp stamp{std::string(29, 'f'), created};
  const Fault none;
  Ask ask;
  ask.model = model;
  ask.thinks = is_reasoner(model);
  ask.question = "benchmark";
  ask.prompt_tokens = 500;  // what a prompt of 2 KB comes to
  Prepared prepared;
  prepared.model = ask.model;
  prepared.whole = Bytes::copy(answer_text(ask, chat, settings, none, stamp).script.steps.front().data);
  ask.stream = true;
  prepared.without_usage = joined(answer_text(ask, chat, settings, none, stamp).script, settings.events_per_write);
  ask.include_usage = true;
  prepared.with_usage = joined(answer_text(ask, chat, settings, none, stamp).script, settings.events_per_write);
  return prepared;
}

}  // namespace

bool has_true(std::string_view json, std::string_view quoted_name) {
  return value_of(json, quoted_name).starts_with("true");
}

std::optional<std::string_view> model_in(std::string_view json) {
  std::string_view value = value_of(json, "\"model\"");
  if (value.empty() || value.front() != '"') return std::nullopt;
  value.remove_prefix(1);
  value = value.substr(0, value.find('"'));
  if (value.empty() || value.find('\\') != std::string_view::npos) return std::nullopt;
  return value;
}

const Prepared* FastAnswers::find(Endpoint endpoint, std::string_view body, std::int64_t created) {
  if (endpoint != Endpoint::chat && endpoint != Endpoint::completion) return nullptr;
  const auto model = model_in(body);
  if (!model) return nullptr;
  auto& known = endpoint == Endpoint::chat ? chats_ : completions_;
  if (const auto found = known.find(*model); found != known.end()) return &found->second;
  if (known.size() >= k_max_models) return nullptr;
  return &known.emplace(*model, prepare(endpoint, *model, settings_, created)).first->second;
}

}  // namespace outrigger::sim_provider
