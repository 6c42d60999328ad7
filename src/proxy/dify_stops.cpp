#include "proxy/dify_stops.h"

#include <algorithm>

#include "providers/json_text.h"

namespace outrigger::proxy {
namespace {

// A UUID. Anything else has no place in a path that we make.
bool is_task(std::string_view task) {
  constexpr std::size_t k_max = 64;
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  return !task.empty() && task.size() <= k_max && std::ranges::all_of(task, is_plain);
}

}  // namespace

std::string stop_path(std::string_view path, std::string_view task) {
  if (!is_task(task)) return {};
  const std::string tail = std::string(task) + "/stop";
  if (path.ends_with("/chat-messages") || path.ends_with("/completion-messages")) return std::string(path) + "/" + tail;
  constexpr std::string_view k_workflows = "/workflows/";
  const std::size_t at = path.find(k_workflows);
  if (at == std::string_view::npos || !path.ends_with("/run")) return {};
  return std::string(path.substr(0, at + k_workflows.size())) + "tasks/" + tail;
}

DifyStops::DifyStops(io::World world, http::Client& client, DifyMetrics& metrics)
    : metrics_(metrics), asides_(world, client, k_at_once_max) {}

void DifyStops::stop(const Target& target, http::RequestHead head, std::string_view path, std::string_view user) {
  if (!asides_.has_place()) return metrics_.count_stop("left_out");
  head.method = "POST";
  head.target = target.upstream->url.path;
  head.target += path;
  head.headers.set("Content-Type", "application/json");
  for (const std::string_view name : {"content-encoding", "content-range", "range"}) head.headers.remove(name);
  std::string body = "{\"user\":";
  providers::append_string(body, user);
  body += '}';
  asides_.start(target, head, Bytes::copy(body),
                [this](const Asides::Result& result) { metrics_.count_stop(result.outcome); });
}

}  // namespace outrigger::proxy
