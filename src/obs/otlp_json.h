// Spans in OTLP's JSON: proto3's JSON mapping of ExportTraceServiceRequest, with ids in hex, 64-bit numbers as texts and enums as
// numbers (OTLP specification 1.9, "JSON Protobuf Encoding"). Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "obs/span.h"

namespace outrigger::obs {

// Texts of attributes are cut here, as a model's name may be megabytes long.
inline constexpr std::size_t k_max_attribute = 256;

// Appends one element of `spans`.
void append_span(std::string& out, const Span& span);

// Who tells them: service.name and the like.
struct Resource {
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string version;  // of the scope "outrigger"
};
// A whole request of elements that append_span() wrote.
std::string export_request(const Resource& resource, std::span<const std::string> spans);

// How many spans the collector's answer says it has refused (ExportTracePartialSuccess); 0: none, or it cannot be read.
std::uint64_t rejected_spans(std::string_view answer);

}  // namespace outrigger::obs
