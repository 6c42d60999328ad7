#include "sim/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "sim/hash.h"
#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

// What a message costs beside its text, as OpenAI counts chat prompts.
constexpr std::uint64_t k_tokens_per_message = 3;
constexpr std::size_t k_max_inputs = 2048;
constexpr std::uint64_t k_max_dimensions = 65'536;

// A content is a text, or a list of parts of which the texts count.
std::string content_text(yyjson_val* content) {
  if (yyjson_is_str(content)) return std::string(text_of(content));
  std::string text;
  for (std::size_t i = 0; i < yyjson_arr_size(content); ++i) text += text_at(yyjson_arr_get(content, i), "text");
  return text;
}

void say(Ask& ask, std::string_view text, std::uint64_t extra_tokens) {
  ask.hash = stable_hash(text, stable_hash("|", ask.hash));
  ask.prompt_tokens += count_tokens(text) + extra_tokens;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// A value that fits a property's schema.
std::string example(yyjson_val* schema, std::string_view question) {
  if (yyjson_val* first = yyjson_arr_get_first(yyjson_obj_get(schema, "enum")); yyjson_is_str(first)) {
    return quoted(text_of(first));
  }
  const std::string_view type = text_at(schema, "type");
  if (type == "number" || type == "integer") return "1";
  if (type == "boolean") return "true";
  if (type == "array") return "[]";
  if (type == "object") return "{}";
  return quoted(shortened(question, 80));
}

std::string example_arguments(yyjson_val* parameters, std::string_view question) {
  std::string text = "{";
  yyjson_obj_iter members = yyjson_obj_iter_with(yyjson_obj_get(parameters, "properties"));
  while (yyjson_val* key = yyjson_obj_iter_next(&members)) {
    if (text.size() > 1) text += ',';
    append_quoted(text, text_of(key));
    text += ':';
    text += example(yyjson_obj_iter_get_val(key), question);
  }
  return text + "}";
}

// The tools whose names stand in the question; if there is none but the word "tool", the first one.
void choose_tools(yyjson_val* tools, Ask& ask) {
  const std::string question = lower(ask.question);
  const auto add = [&](yyjson_val* tool) {
    yyjson_val* function = yyjson_obj_get(tool, "function");
    ask.calls.push_back(
        {std::string(text_at(function, "name")), example_arguments(yyjson_obj_get(function, "parameters"), ask.question)});
  };
  for (std::size_t i = 0; i < yyjson_arr_size(tools); ++i) {
    yyjson_val* tool = yyjson_arr_get(tools, i);
    const std::string name = lower(text_at(yyjson_obj_get(tool, "function"), "name"));
    if (!name.empty() && question.find(name) != std::string::npos) add(tool);
  }
  if (ask.calls.empty() && yyjson_arr_size(tools) > 0 && question.find("tool") != std::string::npos) {
    add(yyjson_arr_get_first(tools));
  }
}

std::optional<BadAsk> read_chat(yyjson_val* root, Ask& ask) {
  yyjson_val* messages = yyjson_obj_get(root, "messages");
  if (!yyjson_is_arr(messages)) return BadAsk{"Missing required parameter: 'messages'.", "messages"};
  if (yyjson_arr_size(messages) == 0) {
    return BadAsk{
        "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        "messages"};
  }
  bool after_tool = false;
  for (std::size_t i = 0; i < yyjson_arr_size(messages); ++i) {
    yyjson_val* message = yyjson_arr_get(messages, i);
    const std::string_view role = text_at(message, "role");
    if (role.empty()) {
      return BadAsk{fmt::format("Missing required parameter: 'messages[{}].role'.", i), fmt::format("messages[{}].role", i)};
    }
    const std::string text = content_text(yyjson_obj_get(message, "content"));
    say(ask, role, 0);
    say(ask, text, k_tokens_per_message);
    if (role == "user") ask.question = text;
    after_tool = role == "tool";
  }
  yyjson_val* choice = yyjson_obj_get(root, "tool_choice");
  if (!after_tool && text_of(choice) != "none") choose_tools(yyjson_obj_get(root, "tools"), ask);
  ask.json = text_at(yyjson_obj_get(root, "response_format"), "type").starts_with("json");
  ask.logprobs = yyjson_get_bool(yyjson_obj_get(root, "logprobs"));
  return std::nullopt;
}

std::optional<BadAsk> read_completion(yyjson_val* root, Ask& ask) {
  yyjson_val* prompt = yyjson_obj_get(root, "prompt");
  if (yyjson_is_arr(prompt)) prompt = yyjson_arr_get_first(prompt);
  if (!yyjson_is_str(prompt)) return BadAsk{"Missing required parameter: 'prompt'.", "prompt"};
  ask.question = text_of(prompt);
  ask.logprobs = yyjson_is_int(yyjson_obj_get(root, "logprobs"));
  say(ask, ask.question, 0);
  return std::nullopt;
}

// One input is a text or a list of token numbers, whose JSON stands for it.
std::string input_text(yyjson_val* value) {
  if (yyjson_is_str(value)) return std::string(text_of(value));
  char* json = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, nullptr);
  std::string text = json == nullptr ? std::string() : std::string(json);
  free(json);
  return text;
}

std::optional<BadAsk> read_embeddings(yyjson_val* root, Ask& ask) {
  yyjson_val* input = yyjson_obj_get(root, "input");
  const bool one = yyjson_is_str(input) || (yyjson_is_arr(input) && yyjson_is_num(yyjson_arr_get_first(input)));
  if (one) {
    ask.inputs.push_back(input_text(input));
  } else if (yyjson_is_arr(input)) {
    for (std::size_t i = 0; i < yyjson_arr_size(input) && i <= k_max_inputs; ++i) {
      ask.inputs.push_back(input_text(yyjson_arr_get(input, i)));
    }
  }
  if (ask.inputs.empty() || ask.inputs.size() > k_max_inputs) {
    return BadAsk{"'input' must be a text or a list of 1 to 2048 texts.", "input"};
  }
  for (const std::string& text : ask.inputs) say(ask, text, 0);
  if (yyjson_val* dimensions = yyjson_obj_get(root, "dimensions"); yyjson_is_uint(dimensions)) {
    ask.dimensions = yyjson_get_uint(dimensions);
    if (*ask.dimensions == 0 || *ask.dimensions > k_max_dimensions)
      return BadAsk{"'dimensions' is out of range.", "dimensions"};
  }
  ask.base64 = text_at(root, "encoding_format") == "base64";
  return std::nullopt;
}

void read_common(yyjson_val* root, Ask& ask) {
  ask.model = text_at(root, "model");
  ask.stream = yyjson_get_bool(yyjson_obj_get(root, "stream"));
  ask.include_usage = yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(root, "stream_options"), "include_usage"));
  for (const char* key : {"max_completion_tokens", "max_tokens"}) {
    yyjson_val* most = yyjson_obj_get(root, key);
    if (yyjson_is_uint(most) && !ask.max_tokens) ask.max_tokens = yyjson_get_uint(most);
  }
  ask.hash = stable_hash(ask.model);
}

}  // namespace

Ask read_ask(AskKind kind, std::string_view body, std::optional<BadAsk>& problem) {
  Ask ask;
  const Json doc = parse_json(body);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root)) {
    problem = BadAsk{"We could not parse the JSON body of your request.", ""};
    return ask;
  }
  read_common(root, ask);
  if (ask.model.empty() && kind != AskKind::other) {
    problem = BadAsk{"you must provide a model parameter", ""};
    return ask;
  }
  switch (kind) {
    case AskKind::chat:
      problem = read_chat(root, ask);
      break;
    case AskKind::completion:
      problem = read_completion(root, ask);
      break;
    case AskKind::embeddings:
      problem = read_embeddings(root, ask);
      break;
    case AskKind::other:
      ask.question = text_at(root, "input");
      break;
  }
  return ask;
}

}  // namespace outrigger::sim_provider
