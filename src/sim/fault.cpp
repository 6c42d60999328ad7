#include "sim/fault.h"

#include <fmt/format.h>

#include <array>

namespace outrigger::sim_provider {
namespace {

struct Kind {
  std::string_view name;
  bool (*holds)(const Fault&);
};

constexpr std::array k_kinds{
    Kind{"refuse", [](const Fault& f) { return f.refuse; }},
    Kind{"garbage", [](const Fault& f) { return f.garbage; }},
    Kind{"endless_headers", [](const Fault& f) { return f.endless_headers; }},
    Kind{"reset_at", [](const Fault& f) { return f.reset_at.has_value(); }},
    Kind{"cut_at", [](const Fault& f) { return f.cut_at.has_value(); }},
    Kind{"error_in_200", [](const Fault& f) { return f.error_in_200; }},
    Kind{"wrong_length", [](const Fault& f) { return f.wrong_length.has_value(); }},
    Kind{"malformed_chunk", [](const Fault& f) { return f.malformed_chunk; }},
    Kind{"error_in_stream", [](const Fault& f) { return f.error_in_stream; }},
    Kind{"run_failed", [](const Fault& f) { return f.run_failed; }},
    Kind{"truncate", [](const Fault& f) { return f.truncate; }},
    Kind{"half_utf8", [](const Fault& f) { return f.half_utf8; }},
    Kind{"stall", [](const Fault& f) { return f.stall.has_value(); }},
    Kind{"empty", [](const Fault& f) { return f.empty; }},
    Kind{"refusal", [](const Fault& f) { return f.refusal; }},
    Kind{"unknown_event", [](const Fault& f) { return f.unknown_event; }},
    Kind{"bad_arguments", [](const Fault& f) { return f.bad_arguments; }},
    Kind{"out_of_order", [](const Fault& f) { return f.out_of_order; }},
    Kind{"finish_reason", [](const Fault& f) { return !f.finish_reason.empty(); }},
    Kind{"no_finish_reason", [](const Fault& f) { return f.no_finish_reason; }},
    Kind{"no_done", [](const Fault& f) { return f.no_done; }},
    Kind{"no_usage", [](const Fault& f) { return f.no_usage; }},
    Kind{"drip", [](const Fault& f) { return f.drip.has_value(); }},
    Kind{"crlf", [](const Fault& f) { return f.crlf; }},
    Kind{"event_lines", [](const Fault& f) { return f.event_lines; }},
    Kind{"comments", [](const Fault& f) { return f.comments; }},
    Kind{"slow", [](const Fault& f) { return f.first_token.has_value() || f.between_tokens.has_value(); }},
};

}  // namespace

std::string kind(const Fault& fault) {
  if (fault.status && !fault.refuse && !fault.garbage && !fault.endless_headers) {
    return fmt::format("status_{}", *fault.status);
  }
  for (const Kind& kind : k_kinds) {
    if (kind.holds(fault)) return std::string(kind.name);
  }
  return "other";
}

bool model_fits(std::string_view pattern, std::string_view model) {
  if (pattern.empty()) return true;
  if (!pattern.ends_with('*')) return pattern == model;
  return model.starts_with(pattern.substr(0, pattern.size() - 1));
}

std::string_view endpoint_name(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.starts_with("v1/")) path.remove_prefix(3);
  return path;
}

}  // namespace outrigger::sim_provider
