#include "sim/ask_parts.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "sim/hash.h"
#include "sim/prose.h"
#include "sim/schema.h"

namespace outrigger::sim_provider {
namespace {

// What a message costs beside its text, as OpenAI counts chat prompts.
constexpr std::uint64_t k_tokens_per_message = 3;
// A picture of usual size; the providers' own figures lie between 85 and 1600.
constexpr std::uint64_t k_tokens_per_picture = 85;
constexpr std::size_t k_argument_bytes = 80;
constexpr std::size_t k_max_stops = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

void say(Ask& ask, std::string_view text) {
  ask.hash = stable_hash(text, stable_hash("|", ask.hash));
  ask.prompt_tokens += count_tokens(text);
}

void say(Ask& ask, std::string_view role, std::string_view text) {
  say(ask, role == "developer" ? "system" : role);
  say(ask, text);
  ask.prompt_tokens += k_tokens_per_message;
}

void show(Ask& ask, std::string_view what) {
  ask.hash = stable_hash(what, stable_hash("!", ask.hash));
  ask.prompt_tokens += k_tokens_per_picture;
}

std::string content_text(yyjson_val* content) {
  if (yyjson_is_str(content)) return std::string(text_of(content));
  std::string text;
  yyjson_arr_iter parts = yyjson_arr_iter_with(content);
  while (yyjson_val* part = yyjson_arr_iter_next(&parts)) text += text_at(part, "text");
  return text;
}

std::string json_of(yyjson_val* value) {
  char* json = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, nullptr);
  std::string text = json == nullptr ? std::string() : std::string(json);
  std::free(json);
  return text;
}

void choose_tools(std::span<const Tool> tools, const ToolChoice& choice, Ask& ask) {
  if (choice.none || tools.empty()) return;
  const std::string question = lower(ask.question);
  const auto add = [&](const Tool& tool) {
    ask.calls.push_back(
        {std::string(tool.name), example_arguments(tool.parameters, shortened(ask.question, k_argument_bytes))});
  };
  for (const Tool& tool : tools) {
    const bool wanted =
        choice.name.empty() ? question.find(lower(tool.name)) != std::string::npos : tool.name == choice.name;
    if (!tool.name.empty() && wanted) add(tool);
  }
  if (ask.calls.empty() && (choice.required || question.find("tool") != std::string::npos)) add(tools.front());
  if (choice.one_only && ask.calls.size() > 1) ask.calls.resize(1);
}

void read_stops(yyjson_val* stops, Ask& ask) {
  const auto add = [&](yyjson_val* stop) {
    if (yyjson_get_len(stop) > 0 && yyjson_is_str(stop)) ask.stops.emplace_back(text_of(stop));
  };
  add(stops);
  yyjson_arr_iter list = yyjson_arr_iter_with(stops);
  while (yyjson_val* stop = yyjson_arr_iter_next(&list)) {
    if (ask.stops.size() < k_max_stops) add(stop);
  }
}

std::vector<Tool> chat_tools(yyjson_val* tools) {
  std::vector<Tool> found;
  yyjson_arr_iter list = yyjson_arr_iter_with(tools);
  while (yyjson_val* tool = yyjson_arr_iter_next(&list)) {
    yyjson_val* function = yyjson_obj_get(tool, "function");
    found.push_back({text_at(function, "name"), yyjson_obj_get(function, "parameters")});
  }
  return found;
}

}  // namespace outrigger::sim_provider
