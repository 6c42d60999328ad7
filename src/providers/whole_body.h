// Whole bodies: JSON answers that are kept and sent again as they came. Only an id that is a word and a random part, the time, and
// on demand the counts of the usage are written anew. For endpoints whose answers are not a text that grows: rerank, embed.
//
// The stored form, all numbers with four bytes, the lowest first:
//   "ORW" version(1) checksum(8) endpoint count (kind offset size)*count body
#pragma once

#include <yyjson.h>

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/dialect.h"

namespace outrigger::providers {

class WholeBodyDialect : public Dialect {
 public:
  // Why a body that is JSON may not be stored; nothing when it may. The root is whatever the provider sent.
  using Judge = std::optional<chat::NoStoreReason> (*)(yyjson_val* root);

  WholeBodyDialect(const chat::Shape& shape, Judge judge) : shape_(shape), judge_(judge) {}
  [[nodiscard]] const chat::Shape& shape() const override { return shape_; }
  // None for a stream, which these endpoints do not have.
  [[nodiscard]] std::unique_ptr<AnswerReader> make_reader(bool streamed) const override;
  [[nodiscard]] std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const override;
  // In OpenAI's shape: what Jina's clients read, and Cohere's look at nothing but the status.
  [[nodiscard]] std::string error_body(const ErrorSaid& error) const override;
  [[nodiscard]] std::string error_event(const ErrorSaid& error, std::size_t events) const override;

 private:
  const chat::Shape& shape_;
  Judge judge_;
};

class WholeBodyReader final : public AnswerReader {
 public:
  static constexpr std::size_t k_body_size_max = std::size_t{64} << 20;

  WholeBodyReader(chat::Endpoint endpoint, WholeBodyDialect::Judge judge) : endpoint_(endpoint), judge_(judge) {}
  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override { return usage_; }
  [[nodiscard]] bool saw_error() const override { return error_; }

 private:
  chat::Endpoint endpoint_;
  WholeBodyDialect::Judge judge_;
  std::string body_;
  std::vector<Event> events_;  // stays empty
  std::optional<Usage> usage_;
  bool too_large_ = false;
  bool error_ = false;
};

}  // namespace outrigger::providers
