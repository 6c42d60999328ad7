#include "app/admin_target.h"

#include "config/admin_place.h"

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

Result<AdminTarget> from_place(const config::AdminPlace& place) {
  auto address = io::parse_address(place.address);
  if (!address) return std::unexpected(address.error());
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  AdminTarget target;
  // Whoever has this address on this machine may be believed; the certificate names the machine as others call it.
  if (place.tls) target.origin.tls = io::TlsClient{"localhost", {}, false};
  target.origin.address = *std::move(address);
  target.host = "localhost";
  target.shown = place.address;
  return target;
}

}  // namespace

Result<AdminTarget> admin_target(const std::string& config_file, const std::string& url,
                                 const config::Environment& environment) {
  config::AdminPlace place;
  if (!config_file.empty()) {
    std::string error;
    auto read = config::admin_place(config_file, environment, error);
    if (!read) return fail(ErrorCode::bad_config, error);
    place = *std::move(read);
  }
  auto target = url.empty() ? from_place(place) : from_url(url);
  if (!target) return target;
  target->problem = place.problem;
  target->token = place.token;
  if (const auto token = environment.find("OUTRIGGER_ADMIN_TOKEN"); token != environment.end())
    target->token = token->second;
  return target;
}

}  // namespace outrigger::app
