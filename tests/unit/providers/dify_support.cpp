#include "dify_support.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "providers/json_doc.h"
#include "support.h"

namespace outrigger::providers::dify_test {
namespace {

std::string text_in(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string string_in(yyjson_val* object, std::string_view name) {
  return std::string(string_of(member(object, name)).value_or(std::string_view()));
}

std::optional<std::string> maybe(yyjson_val* object, std::string_view name) {
  if (member(object, name) == nullptr) return std::nullopt;
  return string_in(object, name);
}

Golden read_golden(const std::filesystem::path& path) {
  Golden golden;
  golden.name = path.filename().string();
  golden.body = text_in(path);
  const JsonDoc want = JsonDoc::read(text_in(path.string() + ".want"));
  yyjson_val* root = want.root();
  REQUIRE(yyjson_is_obj(root));
  const std::string kind = string_in(root, "kind");
  golden.kind = kind == "chat" ? RunKind::chat : kind == "completion" ? RunKind::completion : RunKind::workflow;
  golden.streamed = path.extension() == ".sse";
  golden.verdict = string_in(root, "verdict");
  golden.signal = string_in(root, "signal");
  golden.code = string_in(root, "code");
  golden.mode = string_in(root, "mode");
  golden.run = string_in(root, "run");
  golden.events = maybe(root, "events");
  golden.answer = maybe(root, "answer");
  golden.price = maybe(root, "price");
  golden.begun = !yyjson_is_false(member(root, "begun"));
  for (std::size_t i = 0; i < yyjson_arr_size(member(root, "tokens")); ++i) {
    golden.tokens.push_back(whole_number_of(yyjson_arr_get(member(root, "tokens"), i)).value());
  }
  return golden;
}

// The first non-empty value stays, every other must be the same.
void agree(Told& told, std::string& known, yyjson_val* value) {
  const std::string text(string_of(value).value_or(std::string_view()));
  if (text.empty()) return;
  if (known.empty()) known = text;
  if (known != text) told.failure = "two ids: " + known + " and " + text;
}

void take_usage(Told& told, yyjson_val* metadata) {
  yyjson_val* usage = member(metadata, "usage");
  told.tokens += whole_number_of(member(usage, "total_tokens")).value_or(0);
  const std::string price = string_in(usage, "total_price");
  if (!price.empty() && price != "0") told.failure = "a price: " + price;
}

void take_data(Told& told, yyjson_val* data) {
  told.outputs = text_of(member(data, "outputs"));
  told.tokens += whole_number_of(member(data, "total_tokens")).value_or(0);
  if (string_of(member(data, "status")) != "succeeded") told.failure = "not succeeded";
}

}  // namespace

const std::vector<Golden>& goldens() {
  static const std::vector<Golden> all = [] {
    std::vector<Golden> found;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/dify")) {
      const auto extension = entry.path().extension();
      if (extension == ".sse" || extension == ".json") found.push_back(read_golden(entry.path()));
    }
    std::ranges::sort(found, {}, &Golden::name);
    return found;
  }();
  return all;
}

const Golden& golden(std::string_view name) {
  const auto found = std::ranges::find(goldens(), name, &Golden::name);
  REQUIRE(found != goldens().end());
  return *found;
}

Told told_by_stream(std::string_view stream) {
  Told told;
  while (!stream.empty()) {
    const std::size_t end = stream.find("\n\n");
    if (!stream.starts_with("data: ") || end == stream.npos) {
      told.failure = "not an event";
      return told;
    }
    const JsonDoc doc = JsonDoc::read(stream.substr(6, end - 6));
    stream.remove_prefix(end + 2);
    yyjson_val* root = doc.root();
    const std::string type = string_in(root, "event");
    if (type.empty()) told.failure = "an event without a type";
    told.types.push_back(type);
    agree(told, told.task, member(root, "task_id"));
    agree(told, told.message, member(root, "message_id"));
    agree(told, told.conversation, member(root, "conversation_id"));
    agree(told, told.run, member(root, "workflow_run_id"));
    if (type == "message" || type == "agent_message") told.pieces.push_back(string_in(root, "answer"));
    if (type == "text_chunk") told.pieces.push_back(string_in(member(root, "data"), "text"));
    if (type == "message_end") take_usage(told, member(root, "metadata"));
    if (type == "workflow_started" || type == "workflow_finished") agree(told, told.run, member(member(root, "data"), "id"));
    if (type == "workflow_finished") take_data(told, member(root, "data"));
  }
  for (const std::string& piece : told.pieces) told.answer += piece;
  return told;
}

Told told_by_body(std::string_view body) {
  Told told;
  const JsonDoc doc = JsonDoc::read(body);
  yyjson_val* root = doc.root();
  if (!yyjson_is_obj(root)) told.failure = "not an object";
  told.answer = string_in(root, "answer");
  told.mode = string_in(root, "mode");
  agree(told, told.task, member(root, "task_id"));
  agree(told, told.message, member(root, "message_id"));
  agree(told, told.message, member(root, "id"));
  agree(told, told.conversation, member(root, "conversation_id"));
  agree(told, told.run, member(root, "workflow_run_id"));
  agree(told, told.run, member(member(root, "data"), "id"));
  take_usage(told, member(root, "metadata"));
  if (member(root, "data") != nullptr) take_data(told, member(root, "data"));
  return told;
}

RunReader read_whole(const Golden& golden, std::string_view body, std::size_t piece_size) {
  RunReader reader(golden.kind, golden.streamed, true);
  while (!body.empty()) {
    reader.feed(body.substr(0, piece_size));
    body.remove_prefix(std::min(piece_size, body.size()));
  }
  return reader;
}

Answer stored(const Golden& golden) {
  RunReader reader = read_whole(golden, golden.body);
  const auto answer = reader.finish();
  INFO(golden.name);
  REQUIRE(verdict_of(answer) == "stored");
  return *answer;
}

}  // namespace outrigger::providers::dify_test
