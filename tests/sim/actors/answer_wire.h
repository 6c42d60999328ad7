// AnswerWire: reads HTTP/1.1 answers strictly, as a test does that trusts nobody. It shares no code with src/http.
//
//   head ──► body by length, by chunks, or until the end of the connection ──► done
//     └────────────── anything that HTTP does not allow ──────────────────────► bad
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrigger::sim {

class AnswerWire {
 public:
  // `bodiless`: the answer to a HEAD request.
  explicit AnswerWire(bool bodiless = false) : bodiless_(bodiless) {}

  // Takes what belongs to this answer and says how much that was.
  std::size_t feed(std::string_view data);
  // The connection has ended in order.
  void end();

  [[nodiscard]] bool begun() const { return !head_.empty() || state_ != State::head; }
  [[nodiscard]] bool done() const { return state_ == State::done; }
  // What HTTP does not allow; empty: nothing of the kind so far.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& body() const { return body_; }
  [[nodiscard]] std::string take_body() { return std::move(body_); }
  // Names are compared in lower case; empty: absent.
  [[nodiscard]] std::string_view header(std::string_view lower_name) const;
  // May the connection be used again?
  [[nodiscard]] bool keeps_open() const { return keeps_open_; }

 private:
  enum class State : std::uint8_t { head, length, chunk_size, chunk, chunk_end, trailer, until_close, done, bad };

  std::size_t take(std::string_view data);
  std::size_t take_line(std::string_view data, bool& whole);
  void on_head();
  void on_chunk_size();
  void fail(std::string problem);

  bool bodiless_;
  State state_ = State::head;
  std::string head_;  // the head so far, then one line of the chunked form
  int status_ = 0;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::uint64_t left_ = 0;
  std::string body_;
  bool keeps_open_ = true;
  std::string problem_;
};

}  // namespace outrigger::sim
