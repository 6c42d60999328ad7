// The calls that run an app, and `stop`.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <utility>

#include "sim/dify/delivery.h"
#include "sim/dify/desk.h"
#include "sim/dify/errors.h"
#include "sim/dify/ids.h"
#include "sim/hash.h"
#include "sim/prose.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::json_quoted;
using sim_provider::stable_hash;
using sim_provider::text_at;
using sim_provider::text_of;
using sim_provider::whole;

constexpr std::size_t k_quote = 60;
constexpr std::size_t k_max_history = 100;  // messages of a conversation that are looked at
// Runs with the same key as another one must not be mixed up with it.
constexpr std::string_view k_separator("\0", 1);

std::string json_of(yyjson_val* value) {
  std::size_t size = 0;
  char* text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &size);
  if (text == nullptr) return "{}";
  std::string json(text, size);
  std::free(text);
  return json;
}

// What a workflow or a completion is asked: its input "query", else the first text among its inputs.
std::string_view question_in(yyjson_val* inputs) {
  if (const std::string_view query = text_at(inputs, "query"); !query.empty()) return query;
  yyjson_obj_iter members = yyjson_obj_iter_with(inputs);
  while (yyjson_val* key = yyjson_obj_iter_next(&members)) {
    if (const std::string_view text = text_of(yyjson_obj_iter_get_val(key)); !text.empty()) return text;
  }
  return {};
}

// What the app's mode has against this call. Empty code: nothing.
struct Refusal {
  std::string_view code, message;
};
Refusal refusal(Mode mode, bool of_chat, bool of_workflow, bool blocking) {
  if (of_chat && !is_chat(mode)) return {"not_chat_app", "Please check if your app mode matches the right API route."};
  if (of_workflow && mode != Mode::workflow) {
    return {"not_workflow_app", "Please check if your app mode matches the right API route."};
  }
  if (!of_chat && !of_workflow && mode != Mode::completion) return {"app_unavailable", ""};
  if (mode == Mode::agent_chat && blocking) return {"invalid_param", "Agent Chat App does not support blocking mode"};
  return {};
}

}  // namespace

Desk::Reply Desk::run(Call& call, bool of_chat) {
  const Fault& fault = call.fault;
  const bool of_workflow = call.parts.front() == "workflows";
  // Before the run: a refusal of the door's own, as a rate limit is.
  const bool of_provider = fault.status == 400 && (fault.code.empty() || fault.code == "completion_request_error");
  if (fault.status && !of_provider) return {told_failure(call, *fault.status, fault.code)};
  if (!call.request.body_whole) return {answer_error(413)};
  if (call.body == nullptr) return {answer_error(400, "bad_request")};
  if (call.user.empty()) return {answer_error(400, "invalid_param", "Arg user must be provided.")};
  yyjson_val* inputs = yyjson_obj_get(call.body, "inputs");
  if (!yyjson_is_obj(inputs)) return {answer_error(400, "invalid_param", "inputs is required in input form")};
  if (of_chat && !yyjson_is_str(yyjson_obj_get(call.body, "query"))) {
    return {answer_error(400, "invalid_param", "query is required in input form")};
  }
  const std::string_view mode = text_at(call.body, "response_mode");
  const bool stream = mode == "streaming";
  if (!mode.empty() && !stream && mode != "blocking") {
    return {answer_error(400, "invalid_param", "response_mode must be streaming or blocking")};
  }
  const Refusal no = refusal(call.app->mode, of_chat, of_workflow, !stream);
  if (!no.code.empty()) return {answer_error(400, no.code, no.message)};

  const Conversation* conversation = nullptr;
  if (const std::string_view id = text_at(call.body, "conversation_id"); of_chat && !id.empty()) {
    if (!is_uuid(id)) return {answer_error(400, "invalid_param", "conversation_id must be a valid UUID")};
    conversation = records_.conversations.find(id, call.owner());
    if (conversation == nullptr) return {answer_error(404, "not_found", "Conversation Not Exists.")};
  }
  if (call.app->max_active && runs_.running(call.app->name, call.now) >= *call.app->max_active) {
    return {answer_error(429)};
  }
  if (of_provider) call.fault.run_failed = true;
  Answer answer = compose(call, conversation);
  if (!of_provider) return begin(call, std::move(answer), stream);
  // The model's provider refused before the first event: 400, whatever was asked for.
  (void)begin(call, std::move(answer), false);
  Reply refused{answer_error(400)};
  refused.script.wait = pace_of(*call.app, settings_, call.fault).think;
  return refused;
}

std::string Desk::files_in(yyjson_val* files) {
  std::string known;
  yyjson_arr_iter items = yyjson_arr_iter_with(files);
  while (yyjson_val* item = yyjson_arr_iter_next(&items)) {
    const File* file = records_.files.find(text_at(item, "upload_file_id"));
    known.append(file != nullptr ? std::string_view(file->sha256) : text_at(item, "url")).append(k_separator);
  }
  return known;
}

// The same app, inputs, question, files, history and knowledge: the same answer.
Answer Desk::compose(const Call& call, const Conversation* conversation) {
  const App& app = *call.app;
  yyjson_val* inputs = yyjson_obj_get(call.body, "inputs");
  Answer answer;
  answer.app = &app;
  answer.task_id = fresh_id();
  answer.message_id = fresh_id();
  answer.run_id = fresh_id();
  answer.workflow_id = stable_uuid(fmt::format("{} {}", app.id, version_of(app)));
  answer.user_id = stable_uuid(app.key + call.user);
  answer.inputs = json_of(inputs);
  answer.query = text_at(call.body, "query");
  answer.created = unix_seconds(call.wall);

  const std::string_view question = answer.query.empty() ? question_in(inputs) : std::string_view(answer.query);
  std::string basis;
  for (const std::string_view part : {std::string_view(app.id), std::string_view(answer.inputs), question}) {
    basis.append(part).append(k_separator);
  }
  basis += files_in(yyjson_obj_get(call.body, "files"));
  answer.text = fmt::format("[knowledge {}, app {}] ", records_.knowledge, version_of(app));
  basis += answer.text;
  answer.prompt_tokens = sim_provider::count_tokens(answer.inputs) + sim_provider::count_tokens(question);
  if (conversation != nullptr) {
    std::size_t looked_at = 0;
    for (const std::string& id : conversation->messages) {
      const Message* message = records_.messages.find(id);
      if (message == nullptr || ++looked_at > k_max_history) continue;
      if (looked_at == 1) {
        answer.text += fmt::format("Earlier you asked \"{}\". ", sim_provider::shortened(message->query, k_quote));
      }
      basis.append(message->query).append(k_separator).append(message->answer).append(k_separator);
      answer.prompt_tokens += sim_provider::count_tokens(message->query) + sim_provider::count_tokens(message->answer);
    }
  }
  if (!settings_.llm)
    answer.text += sim_provider::derived_answer(question, stable_hash(basis), app.tokens.value_or(settings_.tokens));
  answer.source = fmt::format("What is known, version {}.", records_.knowledge);
  answer.tokens = sim_provider::tokens_of(answer.text);
  answer.conversation_id = conversation == nullptr ? fresh_id() : std::string(text_at(call.body, "conversation_id"));
  return answer;
}

Desk::Reply Desk::begin(Call& call, Answer answer, bool stream) {
  const Pace pace = pace_of(*call.app, settings_, call.fault);
  Runs::Run run{.app = call.app->name, .path = {}, .user = call.user, .fails = fails(call.fault), .ends = MonoTime::max()};
  run.path = call.fits("workflows/*/run") ? "workflows/*/run" : fmt::format("{}", fmt::join(call.parts, "/"));
  const std::string task_id = answer.task_id;
  runs_.begin(task_id, std::move(run), call.now);
  if (settings_.llm && !fails(call.fault)) {
    Reply reply;
    const Conversation* conversation = records_.conversations.find(answer.conversation_id);
    std::string question = question_for_model(answer, conversation);
    reply.pending =
        std::make_unique<Pending>(Pending{call.owner(), std::move(answer), pace, call.fault, stream, std::move(question)});
    return reply;
  }
  Reply reply = deliver(call.owner(), std::move(answer), pace, call.fault, stream);
  runs_.set_end(task_id, call.now + length_of(reply.script), fails(call.fault));
  return reply;
}

// `answer.tokens` are views into its text, which a move of a short text would leave behind.
Desk::Reply Desk::deliver(const Owner& owner, Answer answer, const Pace& pace, const Fault& fault, bool stream) {
  answer.tokens = sim_provider::tokens_of(answer.text);
  answer.fails = fails(fault);
  answer.length += pace.think + pace.gap * static_cast<Duration::rep>(std::max<std::size_t>(answer.tokens.size(), 1) - 1);
  Reply reply{stream ? streamed(answer, pace, fault) : blocking(answer, pace, fault)};
  record(owner, answer);
  ledger_.prompt_tokens += answer.prompt_tokens;
  ledger_.completion_tokens += answer.tokens.size();
  if (!stream) return reply;
  ++ledger_.streams;
  reply.task_id = answer.task_id;
  reply.farewell = farewell(answer);
  return reply;
}

Desk::Reply Desk::finish(Pending pending, const std::optional<std::string>& said, MonoTime now) {
  const sim_provider::Json doc = sim_provider::parse_json(said.value_or(""));
  yyjson_val* choice = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc.get()), "choices"));
  const std::string_view text = text_at(yyjson_obj_get(choice, "message"), "content");
  if (text.empty()) {
    pending.fault.run_failed = true;
    pending.fault.after = 0;
  }
  pending.answer.text += text;
  pending.pace.think = 0s;  // it has thought
  const std::string task_id = pending.answer.task_id;
  Reply reply = deliver(pending.owner, std::move(pending.answer), pending.pace, pending.fault, pending.stream);
  runs_.set_end(task_id, now + length_of(reply.script), fails(pending.fault));
  return reply;
}

// What is known stands in the prompt, as what was retrieved does: other knowledge is another question.
std::string Desk::question_for_model(const Answer& answer, const Conversation* conversation) {
  const auto message = [](std::string_view role, std::string_view text) {
    return fmt::format(R"({{"role":"{}","content":{}}})", role, json_quoted(text));
  };
  std::string messages = message("system", fmt::format("You are {}. {} {}", answer.app->name, answer.source, answer.inputs));
  for (const std::string& id : conversation == nullptr ? std::vector<std::string>() : conversation->messages) {
    const Message* earlier = records_.messages.find(id);
    if (earlier == nullptr) continue;
    messages += "," + message("user", earlier->query) + "," + message("assistant", earlier->answer);
  }
  messages += "," + message("user", answer.query.empty() ? answer.inputs : answer.query);
  return fmt::format(R"({{"model":{},"user":"{}","messages":[{}]}})", json_quoted(settings_.llm->model), answer.user_id,
                     messages);
}

void Desk::record(const Owner& owner, const Answer& answer) {
  const App& app = *answer.app;
  if (app.mode == Mode::workflow) {
    records_.workflow_runs.keep(answer.run_id, {owner, run_detail(answer)});
    return;
  }
  if (answer.fails) return;
  Message message{owner, {}, answer.query, answer.text, answer.inputs, {}, answer.created};
  if (is_chat(app.mode)) {
    message.conversation = answer.conversation_id;
    Conversation* conversation = records_.conversations.find(answer.conversation_id, owner);
    if (conversation == nullptr) {
      conversation =
          &records_.conversations.keep(answer.conversation_id, {owner,
                                                                std::string(sim_provider::shortened(answer.query, k_quote)),
                                                                answer.inputs,
                                                                {},
                                                                answer.created,
                                                                answer.created});
    }
    conversation->updated = answer.created;
    conversation->messages.push_back(answer.message_id);
  }
  records_.messages.keep(answer.message_id, std::move(message));
}

// Another user's stop has no effect, and says so nowhere; a workflow's asks nobody who it is.
Script Desk::stop(Call& call, std::string_view task, bool any_user) {
  if (call.user.empty()) return answer_error(400, "invalid_param", "Arg user must be provided.");
  const Runs::Run* run = runs_.find(task, call.now);
  if (run != nullptr && run->app == call.app->name && (any_user || run->user == call.user)) runs_.stop(task, call.now);
  return whole(200, "application/json", R"({"result":"success"})");
}

}  // namespace outrigger::sim_dify
