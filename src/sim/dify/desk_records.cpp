// Conversations, messages, what an app tells of itself.
#include <fmt/format.h>

#include <charconv>

#include "sim/dify/desk.h"
#include "sim/dify/errors.h"
#include "sim/dify/query.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::json_quoted;
using sim_provider::text_at;
using sim_provider::whole;

constexpr std::string_view k_json = "application/json";
constexpr std::string_view k_success = R"({"result":"success"})";
constexpr std::size_t k_usual_limit = 20, k_max_limit = 100;

constexpr std::string_view k_parameters =
    R"({"opening_statement":"How can I help?","suggested_questions":[],"suggested_questions_after_answer":{"enabled":true},)"
    R"("speech_to_text":{"enabled":true},"text_to_speech":{"enabled":true},"retriever_resource":{"enabled":true},)"
    R"("annotation_reply":{"enabled":false},"more_like_this":{"enabled":false},"sensitive_word_avoidance":{"enabled":false},)"
    R"("user_input_form":[{"text-input":{"label":"Query","variable":"query","required":false,"default":""}}],)"
    R"("file_upload":{"image":{"enabled":true,"number_limits":3,"transfer_methods":["local_file","remote_url"]}},)"
    R"("system_parameters":{"file_size_limit":15,"image_file_size_limit":10,"audio_file_size_limit":50,"video_file_size_limit":100}})";

std::size_t limit_of(std::string_view query) {
  const std::string text = query_value(query, "limit");
  std::size_t limit = k_usual_limit;
  std::from_chars(text.data(), text.data() + text.size(), limit);
  return limit == 0 || limit > k_max_limit ? k_usual_limit : limit;
}

std::string conversation_json(std::string_view id, const Conversation& conversation) {
  return fmt::format(
      R"({{"id":"{}","name":{},"inputs":{},"status":"normal","introduction":"How can I help?","created_at":{},"updated_at":{}}})",
      id, json_quoted(conversation.name), conversation.inputs, conversation.created, conversation.updated);
}

std::string message_json(std::string_view id, const Message& message) {
  const std::string feedback = message.rating.empty() ? "null" : fmt::format(R"({{"rating":"{}"}})", message.rating);
  return fmt::format(
      R"({{"id":"{}","conversation_id":"{}","parent_message_id":null,"inputs":{},"query":{},"answer":{},"message_files":[],)"
      R"("feedback":{},"retriever_resources":[],"agent_thoughts":[],"created_at":{},"status":"normal","error":null}})",
      id, message.conversation, message.inputs, json_quoted(message.query), json_quoted(message.answer), feedback,
      message.created);
}

std::string page_json(std::size_t limit, bool more, const std::string& list) {
  return fmt::format(R"({{"limit":{},"has_more":{},"data":[{}]}})", limit, more, list);
}

Script no_user() { return answer_error(400, "invalid_param", "Arg user must be provided."); }
Script no_conversation() { return answer_error(404, "not_found", "Conversation Not Exists."); }
Script no_message() { return answer_error(404, "not_found", "Message Not Exists."); }

}  // namespace

Script Desk::answer_record(Call& call) {
  if (call.parts.size() == 1 && call.is("GET")) {
    for (const std::string_view about : {"parameters", "info", "meta", "site"}) {
      if (call.parts.front() == about) return answer_about_app(call);
    }
  }
  if (call.fits("POST", "files/upload")) return upload(call);
  if (call.fits("files/*/preview")) return preview(call);
  if (call.fits("POST", "audio-to-text")) return audio_to_text(call);
  if (call.fits("POST", "text-to-audio")) return text_to_audio(call);
  if (call.fits("GET", "workflows/run/*")) {
    const WorkflowRun* run = records_.workflow_runs.find(call.parts[2]);
    if (run == nullptr || run->owner.app != call.app->key) return answer_error(404, "not_found", "Workflow run not found.");
    return whole(200, k_json, run->json);
  }
  if (call.fits("GET", "workflows/logs")) {
    return whole(200, k_json, R"({"page":1,"limit":20,"total":0,"has_more":false,"data":[]})");
  }
  if (call.parts.size() > 1 && call.parts[0] == "apps") {
    if (!call.is("GET")) change_app(call.app->id);
    return whole(200, k_json, R"({"job_id":"00000000-0000-4000-8000-000000000000","job_status":"waiting","data":[]})");
  }
  if (call.parts.empty()) return answer_error(404);
  const std::string_view first = call.parts.front();
  if (first != "messages" && first != "conversations") return answer_error(404);
  if (call.user.empty()) return no_user();
  return first == "messages" ? messages(call) : conversations(call);
}

Script Desk::answer_about_app(Call& call) const {
  const App& app = *call.app;
  const std::string_view what = call.parts.front();
  if (what == "parameters") return whole(200, k_json, std::string(k_parameters));
  if (what == "meta") return whole(200, k_json, R"({"tool_icons":{}})");
  if (what == "info") {
    return whole(
        200, k_json,
        fmt::format(
            R"({{"name":{},"description":"A simulated app, version {}.","tags":[],"mode":"{}","author_name":"Dify"}})",
            json_quoted(app.name), version_of(app), name(app.mode)));
  }
  return whole(
      200, k_json,
      fmt::format(R"({{"title":{},"chat_color_theme":null,"icon_type":"emoji","icon":"🤖","default_language":"en-US",)"
                  R"("show_workflow_steps":true,"use_icon_as_answer_icon":false}})",
                  json_quoted(app.name)));
}

Script Desk::messages(Call& call) {
  if (call.fits("POST", "messages/*/feedbacks")) {
    Message* message = records_.messages.find(call.parts[1], call.owner());
    if (message == nullptr) return no_message();
    const std::string_view rating = text_at(call.body, "rating");
    message->rating = rating == "like" || rating == "dislike" ? rating : "";
    return whole(200, k_json, std::string(k_success));
  }
  if (call.fits("GET", "messages/*/suggested")) {
    const Message* message = records_.messages.find(call.parts[1], call.owner());
    if (message == nullptr) return no_message();
    return whole(200, k_json,
                 fmt::format(R"({{"result":"success","data":[{},"Where can I read more?"]}})",
                             json_quoted("What else about: " + message->query)));
  }
  if (!call.fits("GET", "messages")) return answer_error(404);
  Conversation* conversation = records_.conversations.find(query_value(call.query, "conversation_id"), call.owner());
  if (conversation == nullptr) return no_conversation();
  const std::size_t limit = limit_of(call.query), all = conversation->messages.size();
  std::string list;
  for (std::size_t i = all - std::min(limit, all); i < all; ++i) {
    const Message* message = records_.messages.find(conversation->messages[i]);
    if (message != nullptr) list += (list.empty() ? "" : ",") + message_json(conversation->messages[i], *message);
  }
  return whole(200, k_json, page_json(limit, all > limit, list));
}

Script Desk::conversations(Call& call) {
  if (call.fits("POST", "conversations/*/name")) return rename(call);
  if (call.fits("DELETE", "conversations/*")) {
    if (records_.conversations.find(call.parts[1], call.owner()) == nullptr) return no_conversation();
    records_.conversations.forget(call.parts[1]);
    return whole(204, k_json, "");
  }
  if (call.fits("GET", "conversations/*/variables")) {
    if (records_.conversations.find(call.parts[1], call.owner()) == nullptr) return no_conversation();
    return whole(200, k_json, page_json(k_usual_limit, false, ""));
  }
  if (!call.fits("GET", "conversations")) return answer_error(404);
  const std::size_t limit = limit_of(call.query);
  std::string list;
  std::size_t found = 0;
  const auto& order = records_.conversations.order();
  for (auto id = order.rbegin(); id != order.rend() && found <= limit; ++id) {
    const Conversation* conversation = records_.conversations.find(*id, call.owner());
    if (conversation == nullptr || ++found > limit) continue;
    list += (list.empty() ? "" : ",") + conversation_json(*id, *conversation);
  }
  return whole(200, k_json, page_json(limit, found > limit, list));
}

Script Desk::rename(Call& call) {
  Conversation* conversation = records_.conversations.find(call.parts[1], call.owner());
  if (conversation == nullptr) return no_conversation();
  if (const std::string_view name = text_at(call.body, "name"); !name.empty()) conversation->name = name;
  return whole(200, k_json, conversation_json(call.parts[1], *conversation));
}

}  // namespace outrigger::sim_dify
