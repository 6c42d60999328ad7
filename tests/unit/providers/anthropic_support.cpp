#include "anthropic_support.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "providers/json_doc.h"
#include "providers/json_text.h"

namespace outrigger::providers::anthropic_test {
namespace {

std::string text(yyjson_val* value) { return std::string(string_of(value).value_or(std::string_view())); }

std::string sorted(yyjson_val* value) {
  if (yyjson_is_obj(value)) {
    std::map<std::string, std::string> members;
    yyjson_obj_iter iterator = yyjson_obj_iter_with(value);
    while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
      members[text(name)] = sorted(yyjson_obj_iter_get_val(name));
    }
    std::string out;
    for (const auto& [name, json] : members) out += (out.empty() ? "{\"" : ",\"") + name + "\":" + json;
    return out.empty() ? "{}" : out + "}";
  }
  if (yyjson_is_arr(value)) {
    std::string out;
    yyjson_arr_iter iterator = yyjson_arr_iter_with(value);
    while (yyjson_val* item = yyjson_arr_iter_next(&iterator)) out += (out.empty() ? "[" : ",") + sorted(item);
    return out.empty() ? "[]" : out + "]";
  }
  if (const auto number = number_of(value)) return std::to_string(std::strtod(std::string(*number).c_str(), nullptr));
  if (const auto string = string_of(value)) {
    std::string quoted;
    append_string(quoted, *string);
    return quoted;
  }
  return text_of(value);
}

// A block as it grows.
struct Block {
  std::map<std::string, std::string> strings;  // members that grew, unquoted
  std::map<std::string, std::string> values;   // others: JSON
  std::vector<std::string> citations;
  std::string input;

  [[nodiscard]] std::string json() const {
    std::map<std::string, std::string> all = values;
    for (const auto& [name, value] : strings) {
      std::string& json = all[name];
      json.clear();
      append_string(json, value);
    }
    if (!input.empty()) all["input"] = sorted(JsonDoc::read(input).root());
    if (!citations.empty()) {
      std::string list;
      for (const std::string& one : citations) list += (list.empty() ? "[" : ",") + one;
      all["citations"] = list + "]";
    }
    std::string out;
    for (const auto& [name, json] : all) out += (out.empty() ? "{\"" : ",\"") + name + "\":" + json;
    return out + "}";
  }
};

struct Client {
  Told told;
  std::vector<Block> blocks;
  std::map<std::string, std::uint64_t> counts;
  bool started = false;
  bool stopped = false;

  void usage(yyjson_val* from) {
    for (const char* name : {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"}) {
      if (const auto count = whole_number_of(member(from, name))) counts[name] = *count;
    }
  }

  void take(std::string_view name, yyjson_val* root) {
    ++told.events;
    if (name == "message_start") {
      started = true;
      told.model = text(member(member(root, "message"), "model"));
      REQUIRE(yyjson_is_obj(member(member(root, "message"), "usage")));
      usage(member(member(root, "message"), "usage"));
    } else if (name == "content_block_start") {
      REQUIRE(whole_number_of(member(root, "index")) == blocks.size());
      Block& block = blocks.emplace_back();
      yyjson_obj_iter iterator = yyjson_obj_iter_with(member(root, "content_block"));
      while (yyjson_val* member_name = yyjson_obj_iter_next(&iterator)) {
        yyjson_val* value = yyjson_obj_iter_get_val(member_name);
        if (yyjson_is_str(value)) {
          block.strings[text(member_name)] = text(value);
        } else if (text(member_name) != "citations" || yyjson_get_len(value) != 0) {
          block.values[text(member_name)] = sorted(value);
        }
      }
    } else if (name == "content_block_delta") {
      Block& block = blocks.at(*whole_number_of(member(root, "index")));
      yyjson_val* delta = member(root, "delta");
      const std::string type = text(member(delta, "type"));
      if (type == "input_json_delta") {
        block.input += text(member(delta, "partial_json"));
      } else if (type == "citations_delta") {
        block.citations.push_back(sorted(member(delta, "citation")));
      } else if (type == "text_delta") {
        block.strings["text"] += text(member(delta, "text"));
      } else if (type == "thinking_delta") {
        block.strings["thinking"] += text(member(delta, "thinking"));
      } else if (type == "signature_delta") {
        block.strings["signature"] += text(member(delta, "signature"));
      }
    } else if (name == "message_delta") {
      told.stop_reason = text(member(member(root, "delta"), "stop_reason"));
      told.stop_sequence = text(member(member(root, "delta"), "stop_sequence"));
      usage(member(root, "usage"));
    } else if (name == "message_stop") {
      stopped = true;
    } else if (name == "error") {
      told.failure = text(member(member(root, "error"), "type")) + ": " + text(member(member(root, "error"), "message"));
    }
  }

  Told end() {
    for (const Block& block : blocks) told.content.push_back(block.json());
    finish_usage();
    if (told.failure.empty() && (!started || !stopped)) told.failure = "ended early";
    return std::move(told);
  }
  void finish_usage() {
    if (counts.empty()) return;
    told.usage = {counts["input_tokens"] + counts["cache_creation_input_tokens"] + counts["cache_read_input_tokens"],
                  counts["output_tokens"]};
  }
};

Exchange load(const std::filesystem::path& want_path) {
  const auto contents = [](const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file.good());
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  Exchange exchange;
  exchange.name = want_path.stem().string();
  exchange.body = contents(want_path.parent_path() / want_path.stem());
  const JsonDoc doc = JsonDoc::read(contents(want_path));
  INFO(want_path.string());
  yyjson_val* want = doc.root();
  REQUIRE(want != nullptr);
  exchange.streamed = yyjson_is_true(member(want, "streamed"));
  exchange.verdict = text(member(want, "verdict"));
  if (const auto events = string_of(member(want, "events"))) exchange.events = *events;
  yyjson_arr_iter content = yyjson_arr_iter_with(member(want, "content"));
  while (yyjson_val* block = yyjson_arr_iter_next(&content)) exchange.want.content.push_back(sorted(block));
  exchange.want.stop_reason = text(member(want, "stop_reason"));
  exchange.want.stop_sequence = text(member(want, "stop_sequence"));
  exchange.want.model = text(member(want, "model"));
  yyjson_val* usage = member(want, "usage");
  if (yyjson_is_arr(usage)) {
    exchange.want.usage = {*whole_number_of(yyjson_arr_get(usage, 0)), *whole_number_of(yyjson_arr_get(usage, 1))};
  }
  return exchange;
}

}  // namespace

Told told_by_stream(std::string_view stream) {
  Client client;
  std::string name;
  while (!stream.empty()) {
    const std::size_t end = stream.find('\n');
    REQUIRE(end != std::string_view::npos);
    const std::string_view line = stream.substr(0, end);
    stream.remove_prefix(end + 1);
    if (line.starts_with("event: ")) name = line.substr(7);
    if (!line.starts_with("data: ")) continue;
    const JsonDoc doc = JsonDoc::read(line.substr(6));
    REQUIRE(yyjson_is_obj(doc.root()));
    REQUIRE(text(member(doc.root(), "type")) == name);
    client.take(name, doc.root());
  }
  return client.end();
}

Told told_by_body(std::string_view body) {
  Client client;
  const JsonDoc doc = JsonDoc::read(body);
  REQUIRE(yyjson_is_obj(doc.root()));
  if (text(member(doc.root(), "type")) != "message") client.told.failure = "no message";
  yyjson_arr_iter content = yyjson_arr_iter_with(member(doc.root(), "content"));
  while (yyjson_val* block = yyjson_arr_iter_next(&content)) client.told.content.push_back(sorted(block));
  client.told.stop_reason = text(member(doc.root(), "stop_reason"));
  client.told.stop_sequence = text(member(doc.root(), "stop_sequence"));
  client.told.model = text(member(doc.root(), "model"));
  client.usage(member(doc.root(), "usage"));
  client.finish_usage();
  return std::move(client.told);
}

const std::vector<Exchange>& golden_messages() {
  static const std::vector<Exchange> exchanges = [] {
    std::vector<std::filesystem::path> wants;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/messages")) {
      if (entry.path().extension() == ".want") wants.push_back(entry.path());
    }
    std::sort(wants.begin(), wants.end());
    std::vector<Exchange> all;
    for (const auto& want : wants) all.push_back(load(want));
    return all;
  }();
  return exchanges;
}

const Exchange& golden_message(std::string_view name) {
  for (const Exchange& exchange : golden_messages()) {
    if (exchange.name == name) return exchange;
  }
  FAIL("there is no exchange " << name);
  return golden_messages().front();
}

std::string sorted(std::string_view json) {
  const JsonDoc doc = JsonDoc::read(json);
  REQUIRE(doc.root() != nullptr);
  return sorted(doc.root());
}

}  // namespace outrigger::providers::anthropic_test
