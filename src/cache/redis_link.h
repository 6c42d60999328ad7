// RedisLink: one connection to Redis, kept up in the background. Commands are pipelined: those of one turn of the loop go out in
// one write. Owned by RedisTier, a RedisPurge or a Board; must not be destroyed inside a callback of its own (Loop::retire).
//
//   closed --open()--> connecting --TCP, TLS--> greeting --PONG--> up
//                        ^    ^                    |               | |
//                        |    |                    |               | '-- closed by Redis while nothing was asked --> connecting
//                        |    `- breaker's time -- resting <- failure, time limit -'
//                        `---------------------------'
//
// Order is the only thing that ties a reply to its command. So whatever is late, odd or unreadable ends the connection: a late reply
// must never be taken for the answer to another command.
//
// The breaker opens at the first failure or time limit. While it is open nothing is accepted, so Redis' time limit is paid
// by those who were waiting already and by nobody after them. Each probe is a new connection and a PING that must be answered
// within the time limit of a command: a Redis that is alive but slow stays shut.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cache/redis_settings.h"
#include "cache/resp.h"
#include "core/error.h"
#include "io/world.h"
#include "resilience/breaker.h"

namespace outrigger::cache {

class RedisLink final : private io::StreamHandler {
 public:
  class Owner {
   public:
    // Greeted. May be called many times.
    virtual void on_link_up() = 0;
    // Something for the log; each kind of trouble once, until it changes or ends.
    virtual void on_link_news(LogLevel level, std::string_view words) = 0;

   protected:
    ~Owner() = default;
  };
  enum class Use : unsigned char { lookup, write, other };
  // Runs once, never inside send(). Null: there is no reply, and there will be none. False means that no such reply is
  // possible for this command: the order is lost, and the connection is given up.
  using Done = std::move_only_function<bool(const Reply*)>;

  // `timeout` is the limit of every command, from the turn after send() to the reply.
  RedisLink(io::World world, RedisSettings settings, Duration timeout, Owner& owner);
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  void open();
  [[nodiscard]] bool up() const { return state_ == State::up; }
  // Would send() accept a lookup? True also while the first connection is being made.
  [[nodiscard]] bool usable() const;
  // False: not accepted, and `done` will not run: the breaker is open or too much is waiting.
  [[nodiscard]] bool send(std::span<const std::string_view> arguments, Use use, Done done);
  [[nodiscard]] bool send(std::initializer_list<std::string_view> arguments, Use use, Done done) {
    return send(std::span(arguments.begin(), arguments.size()), use, std::move(done));
  }

  struct Counts {
    std::uint64_t errors = 0;    // error replies and broken connections
    std::uint64_t timeouts = 0;  // connections given up for a time limit
    std::uint64_t rubbish = 0;   // connections given up for bytes that made no sense
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  // In words for operators, without secrets; empty when the last thing of its kind went well.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  enum class State : unsigned char { closed, connecting, greeting, up, resting };
  enum class Step : unsigned char { auth, select, name, ping };  // ping is said when the others are answered
  struct Command {
    Done done;
    std::size_t bytes;
    MonoTime deadline;
    Use use;
  };

  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override {}

  void connect();
  void on_connected(Result<std::unique_ptr<io::Stream>> stream);
  void greet(std::unique_ptr<io::Stream> stream);
  void probe();
  void on_greeting(const Reply& reply);
  void on_up();
  void on_reply(const Reply& reply);
  void on_broken(std::string words);
  void on_limit();
  void on_retry();
  void on_overdue();
  void on_flush_due();
  void flush();

  void fail(std::string words);
  void fail_as_rubbish(std::string_view words);
  void drop_connection();
  void lose_commands();
  void note_error(std::string words, Use use);
  [[nodiscard]] std::string too_late() const;
  [[nodiscard]] bool full(Use use, std::size_t bytes) const;

  io::World world_;
  RedisSettings settings_;
  Duration timeout_;
  Owner& owner_;
  Rng rng_;
  resilience::Breaker breaker_;
  State state_ = State::closed;

  std::unique_ptr<io::Pending> pending_;  // connecting, or the TLS handshake
  std::unique_ptr<io::Stream> stream_;
  std::unique_ptr<ReplyReader> reader_;
  std::deque<Step> steps_;  // greetings not yet answered
  bool secured_ = false;
  MonoTime up_since_{};

  std::deque<Command> commands_;  // accepted and not yet answered, in order; deadlines never fall
  std::size_t unsent_ = 0;        // of commands_, the last ones, which are still in batch_
  std::size_t bytes_ = 0;         // of commands_
  std::string batch_;             // of commands_, the part not yet written
  io::Timer flush_timer_, limit_timer_, greeting_timer_, retry_timer_;

  Counts counts_;
  std::string last_error_;
  Use last_error_use_ = Use::other;
  bool was_in_trouble_ = false;
};

}  // namespace outrigger::cache
