// DifyCall: one request to a backend of the dify door and its answer, with its clocks. There is no limit on the whole: a workflow
// may stream for hours, an upload take as long as it likes.
//
//   first_event  from the start until the flow says that something was said (note_event); off unless the operator sets it
//   idle         an hour without a byte in either direction, as Dify's own nginx has it
//
// Each call has a connection of its own, as nginx makes them: a run must never be sent twice because a connection that lay idle
// proved dead, and idle connections would take places of the ten that Dify's api has.
#pragma once

#include <memory>
#include <optional>

#include "http/client.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

// Any of these may destroy the call.
class DifyCallHandler {
 public:
  // With 101, which only an order with `upgrade` can get, the last call.
  virtual void on_call_head(http::ResponseHead head) = 0;
  virtual void on_call_body(const Bytes& data) = 0;
  // Last calls, either of them.
  virtual void on_call_end() = 0;
  virtual void on_call_failed(Error error) = 0;
  // The request body's unsent bytes have gone.
  virtual void on_call_drained() = 0;

 protected:
  ~DifyCallHandler() = default;
};

// Was nothing of the request sent? Then it may be sent elsewhere.
bool sent_nothing(ErrorCode code);

class DifyCall final : private http::CallHandler {
 public:
  static constexpr Duration k_idle = 1h;

  struct Order {
    const Target* target = nullptr;
    http::RequestHead head;
    std::optional<Bytes> body;  // whole, or:
    bool streamed_body = false;
    std::optional<std::uint64_t> streamed_length;
    std::optional<Duration> first_event;
    std::string_view upgrade{};  // as in http::CallOptions
  };
  // `handler` must outlive the call.
  DifyCall(io::Loop& loop, http::Client& client, Order order, DifyCallHandler& handler);
  DifyCall(const DifyCall&) = delete;
  DifyCall& operator=(const DifyCall&) = delete;

  void write_body(const Bytes& data);
  void end_body();
  [[nodiscard]] std::size_t unsent() const { return call_->unsent(); }
  // Off stops the backend, in the end. The idle clock stands still then, for it is the client who is slow.
  void read_body(bool on);
  void note_event() { first_event_.cancel(); }
  // After on_call_head with 101.
  [[nodiscard]] http::Upgraded take_upgraded() { return call_->take_upgraded(); }

 private:
  void on_head(http::ResponseHead head) override;
  void on_body(const Bytes& data) override;
  void on_end() override;
  void on_error(Error error) override;
  void on_drained() override;
  void watch_idle();
  void give_up(ErrorCode code);

  io::Loop& loop_;
  DifyCallHandler& handler_;
  MonoTime active_at_;
  bool reading_ = true;
  io::Timer first_event_;
  io::Timer idle_;
  std::unique_ptr<http::Call> call_;
};

}  // namespace outrigger::proxy
