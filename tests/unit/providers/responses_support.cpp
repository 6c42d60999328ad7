#include "responses_support.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "providers/json_doc.h"

namespace outrigger::providers::responses {
namespace {

std::string text(yyjson_val* value) { return std::string(string_of(value).value_or(std::string_view())); }
std::string text(yyjson_val* object, std::string_view name) { return text(member(object, name)); }
std::uint64_t number(yyjson_val* object, std::string_view name) {
  return whole_number_of(member(object, name)).value_or(9999);
}

template <class Visit>
void each(yyjson_val* list, Visit&& visit) {
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  while (yyjson_val* one = yyjson_arr_iter_next(&iterator)) visit(one);
}

void take_item(ToldHere& told, yyjson_val* item) {
  std::size_t parts = 0;
  each(member(item, "content"), [&](yyjson_val* part) {
    if (text(part, "type") == "reasoning_text") {
      told.reasoning += text(part, "text");
    } else {
      told.text += text(part, "text");
    }
    told.refusal += text(part, "refusal");
  });
  each(member(item, "summary"), [&](yyjson_val* part) {
    if (parts++ > 0) told.reasoning += "\n\n";
    told.reasoning += text(part, "text");
  });
  if (text(item, "type") == "function_call")
    told.calls.push_back({text(item, "call_id"), text(item, "name"), text(item, "arguments")});
}

void take_object(ToldHere& told, yyjson_val* object) {
  for (const char* required : {"id", "object", "created_at", "status", "model", "output", "parallel_tool_calls",
                               "tool_choice", "tools", "usage", "error", "incomplete_details", "metadata"}) {
    if (member(object, required) == nullptr) told.failure += std::string(" the response lacks ") + required;
  }
  if (text(object, "object") != "response") told.failure += " no response object";
  told.id = text(object, "id");
  told.model = text(object, "model");
  told.status = text(object, "status");
  told.incomplete = text(member(object, "incomplete_details"), "reason");
  each(member(object, "output"), [&](yyjson_val* item) { take_item(told, item); });
  if (yyjson_val* usage = member(object, "usage"); yyjson_is_obj(usage)) {
    told.usage = {number(usage, "input_tokens"), number(usage, "output_tokens"), number(usage, "total_tokens")};
    if (member(usage, "input_tokens_details") == nullptr || member(usage, "output_tokens_details") == nullptr)
      told.failure += " usage lacks details";
  }
}

// One item as the events build it.
struct Item {
  std::string id, type, call_id, name, arguments;
  std::vector<std::pair<std::string, std::string>> parts, summary;  // type and text
  bool done = false;
};

class Sdk {
 public:
  ToldHere told;

  void take(std::string_view name, yyjson_val* event) {
    const std::string type = text(event, "type");
    told.types.push_back(type);
    if (name != type) wrong("the event line says " + std::string(name) + " of " + type);
    if (number(event, "sequence_number") != count_++) wrong("sequence_number of " + type);
    if (ended_) wrong("after the end: " + type);
    if (type == "response.created") return created(member(event, "response"));
    if (type == "error") return static_cast<void>(ended_ = true);
    if (count_ == 1) wrong("the first event is " + type);
    if (type == "response.output_item.added") return added(event);
    if (type == "response.completed" || type == "response.incomplete") return completed(type, member(event, "response"));
    if (member(event, "output_index") != nullptr) return inside(type, event);
  }
  void wrong(const std::string& what) { told.failure += " " + what + ";"; }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  void created(yyjson_val* object) {
    if (count_ != 1) wrong("created twice");
    ToldHere begun;
    take_object(begun, object);
    told.failure += begun.failure;
    told.id = begun.id;
    if (begun.status != "in_progress" || !is_nothing(member(object, "output"))) wrong("it begins with an end");
  }
  void added(yyjson_val* event) {
    if (number(event, "output_index") != items_.size()) wrong("output_index of an item");
    yyjson_val* item = member(event, "item");
    items_.push_back(
        {text(item, "id"), text(item, "type"), text(item, "call_id"), text(item, "name"), text(item, "arguments"), {}, {}});
  }
  void inside(const std::string& type, yyjson_val* event) {
    const std::uint64_t index = number(event, "output_index");
    if (index >= items_.size()) return wrong("no such item: " + type);
    Item& item = items_[index];
    if (item.done) wrong("after its item: " + type);
    if (type == "response.output_item.done") return item_done(item, member(event, "item"));
    if (text(event, "item_id") != item.id) wrong("item_id of " + type);
    const bool summary = type.find("summary") != type.npos;
    auto& parts = summary ? item.summary : item.parts;
    const std::uint64_t part = number(event, summary ? "summary_index" : "content_index");
    if (type.ends_with("part.added")) {
      if (part != parts.size()) wrong("index of a part");
      yyjson_val* told_part = member(event, "part");
      parts.emplace_back(text(told_part, "type"), text(told_part, "text") + text(told_part, "refusal"));
    } else if (type.find("arguments") != type.npos || type.find("tool_call_input") != type.npos) {
      item.arguments += text(event, "delta");
      if (type.ends_with(".done") && text(event, "arguments") + text(event, "input") != item.arguments)
        wrong("arguments at the end");
    } else if (type.ends_with(".delta") || type.ends_with("text.done") || type.ends_with("refusal.done")) {
      if (part >= parts.size()) return wrong("no such part: " + type);
      parts[part].second += text(event, "delta");
      if (type == "response.output_text.delta") told.pieces.push_back(text(event, "delta"));
      if (type.ends_with(".done") && text(event, "text") + text(event, "refusal") != parts[part].second)
        wrong("text at the end");
    }
  }
  void item_done(Item& item, yyjson_val* last) {
    item.done = true;
    if (!same(item, last)) wrong("item at the end: " + text_of(last));
  }
  static bool same(const Item& item, yyjson_val* last) {
    std::vector<std::pair<std::string, std::string>> parts, summary;
    each(member(last, "content"),
         [&](yyjson_val* part) { parts.emplace_back(text(part, "type"), text(part, "text") + text(part, "refusal")); });
    each(member(last, "summary"), [&](yyjson_val* part) { summary.emplace_back(text(part, "type"), text(part, "text")); });
    return item.id == text(last, "id") && item.type == text(last, "type") && item.call_id == text(last, "call_id") &&
           item.name == text(last, "name") && item.arguments == text(last, "arguments") + text(last, "input") &&
           item.parts == parts && item.summary == summary;
  }
  void completed(const std::string& type, yyjson_val* object) {
    ended_ = true;
    const std::string id = told.id;
    take_object(told, object);
    if (told.id != id) wrong("another id at the end");
    if ("response." + told.status != type) wrong("status at the end");
    std::size_t index = 0;
    each(member(object, "output"), [&](yyjson_val* item) {
      if (index >= items_.size() || !items_[index].done || !same(items_[index], item)) wrong("output at the end");
      ++index;
    });
    if (index != items_.size()) wrong("items are lost at the end");
  }

  std::vector<Item> items_;
  std::uint64_t count_ = 0;
  bool ended_ = false;
};

Golden load(const std::filesystem::path& want_path) {
  const auto contents = [](const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file.good());
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  Golden golden;
  golden.name = want_path.stem().string();
  golden.body = contents(want_path.parent_path() / want_path.stem());
  const JsonDoc doc = JsonDoc::read(contents(want_path));
  INFO(want_path.string());
  REQUIRE(doc.root() != nullptr);
  yyjson_val* want = doc.root();
  golden.streamed = yyjson_is_true(member(want, "streamed"));
  golden.verdict = text(want, "verdict");
  golden.events = text(want, "events");
  golden.model = text(want, "model");
  golden.text = text(want, "text");
  golden.refusal = text(want, "refusal");
  golden.reasoning = text(want, "reasoning");
  golden.finish = text(want, "finish");
  golden.error = text(want, "error");
  each(member(want, "calls"), [&](yyjson_val* call) {
    golden.calls.push_back({text(call, "id"), text(call, "name"), text(call, "arguments")});
  });
  if (yyjson_val* usage = member(want, "usage"); yyjson_is_arr(usage)) {
    golden.usage = {whole_number_of(yyjson_arr_get(usage, 0)).value(), whole_number_of(yyjson_arr_get(usage, 1)).value()};
  }
  golden.cached = whole_number_of(member(want, "cached")).value_or(0);
  golden.reasoning_tokens = whole_number_of(member(want, "reasoning_tokens")).value_or(0);
  return golden;
}

}  // namespace

ToldHere told_by_stream(std::string_view stream) {
  Sdk sdk;
  while (!stream.empty()) {
    const std::size_t end = stream.find("\n\n");
    if (end == stream.npos) {
      sdk.wrong("no blank line at the end");
      break;
    }
    const std::string_view block = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    const std::size_t line = block.find('\n');
    if (!block.starts_with("event: ") || line == block.npos || !block.substr(line + 1).starts_with("data: ")) {
      sdk.wrong("no event: " + std::string(block));
      continue;
    }
    const JsonDoc doc = JsonDoc::read(block.substr(line + 7));
    if (!yyjson_is_obj(doc.root())) {
      sdk.wrong("no JSON: " + std::string(block));
      continue;
    }
    sdk.take(block.substr(7, line - 7), doc.root());
  }
  if (!sdk.ended()) sdk.wrong("no end");
  return sdk.told;
}

ToldHere told_by_object(std::string_view body) {
  ToldHere told;
  const JsonDoc doc = JsonDoc::read(body);
  if (!yyjson_is_obj(doc.root())) told.failure = "no JSON";
  take_object(told, doc.root());
  return told;
}

const std::vector<Golden>& goldens() {
  static const std::vector<Golden> all = [] {
    std::vector<std::filesystem::path> wants;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/responses")) {
      if (entry.path().extension() == ".want") wants.push_back(entry.path());
    }
    std::sort(wants.begin(), wants.end());
    std::vector<Golden> loaded;
    for (const auto& want : wants) loaded.push_back(load(want));
    return loaded;
  }();
  return all;
}

const Golden& golden(std::string_view name) {
  for (const Golden& one : goldens()) {
    if (one.name == name) return one;
  }
  FAIL("there is no exchange " << name);
  return goldens().front();
}

}  // namespace outrigger::providers::responses
