// What RunReader keeps: the events of a stream and the blocking form that goes with them, or a blocking body and the events that
// go with it.
#include "providers/dify/answer.h"
#include "providers/json_object.h"
#include "providers/openai/cuts.h"

namespace outrigger::providers::dify {
namespace {

std::string_view mark_text(Mark mark) {
  static constexpr std::string_view k_marks = "\x01\x02\x03\x04\x05\x06\x07\x08";
  return k_marks.substr(static_cast<std::size_t>(byte(mark)) - 1, 1);
}

// A member whose value is a marked id.
void id(JsonObject& object, std::string_view name, Mark mark) {
  std::string& to = object.name(name);
  to += '"';
  to += byte(mark);
  to += '"';
}

}  // namespace

void RunReader::add(std::string_view frame, std::string_view piece) {
  if (kept_.text().size() + frame.size() + piece.size() > k_kept_max) return too_large();
  kept_.add({.frame = frame, .piece = piece});
}

void RunReader::keep(yyjson_val* root, std::string_view type) {
  if (!keeps_all()) return;
  const bool has_piece = type == "message" || type == "agent_message" || type == "text_chunk";
  const bool ends = kind_ == RunKind::workflow ? type == "workflow_finished" : type == "message_end";
  bool shares = false;
  if (ends) {
    yyjson_val* what = kind_ == RunKind::workflow ? member(member(root, "data"), "outputs") : member(root, "metadata");
    shares = what != nullptr;
    shared_.clear();
    TemplateWriter writer(shared_, ids_);
    if (what == nullptr) {
      shared_ = "{}";
    } else if (!(kind_ == RunKind::workflow ? writer.outputs(what) : writer.metadata(what))) {
      understood_ = false;
      return;
    }
    keep_body_of(root);
  }
  frame_.clear();
  piece_.clear();
  if (!TemplateWriter(frame_, ids_).event(root, has_piece, shares)) {
    understood_ = false;
    return;
  }
  if (has_piece) {
    yyjson_val* piece = type == "text_chunk" ? member(member(root, "data"), "text") : member(root, "answer");
    append_string(piece_, string_of(piece).value_or(std::string_view()));
  }
  add(frame_, piece_);
}

// The blocking form of a stream, when its last event has come.
void RunReader::keep_body_of(yyjson_val* end) {
  body_frame_.clear();
  JsonObject body(body_frame_);
  if (kind_ == RunKind::workflow) {
    id(body, "task_id", Mark::task);
    id(body, "workflow_run_id", Mark::run);
    // What a blocking answer tells of the run; the event tells more.
    JsonObject data(body.name("data"));
    const std::string_view told[] = {"id",           "workflow_id",  "status",      "outputs",    "error",
                                     "elapsed_time", "total_tokens", "total_steps", "created_at", "finished_at"};
    for (const std::string_view name : told) {
      yyjson_val* value = member(member(end, "data"), name);
      if (name == "id") {
        id(data, name, Mark::run);
      } else if (name == "outputs") {
        data.json(name, mark_text(Mark::shared));
      } else if (name == "total_tokens") {
        data.number(name, 0);
      } else if (name == "created_at" || name == "finished_at") {
        data.json(name, mark_text(Mark::time));
      } else {
        data.json(name, value == nullptr ? std::string("null") : text_of(value));
      }
    }
    return;
  }
  body.string("event", "message");
  id(body, "task_id", Mark::task);
  id(body, "id", Mark::message);
  id(body, "message_id", Mark::message);
  if (kind_ == RunKind::chat) id(body, "conversation_id", Mark::conversation);
  body.string("mode", kind_ == RunKind::chat ? mode_ : "completion");
  body.json("answer", mark_text(Mark::piece));
  body.json("metadata", mark_text(Mark::shared));
  body.json("created_at", mark_text(Mark::time));
}

void RunReader::keep_blocking(yyjson_val* root) {
  if (!keep_) return;
  const bool workflow = kind_ == RunKind::workflow;
  yyjson_val* what = workflow ? member(member(root, "data"), "outputs") : member(root, "metadata");
  shared_.clear();
  body_frame_.clear();
  TemplateWriter writer(shared_, ids_);
  const bool written = what == nullptr || (workflow ? writer.outputs(what) : writer.metadata(what));
  if (what == nullptr) shared_ = "{}";
  understood_ = written && TemplateWriter(body_frame_, ids_).event(root, !workflow, what != nullptr);
  if (!understood_) return;
  if (!workflow) return keep_as_stream(root, *string_of(member(root, "answer")));
  // A workflow's only text is told in pieces, as Dify does when a model wrote it.
  yyjson_val* only = yyjson_is_obj(what) && yyjson_obj_size(what) == 1 ? unsafe_yyjson_get_first(what) + 1 : nullptr;
  keep_as_stream(root, string_of(only).value_or(std::string_view()));
}

// The events that a blocking answer would have been.
void RunReader::keep_as_stream(yyjson_val* root, std::string_view answer) {
  const bool workflow = kind_ == RunKind::workflow;
  const bool has_run = workflow || mode_ == "advanced-chat";
  const auto head = [&](JsonObject& event, std::string_view type) {
    event.string("event", type);
    if (!workflow && kind_ == RunKind::chat) id(event, "conversation_id", Mark::conversation);
    if (!workflow) id(event, "message_id", Mark::message);
    if (!workflow) event.json("created_at", mark_text(Mark::time));
    id(event, "task_id", Mark::task);
  };
  const auto workflow_id = string_of(member(member(root, "data"), "workflow_id")).value_or(std::string_view());
  const auto of_run = [&](std::string_view type, std::string_view data) {
    std::string frame;
    {
      JsonObject event(frame);
      head(event, type);
      id(event, "workflow_run_id", Mark::run);
      event.json("data", data);
    }
    add(frame);
  };
  if (has_run) {
    std::string data;
    {
      JsonObject object(data);
      id(object, "id", Mark::run);
      object.string("workflow_id", workflow_id);
      object.json("inputs", "{}");
      object.json("created_at", mark_text(Mark::time));
    }
    of_run("workflow_started", data);
  }
  std::string frame;
  {
    JsonObject event(frame);
    head(event, workflow ? "text_chunk" : mode_ == "agent-chat" ? "agent_message" : "message");
    if (workflow) {
      id(event, "workflow_run_id", Mark::run);
      JsonObject data(event.name("data"));
      data.json("text", mark_text(Mark::piece));
      data.json("from_variable_selector", "[]");
    } else {
      id(event, "id", Mark::message);
      event.json("answer", mark_text(Mark::piece));
    }
  }
  while (!answer.empty()) {
    const std::string_view cut = openai::first_cut(answer);
    piece_.clear();
    append_string(piece_, cut);
    add(frame, piece_);
    answer.remove_prefix(cut.size());
  }
  if (!workflow) {
    std::string end;
    {
      JsonObject event(end);
      head(event, "message_end");
      id(event, "id", Mark::message);
      event.json("metadata", mark_text(Mark::shared));
      event.json("files", "null");
    }
    add(end);
  }
  if (!has_run) return;
  std::string data;
  if (workflow) {
    understood_ = TemplateWriter(data, ids_).data(member(root, "data"));
  } else {
    JsonObject object(data);
    id(object, "id", Mark::run);
    object.string("workflow_id", workflow_id);
    object.string("status", "succeeded");
    object.json("outputs", "{}");
    object.json("error", "null");
    object.number("total_tokens", 0);
    object.json("created_at", mark_text(Mark::time));
    object.json("finished_at", mark_text(Mark::time));
  }
  of_run("workflow_finished", data);
}

}  // namespace outrigger::providers::dify
