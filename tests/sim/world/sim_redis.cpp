#include "sim/world/sim_redis.h"

#include <deque>
#include <utility>

#include "core/check.h"
#include "sim/world/redis_text.h"

namespace outrigger::sim {

// One client. Commands wait in `queue_` while Redis is frozen or slow; one timer answers them one after the other.
class SimRedis::Connection : public io::StreamHandler {
 public:
  Connection(SimRedis& redis, std::uint64_t id, std::unique_ptr<io::Stream> stream)
      : redis_(redis), id_(id), stream_(std::move(stream)) {
    stream_->set_handler(this);
    stream_->read(true);
  }
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void work();
  [[nodiscard]] const std::string& name() const { return session_.name; }

 private:
  void on_data(std::string_view data) override {
    reader_.feed(data);
    while (auto command = reader_.next()) queue_.push_back(std::move(*command));
    work();
  }
  void on_eof() override { redis_.remove(id_); }
  void on_error(Error) override { redis_.remove(id_); }
  void on_drained() override {}

  void answer_first();
  void hang_up();
  [[nodiscard]] Duration delay();

  SimRedis& redis_;
  std::uint64_t id_;
  std::unique_ptr<io::Stream> stream_;
  RespReader reader_;
  RedisServer::Session session_;
  std::deque<RedisCommand> queue_;
  bool hung_up_ = false;
  io::Timer timer_;
};

void SimRedis::Connection::work() {
  while (!redis_.frozen_ && !hung_up_ && !timer_.pending() && !queue_.empty()) {
    const Duration wait = delay();
    if (wait == Duration{}) {
      answer_first();
      continue;
    }
    timer_ = redis_.world_.loop.after(wait, [this] {
      // A process that was stopped meanwhile answers when it goes on.
      if (!redis_.frozen_) answer_first();
      work();
    });
  }
  if (reader_.error() && queue_.empty() && !redis_.frozen_ && !hung_up_) {
    stream_->write(Bytes::copy(resp::error(*reader_.error())));
    hang_up();
  }
}

void SimRedis::Connection::answer_first() {
  const RedisCommand command = std::move(queue_.front());
  queue_.pop_front();
  stream_->write(Bytes::copy(redis_.answer(session_, command)));
  if (session_.quitting) hang_up();
}

// What was written still goes out; the connection ends when the client has closed its side.
void SimRedis::Connection::hang_up() {
  hung_up_ = true;
  stream_->shutdown();
}

Duration SimRedis::Connection::delay() {
  if (redis_.slow_jitter <= Duration{}) return redis_.slow;
  return redis_.slow +
         Duration(static_cast<Duration::rep>(redis_.rng_.below(static_cast<std::uint64_t>(redis_.slow_jitter.count()))));
}

SimRedis::SimRedis(SimWorld& world, Options options)
    : world_(world), options_(std::move(options)), server_(options_.access, world.rng.fork()), rng_(world.rng.fork()) {
  come_up();
}

SimRedis::~SimRedis() = default;

void SimRedis::thaw() {
  frozen_ = false;
  for (const auto& [id, connection] : connections_) connection->work();
}

void SimRedis::go_down() {
  listener_.reset();
  world_.net.cut(options_.address);
}

void SimRedis::come_up() {
  if (listener_ != nullptr) return;
  std::optional<io::TlsServer> tls;
  if (options_.tls) tls.emplace();
  auto listener =
      world_.net.listen(options_.address, tls, [this](std::unique_ptr<io::Stream> stream) { accept(std::move(stream)); });
  OR_CHECK(listener.has_value());
  listener_ = std::move(*listener);
  options_.address = listener_->bound();
}

void SimRedis::accept(std::unique_ptr<io::Stream> stream) {
  const std::uint64_t id = next_id_++;
  connections_.emplace(id, std::make_unique<Connection>(*this, id, std::move(stream)));
}

void SimRedis::remove(std::uint64_t id) {
  const auto found = connections_.find(id);
  world_.loop.retire(std::move(found->second));
  connections_.erase(found);
}

std::string SimRedis::answer(RedisServer::Session& session, const RedisCommand& command) {
  ++counts_[upper(command.front())];
  if (log_.size() == k_log_max) log_.erase(log_.begin(), log_.begin() + k_log_max / 2);
  log_.push_back(command);
  world_.loop.digest().add(Event::redis_command, world_.loop.now(), command.size());
  return server_.run(session, command, world_.loop.now());
}

std::vector<std::string> SimRedis::keys_without_ttl() const {
  const std::set<std::string> keys = server_.keys_without_ttl();
  return {keys.begin(), keys.end()};
}

std::uint64_t SimRedis::count(std::string_view name) const {
  const auto found = counts_.find(name);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<std::string> SimRedis::client_names() const {
  std::vector<std::string> names;
  for (const auto& [id, connection] : connections_) names.push_back(connection->name());
  return names;
}

}  // namespace outrigger::sim
