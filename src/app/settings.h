// From the configuration's words to the settings that the rooms take.
#pragma once

#include "cache/store.h"
#include "config/config.h"
#include "http/server.h"
#include "obs/log.h"

namespace outrigger::app {

// `fresh_secret`: see cache::StoreSettings. `log` must outlive the store.
cache::StoreSettings store_settings(const config::Config& config, std::string fresh_secret, obs::Log& log);
// Nothing: memory only, and each replica on its own.
[[nodiscard]] std::optional<cache::RedisSettings> redis_settings(const config::Config& config);
http::ServerLimits server_limits(const config::Config& config);
// The dify door's: uploads are as large as Dify allows, since none is kept.
http::ServerLimits dify_limits(const config::Config& config);
// The admin door's: small bodies, few connections.
http::ServerLimits admin_limits(const config::Config& config);
std::optional<io::TlsServer> tls_settings(const std::optional<config::Tls>& tls);

// What a reload cannot change while running, in words; empty: nothing of the kind has changed.
std::string needs_restart(const config::Config& before, const config::Config& after);

}  // namespace outrigger::app
