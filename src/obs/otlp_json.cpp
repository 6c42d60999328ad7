#include "obs/otlp_json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "obs/json_text.h"

namespace outrigger::obs {
namespace {

// The bits of OTLP's `flags` above those of traceparent: is it known whether the parent is another process's, and is it?
constexpr std::uint32_t k_has_is_remote = 0x100, k_is_remote = 0x200;

void append_text(std::string& out, std::string_view text) {
  out += '"';
  append_json_text(out, text, k_max_attribute);
  out += '"';
}

void append_value(std::string& out, const AttributeValue& value) {
  if (const auto* yes = std::get_if<bool>(&value)) {
    out += *yes ? R"({"boolValue":true})" : R"({"boolValue":false})";
  } else if (const auto* count = std::get_if<std::int64_t>(&value)) {
    fmt::format_to(std::back_inserter(out), R"({{"intValue":"{}"}})", *count);
  } else if (const auto* number = std::get_if<double>(&value)) {
    fmt::format_to(std::back_inserter(out), R"({{"doubleValue":{}}})", std::isfinite(*number) ? *number : 0.0);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out += R"({"stringValue":)";
    append_text(out, *text);
    out += '}';
  } else {
    out += R"({"arrayValue":{"values":[)";
    for (const std::string& one : std::get<std::vector<std::string>>(value)) {
      if (out.back() != '[') out += ',';
      append_value(out, one);
    }
    out += "]}}";
  }
}

void append_attribute(std::string& out, std::string_view key, const AttributeValue& value) {
  if (out.back() != '[') out += ',';
  out += R"({"key":)";
  append_text(out, key);
  out += R"(,"value":)";
  append_value(out, value);
  out += '}';
}

void append_time(std::string& out, std::string_view key, UnixNanos time) {
  fmt::format_to(std::back_inserter(out), R"(,"{}":"{}")", key, time.time_since_epoch().count());
}

void append_ids(std::string& out, const SpanContext& context) {
  fmt::format_to(std::back_inserter(out), R"("traceId":"{:016x}{:016x}","spanId":"{:016x}")", context.trace.high,
                 context.trace.low, context.span);
}

}  // namespace

void append_span(std::string& out, const Span& span) {
  out += '{';
  append_ids(out, span.context);
  if (!span.state.empty()) {
    // Cut it would be another one: it has been held to 512 bytes.
    out += R"(,"traceState":")";
    append_json_text(out, span.state, span.state.size());
    out += '"';
  }
  if (span.parent != 0) fmt::format_to(std::back_inserter(out), R"(,"parentSpanId":"{:016x}")", span.parent);
  fmt::format_to(std::back_inserter(out), R"(,"flags":{},"name":)",
                 span.context.flags | k_has_is_remote | (span.is_parent_remote ? k_is_remote : 0));
  append_text(out, span.name);
  fmt::format_to(std::back_inserter(out), R"(,"kind":{})", static_cast<int>(span.kind));
  append_time(out, "startTimeUnixNano", span.start);
  append_time(out, "endTimeUnixNano", std::max(span.start, span.end));
  out += R"(,"attributes":[)";
  for (const auto& [key, value] : span.attributes.all()) append_attribute(out, key, value);
  out += ']';
  if (!span.events.empty()) {
    out += R"(,"events":[)";
    for (const Span::Event& event : span.events) {
      out += out.back() == '[' ? R"({"name":)" : R"(,{"name":)";
      append_text(out, event.name);
      append_time(out, "timeUnixNano", event.time);
      out += '}';
    }
    out += ']';
  }
  if (!span.links.empty()) {
    out += R"(,"links":[)";
    for (const SpanContext& link : span.links) {
      out += out.back() == '[' ? "{" : ",{";
      append_ids(out, link);
      fmt::format_to(std::back_inserter(out), R"(,"flags":{}}})", link.flags | k_has_is_remote);
    }
    out += ']';
  }
  if (span.has_failed) {
    out += R"(,"status":{"code":2)";
    if (!span.problem.empty()) {
      out += R"(,"message":)";
      append_text(out, span.problem);
    }
    out += '}';
  }
  out += '}';
}

std::string export_request(const Resource& resource, std::span<const std::string> spans) {
  std::string out;
  std::size_t size = 1024;
  for (const std::string& span : spans) size += span.size() + 1;
  out.reserve(size);
  out += R"({"resourceSpans":[{"resource":{"attributes":[)";
  for (const auto& [key, value] : resource.attributes) append_attribute(out, key, value);
  out += R"(]},"scopeSpans":[{"scope":{"name":"outrigger","version":)";
  append_text(out, resource.version);
  out += R"(},"spans":[)";
  for (const std::string& span : spans) {
    if (out.back() != '[') out += ',';
    out += span;
  }
  out += "]}]}]}";
  return out;
}

std::uint64_t rejected_spans(std::string_view answer) {
  // A text that holds this name in quotation marks of its own would have to escape them.
  constexpr std::string_view k_name = R"("rejectedSpans")";
  const std::size_t at = answer.find(k_name);
  if (at == std::string_view::npos) return 0;
  answer.remove_prefix(at + k_name.size());
  answer.remove_prefix(std::min(answer.find_first_not_of(" \t\r\n:\""), answer.size()));  // a number, or one in a text
  std::uint64_t count = 0;
  const auto [end, problem] = std::from_chars(answer.data(), answer.data() + answer.size(), count);
  return problem == std::errc() ? count : 0;
}

}  // namespace outrigger::obs
