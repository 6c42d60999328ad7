#include "resilience_sim/provider.h"

#include <fmt/format.h>

#include "core/check.h"

namespace outrigger::sim {
namespace {

// So many tokens has an answer.
constexpr std::size_t k_tokens = 3;

std::string token(std::string_view text, std::string_view finish = "null") {
  return fmt::format(
      "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{"
      "\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"finish_reason\":{}}}]}}\n\n",
      text, finish);
}
std::string chunk(std::string_view text) { return fmt::format("{:x}\r\n{}\r\n", text.size(), text); }

std::string_view between(std::string_view text, std::string_view before, char end) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find(end));
}

std::string blocking_answer(std::string_view question) {
  return fmt::format(
      "{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,"
      "\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}],\"usage\":{{"
      "\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}}}",
      answer_to(question));
}
std::string embedding() {
  return R"({"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[0.5,0.25]}],)"
         R"("usage":{"prompt_tokens":5,"total_tokens":5}})";
}
std::string error_body(Fate fate) {
  const std::string_view type = fate == Fate::rejected ? "rate_limit_exceeded" : "server_error";
  return fmt::format("{{\"error\":{{\"message\":\"no\",\"type\":\"{0}\",\"code\":\"{0}\"}}}}", type);
}

// The same on Anthropic's wire.
namespace messages {

std::string event(std::string_view type, std::string_view rest) {
  return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", type, rest);
}
std::string start() {
  return event("message_start",
               R"(,"message":{"id":"msg","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,)"
               R"("usage":{"input_tokens":7,"output_tokens":1}})") +
         event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
}
std::string token(std::string_view text) {
  return event("content_block_delta", fmt::format(R"(,"index":0,"delta":{{"type":"text_delta","text":"{}"}})", text));
}
std::string stop() {
  return event("content_block_stop", R"(,"index":0)") +
         event("message_delta", R"(,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3})") +
         event("message_stop", "");
}
std::string blocking_answer(std::string_view question) {
  return fmt::format(
      R"({{"id":"msg","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{}"}}],)"
      R"("stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":7,"output_tokens":3}}}})",
      answer_to(question));
}
std::string error_body(Fate fate) {
  const std::string_view type = fate == Fate::rejected ? "rate_limit_error" : "overloaded_error";
  return fmt::format(R"({{"type":"error","error":{{"type":"{}","message":"no"}}}})", type);
}

}  // namespace messages

}  // namespace

std::string answer_to(std::string_view question) { return fmt::format("you asked {} . and that was it", question); }

// One connection; requests come one after the other.
class Provider::Connection final : public io::StreamHandler {
 public:
  Connection(Provider& owner, std::uint64_t number, std::unique_ptr<io::Stream> stream)
      : owner_(owner), number_(number), stream_(std::move(stream)) {
    stream_->set_handler(this);
    stream_->read(true);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { end_call(); }

 private:
  void on_data(std::string_view data) override {
    pending_ += data;
    const std::size_t end = pending_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::string_view length = between(pending_, "Content-Length: ", '\r');
    if (pending_.size() < end + 4 + std::stoul(std::string(length))) return;
    OR_CHECK(!is_busy_);
    on_request(std::exchange(pending_, {}));
  }
  void on_eof() override { owner_.leave(number_); }
  void on_error(Error) override { owner_.leave(number_); }
  void on_drained() override {}

  void on_request(const std::string& request) {
    question_ = between(request, "<<", '>');
    is_embedding_ = request.starts_with("POST /v1/embeddings");
    is_anthropic_ = request.starts_with("POST /v1/messages");
    served_ = is_embedding_ ? &owner_.embeddings_ : &owner_.chat_;
    streams_ = request.find("\"stream\":true") != std::string::npos;
    const Duration at = owner_.now();
    if (owner_.habits_.tells_limits) limits_ = told_limits(at);
    const Verdict verdict = served_->model.on_call(at, owner_.rng_, served_->under_way);
    ++owner_.counts_.at(static_cast<std::size_t>(verdict.fate));
    owner_.calls_.push_back({at, verdict.fate, served_->under_way, question_});
    is_busy_ = true;
    ++served_->under_way;
    answer(verdict);
  }

  // As of before the call, less the call itself.
  std::string told_limits(Duration at) {
    const CallLimit& limit = *served_->model.plan().limit;
    const std::uint64_t left = served_->model.remaining(at);
    return fmt::format(
        "x-ratelimit-limit-requests: {}\r\nx-ratelimit-remaining-requests: {}\r\n"
        "x-ratelimit-reset-requests: {}ms\r\n",
        limit.calls, left > 0 ? left - 1 : 0,
        std::chrono::duration_cast<std::chrono::milliseconds>(served_->model.reset(at)).count());
  }

  void answer(const Verdict& verdict) {
    switch (verdict.fate) {
      case Fate::answers:
      case Fate::cut_late:
        return after(verdict.after, [this, fate = verdict.fate] { begin_answer(fate == Fate::cut_late); });
      case Fate::fails:
        return after(verdict.after, [this] { refuse(500, Fate::fails); });
      case Fate::down:
        return after(verdict.after + owner_.habits_.down_after, [this] { refuse(503, Fate::down); });
      case Fate::rejected:
        return after(verdict.after, [this] { refuse(429, Fate::rejected); });
      case Fate::hangs:
        return;
      case Fate::stalls:
        return after(verdict.after / 2, [this] { send_head(); });
      case Fate::cut_early:
        return after(verdict.after, [this] {
          if (owner_.rng_.chance(0.5)) send_head();
          owner_.leave(number_);
        });
      case Fate::error_event:
        return after(verdict.after, [this] {
          send_head();
          const std::string_view name = is_anthropic_ ? "event: error\n" : "";
          send(streams_ ? chunk(fmt::format("{}data: {}\n\n", name, words_for(Fate::fails))) : words_for(Fate::fails));
          if (streams_) send("0\r\n\r\n");
          end_call();
        });
    }
  }

  void begin_answer(bool cut) {
    if (!streams_ || is_embedding_) {
      const std::string body = is_embedding_   ? embedding()
                               : is_anthropic_ ? messages::blocking_answer(question_)
                                               : blocking_answer(question_);
      const std::string wire = fmt::format(
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{}", limits_, body.size(), body);
      send(cut ? wire.substr(0, wire.size() / 2) : wire);
      return cut ? owner_.leave(number_) : end_call();
    }
    send_head();
    text_ = answer_to(question_);
    if (is_anthropic_) send(chunk(messages::start()));
    send_token(0, cut);
  }

  void send_token(std::size_t index, bool cut) {
    const std::size_t size = text_.size() / k_tokens + 1;
    const std::string piece = text_.substr(index * size, size);
    send(chunk(is_anthropic_ ? messages::token(piece) : token(piece)));
    if (index + 1 < k_tokens) {
      return after(owner_.habits_.between_tokens, [this, index, cut] { send_token(index + 1, cut); });
    }
    if (cut) return owner_.leave(number_);
    const std::string end =
        is_anthropic_ ? chunk(messages::stop()) : chunk(token("", "\"stop\"")) + chunk("data: [DONE]\n\n");
    send(end + "0\r\n\r\n");
    end_call();
  }

  void send_head() {
    if (streams_) {
      return send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + limits_ + "Transfer-Encoding: chunked\r\n\r\n");
    }
    // As long as error_event's body, which is the only one that follows.
    send(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                     words_for(Fate::fails).size()));
  }

  void refuse(int status, Fate fate) {
    const std::string body = words_for(fate);
    const std::string told =
        fate == Fate::rejected
            ? fmt::format("Retry-After: {}\r\n",
                          std::chrono::ceil<std::chrono::seconds>(served_->model.plan().retry_after).count())
            : std::string();
    send(fmt::format("HTTP/1.1 {} No\r\nContent-Type: application/json\r\n{}{}Content-Length: {}\r\n\r\n{}", status, limits_,
                     told, body.size(), body));
    owner_.refusals_.push_back(owner_.now());
    end_call();
  }

  [[nodiscard]] std::string words_for(Fate fate) const {
    return is_anthropic_ ? messages::error_body(fate) : error_body(fate);
  }

  void after(Duration delay, io::Callback callback) { timer_ = owner_.world_.loop.after(delay, std::move(callback)); }
  void send(const std::string& text) { stream_->write(Bytes::copy(text)); }
  void end_call() {
    if (std::exchange(is_busy_, false)) --served_->under_way;
  }

  Provider& owner_;
  std::uint64_t number_;
  Served* served_ = nullptr;  // since the first request
  std::unique_ptr<io::Stream> stream_;
  std::string pending_, question_, text_, limits_;
  bool is_busy_ = false;
  bool is_embedding_ = false;
  bool is_anthropic_ = false;
  bool streams_ = false;
  io::Timer timer_;
};

Provider::Provider(SimWorld& world, const std::string& name, const ProviderPlan& plan, Habits habits)
    : world_(world),
      rng_(world.rng.fork()),
      chat_{ProviderModel(plan)},
      embeddings_{ProviderModel(habits.embeddings.value_or(plan))},
      habits_(std::move(habits)),
      start_(world.loop.now()) {
  auto listener = world.net.listen({name, 9000, false}, std::nullopt, [this](std::unique_ptr<io::Stream> stream) {
    const std::uint64_t number = next_connection_++;
    connections_.emplace(number, std::make_unique<Connection>(*this, number, std::move(stream)));
  });
  OR_CHECK(listener.has_value());
  listener_ = std::move(*listener);
}

Provider::~Provider() = default;

void Provider::leave(std::uint64_t number) {
  const auto found = connections_.find(number);
  world_.loop.retire(std::move(found->second));
  connections_.erase(found);
}

}  // namespace outrigger::sim
