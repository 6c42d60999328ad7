#include "providers/dify/call.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

namespace outrigger::providers::dify {
namespace {

using Segments = std::vector<std::string>;

// More than any path of Dify has. A longer path is cut here and is none of those that are known.
constexpr std::size_t k_segments_max = 16;

enum Method : unsigned { k_get = 1, k_post = 2, k_put = 4, k_patch = 8, k_delete = 16 };
constexpr unsigned k_changing = k_post | k_put | k_patch | k_delete;
constexpr unsigned k_any = k_get | k_changing | 32;

unsigned method_of(std::string_view name) {
  if (name == "GET" || name == "HEAD") return k_get;
  if (name == "POST") return k_post;
  if (name == "PUT") return k_put;
  if (name == "PATCH") return k_patch;
  if (name == "DELETE") return k_delete;
  return 32;
}

struct Route {
  unsigned methods;
  // Segments between slashes: a word; `*` any one; `{id}` any one, kept; `{uuid}` a UUID, kept; `**` whatever follows, last only.
  std::string_view pattern;
  Call call;  // all but id and as_written
};

constexpr auto k_service = Surface::service;
constexpr auto k_console = Surface::console;

Call run(RunKind kind) { return {.surface = k_service, .kind = CallKind::run, .run = kind, .asks_model = true}; }
Call stop(RunKind kind) { return {.surface = k_service, .kind = CallKind::stop, .run = kind, .id_kind = IdKind::task}; }
Call info(InfoKind kind) { return {.surface = k_service, .kind = CallKind::app_info, .info = kind}; }
Call after(IdKind kind) { return {.surface = k_service, .kind = CallKind::follow_up, .id_kind = kind}; }
Call change(Surface surface, Touches touches) { return {.surface = surface, .kind = CallKind::change, .touches = touches}; }
Call plain(Surface surface, CallKind kind) { return {.surface = surface, .kind = kind}; }
Call asking(Surface surface, CallKind kind, RunKind of = RunKind::none) {
  return {.surface = surface, .kind = kind, .run = of, .asks_model = true};
}

Call version_run() {
  Call call = run(RunKind::workflow);
  call.id_kind = IdKind::workflow;
  return call;
}

// The first line that fits counts.
std::span<const Route> routes() {
  using enum RunKind;
  static const std::vector<Route> table{
      // Runs.
      {k_post, "v1/chat-messages", run(chat)},
      {k_post, "v1/completion-messages", run(completion)},
      {k_post, "v1/workflows/run", run(workflow)},
      {k_post, "v1/workflows/{id}/run", version_run()},
      {k_post, "v1/chat-messages/{id}/stop", stop(chat)},
      {k_post, "v1/completion-messages/{id}/stop", stop(completion)},
      {k_post, "v1/workflows/tasks/{id}/stop", stop(workflow)},
      {k_post, "v1/audio-to-text", asking(k_service, CallKind::other)},
      {k_post, "v1/text-to-audio", asking(k_service, CallKind::other)},
      {k_post, "v1/files/upload", plain(k_service, CallKind::upload)},
      {k_any, "v1/files/**", plain(k_service, CallKind::files)},
      // What describes an app.
      {k_get, "v1/parameters", info(InfoKind::parameters)},
      {k_get, "v1/info", info(InfoKind::info)},
      {k_get, "v1/meta", info(InfoKind::meta)},
      {k_get, "v1/site", info(InfoKind::site)},
      // What a run left behind.
      {k_get, "v1/workflows/run/{id}", after(IdKind::run)},
      {k_get, "v1/workflow/{id}/events", after(IdKind::run)},
      {k_get, "v1/messages", after(IdKind::conversation)},  // by its query
      {k_any, "v1/messages/{id}/**", after(IdKind::message)},
      {k_any, "v1/conversations/{id}/**", after(IdKind::conversation)},
      // Changes through the service API.
      {k_changing, "v1/apps/annotations/**", change(k_service, Touches::own_app)},
      {k_changing, "v1/apps/annotation-reply/**", change(k_service, Touches::own_app)},
      {k_post, "v1/datasets/{uuid}/retrieve", asking(k_service, CallKind::other)},
      {k_post, "v1/datasets/{uuid}/hit-testing", asking(k_service, CallKind::other)},
      {k_changing, "v1/datasets/{uuid}/**", change(k_service, Touches::dataset)},
      {k_any, "v1/**", plain(k_service, CallKind::other)},
      // Changes through the console. What is only a draft, a test or a look changes nothing that is published.
      {k_post, "console/api/datasets/{uuid}/hit-testing", plain(k_console, CallKind::console)},
      {k_post, "console/api/datasets/{uuid}/external-hit-testing", plain(k_console, CallKind::console)},
      {k_post, "console/api/datasets/{uuid}/indexing-estimate", plain(k_console, CallKind::console)},
      {k_any, "console/api/datasets/{uuid}/api-keys/**", plain(k_console, CallKind::console)},
      {k_changing, "console/api/datasets/{uuid}/**", change(k_console, Touches::dataset)},
      // Dify starts these with a GET.
      {k_get, "console/api/datasets/{uuid}/notion/sync", change(k_console, Touches::dataset)},
      {k_get, "console/api/datasets/{uuid}/documents/*/notion/sync", change(k_console, Touches::dataset)},
      {k_get, "console/api/datasets/{uuid}/documents/*/website-sync", change(k_console, Touches::dataset)},
      {k_changing, "console/api/datasets/external-knowledge-api/*", change(k_console, Touches::all)},
      {k_post, "console/api/rag/pipelines/*/workflows/published/run", change(k_console, Touches::all)},
      {k_post, "console/api/apps/imports/**", change(k_console, Touches::all)},  // may overwrite any app
      {k_post, "console/api/apps/{uuid}/workflows/publish", change(k_console, Touches::app)},
      {k_post, "console/api/apps/{uuid}/model-config", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/annotations/**", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/annotation-reply/**", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/annotation-settings/**", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/site/**", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/site-enable", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/api-enable", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/name", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}/icon", change(k_console, Touches::app)},
      {k_changing, "console/api/apps/{uuid}", change(k_console, Touches::app)},
      {k_any, "console/api/**", plain(k_console, CallKind::console)},
      // The web app.
      {k_post, "api/chat-messages", asking(Surface::web_app, CallKind::web_app, chat)},
      {k_post, "api/completion-messages", asking(Surface::web_app, CallKind::web_app, completion)},
      {k_post, "api/workflows/run", asking(Surface::web_app, CallKind::web_app, workflow)},
      {k_any, "api/**", plain(Surface::web_app, CallKind::web_app)},
      {k_any, "files/**", plain(Surface::files, CallKind::files)},
      {k_post, "mcp/**", asking(Surface::mcp, CallKind::mcp)},
      {k_any, "mcp/**", plain(Surface::mcp, CallKind::mcp)},
      {k_any, "triggers/**", plain(Surface::triggers, CallKind::triggers)},
      {k_any, "socket.io/**", plain(Surface::socket_io, CallKind::socket_io)},
      {k_get, "health", plain(Surface::other, CallKind::health)},
  };
  return table;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Once, as Dify's server does before it looks for a route: an escaped slash separates, and what is no escape stays.
std::string decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_uuid(std::string_view text) {
  constexpr std::size_t k_size = 36;
  if (text.size() != k_size) return false;
  for (std::size_t i = 0; i < k_size; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : hex_value(text[i]) < 0) return false;
  }
  return true;
}

std::string in_one_case(std::string id) {
  if (is_uuid(id)) {
    for (char& c : id) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return id;
}

struct Path {
  Segments segments;
  bool as_written = true;
};

Path path_of(std::string_view target) {
  Path path;
  if (const std::size_t scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find_first_of("?#"));
  const std::string text = decoded(target);
  path.as_written = text == target && text.starts_with('/');
  std::string_view rest = text;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment.empty() || segment == ".") {
      path.as_written = false;
    } else if (segment == "..") {
      path.as_written = false;
      if (!path.segments.empty()) path.segments.pop_back();
    } else {
      path.segments.emplace_back(segment);
    }
    if (slash == std::string_view::npos) return path;
    rest.remove_prefix(slash + 1);
  }
}

// The id, which may be empty; nothing when the path is another.
std::optional<std::string> match(std::string_view pattern, std::span<const std::string> segments) {
  std::string id;
  while (true) {
    const std::size_t slash = pattern.find('/');
    const std::string_view wanted = pattern.substr(0, slash);
    if (wanted == "**") return id;
    if (segments.empty()) return std::nullopt;
    const std::string& segment = segments.front();
    if (wanted == "{uuid}" && !is_uuid(segment)) return std::nullopt;
    if (wanted == "{uuid}" || wanted == "{id}") {
      id = in_one_case(segment);
    } else if (wanted != "*" && wanted != segment) {
      return std::nullopt;
    }
    segments = segments.subspan(1);
    if (slash == std::string_view::npos) return segments.empty() ? std::optional(id) : std::nullopt;
    pattern.remove_prefix(slash + 1);
  }
}

// Of the query; the first of that name, decoded.
std::string parameter(std::string_view target, std::string_view name) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {};
  std::string_view query = target.substr(mark + 1);
  query = query.substr(0, query.find('#'));
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && decoded(pair.substr(0, equals)) == name) return decoded(pair.substr(equals + 1));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace

Call classify(std::string_view method, std::string_view target) {
  const Path path = path_of(target);
  const unsigned bit = method_of(method);
  Call call;
  if (path.segments.size() <= k_segments_max) {
    for (const Route& route : routes()) {
      if ((route.methods & bit) == 0) continue;
      const std::optional<std::string> id = match(route.pattern, path.segments);
      if (!id) continue;
      call = route.call;
      call.id = *id;
      break;
    }
  }
  call.as_written = path.as_written;
  const bool by_query = call.kind == CallKind::follow_up && call.id.empty();
  if (by_query) call.id = in_one_case(parameter(target, "conversation_id"));
  return call;
}

QueueClass queue_class(const Call& call, bool streaming) {
  if (call.asks_model) return streaming ? QueueClass::streaming : QueueClass::blocking;
  if (call.kind == CallKind::change && call.surface == Surface::service && call.touches == Touches::dataset) {
    return QueueClass::batch;
  }
  return QueueClass::never;
}

std::string_view name(CallKind kind) {
  switch (kind) {
    case CallKind::run:
      return "run";
    case CallKind::stop:
      return "stop";
    case CallKind::upload:
      return "upload";
    case CallKind::app_info:
      return "app_info";
    case CallKind::follow_up:
      return "follow_up";
    case CallKind::change:
      return "change";
    case CallKind::console:
      return "console";
    case CallKind::web_app:
      return "web_app";
    case CallKind::files:
      return "files";
    case CallKind::mcp:
      return "mcp";
    case CallKind::triggers:
      return "triggers";
    case CallKind::socket_io:
      return "socket_io";
    case CallKind::health:
      return "health";
    case CallKind::other:
      return "other";
  }
  return "other";
}

std::string_view name(RunKind kind) {
  switch (kind) {
    case RunKind::none:
      return "none";
    case RunKind::chat:
      return "chat";
    case RunKind::completion:
      return "completion";
    case RunKind::workflow:
      return "workflow";
  }
  return "none";
}

std::string_view name(InfoKind kind) {
  switch (kind) {
    case InfoKind::none:
      return "none";
    case InfoKind::parameters:
      return "parameters";
    case InfoKind::info:
      return "info";
    case InfoKind::meta:
      return "meta";
    case InfoKind::site:
      return "site";
  }
  return "none";
}

std::string_view name(QueueClass queue) {
  switch (queue) {
    case QueueClass::never:
      return "never";
    case QueueClass::streaming:
      return "streaming";
    case QueueClass::blocking:
      return "blocking";
    case QueueClass::batch:
      return "batch";
  }
  return "never";
}

}  // namespace outrigger::providers::dify
