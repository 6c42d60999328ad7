#include "http/parser.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/check.h"
#include "http/upgrade.h"

namespace outrigger::http {

// The trampolines from C. A paused llhttp goes on where it stopped, so pausing costs next to nothing.
struct ParserCallbacks {
  static MessageParser& self(llhttp_t* parser) noexcept { return *static_cast<MessageParser*>(parser->data); }

  static int on_message_begin(llhttp_t* parser) noexcept {
    self(parser).begun_ = true;
    return HPE_OK;
  }
  static int on_start_line(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    self(parser).on_start_line({at, size});
    return HPE_OK;
  }
  static int on_method(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    self(parser).on_method({at, size});
    return HPE_OK;
  }
  // Fields that come after the head are trailers. They are dropped: they are hop-by-hop unless both sides agreed on them, and
  // nobody here asks for any.
  static int on_header_field(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    MessageParser& p = self(parser);
    if (p.stage_ == MessageParser::Stage::head) p.headers_.append_name({at, size});
    return HPE_OK;
  }
  static int on_header_value(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    MessageParser& p = self(parser);
    if (p.stage_ == MessageParser::Stage::head) p.headers_.append_value({at, size});
    return HPE_OK;
  }
  static int on_header_value_complete(llhttp_t* parser) noexcept {
    MessageParser& p = self(parser);
    return p.stage_ != MessageParser::Stage::head || p.end_of_field() ? HPE_OK : HPE_USER;
  }
  static int on_headers_complete(llhttp_t* parser) noexcept {
    MessageParser& p = self(parser);
    if (!p.check_head()) return -1;
    p.head_ready_ = !p.is_interim();
    return p.is_interim() || p.has_no_body() ? 1 : static_cast<int>(HPE_PAUSED);
  }
  static int on_body(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    if (size == 0) return HPE_OK;
    self(parser).body_piece_ = {at, size};
    return HPE_PAUSED;
  }
  // Also what keeps llhttp from reading on by its own rules: after this, start() makes it new. An `Upgrade` that the peer
  // asked for is thereby ignored, as RFC 9110 §7.8 allows.
  static int on_message_complete(llhttp_t* parser) noexcept {
    self(parser).message_ready_ = true;
    return HPE_PAUSED;
  }

  static constexpr llhttp_settings_t settings(llhttp_type_t type) {
    llhttp_settings_t s{};
    s.on_message_begin = on_message_begin;
    (type == HTTP_REQUEST ? s.on_url : s.on_status) = on_start_line;
    if (type == HTTP_REQUEST) s.on_method = on_method;
    s.on_header_field = on_header_field;
    s.on_header_value = on_header_value;
    s.on_header_value_complete = on_header_value_complete;
    s.on_headers_complete = on_headers_complete;
    s.on_body = on_body;
    s.on_message_complete = on_message_complete;
    return s;
  }
};

namespace {

constexpr llhttp_settings_t k_request_settings = ParserCallbacks::settings(HTTP_REQUEST);
constexpr llhttp_settings_t k_response_settings = ParserCallbacks::settings(HTTP_RESPONSE);

// What an ordinary message of an LLM client or provider needs, so that a head is parsed without growing anything.
constexpr std::size_t k_usual_fields = 24;
constexpr std::size_t k_usual_text = 1024;

// The fields that decide where a message ends and whom it is for.
struct Deciding {
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t codings = 0;
  std::string_view host, length, coding;
};

Deciding deciding_fields(const Headers& headers) {
  Deciding found;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const Headers::Field field = headers[i];
    if (field.name.size() == 4 && equal_ignoring_case(field.name, "host")) {
      ++found.hosts;
      found.host = field.value;
    } else if (field.name.size() == 14 && equal_ignoring_case(field.name, "content-length")) {
      ++found.lengths;
      found.length = field.value;
    } else if (field.name.size() == 17 && equal_ignoring_case(field.name, "transfer-encoding")) {
      ++found.codings;
      found.coding = field.value;
    }
  }
  return found;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What is wrong with the framing; empty when nothing is. llhttp refuses most of it already; this does not depend on that.
std::string_view framing_fault(const Deciding& fields, const llhttp_t& parser) {
  if (parser.http_major != 1 || parser.http_minor > 1) return "not HTTP/1.0 or HTTP/1.1";
  if (fields.lengths > 1) return "several Content-Length fields";
  if (fields.lengths == 1 && (!all_digits(fields.length) || (parser.flags & F_CONTENT_LENGTH) == 0)) {
    return "malformed Content-Length";
  }
  if (fields.codings == 0) return {};
  if (fields.lengths > 0) return "both Content-Length and Transfer-Encoding";
  const bool chunked =
      fields.codings == 1 && equal_ignoring_case(fields.coding, "chunked") && (parser.flags & F_CHUNKED) != 0;
  return chunked ? std::string_view{} : "a Transfer-Encoding other than chunked";
}

bool is_host(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

}  // namespace

MessageParser::MessageParser(llhttp_type_t type, Headers& headers) : type_(type), headers_(headers) {}

void MessageParser::start_message(const ParserLimits& limits) {
  llhttp_init(&parser_, type_, type_ == HTTP_REQUEST ? &k_request_settings : &k_response_settings);
  parser_.data = this;
  limits_ = limits;
  stage_ = Stage::head;
  begun_ = false;
  stopped_ = false;
  head_ready_ = false;
  message_ready_ = false;
  keep_alive_ = false;
  head_bytes_ = 0;
  overhead_bytes_ = 0;
  headers_.clear();
  headers_.reserve(k_usual_fields, k_usual_text);
}

Parsed MessageParser::next(std::string_view& input) {
  OR_CHECK(stage_ == Stage::head || stage_ == Stage::body);
  for (;;) {
    if (head_ready_) {
      head_ready_ = false;
      stage_ = Stage::body;
      return {ParseEvent::head, {}};
    }
    if (message_ready_) {
      message_ready_ = false;
      if (stage_ == Stage::body) {
        stage_ = Stage::ended;
        return {ParseEvent::end, {}};
      }
      restart_after_interim();
    }
    if (!std::exchange(stopped_, false) && input.empty()) return {ParseEvent::need_more, {}};
    const Parsed parsed = run(input);
    if (parsed.event != ParseEvent::need_more) return parsed;
  }
}

// One call of llhttp, which ends at the latest at the next event. need_more here means: look at the flags.
Parsed MessageParser::run(std::string_view& input) {
  std::string_view piece = input;
  if (stage_ == Stage::head) {
    if (head_bytes_ >= limits_.head_bytes) {
      set_error(type_ == HTTP_REQUEST ? ErrorCode::header_too_large : ErrorCode::upstream_protocol, "the head is too large");
      return fail();
    }
    piece = piece.substr(0, limits_.head_bytes - head_bytes_);
  }
  body_piece_ = {};
  const llhttp_errno_t result = llhttp_execute(&parser_, piece.data(), piece.size());
  std::size_t taken = piece.size();
  if (result == HPE_PAUSED) {
    taken = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - piece.data());
    llhttp_resume(&parser_);
    stopped_ = true;
  } else if (result != HPE_OK) {
    if (error_.detail.empty()) {
      const char* reason = llhttp_get_error_reason(&parser_);
      set_error(malformed(), reason != nullptr ? reason : llhttp_errno_name(result));
    }
    return fail();
  }
  input.remove_prefix(taken);
  if (stage_ == Stage::head) {
    head_bytes_ += taken;
    return {};
  }
  overhead_bytes_ += taken - body_piece_.size();
  if (overhead_bytes_ > limits_.head_bytes) {
    set_error(malformed(), "too much chunk framing");
    return fail();
  }
  if (body_piece_.empty()) return {};
  overhead_bytes_ = 0;
  return {ParseEvent::body, body_piece_};
}

void MessageParser::restart_after_interim() {
  const std::size_t bytes = head_bytes_;
  on_interim_end();
  start_message(limits_);
  head_bytes_ = bytes;
  begun_ = true;
}

ErrorCode MessageParser::malformed() const {
  return type_ == HTTP_REQUEST ? ErrorCode::bad_request : ErrorCode::upstream_protocol;
}

void MessageParser::set_error(ErrorCode code, std::string_view detail) {
  error_.code = code;
  error_.detail = detail;
}

Parsed MessageParser::fail() {
  stage_ = Stage::failed;
  return {ParseEvent::failed, {}};
}

bool MessageParser::end_of_field() {
  headers_.end_field();
  if (headers_.size() <= limits_.fields) return true;
  set_error(type_ == HTTP_REQUEST ? ErrorCode::header_too_large : ErrorCode::upstream_protocol, "too many header fields");
  return false;
}

RequestParser::RequestParser() : MessageParser(HTTP_REQUEST, head_.headers) {}

void RequestParser::start(const ParserLimits& limits) {
  head_.method.clear();
  head_.target.clear();
  start_message(limits);
}

bool RequestParser::check_head() {
  const Deciding fields = deciding_fields(head_.headers);
  std::string_view fault = framing_fault(fields, parser_);
  if (fault.empty() && fields.codings > 0 && parser_.http_minor == 0) fault = "Transfer-Encoding in HTTP/1.0";
  if (fault.empty() && fields.hosts > 1) fault = "several Host fields";
  if (fault.empty() && fields.hosts == 0 && parser_.http_minor == 1) fault = "no Host field";
  if (fault.empty() && !is_host(fields.host)) fault = "malformed Host";
  head_.minor_version = parser_.http_minor;
  head_.chunked = fields.codings > 0;
  head_.content_length.reset();
  if (fields.lengths > 0) head_.content_length = parser_.content_length;
  keep_alive_ = llhttp_should_keep_alive(&parser_) != 0;
  if (fault.empty() && !is_connect()) fault = settle_target();
  if (!fault.empty()) set_error(ErrorCode::bad_request, fault);
  return fault.empty();
}

// RFC 9112 §3.2: origin-form stays; absolute-form becomes it, and its authority replaces Host; "*" is for OPTIONS alone.
std::string_view RequestParser::settle_target() {
  std::string& target = head_.target;
  if (target.find('#') != std::string::npos) return "a fragment in the target";
  if (target.starts_with('/')) return {};
  if (target == "*") return parser_.method == HTTP_OPTIONS ? std::string_view{} : "the target * without OPTIONS";
  const std::size_t scheme = target.find("://");
  if (scheme == std::string::npos) return "malformed target";
  const std::string_view name = std::string_view(target).substr(0, scheme);
  if (!equal_ignoring_case(name, "http") && !equal_ignoring_case(name, "https")) return "the target has a foreign scheme";
  const std::size_t from = scheme + 3;
  const std::size_t to = std::min(target.find_first_of("/?", from), target.size());
  const std::string authority = target.substr(from, to - from);
  if (authority.empty() || !is_host(authority)) return "malformed authority in the target";
  head_.headers.set("Host", authority);
  target.erase(0, to);
  if (target.empty()) target = parser_.method == HTTP_OPTIONS ? "*" : "/";
  if (target.starts_with('?')) target.insert(0, "/");
  return {};
}

ResponseParser::ResponseParser() : MessageParser(HTTP_RESPONSE, head_.headers) {}

void ResponseParser::start(const ParserLimits& limits, bool no_body, std::string_view upgrade) {
  no_body_ = no_body;
  upgrade_ = upgrade;
  until_end_ = false;
  head_.reason.clear();
  start_message(limits);
}

bool ResponseParser::has_no_body() const {
  return no_body_ || parser_.status_code < 200 || parser_.status_code == 204 || parser_.status_code == 304;
}

bool ResponseParser::check_head() {
  const Deciding fields = deciding_fields(head_.headers);
  std::string_view fault = framing_fault(fields, parser_);
  head_.status = parser_.status_code;
  head_.minor_version = parser_.http_minor;
  const bool is_unasked = head_.status == 101 && (upgrade_.empty() || !agrees_to_upgrade(head_, upgrade_));
  if (head_.status < 100 || is_unasked) fault = "a status that nobody asked for";
  if (!fault.empty()) {
    set_error(ErrorCode::upstream_protocol, fault);
    return false;
  }
  head_.chunked = fields.codings > 0;
  head_.content_length.reset();
  if (fields.lengths > 0) head_.content_length = parser_.content_length;
  const bool wanted = parser_.http_minor == 1 ? (parser_.flags & F_CONNECTION_CLOSE) == 0
                                              : (parser_.flags & F_CONNECTION_KEEP_ALIVE) != 0 && !head_.chunked;
  until_end_ = !has_no_body() && !head_.chunked && !head_.content_length;
  has_body_ = !has_no_body() && (until_end_ || head_.chunked || *head_.content_length > 0);
  keep_alive_ = wanted && !until_end_;
  return true;
}

}  // namespace outrigger::http
