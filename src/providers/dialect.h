// Dialect: all that is known of one endpoint's wire, behind one face. One folder of providers/ holds one dialect; the table in
// dialect.cpp has a line for each, and nothing else in the program names them. All methods are pure.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "chat/conversation.h"
#include "chat/request.h"
#include "chat/shape.h"
#include "providers/answer.h"
#include "providers/saying.h"

namespace outrigger::providers {

// How requests and answers of an endpoint that asks for words are passed on to another dialect.
struct Translator {
  // `body` may be anything; `losses` gets what this dialect knows and a Conversation has no place for.
  std::expected<chat::Conversation, chat::NotCarried> (*hear_request)(std::string_view body, chat::Losses& losses);
  std::expected<std::string, chat::NotCarried> (*say_request)(const chat::Conversation& conversation, chat::Losses& losses);
  // Of the body of a 200.
  std::unique_ptr<Hearer> (*make_hearer)(bool streamed);
  std::unique_ptr<Speaker> (*make_speaker)(const SpeakerOptions& options);
  // The body of an error status.
  ErrorSaid (*hear_error)(int status, std::string_view body);
};

class Dialect {
 public:
  // `translator`: of static storage; null where nobody is asked for words.
  explicit Dialect(const Translator* translator = nullptr) : translator_(translator) {}
  virtual ~Dialect() = default;

  // How requests are understood.
  [[nodiscard]] virtual const chat::Shape& shape() const = 0;

  // What answer.h promises, for this endpoint. Defaults: an endpoint whose answers are not kept in this way.
  [[nodiscard]] virtual std::unique_ptr<AnswerReader> make_reader(bool streamed) const;
  [[nodiscard]] virtual std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const;
  [[nodiscard]] virtual std::string usage_event(std::string_view like, const Usage& usage) const;
  // A blocking answer that says `text`; empty: this endpoint has none.
  [[nodiscard]] virtual std::string answer_body(std::string_view model, std::string_view text) const;
  [[nodiscard]] std::optional<Answer> fixed_answer(std::string_view model, std::string_view text) const;
  // An error in this dialect. `events`: so many were sent before in the stream.
  [[nodiscard]] virtual std::string error_body(const ErrorSaid& error) const = 0;
  [[nodiscard]] virtual std::string error_event(const ErrorSaid& error, std::size_t events) const = 0;
  // May a stream leave out the usage? (Only OpenAI's older endpoints can; elsewhere it is always there.)
  [[nodiscard]] virtual bool has_optional_usage() const { return false; }

  [[nodiscard]] bool is_conversation() const { return translator_ != nullptr; }
  // Only of a conversation.
  [[nodiscard]] auto hear_request(std::string_view body, chat::Losses& losses) const {
    return translator_->hear_request(body, losses);
  }
  [[nodiscard]] auto say_request(const chat::Conversation& conversation, chat::Losses& losses) const {
    return translator_->say_request(conversation, losses);
  }
  [[nodiscard]] auto make_hearer(bool streamed) const { return translator_->make_hearer(streamed); }
  [[nodiscard]] auto make_speaker(const SpeakerOptions& options) const { return translator_->make_speaker(options); }
  [[nodiscard]] auto hear_error(int status, std::string_view body) const { return translator_->hear_error(status, body); }

 private:
  const Translator* translator_;
};

// Null for what is not understood.
const Dialect* dialect_of(chat::Endpoint endpoint);

// chat::understand for every endpoint; what is not understood at all says so in `bypass`.
chat::Request understand(chat::Endpoint endpoint, std::string_view body, Level level, std::string room = {});

}  // namespace outrigger::providers
