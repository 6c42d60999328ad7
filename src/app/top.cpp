#include <array>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include "admin/top_view.h"
#include "app/admin_target.h"
#include "app/app.h"
#include "http/client.h"
#include "net/random.h"
#include "net/terminal.h"
#include "net/uv_loop.h"
#include "net/uv_net.h"

namespace outrigger::app {
namespace {

// What is asked, one after the other, at each look.
constexpr std::array<const char*, 3> k_paths{"/api/status", "/api/history?span=hour", "/api/requests?limit=100"};
constexpr std::size_t k_answer_max = 16u << 20;
constexpr Duration k_patience = 5s;

// One look: all answers, or why there are none.
class Look final : private http::CallHandler {
 public:
  Look(io::Loop& loop, http::Client& client, const AdminTarget& target, std::function<void()> done)
      : loop_(loop), client_(client), target_(target), done_(std::move(done)) {
    limit_ = loop_.after(k_patience, [this] { end(fmt::format("no answer within {:.0f} s", seconds(k_patience))); });
    ask();
  }
  std::array<std::string, k_paths.size()> answers;
  std::string problem;

 private:
  void ask() {
    http::RequestHead head;
    head.method = "GET";
    head.target = k_paths[at_];
    head.headers.add("Host", target_.host);
    if (!target_.token.empty()) head.headers.add("x-outrigger-admin-token", target_.token);
    call_ = client_.start(target_.origin, head, {}, *this);
  }
  void on_head(http::ResponseHead head) override {
    if (head.status == 200) return;
    end(head.status == 401
            ? "the admin door wants its token: --config FILE, or OUTRIGGER_ADMIN_TOKEN"
            : fmt::format("it answers {}: is this Outrigger's admin door, and of this version?", head.status));
  }
  void on_body(const Bytes& data) override {
    answers[at_] += data.view();
    if (answers[at_].size() > k_answer_max) end("its answer has no end");
  }
  void on_end() override {
    if (++at_ == k_paths.size()) return end({});
    ask();
  }
  void on_error(Error error) override { end(fmt::format("{} {}", traits(error.code).name, error.detail)); }
  void on_drained() override {}
  void end(std::string why) {
    limit_.cancel();
    problem = std::move(why);
    // The caller lets go of this one, so not from within.
    finished_ = loop_.after(0s, [this] { done_(); });
    call_.reset();
  }

  io::Loop& loop_;
  http::Client& client_;
  const AdminTarget& target_;
  std::function<void()> done_;
  std::unique_ptr<http::Call> call_;
  std::size_t at_ = 0;
  io::Timer limit_, finished_;
};

class Top {
 public:
  Top(net::UvLoop& loop, net::UvNet& net, Rng& rng, const AdminTarget& target, const TopOptions& options, bool once)
      : loop_(loop), client_({loop, net, rng}, {}), target_(target), interval_(options.interval), is_once_(once) {
    if (!is_once_) {
      terminal_ = std::make_unique<net::Terminal>(loop_, [this](char key) {
        if (key == 'q' || key == 'Q') loop_.stop();
      });
      resized_ = loop_.on_signal(SIGWINCH, [this] { show(); });
      show();
    }
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      stops_.push_back(loop_.on_signal(number, [this] { loop_.stop(); }));
    }
    look();
  }
  [[nodiscard]] bool has_failed() const { return !problem_.empty(); }

 private:
  void look() {
    look_ = std::make_unique<Look>(loop_, client_, target_, [this] { on_look(); });
  }
  void on_look() {
    problem_ = look_->problem;
    if (problem_.empty()) answers_ = std::move(look_->answers);
    show();
    if (is_once_) return loop_.stop();
    next_ = loop_.after(interval_, [this] { look(); });
  }
  void show() {
    const admin::TopFacts facts{
        .where = target_.shown, .status = answers_[0], .history = answers_[1], .requests = answers_[2], .problem = problem_};
    if (is_once_) {
      if (has_failed()) return static_cast<void>(std::fprintf(stderr, "%s: %s\n", target_.shown.c_str(), problem_.c_str()));
      constexpr std::size_t k_page = 40;
      const std::size_t width = net::Terminal::is_there() ? net::Terminal::size().width : 120;
      for (const std::string& line : admin::top_view(facts, {width, k_page, false})) std::puts(line.c_str());
      return;
    }
    const net::Terminal::Size size = net::Terminal::size();
    terminal_->show(admin::top_view(facts, {size.width, size.height, true}));
  }

  net::UvLoop& loop_;
  http::Client client_;
  const AdminTarget& target_;
  Duration interval_;
  bool is_once_;
  std::array<std::string, k_paths.size()> answers_;
  std::string problem_;
  std::unique_ptr<Look> look_;
  io::Timer next_;
  std::vector<std::unique_ptr<net::SignalWatch>> stops_;
  std::unique_ptr<net::SignalWatch> resized_;
  std::unique_ptr<net::Terminal> terminal_;  // null: print once
};

}  // namespace

int top(const TopOptions& options) {
  const auto target = admin_target(options.config_file, options.url, options.environment);
  if (!target) {
    std::fprintf(stderr, "%s\n", target.error().detail.c_str());
    return 1;
  }
  if (!target->problem.empty()) std::fprintf(stderr, "%s\n", target->problem.c_str());
  const bool once = options.once || !net::Terminal::is_there();
  net::UvLoop loop;
  net::UvNet net(loop);
  Rng rng(net::random_seed());
  Top top(loop, net, rng, *target, options, once);
  loop.run();
  return once && top.has_failed() ? 1 : 0;
}

}  // namespace outrigger::app
