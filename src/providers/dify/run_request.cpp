#include "providers/dify/run_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "chat/json.h"
#include "chat/reading.h"
#include "chat/request.h"
#include "providers/json_doc.h"
#include "providers/json_object.h"

namespace outrigger::providers::dify {
namespace {

using chat::BypassReason;
using chat::Members;
using chat::text_of;

// The first member of a form. Raised by a change of what the form of a run holds.
constexpr std::string_view k_mark_chat = "dify 1 chat";
constexpr std::string_view k_mark_completion = "dify 1 completion";
constexpr std::string_view k_mark_workflow = "dify 1 workflow";

std::string_view mark_of(RunKind kind) {
  switch (kind) {
    case RunKind::chat:
      return k_mark_chat;
    case RunKind::completion:
      return k_mark_completion;
    default:
      return k_mark_workflow;
  }
}

// Members that only steer how the answer is delivered, what the conversation is called, or how the run is traced.
constexpr std::array<std::string_view, 7> k_dropped{"response_mode",    "auto_generate_name", "retriever_from",   "trace_id",
                                                    "trace_session_id", "conversation_id",    "parent_message_id"};

// The input that asks, in completion apps always (Dify's own name for it), in workflows often.
constexpr std::string_view k_question_input = "query";

std::string_view string_or_empty(yyjson_val* value) { return yyjson_is_str(value) ? text_of(value) : std::string_view(); }
bool is_text_or_null(yyjson_val* value) { return value == nullptr || yyjson_is_null(value) || yyjson_is_str(value); }

// A reference to a file, as it stands in `files` and in inputs: {"type", "transfer_method", "upload_file_id" | "url"}.
bool is_file(yyjson_val* object) {
  return yyjson_is_str(yyjson_obj_get(object, "transfer_method")) || yyjson_is_str(yyjson_obj_get(object, "upload_file_id"));
}

class Body {
 public:
  Body(RunRequest& request, const RunOptions& options, const FileHash& file_hash)
      : request_(request), options_(options), file_hash_(file_hash), reading_(understood_, options.level) {}

  // False when it is not understood; the reason is noted then.
  bool read(yyjson_val* root) {
    Members members;
    if (!members.load(root)) return reading_.not_json();
    if (!look_over(root)) return false;
    reading_.form.head(chat::Endpoint::other);
    const std::size_t mark = reading_.form.open_object();
    reading_.form.name("");
    reading_.form.text(mark_of(request_.kind));
    std::size_t count = 1;
    for (const Members::Member& member : members) {
      if (!is_kept(member)) {
        if (!reading_.dropped(member.value, 1)) return false;
        continue;
      }
      ++count;
      reading_.form.name(member.name());
      if (!kept(member.name(), member.value)) return false;
    }
    reading_.form.close(mark, count);
    return true;
  }

  void conclude() {
    request_.bypass = understood_.bypass;
    const bool nothing = request_.bypass == BypassReason::not_json || request_.bypass == BypassReason::not_understood;
    if (nothing) return;
    request_.canonical = std::move(understood_.canonical);
    request_.prompt_tokens = understood_.prompt_tokens;
  }

 private:
  // What Dify would refuse is its own to refuse.
  bool look_over(yyjson_val* root) {
    yyjson_val* mode = yyjson_obj_get(root, "response_mode");
    const bool known_mode = mode == nullptr || yyjson_is_null(mode) || string_or_empty(mode) == "blocking" ||
                            string_or_empty(mode) == "streaming";
    if (!known_mode || request_.user.empty() || !yyjson_is_obj(yyjson_obj_get(root, "inputs"))) {
      return reading_.not_understood();
    }
    for (const char* name : {"conversation_id", "parent_message_id"}) {
      yyjson_val* id = yyjson_obj_get(root, name);
      if (!is_text_or_null(id)) return reading_.not_understood();
      if (!string_or_empty(id).empty()) reading_.note(BypassReason::conversation);
    }
    yyjson_val* query = yyjson_obj_get(root, "query");
    if (request_.kind == RunKind::chat ? string_or_empty(query).empty() : !is_text_or_null(query)) {
      return reading_.not_understood();
    }
    if (request_.kind != RunKind::workflow) request_.query = string_or_empty(query);
    yyjson_val* files = yyjson_obj_get(root, "files");
    return files == nullptr || yyjson_is_null(files) || yyjson_is_arr(files) || reading_.not_understood();
  }

  [[nodiscard]] bool is_kept(const Members::Member& member) const {
    const std::string_view name = member.name();
    if (name == "user") return options_.per_user;
    if (std::ranges::find(k_dropped, name) != k_dropped.end()) return false;
    // Dify knows these, and takes null and nothing for the same.
    if (name == "files") return yyjson_is_arr(member.value) && unsafe_yyjson_get_len(member.value) != 0;
    if (name == "workflow_id") return !yyjson_is_null(member.value);
    if (name == "query") return !string_or_empty(member.value).empty();
    return true;
  }

  bool kept(std::string_view name, yyjson_val* value) {
    if (name == "query") return question(value);
    if (name == "inputs") return inputs(value);
    if (name == "files") return files(value);
    if (name == "user") return reading_.value(value, 1);
    return any(value, 1);
  }

  bool question(yyjson_val* value) {
    reading_.text(text_of(value), {}, chat::TextUse::last_user);
    return true;
  }

  bool inputs(yyjson_val* value) {
    Members members;
    if (!members.load(value)) return reading_.not_json();
    const std::size_t mark = reading_.form.open_object();
    for (const Members::Member& member : members) {
      reading_.form.name(member.name());
      const bool asks = request_.kind != RunKind::chat && member.name() == k_question_input && yyjson_is_str(member.value);
      if (!(asks ? question(member.value) : any(member.value, 2))) return false;
    }
    reading_.form.close(mark, members.size());
    return true;
  }

  bool files(yyjson_val* list) {
    const std::size_t mark = reading_.form.open_array();
    std::size_t index = 0;
    std::size_t count = 0;
    yyjson_val* item = nullptr;
    yyjson_arr_foreach(list, index, count, item) {
      if (!yyjson_is_obj(item)) return reading_.not_understood();
      if (!file(item, 2)) return false;
    }
    reading_.form.close(mark, count);
    return true;
  }

  // A value as it stands, but for the files in it. `depth` is that of the container that holds it.
  bool any(yyjson_val* value, int depth) {
    if (yyjson_is_str(value)) understood_.prompt_tokens += chat::estimate_tokens(text_of(value));
    if (!yyjson_is_ctn(value)) return reading_.value(value, depth);
    if (depth >= chat::k_max_depth) return reading_.not_json();
    if (yyjson_is_obj(value)) return is_file(value) ? file(value, depth) : object(value, depth + 1, {});
    const std::size_t mark = reading_.form.open_array();
    std::size_t index = 0;
    std::size_t count = 0;
    yyjson_val* item = nullptr;
    yyjson_arr_foreach(value, index, count, item) {
      if (!any(item, depth + 1)) return false;
    }
    reading_.form.close(mark, count);
    return true;
  }

  // `hash`: what stands in the place of an upload's id. `depth` is that of the object itself.
  bool object(yyjson_val* value, int depth, std::optional<std::string_view> hash) {
    Members members;
    if (!members.load(value)) return reading_.not_json();
    const std::size_t mark = reading_.form.open_object();
    for (const Members::Member& member : members) {
      reading_.form.name(member.name());
      if (hash && member.name() == "upload_file_id") {
        reading_.form.text(*hash);
      } else if (!any(member.value, depth)) {
        return false;
      }
    }
    reading_.form.close(mark, members.size());
    return true;
  }

  // `depth` is that of the container that holds it.
  bool file(yyjson_val* value, int depth) {
    request_.has_files = true;
    understood_.prompt_tokens += chat::k_media_tokens;
    const std::string_view id = string_or_empty(yyjson_obj_get(value, "upload_file_id"));
    const std::string_view url = string_or_empty(yyjson_obj_get(value, "url"));
    const bool by_url = string_or_empty(yyjson_obj_get(value, "transfer_method")) == "remote_url" || id.empty();
    std::optional<std::string> hash;
    if (!id.empty()) {
      request_.upload_ids.emplace_back(id);
      hash = file_hash_(id);
    }
    if (by_url) {
      reading_.note(url.empty() ? BypassReason::files : BypassReason::mutable_url);
    } else if (!hash) {
      reading_.note(BypassReason::files);
    }
    return object(value, depth + 1, hash);
  }

  RunRequest& request_;
  const RunOptions& options_;
  const FileHash& file_hash_;
  chat::Request understood_;
  chat::Reading reading_;
};

}  // namespace

RunRequest read_run(RunKind kind, std::string_view body, const RunOptions& options, const FileHash& file_hash) {
  RunRequest request;
  request.kind = kind;
  const chat::Document document = chat::parse_json(body);
  yyjson_val* root = yyjson_doc_get_root(document.get());
  if (!yyjson_is_obj(root)) {
    request.bypass = BypassReason::not_json;
    return request;
  }
  // Even of what is not understood: which line it waits in, whose share it is, and who may stop it.
  request.streaming = string_or_empty(yyjson_obj_get(root, "response_mode")) == "streaming";
  request.user = string_or_empty(yyjson_obj_get(root, "user"));
  request.conversation_id = string_or_empty(yyjson_obj_get(root, "conversation_id"));
  Body reading(request, options, file_hash);
  const bool understood = reading.read(root);
  reading.conclude();
  // Two members of one name, or too deep a nest, anywhere: then nothing that was read can be relied on.
  if (!understood && !chat::is_strict(root, 1)) request.bypass = BypassReason::not_json;
  return request;
}

RunRequest read_run(RunKind kind, std::string_view body, const RunOptions& options) {
  return read_run(kind, body, options, [](std::string_view) -> std::optional<std::string> { return std::nullopt; });
}

std::string with_conversation(std::string_view body, std::string_view conversation_id) {
  const JsonDoc doc = JsonDoc::read(body);
  if (!yyjson_is_obj(doc.root())) return std::string(body);
  std::string text;
  text.reserve(body.size() + conversation_id.size() + 32);
  {
    JsonObject object(text);
    yyjson_obj_iter members = yyjson_obj_iter_with(doc.root());
    while (yyjson_val* name = yyjson_obj_iter_next(&members)) {
      const std::string_view known(yyjson_get_str(name), yyjson_get_len(name));
      if (known != "conversation_id") object.extra(known, providers::text_of(yyjson_obj_iter_get_val(name)));
    }
    object.string("conversation_id", conversation_id);
  }
  return text;
}

}  // namespace outrigger::providers::dify
