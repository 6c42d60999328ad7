#include "sim/dify/door.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "http/server.h"
#include "sim/dify/errors.h"
#include "sim/dify/web_socket.h"
#include "sim/fault_stream.h"
#include "sim/hash.h"
#include "sim/player.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::FaultStream;

// Beyond them a new connection is closed at once.
constexpr std::size_t k_max_connections = 16'384;
constexpr std::size_t k_max_waiting = 2048;  // gunicorn's backlog
constexpr std::size_t k_max_said = 1 << 20;  // of a model's answer

http::ServerLimits limits_for(const Settings& settings) {
  http::ServerLimits limits;
  limits.body_bytes = std::numeric_limits<std::uint64_t>::max();  // the Desk answers what is too long
  limits.keep_alive = settings.keep_alive;
  return limits;
}

}  // namespace

// One exchange. Takes the request in, asks the Desk, lets a Player play.
class Door::Session final : public http::ExchangeHandler {
 public:
  Session(Door& door, http::Exchange& exchange, FaultStream* const& stream)
      : door_(door),
        exchange_(exchange),
        stream_(stream),
        player_(door.world_.loop, exchange, stream, door.desk_.ledger()),
        limit_(door.desk_.body_limit()) {
    if (is_web_socket(exchange.request()) && stream != nullptr) echo_.emplace(*stream);
  }
  ~Session() override {
    if (!task_id_.empty()) door_.desk_.runs().detach(task_id_);
    if (model_call_ != nullptr) *model_call_ = nullptr;
    if (echo_ && stream_ != nullptr) stream_->take_over({});
  }

  void on_body(std::string_view data) override {
    hash_.add(data);
    size_ += data.size();
    if (size_ <= limit_) {
      body_ += data;
    } else {
      body_.clear();
    }
  }

  void on_body_end() override {
    io::Loop& loop = door_.world_.loop;
    if (echo_) {
      ++door_.desk_.sockets().web_sockets;
      return echo_->open(exchange_.request());
    }
    const Received request{exchange_.request(), body_, size_ <= limit_, size_, hash_.hex()};
    Desk::Reply reply = door_.desk_.answer(request, loop.now(), loop.wall_now());
    body_ = {};
    if (reply.pending != nullptr) return door_.ask_model(std::move(reply.pending), *this);
    play(std::move(reply));
  }

  void play(Desk::Reply reply) {
    if (Runs::Run* run = reply.task_id.empty() ? nullptr : door_.desk_.runs().find(reply.task_id, door_.world_.loop.now())) {
      task_id_ = std::move(reply.task_id);
      run->on_stop = [this, rest = std::move(reply.farewell)] { player_.play_instead(rest); };
    }
    player_.start(std::move(reply.script));
  }

  void on_drained() override {}
  void on_client_gone() override { player_.client_gone(); }

 private:
  Door& door_;
  http::Exchange& exchange_;
  FaultStream* const& stream_;
  sim_provider::Player player_;
  std::optional<WebSocketEcho> echo_;
  sim_provider::Sha256 hash_;
  const std::uint64_t limit_;
  std::uint64_t size_ = 0;
  std::string body_, task_id_;

 public:
  Session** model_call_ = nullptr;  // who waits for a model on its behalf, and must forget it when it goes
};

// A run's model, being asked. It outlives the Session that waits for it, as the run does.
class Door::ModelCall final : public http::CallHandler {
 public:
  ModelCall(Door& door, std::uint64_t id, std::unique_ptr<Desk::Pending> pending, Session& session)
      : door_(door), id_(id), pending_(std::move(pending)), session_(&session) {
    session.model_call_ = &session_;
    const Settings::Llm& llm = *door.desk_.settings().llm;
    http::RequestHead head;
    head.method = "POST";
    head.target = llm.path + "/chat/completions";
    head.headers.add("host", llm.host);
    head.headers.add("content-type", "application/json");
    if (!llm.key.empty()) head.headers.add("authorization", "Bearer " + llm.key);
    http::CallOptions options;
    options.body = Bytes::copy(pending_->question);
    call_ = door.client_.start(http::Origin{llm.address, {}, {}}, head, std::move(options), *this);
  }

  void on_head(http::ResponseHead head) override { ok_ = head.status == 200; }
  void on_body(const Bytes& data) override {
    if (body_.size() < k_max_said) body_ += data.view();
  }
  void on_end() override { door_.answered(id_, ok_ ? std::optional(std::move(body_)) : std::nullopt); }
  void on_error(Error) override { door_.answered(id_, std::nullopt); }
  void on_drained() override {}

  std::unique_ptr<Desk::Pending> take() { return std::move(pending_); }
  // Null once it has gone.
  [[nodiscard]] Session* release_session() {
    if (session_ != nullptr) session_->model_call_ = nullptr;
    return std::exchange(session_, nullptr);
  }

 private:
  Door& door_;
  std::uint64_t id_;
  std::unique_ptr<Desk::Pending> pending_;
  Session* session_;
  bool ok_ = false;
  std::string body_;
  std::unique_ptr<http::Call> call_;
};

class Door::Connection final : public http::Acceptor {
 public:
  Connection(Door& door, std::uint64_t id, std::unique_ptr<io::Stream> stream, Kind of_kind)
      : kind(of_kind), door_(door), server_(door.world_, limits_for(door.desk_.settings()), *this) {
    server_.accept(std::make_unique<FaultStream>(door.world_.loop, std::move(stream), &stream_));
    server_.when_idle([this, id] { door_.ended(id); });
  }

  std::unique_ptr<http::ExchangeHandler> on_request(http::Exchange& exchange) override {
    // Who watches is let in also when there is no place.
    const bool watches = exchange.request().target.starts_with("/sim/");
    if (kind != Kind::refused || watches) return std::make_unique<Session>(door_, exchange, stream_);
    server_.drain();
    return std::make_unique<Refusal>(exchange);
  }
  ErrorBody on_refused(ErrorCode code) override {
    return {"application/json", error_body(traits(code).status, "bad_request", traits(code).message)};
  }

  const Kind kind;

 private:
  struct Refusal final : http::ExchangeHandler {
    explicit Refusal(http::Exchange& with) : exchange(with) {}
    void on_body(std::string_view) override {}
    void on_body_end() override {
      const Script script = answer_error(429);
      exchange.respond_whole(*script.head, Bytes::copy(script.steps.front().data));
    }
    void on_drained() override {}
    void on_client_gone() override {}
    http::Exchange& exchange;
  };

  Door& door_;
  FaultStream* stream_ = nullptr;  // before server_, which owns it and empties this when it goes
  http::Server server_;
};

Door::Door(io::World world, Settings settings)
    : world_(world), desk_(std::move(settings), world.rng.fork(), world.loop.now()), client_(world, {}) {}

// Sessions look at the calls that are made for them, and calls at the client.
Door::~Door() {
  connections_.clear();
  model_calls_.clear();
}

Result<std::unique_ptr<io::Listener>> Door::listen_at(const std::string& at, bool admin) {
  auto address = io::parse_address(at);
  if (!address) return std::unexpected(std::move(address.error()));
  return world_.net.listen(*address, std::nullopt, [this, admin](std::unique_ptr<io::Stream> stream) {
    admin ? open(std::move(stream), Kind::admin) : accept(std::move(stream));
  });
}

Result<io::Address> Door::listen() {
  auto listener = listen_at(desk_.settings().listen, false);
  if (!listener) return std::unexpected(std::move(listener.error()));
  listener_ = std::move(*listener);
  return listener_->bound();
}

Result<io::Address> Door::listen_admin() {
  auto listener = listen_at(desk_.settings().admin_listen, true);
  if (!listener) return std::unexpected(std::move(listener.error()));
  admin_listener_ = std::move(*listener);
  return admin_listener_->bound();
}

bool Door::is_full() const {
  const auto& most = desk_.settings().connections;
  return most && connections_.size() - aside_ >= *most;
}

void Door::accept(std::unique_ptr<io::Stream> stream) {
  if (desk_.refuses(world_.loop.now()) || connections_.size() >= k_max_connections) return;
  ++desk_.sockets().total;
  if (!is_full()) return open(std::move(stream), Kind::served);
  if (desk_.settings().over == Over::wait) {
    if (waiting_.size() < k_max_waiting) waiting_.push_back(std::move(stream));
    return count();
  }
  ++desk_.sockets().refused;
  open(std::move(stream), Kind::refused);
}

void Door::open(std::unique_ptr<io::Stream> stream, Kind kind) {
  const std::uint64_t id = next_id_++;
  if (kind != Kind::served) ++aside_;
  connections_.emplace(id, std::make_unique<Connection>(*this, id, std::move(stream), kind));
  count();
}

void Door::ended(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if (found->second->kind != Kind::served) --aside_;
  world_.loop.retire(std::move(found->second));
  connections_.erase(found);
  while (!waiting_.empty() && !is_full()) {
    std::unique_ptr<io::Stream> next = std::move(waiting_.front());
    waiting_.pop_front();
    open(std::move(next), Kind::served);
  }
  count();
}

void Door::count() {
  Sockets& sockets = desk_.sockets();
  sockets.open = connections_.size() - aside_;
  sockets.open_max = std::max(sockets.open_max, sockets.open);
  sockets.waiting = waiting_.size();
  sockets.waiting_max = std::max(sockets.waiting_max, sockets.waiting);
}

void Door::ask_model(std::unique_ptr<Desk::Pending> pending, Session& session) {
  const std::uint64_t id = next_id_++;
  model_calls_.emplace(id, std::make_unique<ModelCall>(*this, id, std::move(pending), session));
}

void Door::answered(std::uint64_t model_call, std::optional<std::string> said) {
  const auto found = model_calls_.find(model_call);
  const std::unique_ptr<Desk::Pending> pending = found->second->take();
  Session* session = found->second->release_session();
  world_.loop.retire(std::move(found->second));
  model_calls_.erase(found);
  Desk::Reply reply = desk_.finish(std::move(*pending), said, world_.loop.now());
  if (session != nullptr) session->play(std::move(reply));
}

}  // namespace outrigger::sim_dify
