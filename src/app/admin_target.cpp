#include "app/admin_target.h"

namespace outrigger::app {
namespace {

Result<AdminTarget> from_url(const std::string& text) {
  std::string problem;
  const auto url = config::parse_url(text, problem);
  if (!url) return fail(ErrorCode::bad_config, "--url: " + problem);
  AdminTarget target;
  target.origin.address = {url->host, url->port, false};
  if (url->tls) target.origin.tls = io::TlsClient{url->host, {}, true};
  target.host = url->authority();
  target.shown = text;
  return target;
}

Result<AdminTarget> from_config(const config::Config& config) {
  auto address = io::parse_address(config.listen.admin);
  if (!address) return std::unexpected(address.error());
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  AdminTarget target;
  // Whoever has this address on this machine may be believed; the certificate names the machine as others call it.
  if (config.listen.admin_tls) target.origin.tls = io::TlsClient{"localhost", {}, false};
  target.origin.address = *std::move(address);
  target.host = "localhost";
  target.shown = config.listen.admin;
  if (config.admin_token) target.token = config.admin_token->text;
  return target;
}

}  // namespace

Result<AdminTarget> admin_target(const std::string& config_file, const std::string& url,
                                 const config::Environment& environment) {
  config::Config config;
  if (!config_file.empty()) {
    const config::Loaded loaded = config::load_file(config_file, environment);
    if (loaded.config == nullptr) {
      std::string problems;
      for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
        if (diagnostic.error) problems += (problems.empty() ? "" : "\n") + config::to_string(diagnostic);
      }
      return fail(ErrorCode::bad_config, problems);
    }
    config = *loaded.config;
  }
  auto target = url.empty() ? from_config(config) : from_url(url);
  if (!target) return target;
  if (!url.empty() && config.admin_token) target->token = config.admin_token->text;
  if (const auto token = environment.find("OUTRIGGER_ADMIN_TOKEN"); token != environment.end())
    target->token = token->second;
  return target;
}

}  // namespace outrigger::app
