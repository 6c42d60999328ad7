#include "resilience_sim/visitors.h"

#include <fmt/format.h>

#include <charconv>

#include "core/check.h"
#include "resilience_sim/provider.h"
#include "sim/actors/answer_wire.h"
#include "sim/actors/told.h"

namespace outrigger::sim {
namespace {

// No test's limits let anything take longer; who waits so long has been forgotten.
constexpr Duration k_patience = 400s;

std::string wire_of(const Ask& ask) {
  const std::string padding(ask.padding, 'p');
  const std::string body = ask.embedding
                               ? fmt::format(R"({{"model":"{}","input":["<<{}>{}"]}})", ask.model, ask.question, padding)
                               : fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"<<{}>{}"}}]{}}})",
                                             ask.model, ask.question, padding, ask.stream ? R"(,"stream":true)" : "");
  if (ask.messages) {
    const std::string messages =
        fmt::format(R"({{"model":"{}","max_tokens":100,"messages":[{{"role":"user","content":"<<{}>{}"}}]{}}})", ask.model,
                    ask.question, padding, ask.stream ? R"(,"stream":true)" : "");
    return fmt::format(
        "POST /v1/messages HTTP/1.1\r\nHost: o\r\nX-Api-Key: k\r\nanthropic-version: 2023-06-01\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        messages.size(), messages);
  }
  return fmt::format(
      "POST /v1/{} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      ask.embedding ? "embeddings" : "chat/completions", body.size(), body);
}

// Where the first piece of text begins in what has come of a stream; npos: not yet.
std::size_t first_token_in(std::string_view body, bool messages) {
  const std::string_view k_content = messages ? "\"text\":\"" : "\"content\":\"";
  std::size_t at = 0;
  while ((at = body.find(k_content, at)) != std::string_view::npos) {
    at += k_content.size();
    if (at < body.size() && body[at] != '"') return at;
  }
  return at;
}

// All texts in a streamed or blocking message; none of them has anything to escape.
std::string text_of_message(std::string_view body) {
  constexpr std::string_view k_text = "\"text\":\"";
  std::string text;
  for (std::size_t at = 0; (at = body.find(k_text, at)) != std::string_view::npos;) {
    at += k_text.size();
    text += body.substr(at, body.find('"', at) - at);
  }
  return text;
}
std::string problem_of_message(std::string_view body, const Ask& ask) {
  if (body.contains("\"type\":\"error\"")) return "an error in a 200";
  if (ask.stream && !body.ends_with("data: {\"type\":\"message_stop\"}\n\n")) return "not the whole answer";
  if (!body.contains("\"stop_reason\":\"end_turn\"")) return "not the whole answer";
  const std::string text = text_of_message(body);
  return text == answer_to(ask.question) ? "" : "not the answer to the question: " + text;
}

}  // namespace

class Visitors::Visitor final : public io::StreamHandler {
 public:
  Visitor(Visitors& owner, std::uint64_t number, bool stays) : owner_(owner), number_(number), stays_(stays) {
    connecting_ = owner_.world_.net.connect(owner_.door_, 5s, [this](Result<std::unique_ptr<io::Stream>> stream) {
      if (!stream) return end("not connected", true);
      stream_ = std::move(*stream);
      stream_->set_handler(this);
      stream_->read(true);
      stream_->write(Bytes::copy(std::exchange(outbox_, {})));
    });
  }
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  ~Visitor() = default;

  void ask(const Ask& ask) {
    OR_CHECK(!is_busy_);
    is_busy_ = true;
    ask_ = ask;
    ask_.padding = 0;
    wire_ = AnswerWire();
    first_token_.reset();
    began_ = now();
    outbox_ = wire_of(ask);
    if (stream_ != nullptr) stream_->write(Bytes::copy(std::exchange(outbox_, {})));
    patience_ = owner_.world_.loop.after(k_patience, [this] { end("it took too long", true); });
    if (ask.leaves_in) patience_ = owner_.world_.loop.after(*ask.leaves_in, [this] { leave(); });
  }
  void leave() { end({}, true); }

 private:
  void on_data(std::string_view data) override {
    if (!is_busy_) {
      owner_.complaints_.push_back("after an answer's end: " + std::string(data.substr(0, 80)));
      return owner_.on_gone(number_);
    }
    const std::size_t taken = wire_.feed(data);
    if (!first_token_ && ask_.stream && first_token_in(wire_.body(), ask_.messages) != std::string_view::npos)
      first_token_ = now();
    if (!wire_.problem().empty()) return end("HTTP: " + wire_.problem(), true);
    if (!wire_.done()) return;
    if (taken < data.size()) owner_.complaints_.push_back("bytes behind an answer");
    end(problem(), !stays_ || !wire_.keeps_open());
  }
  void on_eof() override { lost(); }
  void on_error(Error) override { lost(); }
  void on_drained() override {}

  void lost() {
    if (is_busy_) return end("the connection ended within the answer", true);
    owner_.on_gone(number_);
  }

  // Why it is not the answer; empty: it is.
  [[nodiscard]] std::string problem() const {
    if (wire_.status() != 200) return fmt::format("{}: {}", wire_.status(), wire_.body().substr(0, 120));
    if (ask_.embedding) return told_by_embeddings(wire_.body()).embeddings.size() == 1 ? "" : "not an embedding";
    if (ask_.messages) return problem_of_message(wire_.body(), ask_);
    const Told told = ask_.stream ? told_by_stream(wire_.body()) : told_by_body(wire_.body());
    if (told.error) return "an error in a 200";
    if (!told.ended(ask_.stream) || told.finish_reason != "stop") return "not the whole answer";
    return told.text == answer_to(ask_.question) ? "" : "not the answer to the question: " + told.text;
  }

  // With empty `why` and not leaving: answered.
  void end(const std::string& why, bool leaves) {
    patience_.cancel();
    Outcome outcome;
    outcome.question = ask_.question;
    outcome.gone = leaves && why.empty() && !wire_.done();
    outcome.answered = why.empty() && !outcome.gone;
    outcome.status = wire_.status();
    outcome.why = why;
    outcome.began = began_;
    outcome.took = now() - began_;
    outcome.first_token = first_token_.value_or(now()) - began_;
    outcome.cache = wire_.header("x-outrigger-cache").substr(0, wire_.header("x-outrigger-cache").find(';'));
    outcome.served_by = wire_.header("x-outrigger-served-by");
    outcome.retry_after = wire_.header("retry-after");
    const std::string_view attempts = wire_.header("x-outrigger-attempts");
    std::from_chars(attempts.data(), attempts.data() + attempts.size(), outcome.attempts);
    wire_ = AnswerWire();
    is_busy_ = false;
    owner_.on_outcome(std::move(outcome));
    if (leaves) return owner_.on_gone(number_);
    owner_.idle_.push_back(number_);
  }

  [[nodiscard]] Duration now() const { return owner_.world_.loop.now() - owner_.start_; }

  Visitors& owner_;
  std::uint64_t number_;
  bool stays_;
  bool is_busy_ = false;
  Ask ask_;
  Duration began_{};
  std::optional<Duration> first_token_;
  std::string outbox_;
  AnswerWire wire_;
  std::unique_ptr<io::Pending> connecting_;
  std::unique_ptr<io::Stream> stream_;
  io::Timer patience_;
};

Visitors::Visitors(SimWorld& world, io::Address door, Rng rng)
    : world_(world), door_(std::move(door)), rng_(rng), start_(world.loop.now()) {}

Visitors::~Visitors() = default;

void Visitors::come(Duration span, double most, std::function<double(Duration)> per_second, std::function<Ask(Rng&)> what) {
  begun_ = world_.loop.now();
  until_ = begun_ + span;
  most_ = most;
  per_second_ = std::move(per_second);
  what_ = std::move(what);
  coming_ = true;
  await_next();
}

// By thinning: more than come are drawn, and some of them stay away (Lewis and Shedler, 1979).
void Visitors::await_next() {
  next_ = world_.loop.after(exponential(rng_, most_), [this] {
    if (world_.loop.now() >= until_) {
      coming_ = false;
      return;
    }
    if (rng_.chance(per_second_(world_.loop.now() - begun_) / most_)) {
      ++asked_;
      ++busy_;
      visitor_for(false).ask(what_(rng_));
    }
    await_next();
  });
}

std::uint64_t Visitors::ask(const Ask& ask) {
  ++asked_;
  ++busy_;
  visitor_for(true).ask(ask);
  return next_visitor_ - 1;
}

void Visitors::leave(std::uint64_t visitor) { visitors_.at(visitor)->leave(); }

Visitors::Visitor& Visitors::visitor_for(bool of_its_own) {
  if (!of_its_own && !idle_.empty()) {
    Visitor& visitor = *visitors_.at(idle_.back());
    idle_.pop_back();
    return visitor;
  }
  const std::uint64_t number = next_visitor_++;
  return *visitors_.emplace(number, std::make_unique<Visitor>(*this, number, !of_its_own)).first->second;
}

bool Visitors::run(Duration limit) {
  return world_.loop.run_until([this] { return !coming_ && busy_ == 0; }, limit);
}

void Visitors::on_outcome(Outcome outcome) {
  --busy_;
  outcomes_.push_back(std::move(outcome));
}

void Visitors::on_gone(std::uint64_t visitor) {
  const auto found = visitors_.find(visitor);
  std::erase(idle_, visitor);
  world_.loop.retire(std::move(found->second));
  visitors_.erase(found);
}

}  // namespace outrigger::sim
