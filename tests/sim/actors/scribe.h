// Scribe: a stream between the simulated net and a provider. It numbers each request that comes (the marks in its texts), so that
// any answer can be told from any other for ever, and notes what the provider writes in return, faults included.
//
// Requests with a body of known and modest length are handed on when they are whole; everything else as it comes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/stream.h"
#include "sim/actors/answer_wire.h"
#include "sim/history.h"

namespace outrigger::sim {

class Scribe final : public io::Stream, private io::StreamHandler {
 public:
  Scribe(io::Loop& loop, History& history, std::string upstream, std::unique_ptr<io::Stream> inner);
  ~Scribe() override;
  Scribe(const Scribe&) = delete;
  Scribe& operator=(const Scribe&) = delete;

  void set_handler(io::StreamHandler* handler) override { handler_ = handler; }
  void read(bool on) override;
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override;
  [[nodiscard]] std::size_t unsent() const override { return inner_->unsent(); }
  void shutdown() override;
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

 private:
  enum class State : std::uint8_t { head, body, chunks };

  void on_data(std::string_view data) override;
  void on_eof() override { handler_->on_eof(); }
  void on_error(Error error) override { handler_->on_error(std::move(error)); }
  void on_drained() override { handler_->on_drained(); }

  bool take_request();
  void begin_call(std::string_view head);
  void number(std::string& body);
  void end_call();

  io::Loop& loop_;
  History& history_;
  std::string upstream_;
  std::unique_ptr<io::Stream> inner_;
  io::StreamHandler* handler_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  State state_ = State::head;
  std::string pending_;     // not yet handed on
  std::uint64_t left_ = 0;  // of a body that is handed on as it comes
  std::string tail_;        // the last bytes of a chunked body
  std::uint64_t call_ = 0;  // whose answer is being written; zero: none
  std::optional<AnswerWire> answer_;
};

}  // namespace outrigger::sim
