#include "sim/dify/form.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base64.h"
#include "sim/dify/ids.h"
#include "sim/json.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::json_quoted;

// Dollars per million tokens, of nobody's model.
constexpr double k_prompt_price = 0.15, k_completion_price = 0.6;

std::string usage_json(const Answer& answer) {
  const auto prompt = static_cast<double>(answer.prompt_tokens), said = static_cast<double>(answer.tokens.size());
  const double prompt_price = prompt * k_prompt_price / 1e6, completion_price = said * k_completion_price / 1e6;
  return fmt::format(
      R"({{"prompt_tokens":{},"prompt_unit_price":"{}","prompt_price_unit":"0.000001","prompt_price":"{:.7f}",)"
      R"("completion_tokens":{},"completion_unit_price":"{}","completion_price_unit":"0.000001","completion_price":"{:.7f}",)"
      R"("total_tokens":{},"total_price":"{:.7f}","currency":"USD","latency":{:.3f}}})",
      answer.prompt_tokens, k_prompt_price, prompt_price, answer.tokens.size(), k_completion_price, completion_price,
      answer.prompt_tokens + answer.tokens.size(), prompt_price + completion_price, seconds(answer.length));
}

std::string metadata_json(const Answer& answer) {
  std::string resources;
  if (!answer.source.empty()) {
    resources = fmt::format(
        R"({{"position":1,"dataset_id":"{}","dataset_name":"Handbook","document_id":"{}","document_name":"answers.md",)"
        R"("segment_id":"{}","score":0.87,"content":{}}})",
        stable_uuid("dataset"), stable_uuid("document"), stable_uuid(answer.source), json_quoted(answer.source));
  }
  return fmt::format(R"({{"annotation_reply":null,"retriever_resources":[{}],"usage":{}}})", resources, usage_json(answer));
}

std::string outputs_json(const Answer& answer, bool whole) {
  if (!whole) return "{}";
  return fmt::format("{{\"{}\":{}}}", answer.app->mode == Mode::workflow ? "text" : "answer", json_quoted(answer.text));
}

std::string null_or(std::string_view text) { return text.empty() ? "null" : json_quoted(text); }

// Collects events, each with what is common to all of its family.
class Sheet {
 public:
  explicit Sheet(const Answer& answer) : answer_(answer) {}

  // {"event":...,"conversation_id":...,"message_id":...,"created_at":...,"task_id":...,"id":...,REST}
  void chat(std::string_view event, const std::string& rest, bool token = false, std::string_view id = {}) {
    const std::string conversation =
        is_chat(answer_.app->mode) ? fmt::format(R"("conversation_id":"{}",)", answer_.conversation_id) : std::string();
    add(fmt::format(R"({{"event":"{}",{}"message_id":"{}","created_at":{},"task_id":"{}","id":"{}"{}{}}})", event,
                    conversation, answer_.message_id, answer_.created, answer_.task_id, id.empty() ? answer_.message_id : id,
                    rest.empty() ? "" : ",", rest),
        token);
  }
  // {"event":...,"workflow_run_id":...,"task_id":...,"data":{...}}; chatflows add the conversation's fields.
  void workflow(std::string_view event, const std::string& data, bool token = false) {
    const std::string conversation = answer_.app->mode == Mode::advanced_chat
                                         ? fmt::format(R"("conversation_id":"{}","message_id":"{}","created_at":{},)",
                                                       answer_.conversation_id, answer_.message_id, answer_.created)
                                         : std::string();
    add(fmt::format(R"({{"event":"{}",{}"task_id":"{}","workflow_run_id":"{}","data":{{{}}}}})", event, conversation,
                    answer_.task_id, answer_.run_id, data),
        token);
  }
  void add(std::string json, bool token = false) { events_.push_back({std::move(json), token}); }

  void message(std::string_view event, std::string_view piece) {
    chat(event,
         fmt::format(R"("answer":{}{})", json_quoted(piece),
                     answer_.app->mode == Mode::advanced_chat ? R"(,"from_variable_selector":["llm","text"])" : ""),
         true);
  }
  void message_end() { chat("message_end", fmt::format(R"("metadata":{},"files":[])", metadata_json(answer_))); }

  void started() {
    workflow("workflow_started",
             fmt::format(R"("id":"{}","workflow_id":"{}","inputs":{},"created_at":{},"reason":"initial")", answer_.run_id,
                         answer_.workflow_id, answer_.inputs, answer_.created));
  }
  void node(std::string_view event, std::string_view node, std::string_view type, int index, std::string_view more = {}) {
    workflow(event, fmt::format(R"("id":"{}","node_id":"{}","node_type":"{}","title":"{}","index":{},)"
                                R"("predecessor_node_id":null,"inputs":null,"created_at":{},"extras":{{}},"files":[],)"
                                R"("iteration_id":null,"loop_id":null{}{})",
                                stable_uuid(answer_.run_id + std::string(node)), node, type, node, index, answer_.created,
                                more.empty() ? "" : ",", more));
  }
  void node_started(std::string_view id, std::string_view type, int index) { node("node_started", id, type, index); }
  void node_finished(std::string_view id, std::string_view type, int index, std::string_view outputs, bool failed = false) {
    node("node_finished", id, type, index,
         fmt::format(R"("process_data":null,"outputs":{},"status":"{}","error":{},"elapsed_time":{:.3f},)"
                     R"("execution_metadata":{{"total_tokens":{},"total_price":"0","currency":"USD"}},"finished_at":{})",
                     outputs, failed ? "failed" : "succeeded", failed ? json_quoted(k_provider_failure) : "null",
                     seconds(answer_.length), type == "llm" ? answer_.prompt_tokens + answer_.tokens.size() : 0,
                     answer_.created + finish_delay()));
  }
  void finished(std::string_view status, std::string_view error = {}) {
    workflow("workflow_finished",
             fmt::format(R"("id":"{}","workflow_id":"{}","status":"{}","outputs":{},"error":{},"elapsed_time":{:.3f},)"
                         R"("total_tokens":{},"total_steps":3,"created_by":{{"id":"{}","user":"{}"}},"created_at":{},)"
                         R"("finished_at":{},"exceptions_count":0,"files":[])",
                         answer_.run_id, answer_.workflow_id, status, outputs_json(answer_, status == "succeeded"),
                         null_or(error), seconds(answer_.length), answer_.prompt_tokens + answer_.tokens.size(),
                         answer_.user_id, answer_.user_id, answer_.created, answer_.created + finish_delay()));
  }
  void failure() { add(error_event(answer_, 400, "completion_request_error", k_provider_failure)); }

  // The pieces of the answer, up to where the run fails. False: it has failed.
  template <class Write>
  bool tokens(std::uint64_t fails_after, Write&& write) {
    const std::size_t all = answer_.tokens.size();
    const std::size_t end = answer_.fails ? std::min<std::size_t>(all, fails_after) : all;
    for (std::size_t i = 0; i < end; ++i) write(answer_.tokens[i]);
    return !answer_.fails;
  }

  std::vector<Event> take() { return std::move(events_); }

 private:
  [[nodiscard]] std::int64_t finish_delay() const {
    return std::chrono::duration_cast<std::chrono::seconds>(answer_.length).count();
  }

  const Answer& answer_;
  std::vector<Event> events_;
};

void write_tts(Sheet& sheet, const Answer& answer) {
  if (answer.app->rare) sheet.chat("tts_message", fmt::format(R"("audio":"{}")", base64("ID3 simulated speech")));
}
void write_tts_end(Sheet& sheet, const Answer& answer) {
  if (answer.app->rare) sheet.chat("tts_message_end", R"("audio":"")");
}

void write_plain(Sheet& sheet, const Answer& answer, std::uint64_t fails_after) {
  if (!sheet.tokens(fails_after, [&](std::string_view piece) { sheet.message("message", piece); })) return sheet.failure();
  if (answer.app->rare) {
    sheet.chat("message_file", R"("type":"image","belongs_to":"assistant","url":"/files/tools/simulated.png")", false,
               stable_uuid(answer.message_id + "file"));
    sheet.chat("message_replace", fmt::format(R"("answer":{},"reason":"output_moderation")", json_quoted(answer.text)));
    write_tts(sheet, answer);
  }
  sheet.message_end();
  write_tts_end(sheet, answer);
}

void write_thought(Sheet& sheet, const Answer& answer, int position, std::string_view thought, bool tool) {
  sheet.chat(
      "agent_thought",
      fmt::format(R"("position":{},"thought":{},"observation":{},"tool":"{}","tool_labels":{},"tool_input":{},)"
                  R"("message_files":[])",
                  position, json_quoted(thought), tool ? json_quoted(R"({"look_up": "found"})") : "\"\"",
                  tool ? "look_up" : "", tool ? R"({"look_up":{"en_US":"Look up","zh_Hans":"查找"}})" : "{}",
                  tool ? json_quoted(fmt::format(R"({{"look_up": {{"query": {}}}}})", json_quoted(answer.query))) : "\"\""),
      false, stable_uuid(fmt::format("{}thought{}", answer.message_id, position)));
}

void write_agent(Sheet& sheet, const Answer& answer, std::uint64_t fails_after) {
  write_thought(sheet, answer, 1, "", true);
  if (answer.app->rare) {
    sheet.chat("message_file", R"("type":"image","belongs_to":"assistant","url":"/files/tools/simulated.png")", false,
               stable_uuid(answer.message_id + "file"));
  }
  if (!sheet.tokens(fails_after, [&](std::string_view piece) { sheet.message("agent_message", piece); })) {
    return sheet.failure();
  }
  write_thought(sheet, answer, 2, answer.text, false);
  write_tts(sheet, answer);
  sheet.message_end();
  write_tts_end(sheet, answer);
}

// What few workflows have: retries, iterations, loops, an agent's log, thoughts.
void write_rare_nodes(Sheet& sheet, const Answer& answer) {
  if (!answer.app->rare) return;
  sheet.node("node_retry", "llm", "llm", 2, R"("status":"retry","error":"simulated","retry_index":1)");
  for (const std::string kind : {"iteration", "loop"}) {
    const std::string id = stable_uuid(answer.run_id + kind);
    const std::string same = fmt::format(R"("id":"{}","node_id":"{}","node_type":"{}","title":"{}","created_at":{})", id,
                                         kind, kind, kind, answer.created);
    sheet.workflow(kind + "_started", same + R"(,"inputs":{},"metadata":{})");
    sheet.workflow(kind + "_next", same + R"(,"index":1)");
    sheet.workflow(kind + "_completed", same + R"(,"outputs":{},"status":"succeeded","steps":1,"error":null)");
  }
  sheet.workflow("agent_log",
                 fmt::format(R"("node_execution_id":"{}","id":"{}","label":"round 1","parent_id":null,"error":null,)"
                             R"("status":"success","data":{{}},"metadata":{{}},"node_id":"agent")",
                             stable_uuid(answer.run_id), stable_uuid(answer.run_id + "log")));
  sheet.workflow(
      "reasoning_chunk",
      fmt::format(R"("message_id":"{}","reasoning":"Let me see.","node_id":"llm","is_final":true)", answer.message_id));
}

void write_chatflow(Sheet& sheet, const Answer& answer, std::uint64_t fails_after) {
  sheet.started();
  sheet.node_started("start", "start", 1);
  sheet.node_finished("start", "start", 1, answer.inputs);
  sheet.node_started("llm", "llm", 2);
  write_rare_nodes(sheet, answer);
  if (!sheet.tokens(fails_after, [&](std::string_view piece) { sheet.message("message", piece); })) {
    sheet.node_finished("llm", "llm", 2, "null", true);
    sheet.finished("failed", k_provider_failure);
    return sheet.failure();
  }
  sheet.node_finished("llm", "llm", 2,
                      fmt::format(R"({{"text":{},"usage":{}}})", json_quoted(answer.text), usage_json(answer)));
  sheet.node_started("answer", "answer", 3);
  sheet.node_finished("answer", "answer", 3, outputs_json(answer, true));
  write_tts(sheet, answer);
  sheet.message_end();
  sheet.finished("succeeded");
  write_tts_end(sheet, answer);
}

void write_workflow(Sheet& sheet, const Answer& answer, std::uint64_t fails_after) {
  sheet.started();
  sheet.node_started("start", "start", 1);
  sheet.node_finished("start", "start", 1, answer.inputs);
  sheet.node_started("llm", "llm", 2);
  write_rare_nodes(sheet, answer);
  const bool fine = sheet.tokens(fails_after, [&](std::string_view piece) {
    sheet.workflow("text_chunk", fmt::format(R"("text":{},"from_variable_selector":["llm","text"])", json_quoted(piece)),
                   true);
  });
  if (!fine) {
    sheet.node_finished("llm", "llm", 2, "null", true);
    return sheet.finished("failed", k_provider_failure);
  }
  if (answer.app->rare) sheet.workflow("text_replace", fmt::format(R"("text":{})", json_quoted(answer.text)));
  sheet.node_finished("llm", "llm", 2,
                      fmt::format(R"({{"text":{},"usage":{}}})", json_quoted(answer.text), usage_json(answer)));
  if (answer.app->pauses) {
    sheet.workflow("human_input_required",
                   fmt::format(R"("form_id":"{}","node_id":"person","node_title":"Person","form_content":"Is it right?",)"
                               R"("inputs":[],"actions":[{{"id":"yes","title":"Yes"}}],"form_token":"{}")",
                               stable_uuid(answer.run_id + "form"), stable_uuid(answer.run_id + "token")));
    return sheet.workflow(
        "workflow_paused",
        fmt::format(R"("workflow_run_id":"{}","paused_nodes":["person"],"outputs":{{}},"reasons":[],)"
                    R"("status":"paused","created_at":{},"elapsed_time":{:.3f},"total_tokens":{},)"
                    R"("total_steps":2)",
                    answer.run_id, answer.created, seconds(answer.length), answer.prompt_tokens + answer.tokens.size()));
  }
  sheet.node_started("end", "end", 3);
  sheet.node_finished("end", "end", 3, outputs_json(answer, true));
  sheet.finished("succeeded");
}

std::string_view final_status(const Answer& answer) {
  if (answer.fails) return "failed";
  return answer.app->pauses ? "paused" : "succeeded";
}

// What blocking answers and the details of a run have in common.
std::string result_fields(const Answer& answer) {
  const std::string_view status = final_status(answer);
  return fmt::format(R"("id":"{}","workflow_id":"{}","status":"{}","outputs":{},"error":{},"elapsed_time":{:.3f},)"
                     R"("total_tokens":{},"total_steps":3,"created_at":{},"finished_at":{})",
                     answer.run_id, answer.workflow_id, status, outputs_json(answer, status == "succeeded"),
                     answer.fails ? json_quoted(k_provider_failure) : "null", seconds(answer.length),
                     answer.prompt_tokens + answer.tokens.size(), answer.created,
                     answer.created + std::chrono::duration_cast<std::chrono::seconds>(answer.length).count());
}

}  // namespace

std::string blocking_body(const Answer& answer) {
  if (answer.app->mode == Mode::workflow) {
    return fmt::format(R"({{"task_id":"{}","workflow_run_id":"{}","data":{{{}}}}})", answer.task_id, answer.run_id,
                       result_fields(answer));
  }
  const std::string conversation =
      is_chat(answer.app->mode) ? fmt::format(R"("conversation_id":"{}",)", answer.conversation_id) : std::string();
  return fmt::format(
      R"({{"event":"message","task_id":"{}","id":"{}","message_id":"{}",{}"mode":"{}","answer":{},"metadata":{},"created_at":{}}})",
      answer.task_id, answer.message_id, answer.message_id, conversation, name(answer.app->mode), json_quoted(answer.text),
      metadata_json(answer), answer.created);
}

std::vector<Event> stream_events(const Answer& answer, std::uint64_t fails_after) {
  Sheet sheet(answer);
  switch (answer.app->mode) {
    case Mode::chat:
    case Mode::completion:
      write_plain(sheet, answer, fails_after);
      break;
    case Mode::agent_chat:
      write_agent(sheet, answer, fails_after);
      break;
    case Mode::advanced_chat:
      write_chatflow(sheet, answer, fails_after);
      break;
    case Mode::workflow:
      write_workflow(sheet, answer, fails_after);
      break;
  }
  return sheet.take();
}

std::vector<Event> stopped_events(const Answer& answer) {
  Sheet sheet(answer);
  if (answer.app->mode != Mode::workflow) sheet.message_end();
  if (answer.app->mode == Mode::workflow || answer.app->mode == Mode::advanced_chat) sheet.finished("stopped");
  return sheet.take();
}

std::string error_event(const Answer& answer, int status, std::string_view code, std::string_view message) {
  std::string who;
  if (is_chat(answer.app->mode)) who = fmt::format(R"("conversation_id":"{}",)", answer.conversation_id);
  if (answer.app->mode != Mode::workflow) {
    who += fmt::format(R"("message_id":"{}","created_at":{},)", answer.message_id, answer.created);
  }
  return fmt::format(R"({{"event":"error",{}"status":{},"code":{},"message":{}}})", who, status, json_quoted(code),
                     json_quoted(message));
}

std::string run_detail(const Answer& answer) {
  return fmt::format("{{{},\"inputs\":{}}}", result_fields(answer), json_quoted(answer.inputs));
}

}  // namespace outrigger::sim_dify
