#include "providers/openai/notices.h"

#include "providers/json_doc.h"
#include "providers/json_text.h"
#include "providers/openai/wire.h"
#include "providers/sse.h"

namespace outrigger::providers::openai {
namespace {

JsonDoc json_in_event(std::string_view event) {
  SseSplitter splitter;
  std::optional<SseEvent> first = splitter.next(event);
  if (!first) first = splitter.rest();
  return first ? JsonDoc::read(first->data) : JsonDoc();
}

}  // namespace

std::string error_body(const ErrorSaid& error) {
  std::string text = "{\"error\":{\"message\":";
  append_string(text, error.message);
  text += ",\"type\":";
  append_string(text, error.type);
  text += ",\"param\":null,\"code\":";
  append_string(text, error.code);
  text += "}}";
  return text;
}

std::string error_event(const ErrorSaid& error) { return "data: " + error_body(error) + "\n\n"; }

std::string answer_body(Form form, std::string_view model, std::string_view text) {
  std::string body = "{\"id\":\"fixed\",\"object\":";
  body += form == Form::chat ? "\"chat.completion\"" : "\"text_completion\"";
  body += ",\"created\":0,\"model\":";
  append_string(body, model);
  body += ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",";
  if (form == Form::chat) {
    body += "\"message\":{\"role\":\"assistant\",\"content\":";
    append_string(body, text);
    body += "}}]}";
  } else {
    body += "\"text\":";
    append_string(body, text);
    body += "}]}";
  }
  return body;
}

std::string usage_event(Form form, std::string_view like, const Usage& usage) {
  const JsonDoc doc = json_in_event(like);
  std::string text = "data: {\"id\":";
  append_string(text, string_of(member(doc.root(), "id")).value_or(std::string_view()));
  text += form == Form::chat ? ",\"object\":\"chat.completion.chunk\"" : ",\"object\":\"text_completion\"";
  text += ",\"created\":";
  append_number(text, whole_number_of(member(doc.root(), "created")).value_or(0));
  text += ",\"model\":";
  append_string(text, string_of(member(doc.root(), "model")).value_or(std::string_view()));
  text += ",\"choices\":[],\"usage\":";
  append_usage(text, {usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens, nullptr});
  text += "}\n\n";
  return text;
}

}  // namespace outrigger::providers::openai
