// Wires that a proxy only passes on: Gemini's generateContent and Ollama's chat, as far as an answer needs it.
#include "sim/ask_parts.h"

namespace outrigger::sim_provider {

std::optional<BadAsk> read_gemini(yyjson_val* root, Ask& ask) {
  yyjson_val* contents = yyjson_obj_get(root, "contents");
  if (yyjson_arr_size(contents) == 0) return BadAsk{"* GenerateContentRequest.contents: contents is not specified", ""};
  if (yyjson_val* system = yyjson_obj_get(root, "systemInstruction")) {
    say(ask, "system", content_text(yyjson_obj_get(system, "parts")));
  }
  bool after_tool = false;
  yyjson_arr_iter list = yyjson_arr_iter_with(contents);
  while (yyjson_val* content = yyjson_arr_iter_next(&list)) {
    yyjson_val* parts = yyjson_obj_get(content, "parts");
    after_tool = false;
    yyjson_arr_iter each = yyjson_arr_iter_with(parts);
    while (yyjson_val* part = yyjson_arr_iter_next(&each)) {
      if (yyjson_val* response = yyjson_obj_get(part, "functionResponse")) {
        say(ask, "tool", json_of(yyjson_obj_get(response, "response")));
        after_tool = true;
      }
      if (yyjson_val* data = yyjson_obj_get(part, "inlineData")) show(ask, text_at(data, "data"));
    }
    if (after_tool) continue;
    const bool model = text_at(content, "role") == "model";
    const std::string text = content_text(parts);
    say(ask, model ? "assistant" : "user", text);
    if (!model) ask.question = text;
  }
  std::vector<Tool> tools;
  yyjson_arr_iter groups = yyjson_arr_iter_with(yyjson_obj_get(root, "tools"));
  while (yyjson_val* group = yyjson_arr_iter_next(&groups)) {
    yyjson_arr_iter functions = yyjson_arr_iter_with(yyjson_obj_get(group, "functionDeclarations"));
    while (yyjson_val* function = yyjson_arr_iter_next(&functions)) {
      tools.push_back({text_at(function, "name"), yyjson_obj_get(function, "parameters")});
    }
  }
  if (!after_tool) choose_tools(tools, {}, ask);
  yyjson_val* config = yyjson_obj_get(root, "generationConfig");
  ask.json = text_at(config, "responseMimeType") == "application/json";
  if (yyjson_val* most = yyjson_obj_get(config, "maxOutputTokens"); yyjson_is_uint(most)) {
    ask.max_tokens = yyjson_get_uint(most);
  }
  return std::nullopt;
}

std::optional<BadAsk> read_ollama(yyjson_val* root, Ask& ask) {
  bool after_tool = false;
  yyjson_arr_iter list = yyjson_arr_iter_with(yyjson_obj_get(root, "messages"));
  while (yyjson_val* message = yyjson_arr_iter_next(&list)) {
    const std::string_view role = text_at(message, "role");
    const std::string text(text_at(message, "content"));
    say(ask, role, text);
    if (role == "user") ask.question = text;
    after_tool = role == "tool";
    yyjson_arr_iter images = yyjson_arr_iter_with(yyjson_obj_get(message, "images"));
    while (yyjson_val* image = yyjson_arr_iter_next(&images)) show(ask, text_of(image));
  }
  if (!after_tool) choose_tools(chat_tools(yyjson_obj_get(root, "tools")), {}, ask);
  yyjson_val* format = yyjson_obj_get(root, "format");
  ask.json = text_of(format) == "json" || yyjson_is_obj(format);
  if (yyjson_is_obj(format)) ask.schema = json_of(format);
  if (yyjson_val* most = yyjson_obj_get(yyjson_obj_get(root, "options"), "num_predict"); yyjson_is_uint(most)) {
    ask.max_tokens = yyjson_get_uint(most);
  }
  return std::nullopt;
}

}  // namespace outrigger::sim_provider
