// Tap: a stream between the simulated net and a simulated Dify that notes in a Book which request came on it and all that Dify wrote
// in return, faults included. The door makes a connection for each call, and so do the clients of these tests: one request each.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/stream.h"
#include "sim/actors/answer_wire.h"

namespace outrigger::dify_sim {

// One request that reached a Dify.
struct Seen {
  std::string backend;
  std::string mark;  // whose it is: the client's X-Mark
  std::string method, path;
  std::string body;  // its beginning
  MonoTime came{};
  bool whole = false;  // the request has come to its end
  sim::AnswerWire answer;

  // "No run has begun": said by Dify, which may be asked again.
  [[nodiscard]] bool is_too_many() const;
  // Asks for a run, or to stop one.
  [[nodiscard]] bool is_run() const;
  [[nodiscard]] bool is_stop() const { return path.ends_with("/stop"); }
};

struct Book {
  std::deque<Seen> seen;  // in the order in which they came
};

class Tap final : public io::Stream, private io::StreamHandler {
 public:
  Tap(io::Loop& loop, Book& book, std::string backend, std::unique_ptr<io::Stream> inner);

  void set_handler(io::StreamHandler* handler) override { handler_ = handler; }
  void read(bool on) override { inner_->read(on); }
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override;
  [[nodiscard]] std::size_t unsent() const override { return inner_->unsent(); }
  void shutdown() override;
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

 private:
  void on_data(std::string_view data) override;
  void on_eof() override { handler_->on_eof(); }
  void on_error(Error error) override { handler_->on_error(std::move(error)); }
  void on_drained() override { handler_->on_drained(); }

  void note(std::string_view data);
  void note_body(std::string_view data);

  io::Loop& loop_;
  Book& book_;
  std::string backend_;
  std::unique_ptr<io::Stream> inner_;
  io::StreamHandler* handler_ = nullptr;
  std::string head_;
  Seen* seen_ = nullptr;               // once the head is whole
  std::optional<std::uint64_t> left_;  // of the body; nothing: chunked
  std::string tail_;                   // the last bytes of a chunked body
};

}  // namespace outrigger::dify_sim
