#include "sim/actors/operator.h"

#include <fmt/format.h>
#include <yyjson.h>

namespace outrigger::sim {
namespace {

bool is_json_object(std::string_view text) {
  const std::unique_ptr<yyjson_doc, void (*)(yyjson_doc*)> doc(yyjson_read(text.data(), text.size(), 0), yyjson_doc_free);
  return doc != nullptr && yyjson_is_obj(yyjson_doc_get_root(doc.get()));
}

std::string get(std::string_view path) { return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path); }

std::string post(std::string_view target, std::string_view body, std::string_view fields = {}) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}", target, fields, body.size(),
                     body);
}

}  // namespace

// One call over a connection of its own.
class Operator::Call final : private io::StreamHandler {
 public:
  Call(Operator& owner, std::uint64_t number, std::size_t node, std::string wire, int wanted_status, Purge purge)
      : owner_(owner), number_(number), wire_(std::move(wire)), wanted_status_(wanted_status), purge_(purge) {
    purge_.instance = node;
    purge_.asked = owner_.world_.loop.now();
    patience_ = owner_.world_.loop.after(60s, [this] {
      owner_.history_.complain("the admin door did not answer: " + wire_.substr(0, 80));
      end();
    });
    connecting_ =
        owner_.world_.net.connect(Node::admin_address(node), 5s, [this](Result<std::unique_ptr<io::Stream>> stream) {
          if (!stream) return end();
          stream_ = std::move(*stream);
          stream_->set_handler(this);
          stream_->read(true);
          stream_->write(Bytes::copy(wire_));
        });
  }

 private:
  void on_data(std::string_view data) override {
    answer_.feed(data);
    if (!answer_.problem().empty()) owner_.history_.complain("the admin door: " + answer_.problem());
    if (answer_.done()) {
      judge();
      end();
    }
  }
  void on_eof() override { end(); }
  void on_error(Error) override { end(); }
  void on_drained() override {}

  void judge() {
    ++owner_.answered_;
    // Readiness depends on the moment.
    if (wanted_status_ != 0 && answer_.status() != wanted_status_) {
      owner_.history_.complain(fmt::format("the admin door answers {} in place of {} to {}: {}", answer_.status(),
                                           wanted_status_, wire_.substr(0, 120), answer_.body().substr(0, 300)));
    }
    if (answer_.header("content-type") == "application/json" && !is_json_object(answer_.body())) {
      owner_.history_.complain("the admin door's answer is not JSON: " + answer_.body().substr(0, 200));
    }
    if (!purge_.all) return;
    purge_.done = owner_.world_.loop.now();
    purge_.complete = answer_.body().find("\"redis_complete\": true") != std::string::npos;
    owner_.history_.purges.push_back(purge_);
  }
  void end() {
    const auto found = owner_.calls_.find(number_);
    if (found == owner_.calls_.end()) return;
    stream_.reset();
    patience_.cancel();
    owner_.world_.loop.retire(std::move(found->second));
    owner_.calls_.erase(found);
  }

  Operator& owner_;
  std::uint64_t number_;
  std::string wire_;
  int wanted_status_;
  Purge purge_;
  std::unique_ptr<io::Pending> connecting_;
  std::unique_ptr<io::Stream> stream_;
  AnswerWire answer_;
  io::Timer patience_;
};

Operator::Operator(SimWorld& world, History& history, std::vector<std::unique_ptr<Node>>& nodes, Rng rng)
    : world_(world), history_(history), nodes_(nodes), rng_(rng) {}

Operator::~Operator() = default;

void Operator::start(Duration every, bool bold) {
  every_ = every;
  bold_ = bold;
  timer_ = world_.loop.after(
      every_ / 2 + Duration(static_cast<Duration::rep>(rng_.below(static_cast<std::uint64_t>(every_.count())))), [this] {
        act();
        start(every_, bold_);
      });
}

void Operator::stop() { timer_.cancel(); }

void Operator::act() {
  const std::size_t node = rng_.below(nodes_.size());
  Purge purged;
  switch (rng_.below(bold_ ? 12 : 10)) {
    case 0:
      return call(node, get("/metrics"), 200, {});
    case 1:
      return call(node, get("/healthz"), 200, {});
    case 2:
      return call(node, get("/readyz"), 0, {});
    case 3:
      return call(node, get("/api/status"), 200, {});
    case 4:
      return call(node, get("/nothing"), 404, {});
    case 5:
    case 6:
    case 7:
      return call(node, explain(), 200, {});
    case 8:
      return call(node, post("/api/cache/purge", "{\"everything\": 1}"), 400, {});
    case 9: {
      std::string wire = purge(purged);
      return call(node, std::move(wire), 200, purged);
    }
    default: {
      change_settings(nodes_[node]->settings);
      const int wanted = nodes_[node]->settings.broken ? 0 : 200;
      return call(node, post("/api/reload", ""), wanted, {});
    }
  }
}

std::string Operator::explain() {
  const Request about = draw_request(rng_, {});
  const std::size_t body = about.wire.find("\r\n\r\n");
  const std::string text = body == std::string::npos ? std::string() : about.wire.substr(body + 4);
  return post("/api/explain?path=" + about.path, text, "Authorization: Bearer " + about.credential + "\r\n");
}

std::string Operator::purge(Purge& purged) {
  const bool dry = rng_.chance(0.3);
  std::string what = "\"all\": true";
  switch (rng_.below(5)) {
    case 0:
      what = "\"model\": \"sim-reasoner\"";
      break;
    case 1:
      what = "\"route\": \"/shared\"";
      break;
    case 2:
      what = "\"tag\": \"shared\"";
      break;
    default:
      purged.all = !dry;
  }
  return post("/api/cache/purge", fmt::format("{{{}, \"dry_run\": {}}}", what, dry));
}

void Operator::change_settings(Settings& settings) {
  settings.broken = rng_.chance(0.2);
  settings.ttl = 1s * static_cast<std::int64_t>(3 + rng_.below(15));
  settings.stale_if_error = 1s * static_cast<std::int64_t>(rng_.below(40));
  settings.mode = rng_.chance(0.1) ? "observe" : rng_.chance(0.05) ? "off" : "on";
  settings.usage = rng_.chance(0.2) ? "zero" : "original";
  if (rng_.chance(0.3)) settings.epoch = std::to_string(rng_.below(3));
}

void Operator::call(std::size_t node, std::string wire, int wanted_status, Purge purge) {
  const std::uint64_t number = next_call_++;
  calls_.emplace(number, std::make_unique<Call>(*this, number, node, std::move(wire), wanted_status, purge));
}

}  // namespace outrigger::sim
