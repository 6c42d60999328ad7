// Bill: what the calls upstream that one Fill makes cost, as far as that is known. Booked when a call is over, however it ended: an answer
// that was cut, or that its client has left, is paid for up to there. What a provider took for tries that came to nothing, and for those
// that another one outran, nobody tells: it is not in it.
//
// It is also who asks whether the client that has the Fill made, its payer, may have one made at all.
//
// Owned by a Fill.
#pragma once

#include <memory>
#include <optional>

#include "obs/prices.h"
#include "providers/answer.h"
#include "proxy/chain.h"
#include "proxy/clients.h"
#include "proxy/metrics.h"
#include "proxy/pursuit.h"

namespace outrigger::proxy {

// What tokens cost there, as the operator says or else as the built-in table does; nothing: nobody knows. `asked`: the model, as the
// client named it, whose price holds for every target but those that answer with another model, and for these when theirs is not known.
[[nodiscard]] std::optional<obs::TokenPrice> price_of(const Snapshot& snapshot, std::string_view asked, const Link& link);
// The same of an answer that is kept, or shared: `answering` is the model that has given it.
[[nodiscard]] std::optional<obs::TokenPrice> price_of(const Snapshot& snapshot, std::string_view asked,
                                                      std::string_view answering);

// What an answer took: as its provider counted, else by estimate. A zero is no count.
[[nodiscard]] providers::Usage usage_of(const providers::Answer& answer, std::uint64_t prompt_tokens_estimate);

struct Spent {
  double usd = 0;            // 0 too when no price is known
  std::uint64_t tokens = 0;  // as counted, else by estimate
};

class Bill {
 public:
  // Both references must outlive it. `payer` may be null: nobody in particular.
  Bill(const PursuitOrder& order, std::shared_ptr<ClientAccount> payer, Metrics& metrics)
      : order_(order), payer_(std::move(payer)), metrics_(metrics) {}
  Bill(const Bill&) = delete;
  Bill& operator=(const Bill&) = delete;

  // A call is to be made, or one more. Why the payer may not have it; nothing: it is open, unless such a call costs nothing.
  [[nodiscard]] std::optional<ClientRefusal> open();
  // The call is over, and `by` has taken so much. The first one after open() counts.
  void charge(const Link& by, const providers::Usage& used);
  // The call is over, and cost nothing.
  void drop();

  [[nodiscard]] bool is_open() const { return is_open_; }
  // What cannot be counted must be estimated.
  [[nodiscard]] bool is_metered() const { return payer_ != nullptr && payer_->is_metered(); }
  [[nodiscard]] const std::shared_ptr<ClientAccount>& payer() const { return payer_; }
  // What would be charged for it.
  [[nodiscard]] double cost(const Link& by, const providers::Usage& used) const;
  // What has been charged so far.
  [[nodiscard]] const Spent& spent() const { return spent_; }

 private:
  const PursuitOrder& order_;
  std::shared_ptr<ClientAccount> payer_;
  Metrics& metrics_;
  std::optional<ClientPermit> permit_;
  bool is_open_ = false;
  Spent spent_;
};

}  // namespace outrigger::proxy
