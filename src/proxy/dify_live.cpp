#include "proxy/dify_live.h"

#include "providers/dify/run_request.h"
#include "providers/json_doc.h"
#include "providers/json_object.h"
#include "proxy/dify_door.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

// What the store calls it; its identity and, through the secret, its key.
std::string name_of(std::string_view app, std::string_view minted) {
  return std::string("dify-conversation:").append(app).append(":").append(minted);
}

}  // namespace

// One conversation that is looked up, and whose first turn is asked again.
class DifyLive::Replay final : private DifyPursuitHandler {
 public:
  Replay(DifyLive& owner, std::string name, DifyPursuitOrder like)
      : owner_(owner), name_(std::move(name)), order_(std::move(like)) {}

  std::vector<Waiter> waiters;
  std::unique_ptr<io::Pending> lookup;

  void ask(std::string body) {
    body_ = std::move(body);
    const dify::RunRequest run = dify::read_run(dify::RunKind::chat, body_, {});
    order_.kind = dify::classify("POST", k_path);
    order_.queue = dify::queue_class(order_.kind, run.streaming);
    order_.streaming = run.streaming;
    order_.caller.user = run.user;
    order_.head.method = "POST";
    order_.head.target = k_path;
    order_.head.headers.set("Content-Type", "application/json");
    order_.body = Bytes::copy(body_);
    order_.streamed_body = false;
    reader_.emplace(dify::RunKind::chat, run.streaming, false);
    DifyPursuitHandler& handler = *this;
    pursuit_ = std::make_unique<DifyPursuit>(owner_.door_, std::move(order_), handler);
    pursuit_->start();
  }

 private:
  void on_answer(http::ResponseHead head, std::optional<Bytes> whole) override {
    status_ = head.status;
    if (!whole) return;
    if (status_ != 200) return fail({.words = std::move(whole), .status = status_});
    reader_.emplace(dify::RunKind::chat, false, false);
    reader_->feed(whole->view());
    conclude();
  }
  void on_answer_body(const Bytes& data) override { reader_->feed(data.view()); }
  void on_answer_end() override { conclude(); }
  void on_answer_cut(ErrorCode code) override { fail({.error = code}); }
  void on_no_answer(ErrorCode code, std::optional<Duration> retry_after) override {
    fail({.error = code, .retry_after = retry_after});
  }
  void on_upload(bool) override {}  // never called: the body is whole

  void conclude() {
    const bool is_read = reader_->finish().has_value() || reader_->ended_well();
    const std::string conversation = is_read ? reader_->ids().conversation : std::string();
    if (conversation.size() != std::tuple_size_v<dify::Uuid>) return fail({.error = ErrorCode::upstream_error_in_answer});
    owner_.put(name_, body_, conversation);
    owner_.end(name_, {.conversation = conversation});
  }
  void fail(const Resolved& why) { owner_.end(name_, why); }

  DifyLive& owner_;
  const std::string name_;
  DifyPursuitOrder order_;
  std::string body_;
  int status_ = 0;
  std::optional<dify::RunReader> reader_;
  std::unique_ptr<DifyPursuit> pursuit_;
};

DifyLive::DifyLive(DifyDoor& door, cache::Store& store) : door_(door), store_(store) {}

DifyLive::~DifyLive() = default;

void DifyLive::remember(std::string_view app, std::string_view minted, std::string_view body) {
  put(name_of(app, minted), body, {});
}

void DifyLive::put(std::string_view name, std::string_view body, std::string_view conversation) {
  std::string text;
  {
    providers::JsonObject object(text);
    object.string("body", body);
    object.string("conversation", conversation);
  }
  cache::Meta meta;
  meta.tags = {"dify-conversation"};
  meta.stored_at = door_.world().loop.wall_now();
  meta.ttl = k_remember;
  store_.put(std::make_shared<cache::Entry>(door_.keys().key(name), std::string(name), std::move(meta), Bytes::copy(text)));
}

void DifyLive::resolve(std::string_view minted, DifyPursuitOrder like, std::weak_ptr<bool> alive, Done done) {
  std::string name = name_of(like.caller.digest, minted);
  const auto [found, is_new] = replays_.try_emplace(name);
  if (is_new) found->second = std::make_unique<Replay>(*this, name, std::move(like));
  found->second->waiters.push_back({std::move(alive), std::move(done)});
  if (is_new) find(name);
}

void DifyLive::find(const std::string& name) {
  if (const cache::EntryPtr entry = store_.find_now(name); entry != nullptr || !store_.can_find_later()) {
    return on_found(name, entry);
  }
  replays_.find(name)->second->lookup = store_.find_later(
      {{door_.keys().key(name), name}}, [this, name](cache::Store::Found found) { on_found(name, found.front()); });
}

void DifyLive::on_found(const std::string& name, const cache::EntryPtr& entry) {
  if (entry == nullptr || !entry->fresh(door_.world().loop.wall_now())) return end(name, {.is_unknown = true});
  const providers::JsonDoc doc = providers::JsonDoc::read(entry->payload().view());
  const auto conversation = providers::string_of(providers::member(doc.root(), "conversation"));
  const auto body = providers::string_of(providers::member(doc.root(), "body"));
  if (!body || !conversation) return end(name, {.is_unknown = true});
  if (!conversation->empty()) return end(name, {.conversation = std::string(*conversation)});
  replays_.find(name)->second->ask(std::string(*body));
}

void DifyLive::end(const std::string& name, const Resolved& resolved) {
  const auto found = replays_.find(name);
  if (found == replays_.end()) return;
  std::unique_ptr<Replay> replay = std::move(found->second);
  replays_.erase(found);
  std::vector<Waiter> waiters = std::move(replay->waiters);
  door_.world().loop.retire(std::move(replay));
  for (Waiter& waiter : waiters) {
    if (!waiter.alive.expired()) waiter.done(resolved);
  }
}

}  // namespace outrigger::proxy
