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

class DifyStops::Stop final : private http::CallHandler {
 public:
  Stop(DifyStops& owner, std::uint64_t id, const Target& target, const http::RequestHead& head, Bytes body)
      : owner_(owner), id_(id) {
    http::CallOptions options;
    options.body = std::move(body);
    options.alone = true;
    call_ = owner.client_.start(target.origin, head, std::move(options), *this);
    limit_ = owner.world_.loop.after(k_limit, [this] { owner_.end(id_, "timeout"); });
  }

 private:
  void on_head(http::ResponseHead head) override { status_ = head.status; }
  void on_body(const Bytes&) override {}
  void on_end() override { owner_.end(id_, status_ < 300 ? "ok" : "refused"); }
  void on_error(Error) override { owner_.end(id_, "failed"); }
  void on_drained() override {}

  DifyStops& owner_;
  std::uint64_t id_;
  int status_ = 0;
  io::Timer limit_;
  std::unique_ptr<http::Call> call_;
};

DifyStops::DifyStops(io::World world, http::Client& client, Metrics& metrics)
    : world_(world), client_(client), metrics_(metrics) {}

DifyStops::~DifyStops() = default;

void DifyStops::stop(const Target& target, http::RequestHead head, std::string path, std::string_view user) {
  if (running_.size() >= k_at_once_max) return metrics_.count_stop("left_out");
  head.method = "POST";
  head.target = target.upstream->url.path + path;
  head.headers.set("Content-Type", "application/json");
  for (const std::string_view name : {"content-encoding", "content-range", "range"}) head.headers.remove(name);
  std::string body = "{\"user\":";
  providers::append_string(body, user);
  body += '}';
  const std::uint64_t id = next_id_++;
  running_.emplace(id, std::make_unique<Stop>(*this, id, target, head, Bytes::copy(body)));
}

void DifyStops::end(std::uint64_t id, std::string_view outcome) {
  metrics_.count_stop(outcome);
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  world_.loop.retire(std::move(found->second));
  running_.erase(found);
}

}  // namespace outrigger::proxy
