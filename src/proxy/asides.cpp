#include "proxy/asides.h"

#include <utility>

namespace outrigger::proxy {

class Asides::Aside final : private http::CallHandler {
 public:
  Aside(Asides& owner, std::uint64_t id, const Target& target, const http::RequestHead& head, std::optional<Bytes> body,
        Done done)
      : owner_(owner), id_(id), done_(std::move(done)) {
    http::CallOptions options;
    options.body = std::move(body);
    options.alone = true;
    call_ = owner.client_.start(target.origin, head, std::move(options), *this);
    limit_ = owner.world_.loop.after(k_limit, [this] { owner_.end(id_, {"timeout", {}}); });
  }
  Done take_done() { return std::move(done_); }

 private:
  void on_head(http::ResponseHead head) override { status_ = head.status; }
  void on_body(const Bytes& data) override {
    if (body_.size() + data.size() > k_body_max) return owner_.end(id_, {"failed", {}});
    body_.append(data.view());
  }
  void on_end() override {
    const bool is_ok = status_ >= 200 && status_ < 300;
    owner_.end(id_, {is_ok ? "ok" : "refused", is_ok ? std::move(body_) : std::string()});
  }
  void on_error(Error) override { owner_.end(id_, {"failed", {}}); }
  void on_drained() override {}

  Asides& owner_;
  std::uint64_t id_;
  Done done_;
  int status_ = 0;
  std::string body_;
  io::Timer limit_;
  std::unique_ptr<http::Call> call_;
};

Asides::Asides(io::World world, http::Client& client, std::size_t at_once_max)
    : world_(world), client_(client), at_once_max_(at_once_max) {}

Asides::~Asides() = default;

void Asides::start(const Target& target, const http::RequestHead& head, std::optional<Bytes> body, Done done) {
  const std::uint64_t id = next_id_++;
  running_.emplace(id, std::make_unique<Aside>(*this, id, target, head, std::move(body), std::move(done)));
}

void Asides::end(std::uint64_t id, const Result& result) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;  // retired, and its connection has something more to say
  const Done done = found->second->take_done();
  world_.loop.retire(std::move(found->second));
  running_.erase(found);
  done(result);
}

}  // namespace outrigger::proxy
