// The JSON text of answers with marks in it: single bytes that no JSON text can hold, in the places of what is another for each
// who gets the answer. TemplateWriter makes such texts of Dify's events and bodies.
//
// Marked: the ids of the answer wherever they stand as a whole text; times where they are Dify's own (not in inputs and outputs of
// an app); who asked (`sys.user_id`, `created_by`). Counted afresh: usage and prices, which are zero for who gets an answer that
// has been paid for.
#pragma once

#include <yyjson.h>

#include <string>
#include <string_view>

namespace outrigger::providers::dify {

// What an answer is called by, as soon as it is known; empty before that.
struct RunIds {
  std::string task;          // for stop
  std::string message;       // chat, completion
  std::string conversation;  // chat
  std::string run;           // workflow_run_id: workflow, advanced-chat
};

enum class Mark : char {
  task = 1,
  message,
  conversation,
  run,
  time,
  user,    // inside quotes
  piece,   // the JSON text of a piece of the answer, its quotes included
  shared,  // the JSON text that several places share, a template itself: metadata, or the outputs of a workflow
};
constexpr char byte(Mark mark) { return static_cast<char>(mark); }

class TemplateWriter {
 public:
  TemplateWriter(std::string& to, const RunIds& ids) : to_(to), ids_(ids) {}

  // Each false when the value is nested too deep; what was written is of no use then.
  // An event, or a whole blocking body. `has_piece`, `has_shared`: its piece (`answer`, `data.text`) and what is shared
  // (`metadata`, `data.outputs`) are marked.
  bool event(yyjson_val* root, bool has_piece, bool has_shared);
  // `data` of a run, its outputs marked.
  bool data(yyjson_val* value) {
    mark_shared_ = true;
    return this->value(value, Place::of_data, 1);
  }
  bool metadata(yyjson_val* value) { return this->value(value, Place::of_event, 1); }
  bool outputs(yyjson_val* value) { return this->value(value, Place::of_app, 1); }

 private:
  // Whose words a value is.
  enum class Place : unsigned char {
    of_event,  // Dify's
    of_data,   // Dify's: `data` of an event or a body
    of_usage,  // numbers become zero
    of_node,   // the app's, of one node on the way: what is a usage becomes zero
    of_app,    // the app's
  };
  bool value(yyjson_val* value, Place place, int depth);
  bool object(yyjson_val* value, Place place, int depth);
  bool member(std::string_view name, yyjson_val* value, Place place, int depth);
  void text(std::string_view text);
  void asker();
  void mark(Mark mark) { to_ += byte(mark); }

  std::string& to_;
  const RunIds& ids_;
  bool mark_piece_ = false;
  bool mark_shared_ = false;
  bool of_node_ = false;
};

}  // namespace outrigger::providers::dify
