#include "cache/redis_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cache/redis_words.h"

namespace outrigger::cache {
namespace {

// The last: a Redis that answers PING in time and then not the first lookups is tried less and less often, too.
constexpr resilience::Breaker::Settings k_breaker{.failures = 1, .open = 100ms, .max_open = 5s, .steady = 10s};
// Nobody waits for these longer than the time limit of a command; they only bound how long a dead attempt is kept.
constexpr Duration k_connect_limit = 2s;
constexpr Duration k_greeting_limit = 1s;
// A connection that ends sooner than this has failed; later, while nothing is asked, Redis' own idle limit has ended it.
constexpr Duration k_steady = 1s;
// Beyond these a command is not accepted. Writes stop first, so that lookups still find room.
constexpr std::size_t k_writes_max = 1000;
constexpr std::size_t k_commands_max = 8192;
constexpr std::size_t k_write_bytes_max = 16u << 20;
constexpr std::size_t k_bytes_max = 32u << 20;
// What a batch keeps of its memory between turns.
constexpr std::size_t k_batch_kept = 256u << 10;

std::string in_words(const Error& error) {
  return error.detail.empty() ? std::string(traits(error.code).name)
                              : fmt::format("{}: {}", traits(error.code).name, error.detail);
}

}  // namespace

RedisLink::RedisLink(io::World world, RedisSettings settings, Duration timeout, Owner& owner)
    : world_(world),
      settings_(std::move(settings)),
      timeout_(timeout),
      owner_(owner),
      rng_(world.rng.fork()),
      breaker_(k_breaker) {}

RedisLink::~RedisLink() = default;

void RedisLink::open() {
  if (state_ == State::closed) connect();
}

bool RedisLink::usable() const {
  const bool connected_soon = state_ == State::connecting || state_ == State::greeting || state_ == State::up;
  return connected_soon && breaker_.state(world_.loop.now()) == resilience::Breaker::State::closed;
}

bool RedisLink::send(std::span<const std::string_view> arguments, Use use, Done done) {
  std::size_t bytes = 0;
  for (const std::string_view argument : arguments) bytes += argument.size();
  if (!usable() || full(use, bytes)) return false;
  append_command(batch_, arguments);
  const MonoTime deadline = world_.loop.now() + timeout_;
  commands_.push_back({std::move(done), bytes, deadline, use});
  ++unsent_;
  bytes_ += bytes;
  if (!limit_timer_.pending()) limit_timer_ = world_.loop.at(deadline, [this] { on_limit(); });
  if (state_ == State::up && !flush_timer_.pending()) flush_timer_ = world_.loop.after(0ns, [this] { on_flush_due(); });
  return true;
}

bool RedisLink::full(Use use, std::size_t bytes) const {
  if (use == Use::write) return commands_.size() >= k_writes_max || bytes_ + bytes > k_write_bytes_max;
  return commands_.size() >= k_commands_max || bytes_ + bytes > k_bytes_max;
}

// The limit counts from here, so that a long turn of our own is not taken for a slow Redis.
void RedisLink::on_flush_due() {
  const MonoTime deadline = world_.loop.now() + timeout_;
  for (std::size_t i = commands_.size() - unsent_; i < commands_.size(); ++i) commands_[i].deadline = deadline;
  flush();
}

void RedisLink::flush() {
  unsent_ = 0;
  if (batch_.empty()) return;
  stream_->write(Bytes::copy(batch_));
  batch_.clear();
  if (batch_.capacity() > k_batch_kept) batch_.shrink_to_fit();
}

// ---- becoming up

void RedisLink::connect() {
  state_ = State::connecting;
  secured_ = !settings_.tls.has_value();
  pending_ =
      world_.net.connect(settings_.address, k_connect_limit, [this](auto stream) { on_connected(std::move(stream)); });
}

void RedisLink::on_connected(Result<std::unique_ptr<io::Stream>> stream) {
  if (!stream) {
    ++counts_.errors;
    return fail(in_words(stream.error()));
  }
  if (secured_) return greet(std::move(*stream));
  secured_ = true;
  pending_ = world_.net.start_tls(std::move(*stream), *settings_.tls, k_connect_limit,
                                  [this](auto secured) { on_connected(std::move(secured)); });
}

void RedisLink::greet(std::unique_ptr<io::Stream> stream) {
  state_ = State::greeting;
  stream_ = std::move(stream);
  reader_ = std::make_unique<ReplyReader>();
  std::string hello;
  const auto say = [&](Step step, std::initializer_list<std::string_view> words) {
    append_command(hello, std::span(words.begin(), words.size()));
    steps_.push_back(step);
  };
  if (!settings_.password.empty()) {
    if (settings_.user.empty()) {
      say(Step::auth, {"AUTH", settings_.password});
    } else {
      say(Step::auth, {"AUTH", settings_.user, settings_.password});
    }
  }
  if (settings_.database != 0) say(Step::select, {"SELECT", std::to_string(settings_.database)});
  say(Step::name, {"CLIENT", "SETNAME", "outrigger"});
  greeting_timer_ = world_.loop.after(std::max(k_greeting_limit, timeout_), [this] {
    ++counts_.timeouts;
    fail("Redis accepts connections but does not answer");
  });
  stream_->set_handler(this);
  stream_->read(true);
  stream_->write(Bytes::copy(hello));
}

void RedisLink::probe() {
  std::string ping;
  append_command(ping, std::initializer_list<std::string_view>{"PING"});
  steps_.push_back(Step::ping);
  greeting_timer_ = world_.loop.after(timeout_, [this] {
    ++counts_.timeouts;
    fail(too_late());
  });
  stream_->write(Bytes::copy(ping));
}

std::string RedisLink::too_late() const {
  return fmt::format("no answer within {} ms", std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count());
}

void RedisLink::on_greeting(const Reply& reply) {
  const Step step = steps_.front();
  steps_.pop_front();
  if (reply.kind == Reply::Kind::error) {
    const bool harmless = (step == Step::name && !ends_link(reply.text)) ||
                          (step == Step::auth && needs_no_password(reply.text)) ||
                          (step == Step::ping && error_code(reply.text) == "NOPERM");
    if (!harmless) {
      ++counts_.errors;
      return fail(step == Step::select ? "Redis refuses the database number" : explain(reply.text));
    }
  } else if (reply.kind != Reply::Kind::status) {
    return fail_as_rubbish("an odd reply to a greeting");
  }
  if (!steps_.empty()) return;
  if (step == Step::ping) {
    on_up();
  } else {
    probe();
  }
}

void RedisLink::on_up() {
  greeting_timer_.cancel();
  state_ = State::up;
  up_since_ = world_.loop.now();
  breaker_.on_success(up_since_);
  // Still open if nobody could wait for the first connection any longer; now it is there.
  if (breaker_.state(up_since_) != resilience::Breaker::State::closed) breaker_.reset(up_since_);
  last_error_.clear();
  if (std::exchange(was_in_trouble_, false)) owner_.on_link_news(LogLevel::info, "answers again");
  flush();
  owner_.on_link_up();
}

// ---- while up

void RedisLink::on_data(std::string_view data) {
  reader_->feed(data);
  // A reply may end the connection, and with it reader_.
  while (reader_ != nullptr) {
    auto reply = reader_->next();
    if (!reply) return fail_as_rubbish(reply.error());
    if (!reply->has_value()) return;
    if (state_ == State::greeting) {
      on_greeting(**reply);
    } else {
      on_reply(**reply);
    }
  }
}

void RedisLink::on_reply(const Reply& reply) {
  if (commands_.empty()) return fail_as_rubbish("a reply to nothing");
  Command command = std::move(commands_.front());
  commands_.pop_front();
  bytes_ -= command.bytes;
  const bool is_error = reply.kind == Reply::Kind::error;
  if (is_error) {
    ++counts_.errors;
    note_error(explain(reply.text), command.use);
  } else if (last_error_use_ == command.use) {
    last_error_.clear();
  }
  const bool possible = command.done(&reply);
  if (is_error && ends_link(reply.text)) return fail(explain(reply.text));
  if (!possible) fail_as_rubbish("a reply of the wrong kind");
}

// The oldest command may be too late. If this loop itself stood still (a throttled container, a long turn), the reply may be lying
// in the socket: timers run before sockets are read, so two turns pass before the judgement; between them lies a read.
void RedisLink::on_limit() {
  if (commands_.empty()) return;
  const MonoTime deadline = commands_.front().deadline;
  if (deadline > world_.loop.now()) {
    limit_timer_ = world_.loop.at(deadline, [this] { on_limit(); });
  } else {
    limit_timer_ = world_.loop.after(0ns, [this] { limit_timer_ = world_.loop.after(0ns, [this] { on_overdue(); }); });
  }
}

void RedisLink::on_overdue() {
  if (commands_.empty() || commands_.front().deadline > world_.loop.now()) return on_limit();
  ++counts_.timeouts;
  if (state_ == State::up) return fail(too_late());
  // The first connection is slow to come. It goes on in the background; until it is there nobody waits for it any more.
  breaker_.on_failure(world_.loop.now(), rng_);
  note_error(too_late(), Use::other);
  lose_commands();
}

void RedisLink::on_eof() { on_broken("Redis closed the connection"); }

void RedisLink::on_error(Error error) { on_broken(in_words(error)); }

void RedisLink::on_broken(std::string words) {
  const bool idle = state_ == State::up && commands_.empty() && world_.loop.now() - up_since_ >= k_steady;
  if (idle) {
    drop_connection();
    return connect();
  }
  ++counts_.errors;
  fail(std::move(words));
}

// ---- trouble

void RedisLink::fail_as_rubbish(std::string_view words) {
  ++counts_.rubbish;
  fail(std::string(words));
}

void RedisLink::fail(std::string words) {
  drop_connection();
  breaker_.on_failure(world_.loop.now(), rng_);
  state_ = State::resting;
  retry_timer_ = world_.loop.at(breaker_.reopens_at(), [this] { on_retry(); });
  note_error(std::move(words), Use::other);
  lose_commands();
}

void RedisLink::on_retry() {
  if (breaker_.may_pass(world_.loop.now())) connect();
}

void RedisLink::drop_connection() {
  pending_.reset();
  stream_.reset();
  reader_.reset();
  steps_.clear();
  greeting_timer_.cancel();
  flush_timer_.cancel();
}

void RedisLink::lose_commands() {
  batch_.clear();
  bytes_ = 0;
  unsent_ = 0;
  limit_timer_.cancel();
  std::deque<Command> lost = std::exchange(commands_, {});
  for (Command& command : lost) command.done(nullptr);
}

void RedisLink::note_error(std::string words, Use use) {
  const bool is_news = words != last_error_;
  was_in_trouble_ = was_in_trouble_ || state_ != State::up;
  last_error_ = std::move(words);
  last_error_use_ = use;
  if (is_news) owner_.on_link_news(LogLevel::warning, last_error_);
}

}  // namespace outrigger::cache
