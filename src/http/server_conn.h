// ServerConn: one accepted connection and the exchange that is on it. Owned by its Server; owns the stream and, while an exchange
// lasts, its handler.
//
//                     ┌──────────── next_request() ◄───────────┐
//                     ▼                                        │
//   reading_head ─ begin_exchange() ─► in_exchange ─ end_exchange() ─► discarding (answered before the body was read)
//        │                                  │                  │               │
//        └──────── refuse() ────────────────┴── begin_closing() ◄──────────────┘
//                                                   ▼
//   any ── die() ─► dead                        closing (all is said; the rest of the input is thrown away) ── die() ─► dead
//   in_exchange ── upgrade() ─► upgraded (the stream is somebody else's) ── finish(), abort() ─► dead
//
// Invariants:
//   1. The handler is only called from a stream event or a timer, never inside one of the Exchange's methods. So when a call to
//      the handler returns, nothing of the handler is on the stack, and it may be destroyed then.
//   2. A next request is parsed only when the exchange before it is over and the kernel has taken all of its answer (or the
//      answer is corked, to go out with the next ones). Until then its bytes stay in pending_; at k_pending_max the connection
//      is not read any more.
//   3. dead: no stream, no timers, not on the Server's list; what remains waits for Loop::retire.
//   4. upgraded: no stream, no timers; the handler stays for as long as the other protocol is spoken.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/parser.h"
#include "http/server.h"
#include "http/writer.h"
#include "io/world.h"

namespace outrigger::http {

class ServerConn;

// What all connections of one Server share, and what they need of it.
struct ServerShared {
  ServerShared(io::Loop& with_loop, Acceptor& with_acceptor, const ServerLimits& with_limits)
      : loop(with_loop), acceptor(with_acceptor), limits(with_limits) {}
  // Takes `conn` off the list and retires it.
  virtual void forget(ServerConn& conn) = 0;

  io::Loop& loop;
  Acceptor& acceptor;
  ServerLimits limits;
  DateLine date;
  std::string scratch;  // where heads are written; its memory is used again
  bool draining = false;

 protected:
  ~ServerShared() = default;
};

class ServerConn final : public Exchange, private io::StreamHandler {
 public:
  ServerConn(ServerShared& shared, std::unique_ptr<io::Stream> stream);
  ~ServerConn() override;
  ServerConn(const ServerConn&) = delete;
  ServerConn& operator=(const ServerConn&) = delete;

  void drain();
  // Since when no exchange has been under way; nullopt: one is.
  [[nodiscard]] std::optional<MonoTime> idle_since() const;
  // Ends at once. Only while no exchange is under way.
  void give_way();

  std::size_t place = 0;  // on the Server's list; the Server's alone

  // Exchange
  [[nodiscard]] const RequestHead& request() const override { return parser_.head(); }
  [[nodiscard]] std::string peer() const override;
  void read_body(bool on) override;
  void respond(const ResponseHead& head, BodyLength length) override;
  void write(const Bytes& data) override;
  void finish() override;
  void respond_whole(const ResponseHead& head, const Bytes& body) override;
  void respond_rendered(std::string_view head, const Bytes& body) override;
  void abort() override;
  [[nodiscard]] Upgraded upgrade(const ResponseHead& head, std::string_view protocol) override;
  [[nodiscard]] bool responded() const override { return answer_ != Answer::none; }
  [[nodiscard]] std::size_t unsent() const override;

 private:
  enum class State : unsigned char { reading_head, in_exchange, discarding, closing, upgraded, dead };
  enum class Answer : unsigned char { none, streaming, finished };

  // io::StreamHandler
  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override;

  // Input
  void pump(std::string_view& input);
  void pump_pending();
  void pump_later();
  [[nodiscard]] bool may_parse() const;
  [[nodiscard]] bool between_requests() const { return parser_is_old_ || parser_.fresh(); }
  void begin_exchange();
  void take_body(std::string_view data);
  void take_end();
  void ask_for_body();

  // Output
  [[nodiscard]] Framing frame(int status, BodyLength length);
  void send(std::span<const Bytes> chunks);
  void send_whole(Bytes head, const Bytes& body);
  void cork(Bytes piece);
  void flush_cork();

  // Transitions
  void after_call();
  void end_exchange();
  void next_request();
  void refuse(ErrorCode code);
  void write_refusal(ErrorCode code);
  void lose_client();
  void begin_closing();
  void die();
  void cancel_timers();
  // After every event: what was held back goes out, reading and the timer follow the state.
  void settle();

  // Time
  [[nodiscard]] std::optional<MonoTime> deadline() const;
  void watch();
  void on_timer();
  void expire();

  ServerShared& shared_;
  std::unique_ptr<io::Stream> stream_;
  RequestParser parser_;
  bool parser_is_old_ = true;  // still holds the last request
  State state_ = State::reading_head;
  Answer answer_ = Answer::none;

  // Of the current exchange.
  bool calling_ = false;        // the handler, or on_request, is on the stack
  bool close_after_ = false;    // no further request on this connection
  bool body_complete_ = false;  // of the request
  bool reading_body_ = true;
  bool wants_continue_ = false;  // the client waits for 100 Continue
  bool swallow_body_ = false;    // of the answer: HEAD, 204, 304
  bool chunked_ = false;
  bool owes_drained_ = false;
  std::optional<std::uint64_t> length_left_;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t body_limit_ = 0;

  // Of the connection.
  bool served_ = false;  // at least one request has come
  bool eof_ = false;
  bool reading_ = false;  // what the stream was told
  bool pumping_ = false;
  bool more_input_ = false;  // bytes stand behind those that are being handled
  std::string pending_;
  std::size_t pending_at_ = 0;  // what is before it has been parsed
  // Goes out with what is written next, and at the latest when flush_ comes: at the end of the event that is being handled.
  std::vector<Bytes> corked_;
  std::size_t corked_bytes_ = 0;
  std::string peer_;  // kept when the stream goes before the handler

  MonoTime since_;                      // of the state
  std::optional<MonoTime> head_began_;  // the first byte of a head that is not complete
  MonoTime body_at_;                    // the last piece of body, or when it was asked for
  MonoTime progress_at_;                // when unsent() was last seen to change
  std::size_t unsent_seen_ = 0;
  MonoTime timer_at_;
  io::Timer timer_;
  io::Timer resume_;
  io::Timer flush_;
  std::unique_ptr<ExchangeHandler> handler_;  // last: goes first
};

}  // namespace outrigger::http
