// The sections of the file, each read by one function into the Config that is being made. Order matters where one section
// names another: upstreams before models and routes, models before targets. load.cpp calls them in that order.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/table_reader.h"

namespace outrigger::config {

// drain, admin_token, [listen], [limits], [log]
void read_edge(TableReader& top, Config& config);
// `tls` or `admin_tls` of [listen]. nullopt: it is not there, or an error has been noted.
std::optional<Tls> read_tls(TableReader& listen, std::string_view name);
// [cache]
void read_cache(TableReader& top, Config& config);
// The `cache = { … }` of a model or route. `where` names its owner.
CachePolicy read_cache_policy(TableReader& owner);
// `normalise`.
std::optional<Level> read_level(TableReader& table);
// [redis]
void read_redis(TableReader& top, Config& config);
// [[upstream]]
void read_upstreams(TableReader& top, Config& config);
// [[model]]
void read_models(TableReader& top, Config& config);
// A model's `target` and `fallback`.
void read_chain(TableReader& table, const Config& config, Model& model);
// [[target]]
void read_targets(TableReader& top, Config& config);
// What [[model]] and [[target]] both have. nullopt: it is not there, or an error has been noted.
std::optional<Concurrency> read_concurrency(TableReader& owner);
std::optional<Rate> read_rate(TableReader& owner);
std::optional<Breaker> read_breaker(TableReader& owner);
// [[route]]
void read_routes(TableReader& top, Config& config);
// [[client]]
void read_clients(TableReader& top, Config& config);
// [[app]]
void read_apps(TableReader& top, Config& config);
// [dify], and the backend that is there when nobody names one
void read_dify(TableReader& top, Config& config);
// [trace], and the environment variables of OpenTelemetry when it names no endpoint
void read_trace(TableReader& top, Config& config);
// `headers = { … }`, at most 32 of them. `problem_of` says of a name and a value why they cannot be used; empty: they can.
std::vector<std::pair<std::string, Secret>> read_headers(
    TableReader& owner, const std::function<std::string(std::string_view, std::string_view)>& problem_of);
// What every header must be: sound, and none that outrigger sets itself.
std::string field_problem(std::string_view name, std::string_view value);
std::string lower(std::string_view text);
// The key of a client or an app as Client holds it: a digest without its mark and in lower case. nullopt: an error has been noted.
std::optional<std::string> usable_key(Context& context, const Text& key);
// Of a client or an app: it stands in the log and in labels.
bool is_label(std::string_view name);

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

// "upstream" or "upstream:model". The model may hold colons of its own ("ollama:llama3:8b").
struct TargetName {
  std::string_view upstream;
  std::optional<std::string_view> model;
};
TargetName split_target(std::string_view target);
// One that leads to an upstream that is there. Null: it does not, or ends with its colon, and an error has been noted.
const Upstream* check_target(Context& context, const Config& config, const Text& target, std::string_view key);

// Does outrigger have something to show there, if a client's own key is not for it?
bool has_credential(const Upstream& upstream);

bool is_glob(std::string_view text);
// Does every name that `later` matches go to `earlier` already? A `*` of `later` is letters like any others to a `*` of `earlier`,
// but not to its `?`. Never true wrongly.
bool shadows(std::string_view earlier, std::string_view later);

// A table below another one, all of whose keys `read` asks for. Not called when the table is not there.
template <class Read>
void with_table(TableReader& owner, std::string_view key, Read&& read) {
  const Node* node = owner.table(key);
  if (node == nullptr) return;
  TableReader table(owner.context(), *node, fmt::format("the {} of {}", key, owner.where()));
  read(table);
  table.finish();
}

// A PEM text that must hold a block of the given kind ("CERTIFICATE", "PRIVATE KEY").
std::optional<Text> read_pem(TableReader& table, std::string_view key, std::string_view kind);
// Certificates that others' are to lead to, in PEM form: at least one, and each can be read.
std::optional<Text> read_ca(TableReader& table, std::string_view key);

}  // namespace outrigger::config
