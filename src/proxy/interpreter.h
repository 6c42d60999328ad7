// Interpreter: stands between an Attempt and its handler when the target is asked on another wire than the client's. Whatever the
// target says, an answer or an error, the handler hears in the client's dialect, piece by piece as it comes.
//
//   head ──200──► translating ──end──► (rest), end       an error status: its body is translated when it is whole
//
// Owned by the Runner, which outlives the Attempt. May be destroyed in any call to its handler.
#pragma once

#include <optional>
#include <string>

#include "chat/endpoint.h"
#include "io/world.h"
#include "providers/translation.h"
#include "proxy/attempt.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class Interpreter final : public AttemptHandler {
 public:
  // An error of a longer body is told without its words.
  static constexpr std::size_t k_error_body_max = 64 * 1024;

  struct Languages {
    chat::Endpoint of_target, of_client;
    bool streamed = false;       // does the client want a stream?
    bool include_usage = false;  // and the usage in it?
  };
  Interpreter(io::World world, Metrics& metrics, const Languages& languages, AttemptHandler& handler)
      : world_(world), metrics_(metrics), languages_(languages), handler_(handler) {}

  void on_attempt_head(http::ResponseHead head) override;
  void on_attempt_body(const Bytes& data) override;
  void on_attempt_end() override;
  void on_attempt_failed(Error error) override { handler_.on_attempt_failed(std::move(error)); }
  void on_attempt_drained() override { handler_.on_attempt_drained(); }

 private:
  io::World world_;
  Metrics& metrics_;
  Languages languages_;
  AttemptHandler& handler_;
  int status_ = 0;
  std::optional<providers::AnswerTranslation> translation_;  // of a 200
  std::string error_body_;
  io::Timer end_;
};

}  // namespace outrigger::proxy
