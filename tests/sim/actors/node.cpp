#include "sim/actors/node.h"

#include <fmt/format.h>
#include <yyjson.h>

#include "core/check.h"

namespace outrigger::sim {
namespace {

std::int64_t millis(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }

}  // namespace

Node::Node(SimWorld& world, History& history, NodePlan plan)
    : world_(world), history_(history), plan_(std::move(plan)), access_(history) {}

Node::~Node() = default;

io::Address Node::llm_address(std::size_t number) { return {"outrigger-" + std::to_string(number), 8080, false}; }
io::Address Node::admin_address(std::size_t number) { return {"127.0.0." + std::to_string(1 + number), 9090, false}; }

void Node::start() {
  settings.broken = false;  // whoever restarts it has mended the file first
  config::Loaded loaded = load();
  OR_CHECK(loaded.config != nullptr);
  over_ = false;
  ++starts_;
  std::string secret = fmt::format("a secret of instance {} in its life {} -----------", plan_.number, starts_);
  instance_ = std::make_unique<app::Instance>(app::InstanceParts{.world = world_.world(),
                                                                 .config = loaded.config,
                                                                 .log = log_,
                                                                 .access = &access_,
                                                                 .load = [this] { return load(); },
                                                                 .resident_bytes = {},
                                                                 .fresh_secret = std::move(secret),
                                                                 .version = "sim"},
                                              [this](int) { over_ = true; });
  instance_->start();
}

void Node::kill() { instance_.reset(); }

config::Loaded Node::load() const { return config::load_text(file(), "sim.toml", {}); }

std::string Node::file() const {
  if (settings.broken) return "[cache]\nttll = \"10s\"\n";
  std::string text = fmt::format(
      R"(drain = "5s"
[listen]
llm = "{}"
admin = "{}"
[limits]
connections = 300
header_timeout = "3s"
body_timeout = "5s"
[cache]
mode = "{}"
ttl = "{}ms"
stale_if_error = "{}ms"
usage = "{}"
epoch = "{}"
memory = "{}"
max_entry = "{}B"
)",
      io::to_string(llm_address(plan_.number)), io::to_string(admin_address(plan_.number)), settings.mode,
      millis(settings.ttl), millis(settings.stale_if_error), settings.usage, settings.epoch, plan_.cache_memory,
      k_max_entry);
  if (plan_.secret) text += "secret = \"the one that stands in every file\"\n";
  if (plan_.redis) {
    text += fmt::format("[redis]\nurl = \"redis://redis:6379/5\"\nprefix = \"sim:\"\ntimeout = \"{}ms\"\n",
                        millis(plan_.redis_timeout));
  }
  return text + fmt::format(
                    R"([[upstream]]
name = "main"
url = "http://provider-main:9000/v1"
[[upstream]]
name = "other"
url = "http://provider-other:9000/v1"
[[route]]
path = "/shared"
upstream = "main"
cache = {{ scope = "global", normalise = "faq", tags = ["shared"] }}
[[route]]
path = "/mine"
upstream = "main"
cache = {{ scope = "user" }}
[[model]]
name = "*"
timeout = {{ connect = "2s", first_token = "9s", between_tokens = "6s", total = "{}ms" }}
[log]
access = "off"
)",
                    millis(k_total_limit));
}

void Node::Access::write(std::string_view line) {
  const std::unique_ptr<yyjson_doc, void (*)(yyjson_doc*)> doc(yyjson_read(line.data(), line.size(), 0), yyjson_doc_free);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root) || !line.ends_with('\n')) {
    history_.complain("not a line of the access log: " + std::string(line));
    return;
  }
  yyjson_val* id = yyjson_obj_get(root, "request_id");
  if (id == nullptr) {
    // Refused at the edge, before it was a request.
    if (yyjson_obj_get(root, "error") == nullptr) history_.complain("a line without an id: " + std::string(line));
    return;
  }
  yyjson_val* cache = yyjson_obj_get(root, "cache");
  const bool is_new =
      lines
          .emplace(yyjson_get_str(id), LogLine{static_cast<int>(yyjson_get_int(yyjson_obj_get(root, "status"))),
                                               yyjson_is_str(cache) ? yyjson_get_str(cache) : ""})
          .second;
  if (!is_new) history_.complain("a request ended twice: " + std::string(line));
}

}  // namespace outrigger::sim
