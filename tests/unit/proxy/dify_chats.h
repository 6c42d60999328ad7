// An app "chat" at the dify door whose answers may be kept, what is asked of it, and what Dify answers.
#pragma once

#include "dify_bench.h"

namespace outrigger::proxy::test {

inline const std::string k_conversation = "45701982-8118-4bc5-8e9b-64562b4555f2";
inline const std::string k_message = "663c5084-a254-4040-8ad3-51f2a3c1a77c";
inline const std::string k_task = "e5ab1a13-1c0e-4b0e-9a54-0b8f6a7a8a01";

inline std::string config_of(std::string_view cache, std::string_view more = "") {
  return fmt::format("[[app]]\nname = \"chat\"\nkey = \"app-chat\"\ncache = {{ {} }}\n{}", cache, more);
}
inline const std::string k_shared = "stateless = true, per_user = false";

inline std::string chat_event(std::string_view kind, std::string_view more) {
  return fmt::format(
      R"(data: {{"event": "{}", "conversation_id": "{}", "message_id": "{}", "created_at": 1705407629, "task_id": "{}"{}}})"
      "\n\n",
      kind, k_conversation, k_message, k_task, more);
}
inline std::string piece(std::string_view text) {
  return chat_event("message", fmt::format(R"(, "id": "{}", "answer": "{}")", k_message, text));
}
inline const std::string k_chat_usage =
    R"({"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "total_price": "0.5", "currency": "USD"}})";
inline const std::string k_end = chat_event("message_end", R"(, "metadata": )" + k_chat_usage);
inline const std::string k_chat_body = fmt::format(
    R"({{"event": "message", "task_id": "{}", "id": "{}", "message_id": "{}", "conversation_id": "{}", "mode": "chat", "answer": "Hello you", "metadata": {}, "created_at": 1705407629}})",
    k_task, k_message, k_message, k_conversation, k_chat_usage);

struct Chat {
  std::string user = "anna";
  std::string query = "hello";
  bool stream = false;
  std::string conversation{};
  std::string fields{};
};
inline std::string chat_wire(const Chat& chat) {
  return post({.fields = "Content-Type: application/json\r\n" + chat.fields, .key = "app-chat", .path = "/v1/chat-messages"},
              fmt::format(R"({{"inputs":{{}},"query":"{}","user":"{}","response_mode":"{}","conversation_id":"{}"}})",
                          chat.query, chat.user, chat.stream ? "streaming" : "blocking", chat.conversation));
}
inline std::string call(std::string_view method, std::string_view path, std::string_view body = "") {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-chat\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      method, path, body.size(), body);
}

inline std::string cache_of(std::string_view answer) { return std::string(field_of(answer, "x-outrigger-cache")); }
inline std::string after(std::string_view answer, std::string_view what) {
  const std::size_t at = answer.find(what);
  return at == std::string_view::npos ? std::string() : std::string(answer.substr(at + what.size(), 36));
}

}  // namespace outrigger::proxy::test
