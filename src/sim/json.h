// Small pieces of JSON that the simulated provider writes, and the ownership of what it reads.
#pragma once

#include <yyjson.h>

#include <memory>
#include <string>
#include <string_view>

namespace outrigger::sim_provider {

struct JsonFree {
  void operator()(yyjson_doc* doc) const { yyjson_doc_free(doc); }
};
using Json = std::unique_ptr<yyjson_doc, JsonFree>;

// Null when `text` is not JSON.
Json parse_json(std::string_view text);

// The text of a string value, empty for anything else.
std::string_view text_of(yyjson_val* value);
std::string_view text_at(yyjson_val* object, const char* key);

// `text` in quotes, escaped. Bytes above ASCII stay as they are, so invalid UTF-8 stays invalid.
std::string json_quoted(std::string_view text);
void append_quoted(std::string& to, std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace outrigger::sim_provider
