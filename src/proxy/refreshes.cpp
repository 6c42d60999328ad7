#include "proxy/refreshes.h"

#include <algorithm>

namespace outrigger::proxy {

class Refreshes::Refresh final : private FillReader {
 public:
  Refresh(Refreshes& owner, Fill& fill) : owner_(owner), fill_(&fill) { fill.attach(*this); }
  ~Refresh() {
    if (fill_ != nullptr) fill_->detach(*this);
  }
  Refresh(const Refresh&) = delete;
  Refresh& operator=(const Refresh&) = delete;

  [[nodiscard]] const chat::Key& key() const { return key_; }
  [[nodiscard]] bool reads(const Fill& fill) const { return fill_ == &fill; }
  void leave() { std::exchange(fill_, nullptr)->detach(*this); }

 private:
  void on_fill() override {
    if (fill_->state() != Fill::State::complete && fill_->state() != Fill::State::failed) return;
    // Another replica may have fetched it already.
    const bool is_found = fill_->found() != nullptr && fill_->found_kind() == Fill::Kind::fresh;
    const bool is_refused = fill_->refusal().has_value();
    const End how = is_found || fill_->entry() != nullptr ? End::well : is_refused ? End::refused : End::badly;
    owner_.tell_cost(*fill_);
    leave();
    owner_.end(*this, how);
  }
  // It has read whatever is there, so it never holds the source up.
  [[nodiscard]] std::uint64_t position() const override { return fill_->recording().end(); }
  void on_cut_off() override {
    fill_ = nullptr;
    owner_.end(*this, End::badly);
  }
  void on_upload_drained() override {}

  Refreshes& owner_;
  Fill* fill_;  // null: over
  const chat::Key key_ = fill_->order().storing->key;
};

Refreshes::Refreshes(Fills& fills, io::Loop& loop, obs::Outlet& outlet) : fills_(fills), loop_(loop), outlet_(outlet) {}

Refreshes::~Refreshes() = default;

bool Refreshes::may_begin(const chat::Key& key) const {
  if (running_.size() >= k_max || !fills_.may_record() || fills_.joinable(key) != nullptr) return false;
  return !fills_.known_unstorable(key) && !failed_.has(key, loop_.now());
}

void Refreshes::begin(FillOrder order) {
  if (!may_begin(order.storing->key)) return;
  order.call.priority = resilience::Priority::low;
  // A Fill tells its readers later, never in start().
  running_.push_back(std::make_unique<Refresh>(*this, fills_.start(std::move(order), true)));
}

bool Refreshes::give_way(const Fill& fill) {
  const auto found = std::ranges::find_if(running_, [&](const auto& refresh) { return refresh->reads(fill); });
  if (found == running_.end() || fill.has_turn()) return false;
  Refresh& refresh = **found;
  refresh.leave();
  end(refresh, End::well);
  return true;
}

void Refreshes::tell_cost(const Fill& fill) {
  const Spent spent = fill.spent();
  if (spent.usd == 0 && spent.tokens == 0) return;
  const cache::Meta& meta = fill.order().storing->meta;
  outlet_.tell_spent({.model = meta.model, .route = meta.route, .usd = spent.usd, .tokens = spent.tokens}, loop_.wall_now());
}

void Refreshes::end(Refresh& refresh, End how) {
  if (how == End::badly) failed_.note(refresh.key(), loop_.now());
  const auto found = std::ranges::find(running_, &refresh, &std::unique_ptr<Refresh>::get);
  loop_.retire(std::move(*found));
  running_.erase(found);
}

}  // namespace outrigger::proxy
