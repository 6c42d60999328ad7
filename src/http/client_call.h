// ClientCall: one request to an origin and its answer. Owned by whoever asked; owns the connection while it uses it.
//
//   connecting ─► exchanging ─► over        over: on_end, on_error or a 101 has been told, or is about to be
//       ▲             │
//       └── a pooled connection proves dead before a byte of the answer (once, and only if all can be sent again)
//
// The handler may destroy the call in any of its methods, so each of them is the last thing that touches a member, or is
// followed by a look at `gone`.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/client_dial.h"
#include "http/client_pool.h"
#include "http/parser.h"

namespace outrigger::http {

// What a Client's calls share.
struct ClientShared {
  io::World world;
  ClientLimits limits;
  Pools pools;
  std::string scratch;  // where heads are written; its memory is used again
};

class ClientCall final : public Call, private io::StreamHandler {
 public:
  // `shared` must outlive the call.
  ClientCall(ClientShared& shared, const Origin& origin, const RequestHead& head, CallOptions options, CallHandler& handler);
  ~ClientCall() override;
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;

  void write_body(const Bytes& data) override;
  void end_body() override;
  [[nodiscard]] std::size_t unsent() const override;
  void read_body(bool on) override;
  [[nodiscard]] Upgraded take_upgraded() override;
  [[nodiscard]] bool reused() const override { return reused_; }

 private:
  enum class State : unsigned char { connecting, exchanging, over };

  // io::StreamHandler
  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override;

  void dial();
  void on_connected(Result<std::unique_ptr<io::Stream>> stream);
  void attach(std::unique_ptr<io::Stream> stream, bool is_read);
  void send_body(std::span<const Bytes> pieces);

  // All of these may end in a call to the handler that destroys this object.
  void pump(std::string_view input);
  void pump_pending();
  void take_eof();
  void end_answer(bool input_is_used_up);
  void end_http(std::string_view input);
  void lose_connection(std::string_view why);
  void end_with(ErrorCode code, std::string detail);
  void end_later(ErrorCode code, std::string_view detail);

  // Takes the input up to a stop; true when this object is gone or over.
  bool parse(std::string_view& input);
  [[nodiscard]] bool may_parse() const;
  void follow_reading();

  ClientShared& shared_;
  Pool& pool_;
  CallHandler& handler_;
  CallOptions options_;
  const bool is_head_;
  Bytes head_;
  State state_ = State::connecting;
  std::unique_ptr<Dial> dial_;
  std::unique_ptr<io::Stream> stream_;
  ResponseParser parser_;

  bool reused_ = false;
  bool heard_ = false;  // a byte of the answer has come
  bool head_told_ = false;
  bool eof_ = false;

  bool body_ended_ = false;  // the request's: all of it was given to the stream, or stands in waiting_
  bool body_begun_ = false;  // a part of it was given to the stream
  bool unwanted_ = false;    // the origin has answered that it does not want the rest
  bool left_unsent_ = false;
  std::optional<std::uint64_t> length_left_;
  std::vector<Bytes> waiting_;  // body, framed, until there is a connection
  std::size_t waiting_bytes_ = 0;

  bool reading_body_ = true;  // of the answer
  bool reading_ = false;      // what the stream was told
  std::string pending_;       // came after reading was switched off, or behind a 101: at most one read
  io::Timer later_;
  bool* gone_ = nullptr;
};

}  // namespace outrigger::http
