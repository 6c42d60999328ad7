// The sections of the file, each read by one function into the Config that is being made. Order matters where one section
// names another: upstreams before models and routes. load.cpp calls them in that order.
#pragma once

#include <map>
#include <string>

#include "config/config.h"
#include "config/table_reader.h"

namespace outrigger::config {

// drain, admin_token, [listen], [limits], [log]
void read_edge(TableReader& top, Config& config);
// [cache]
void read_cache(TableReader& top, Config& config);
// The `cache = { … }` of a model or route. `where` names its owner.
CachePolicy read_cache_policy(TableReader& owner);
// [redis]
void read_redis(TableReader& top, Config& config);
// [[upstream]]
void read_upstreams(TableReader& top, Config& config);
// [[model]]
void read_models(TableReader& top, Config& config);
// [[route]]
void read_routes(TableReader& top, Config& config);
// [[client]], [[app]]
void read_clients(TableReader& top, Config& config);

// Names given so far in one section, and the lines where they stand.
class Names {
 public:
  explicit Names(std::string section) : section_(std::move(section)) {}
  // False: the name is taken, and an error that says where has been noted.
  bool add(Context& context, const Text& name, std::string_view key);

 private:
  std::string section_;
  std::map<std::string, Place, std::less<>> places_;
};

// Words that paths at the llm door begin with: neither an upstream nor a route may be called so.
bool is_api_word(std::string_view word);

// An upstream that another section names. Null: there is none, and an error with the nearest name has been noted.
const Upstream* named_upstream(Context& context, const Config& config, Place place, std::string_view key,
                               std::string_view name);

// A PEM text that must hold a block of the given kind ("CERTIFICATE", "PRIVATE KEY").
std::optional<Text> read_pem(TableReader& table, std::string_view key, std::string_view kind);

}  // namespace outrigger::config
