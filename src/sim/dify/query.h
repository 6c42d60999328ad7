// Query strings and multipart bodies. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrigger::sim_dify {

// The first value of `name`, decoded; empty when it is not there, or is not UTF-8.
std::string query_value(std::string_view query, std::string_view name);

// One part of multipart/form-data (RFC 7578). Views into the body.
struct Part {
  std::string_view name, file_name, type, data;
};
// Empty when `content_type` or `body` is something else. At most 64 parts are read.
std::vector<Part> multipart(std::string_view content_type, std::string_view body);

}  // namespace outrigger::sim_dify
