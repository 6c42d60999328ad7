#include "dify_sim/callers.h"

#include <algorithm>
#include <utility>

namespace outrigger::dify_sim {

namespace {

// For what may come behind an answer.
constexpr Duration k_listens_on = 5ms;

}  // namespace

class Callers::Caller final : public io::StreamHandler {
 public:
  Caller(Callers& owner, std::uint64_t number, Outcome& outcome, Done done, Spoke spoke)
      : owner_(owner), number_(number), outcome_(outcome), done_(std::move(done)), spoke_(std::move(spoke)) {
    outcome_.began = now();
    wire_ = std::exchange(outcome_.ask.wire, {});
    connecting_ = owner_.world_.net.connect(owner_.to_, 5s, [this](Result<std::unique_ptr<io::Stream>> stream) {
      if (!stream) return end(Outcome::End::not_connected);
      stream_ = std::move(*stream);
      stream_->set_handler(this);
      stream_->read(outcome_.ask.reads);
      send_next();
    });
    listen_patiently();
    if (outcome_.ask.leaves_in)
      leave_ = owner_.world_.loop.after(*outcome_.ask.leaves_in, [this] { end(Outcome::End::left); });
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() = default;

  void end(Outcome::End how) {
    outcome_.end = how;
    outcome_.ended = now();
    connecting_.reset();
    for (io::Timer* timer : {&patience_, &leave_, &pause_, &slow_}) timer->cancel();
    if (how != Outcome::End::whole) stream_.reset();
    // The answer may lead to the next request.
    if (done_) done_(outcome_);
    if (stream_ == nullptr) return owner_.on_over(number_);
    pause_ = owner_.world_.loop.after(k_listens_on, [this] { over(); });
  }

 private:
  void send_next() {
    const auto& cuts = outcome_.ask.cuts;
    const std::size_t from = cut_ == 0 ? 0 : cuts[cut_ - 1];
    const std::size_t to = cut_ < cuts.size() ? cuts[cut_] : wire_.size();
    stream_->write(Bytes::copy(std::string_view(wire_).substr(from, to - from)));
    if (cut_++ == cuts.size()) {
      outcome_.sent = now();
      wire_ = {};
      return;
    }
    pause_ = owner_.world_.loop.after(1ms * static_cast<std::int64_t>(1 + from % 90), [this] { send_next(); });
  }

  void listen_patiently() {
    patience_ = owner_.world_.loop.after(k_patience, [this] { end(Outcome::End::impatient); });
  }

  void on_data(std::string_view data) override {
    if (outcome_.end != Outcome::End::none) {
      outcome_.has_more = true;
      return;
    }
    listen_patiently();
    if (heard_at_ != MonoTime{}) outcome_.silence = std::max(outcome_.silence, now() - heard_at_);
    heard_at_ = now();
    sim::AnswerWire& answer = outcome_.answer;
    outcome_.has_more = answer.feed(data) < data.size();
    const std::string& body = answer.body();
    if (outcome_.first_event == MonoTime{} && outcome_.is_event_stream() && body.find("data: ") != std::string::npos) {
      outcome_.first_event = now();
      if (spoke_) spoke_(body);
    }
    if (outcome_.ask.leaves_after && body.size() > *outcome_.ask.leaves_after) return end(Outcome::End::left);
    if (answer.done()) return end(Outcome::End::whole);
    if (!answer.problem().empty()) return end(Outcome::End::broken);
    if (outcome_.ask.read_pause == 0s || ++reads_ > k_slow_reads) return;
    stream_->read(false);
    slow_ = owner_.world_.loop.after(outcome_.ask.read_pause, [this] { stream_->read(true); });
  }
  void on_eof() override {
    if (outcome_.end != Outcome::End::none) return over();
    outcome_.answer.end();
    end(outcome_.answer.done() ? Outcome::End::whole : Outcome::End::broken);
  }
  void on_error(Error) override { outcome_.end == Outcome::End::none ? end(Outcome::End::broken) : over(); }
  void on_drained() override {}

  void over() {
    stream_.reset();
    owner_.on_over(number_);
  }
  [[nodiscard]] MonoTime now() const { return owner_.world_.loop.now(); }

  Callers& owner_;
  std::uint64_t number_;
  Outcome& outcome_;
  Done done_;
  Spoke spoke_;
  std::string wire_;
  std::size_t cut_ = 0;
  std::size_t reads_ = 0;
  MonoTime heard_at_{};
  std::unique_ptr<io::Pending> connecting_;
  std::unique_ptr<io::Stream> stream_;
  io::Timer patience_, leave_, pause_, slow_;
};

Callers::Callers(sim::SimWorld& world, io::Address to) : world_(world), to_(std::move(to)) {}

Callers::~Callers() = default;

void Callers::call(Ask ask, Done done, Spoke spoke) {
  Outcome& outcome = outcomes_.emplace_back();
  outcome.ask = std::move(ask);
  const std::uint64_t number = next_++;
  callers_.emplace(number, std::make_unique<Caller>(*this, number, outcome, std::move(done), std::move(spoke)));
}

void Callers::on_over(std::uint64_t caller) {
  const auto found = callers_.find(caller);
  world_.loop.retire(std::move(found->second));
  callers_.erase(found);
}

}  // namespace outrigger::dify_sim
