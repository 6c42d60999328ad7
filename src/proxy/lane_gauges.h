// What the Lanes look like at the moment of a scrape.
#pragma once

#include "obs/metrics.h"
#include "proxy/lanes.h"

namespace outrigger::proxy {

class LaneGauges {
 public:
  // Both must outlive it.
  LaneGauges(const Lanes& lanes, obs::Registry& registry);
  // Before each scrape. Of several lanes of one target (one for each credential) the worst counts, and queues add up.
  void refresh();

 private:
  const Lanes& lanes_;
  obs::Registry& registry_;
  std::set<std::string> targets_, models_;  // shown before: they fall back to zero when their lanes go
};

}  // namespace outrigger::proxy
