#include "sim/ask.h"

#include <fmt/format.h>

#include "sim/ask_parts.h"
#include "sim/hash.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::size_t k_max_inputs = 2048;
constexpr std::uint64_t k_max_dimensions = 65'536;

// What a chat message shows beside its text.
void show_parts(yyjson_val* content, Ask& ask) {
  yyjson_arr_iter parts = yyjson_arr_iter_with(content);
  while (yyjson_val* part = yyjson_arr_iter_next(&parts)) {
    if (const std::string_view url = text_at(yyjson_obj_get(part, "image_url"), "url"); !url.empty()) show(ask, url);
    if (const std::string_view data = text_at(yyjson_obj_get(part, "file"), "file_data"); !data.empty()) show(ask, data);
    if (const std::string_view data = text_at(yyjson_obj_get(part, "input_audio"), "data"); !data.empty()) show(ask, data);
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
  std::size_t i = 0;
  yyjson_arr_iter list = yyjson_arr_iter_with(messages);
  while (yyjson_val* message = yyjson_arr_iter_next(&list)) {
    const std::string_view role = text_at(message, "role");
    if (role.empty()) {
      return BadAsk{fmt::format("Missing required parameter: 'messages[{}].role'.", i), fmt::format("messages[{}].role", i)};
    }
    yyjson_val* content = yyjson_obj_get(message, "content");
    const std::string text = content_text(content);
    say(ask, role, text);
    show_parts(content, ask);
    if (role == "user") ask.question = text;
    after_tool = role == "tool";
    ++i;
  }
  yyjson_val* choice = yyjson_obj_get(root, "tool_choice");
  const ToolChoice chosen{text_of(choice) == "none", text_of(choice) == "required",
                          text_at(yyjson_obj_get(choice, "function"), "name"),
                          yyjson_is_false(yyjson_obj_get(root, "parallel_tool_calls"))};
  if (!after_tool) choose_tools(chat_tools(yyjson_obj_get(root, "tools")), chosen, ask);
  yyjson_val* format = yyjson_obj_get(root, "response_format");
  ask.json = text_at(format, "type").starts_with("json");
  ask.schema = json_of(yyjson_obj_get(yyjson_obj_get(format, "json_schema"), "schema"));
  ask.logprobs = yyjson_get_bool(yyjson_obj_get(root, "logprobs"));
  ask.thinks = is_reasoner(ask.model);
  read_stops(yyjson_obj_get(root, "stop"), ask);
  return std::nullopt;
}

std::optional<BadAsk> read_completion(yyjson_val* root, Ask& ask) {
  yyjson_val* prompt = yyjson_obj_get(root, "prompt");
  if (yyjson_is_arr(prompt)) prompt = yyjson_arr_get_first(prompt);
  if (!yyjson_is_str(prompt)) return BadAsk{"Missing required parameter: 'prompt'.", "prompt"};
  ask.question = text_of(prompt);
  ask.logprobs = yyjson_is_int(yyjson_obj_get(root, "logprobs"));
  ask.thinks = is_reasoner(ask.model);
  read_stops(yyjson_obj_get(root, "stop"), ask);
  say(ask, ask.question);
  return std::nullopt;
}

// One input is a text or a list of token numbers, whose JSON stands for it.
std::string input_text(yyjson_val* value) { return yyjson_is_str(value) ? std::string(text_of(value)) : json_of(value); }

std::optional<BadAsk> read_embeddings(yyjson_val* root, Ask& ask) {
  yyjson_val* input = yyjson_obj_get(root, "input");
  const bool one = yyjson_is_str(input) || (yyjson_is_arr(input) && yyjson_is_num(yyjson_arr_get_first(input)));
  if (one) {
    ask.inputs.push_back(input_text(input));
  } else {
    yyjson_arr_iter list = yyjson_arr_iter_with(input);
    while (yyjson_val* text = yyjson_arr_iter_next(&list)) {
      if (ask.inputs.size() <= k_max_inputs) ask.inputs.push_back(input_text(text));
    }
  }
  if (ask.inputs.empty() || ask.inputs.size() > k_max_inputs) {
    return BadAsk{"'input' must be a text or a list of 1 to 2048 texts.", "input"};
  }
  for (const std::string& text : ask.inputs) say(ask, text);
  if (yyjson_val* dimensions = yyjson_obj_get(root, "dimensions"); yyjson_is_uint(dimensions)) {
    ask.dimensions = yyjson_get_uint(dimensions);
    if (*ask.dimensions == 0 || *ask.dimensions > k_max_dimensions)
      return BadAsk{"'dimensions' is out of range.", "dimensions"};
  }
  ask.base64 = text_at(root, "encoding_format") == "base64";
  return std::nullopt;
}

void read_common(AskKind kind, yyjson_val* root, const Aside& aside, Ask& ask) {
  ask.model = aside.model.empty() ? text_at(root, "model") : aside.model;
  // Ollama streams unless it is told not to.
  yyjson_val* stream = yyjson_obj_get(root, "stream");
  ask.stream = aside.stream || yyjson_get_bool(stream) || (kind == AskKind::ollama && !yyjson_is_false(stream));
  ask.include_usage = yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(root, "stream_options"), "include_usage"));
  for (const char* key : {"max_completion_tokens", "max_output_tokens", "max_tokens"}) {
    yyjson_val* most = yyjson_obj_get(root, key);
    if (yyjson_is_uint(most) && !ask.max_tokens) ask.max_tokens = yyjson_get_uint(most);
  }
  ask.hash = stable_hash(ask.model);
}

std::optional<BadAsk> no_model(AskKind kind) {
  const bool anthropic = kind == AskKind::messages || kind == AskKind::count_tokens;
  return anthropic ? BadAsk{"model: Field required", "model"} : BadAsk{"you must provide a model parameter", ""};
}

}  // namespace

Ask read_ask(AskKind kind, std::string_view body, const Aside& aside, std::optional<BadAsk>& problem) {
  Ask ask;
  const Json doc = parse_json(body);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root)) {
    ask.model = aside.model;
    problem = BadAsk{"We could not parse the JSON body of your request.", ""};
    return ask;
  }
  read_common(kind, root, aside, ask);
  if (ask.model.empty() && kind != AskKind::other) {
    problem = no_model(kind);
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
    case AskKind::messages:
    case AskKind::count_tokens:
      problem = read_messages(root, aside, kind == AskKind::count_tokens, ask);
      break;
    case AskKind::responses:
      problem = read_responses(root, ask);
      break;
    case AskKind::rerank:
      problem = read_rerank(root, ask);
      break;
    case AskKind::gemini:
      problem = read_gemini(root, ask);
      break;
    case AskKind::ollama:
      problem = read_ollama(root, ask);
      break;
    case AskKind::other:
      ask.question = text_at(root, "input");
      break;
  }
  return ask;
}

}  // namespace outrigger::sim_provider
