// Incremental parsers of HTTP/1.1 messages: llhttp in its strict form, plus the checks that llhttp leaves to its user.
//
//   start() ─► head ─► body* ─► end            one message; start() again for the next one
//          any ─► failed                       for good: the connection cannot be used any more
//
// Pure. The caller pulls: next() takes bytes off the front of its input and returns at the first thing worth knowing, so that
// nobody's code ever runs inside llhttp and a caller may stop between any two events. How the input is split makes no
// difference to what comes out, except for where body pieces begin and end.
//
// Refused, because two readers of the same bytes might see two different messages (request smuggling): several or malformed
// Content-Length, Content-Length with Transfer-Encoding, any transfer coding but a lone "chunked", Transfer-Encoding in
// HTTP/1.0 requests, folded lines, white space before a colon, bare CR or LF, NUL, several Hosts, no Host in HTTP/1.1.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <string_view>

#include "core/error.h"
#include "http/message.h"

namespace outrigger::http {

struct ParserLimits {
  std::size_t head_bytes = 32 * 1024;  // start line and fields; and what is not body between two body bytes (chunk
                                       // extensions, trailers)
  std::size_t fields = 256;
};

enum class ParseEvent : unsigned char {
  need_more,  // all input is used up
  head,       // head() is complete
  body,       // Parsed::body holds a piece
  end,        // the message is complete
  failed,     // error() says why
};

struct Parsed {
  ParseEvent event = ParseEvent::need_more;
  std::string_view body;  // a part of the input
};

// What both directions share; see RequestParser and ResponseParser.
class MessageParser {
 public:
  MessageParser(const MessageParser&) = delete;
  MessageParser& operator=(const MessageParser&) = delete;

  // Takes what it parsed off the front of `input`. Not to be called again after end or failed without start().
  Parsed next(std::string_view& input);
  // No byte of the message has come yet (empty lines before it do not count, RFC 9112 §2.2).
  [[nodiscard]] bool fresh() const { return !begun_; }
  // May another message follow on the same connection, as far as this one says? Known with the head.
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  // Only after `failed`.
  [[nodiscard]] const Error& error() const { return error_; }

 protected:
  MessageParser(llhttp_type_t type, Headers& headers);
  virtual ~MessageParser() = default;

  void start_message(const ParserLimits& limits);
  [[nodiscard]] bool in_body() const { return stage_ == Stage::body; }
  void set_error(ErrorCode code, std::string_view detail);

  llhttp_t parser_{};
  bool keep_alive_ = false;

 private:
  friend struct ParserCallbacks;
  enum class Stage : unsigned char { head, body, ended, failed };

  // The callbacks' other ends; false refuses the message (set_error was called).
  virtual void on_start_line(std::string_view piece) = 0;  // a piece of the target, or of the reason phrase
  virtual void on_method(std::string_view piece) = 0;
  virtual bool check_head() = 0;
  [[nodiscard]] virtual bool has_no_body() const = 0;
  // A message that its reader never sees (100 Continue).
  [[nodiscard]] virtual bool is_interim() const = 0;
  virtual void on_interim_end() = 0;

  Parsed run(std::string_view& input);
  Parsed fail();
  void restart_after_interim();
  bool end_of_field();
  [[nodiscard]] ErrorCode malformed() const;

  const llhttp_type_t type_;
  Headers& headers_;
  ParserLimits limits_;
  Stage stage_ = Stage::head;
  bool begun_ = false;
  bool stopped_ = false;         // llhttp stopped at an event of ours and may have more to say without more input
  bool head_ready_ = false;      // check_head() passed, not yet told
  bool message_ready_ = false;   // llhttp saw the end, not yet told
  std::string_view body_piece_;  // set by on_body, for the run() around it
  std::size_t head_bytes_ = 0;
  std::size_t overhead_bytes_ = 0;  // since the last body byte
  Error error_;
};

// Requests. head() is valid until the next start(); its memory is used again.
class RequestParser final : public MessageParser {
 public:
  RequestParser();
  void start(const ParserLimits& limits);
  [[nodiscard]] const RequestHead& head() const { return head_; }
  [[nodiscard]] bool is_connect() const { return parser_.method == HTTP_CONNECT; }
  [[nodiscard]] bool is_head() const { return parser_.method == HTTP_HEAD; }

 private:
  void on_start_line(std::string_view piece) override { head_.target.append(piece); }
  void on_method(std::string_view piece) override { head_.method.append(piece); }
  bool check_head() override;
  [[nodiscard]] bool has_no_body() const override { return false; }
  [[nodiscard]] bool is_interim() const override { return false; }
  void on_interim_end() override {}
  // Makes head_.target an origin-form. What is wrong with it; empty when nothing is.
  std::string_view settle_target();

  RequestHead head_;
};

// Responses. Interim ones (1xx but 101) are swallowed; they count towards the limit of the head.
class ResponseParser final : public MessageParser {
 public:
  ResponseParser();
  // `no_body`: whatever the fields say, as after a HEAD request, or a CONNECT that succeeds. `upgrade`: the protocol that the
  // request asked for; a 101 that changes to it is a head without a body, and what stands behind it is no HTTP. Any other 101
  // fails. The text must outlive the message.
  void start(const ParserLimits& limits, bool no_body, std::string_view upgrade = {});
  // Valid from `head` on. May be moved from.
  [[nodiscard]] ResponseHead& head() { return head_; }
  // Known with the head.
  [[nodiscard]] bool has_body() const { return has_body_; }
  // The connection has ended: is the message complete thereby?
  [[nodiscard]] bool ends_with_connection() const { return until_end_ && in_body(); }

 private:
  void on_start_line(std::string_view piece) override { head_.reason.append(piece); }
  void on_method(std::string_view) override {}
  bool check_head() override;
  [[nodiscard]] bool has_no_body() const override;
  [[nodiscard]] bool is_interim() const override { return parser_.status_code < 200 && parser_.status_code != 101; }
  void on_interim_end() override { head_.reason.clear(); }

  ResponseHead head_;
  std::string_view upgrade_;
  bool no_body_ = false;
  bool has_body_ = false;
  bool until_end_ = false;  // the body ends with the connection
};

}  // namespace outrigger::http
