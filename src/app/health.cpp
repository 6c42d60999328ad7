#include <cstdio>

#include <fmt/format.h>
#include "app/admin_target.h"
#include "app/app.h"
#include "http/client.h"
#include "net/random.h"
#include "net/uv_loop.h"
#include "net/uv_net.h"

namespace outrigger::app {
namespace {

// One GET to the admin door, with an end.
class Probe final : private http::CallHandler {
 public:
  Probe(net::UvLoop& loop, net::UvNet& net, Rng& rng, const AdminTarget& target)
      : loop_(loop), client_({loop, net, rng}, {}), limit_(loop.after(2s, [this] { end("no answer within 2 s"); })) {
    http::RequestHead head;
    head.method = "GET";
    head.target = "/readyz";
    head.headers.add("Host", target.host);
    call_ = client_.start(target.origin, head, {}, *this);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void on_head(http::ResponseHead head) override {
    end(head.status == 200 ? "" : fmt::format("it answers {}: starting, draining, or not Outrigger", head.status));
  }
  void on_body(const Bytes&) override {}
  void on_end() override {}
  void on_error(Error error) override { end(fmt::format("{} {}", traits(error.code).name, error.detail)); }
  void on_drained() override {}
  void end(std::string problem) {
    problem_ = std::move(problem);
    loop_.stop();
  }

  net::UvLoop& loop_;
  http::Client client_;
  std::unique_ptr<http::Call> call_;
  io::Timer limit_;
  std::string problem_ = "no answer";
};

}  // namespace

int health(const std::string& config_file, const config::Environment& environment) {
  const auto target = admin_target(config_file, {}, environment);
  if (!target) {
    std::fprintf(stderr, "%s\n", target.error().detail.c_str());
    return 1;
  }
  if (!target->problem.empty()) std::fprintf(stderr, "%s\n", target->problem.c_str());
  net::UvLoop loop;
  net::UvNet net(loop);
  Rng rng(net::random_seed());
  Probe probe(loop, net, rng, *target);
  loop.run();
  if (probe.problem().empty()) {
    std::puts("ready");
    return 0;
  }
  std::fprintf(stderr, "not ready: the admin door at %s: %s\n", target->shown.c_str(), probe.problem().c_str());
  return 1;
}

}  // namespace outrigger::app
