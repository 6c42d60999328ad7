// DifyInfos: what describes an app (parameters, info, meta, site), kept for seconds: chat windows ask for it whenever they open. In
// memory only; bounded.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/time.h"

namespace outrigger::proxy {

class DifyInfos {
 public:
  static constexpr std::size_t k_max = 1024;
  static constexpr std::size_t k_body_max = 64 * 1024;

  struct Info {
    Bytes body;
    std::string content_type;
    std::string served_by;  // the backend
    MonoTime since{};
  };
  // By the app's key (its digest) and the request target. The pointer is good until the next call. Null: none that is `ttl` old or
  // younger.
  [[nodiscard]] const Info* find(std::string_view app, std::string_view target, Duration ttl, MonoTime now) const;
  void put(std::string_view app, std::string_view target, Info info);
  // That app has changed; empty: any of them may have.
  void forget(std::string_view app);

 private:
  std::map<std::string, Info, std::less<>> infos_;
};

}  // namespace outrigger::proxy
