// The configuration: one immutable snapshot, made from one TOML file. Whoever needs it holds a shared_ptr<const Config>, so a
// reload swaps the snapshot and running requests keep theirs.
//
// Defaults stand here and nowhere else; conf/outrigger.toml gives the reason for each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/network.h"
#include "core/policy.h"
#include "core/time.h"

namespace outrigger::config {

// A value that came as text, "env:NAME" or "file:/path". `text` is what it resolved to. Never printed.
struct Secret {
  std::string text;
  std::string source;  // "env:NAME", "file:/path", or "inline": may be printed
  [[nodiscard]] bool empty() const { return text.empty(); }
};

// [cache], and what [[model]] and [[route]] override. Unset: the wider setting holds.
struct CachePolicy {
  std::optional<CacheMode> mode;
  std::optional<Duration> ttl, stale_if_error, stale_while_revalidate;
  std::optional<Level> normalise;
  std::optional<Scope> scope;
  std::optional<double> max_temperature;
  std::optional<std::uint64_t> max_entry;
  std::optional<UsagePolicy> usage;
  std::vector<std::string> tags;  // for purging; of all policies that apply, joined
};

struct Cache {
  CacheMode mode = CacheMode::on;
  Duration ttl = 10min;
  Duration stale_if_error = 24h;
  Duration stale_while_revalidate = 0s;
  Level normalise = Level::safe;
  Scope scope = Scope::credential;
  double max_temperature = 2.0;
  std::uint64_t memory = 256ull << 20;
  std::uint64_t max_entry = 1ull << 20;
  UsagePolicy usage = UsagePolicy::original;
  std::optional<Secret> secret;
  std::string epoch;  // any text or number; a new one empties the cache logically
  std::vector<std::string> tags;
};
// `base` with what the overrides set, the later winning.
Cache effective(const Cache& base, const CachePolicy* model, const CachePolicy* route);

struct Tls {
  Secret cert, key;         // PEM; they belong together
  std::string client_ca{};  // PEM; not empty: clients must show a certificate that leads to it
  WallTime not_after{};     // of the certificate
};

struct Listen {
  std::string llm = "0.0.0.0:8080";
  std::string admin = "127.0.0.1:9090";
  std::optional<std::string> dify;
  std::optional<Tls> tls;        // of the llm and the dify door
  std::optional<Tls> admin_tls;  // of the admin door
};

struct Limits {
  std::uint64_t connections = 4096;
  std::uint64_t header = 32ull << 10;
  std::uint64_t body = 20ull << 20;
  Duration header_timeout = 10s;
  Duration body_timeout = 60s;
};

struct Redis {
  std::string host;
  std::uint16_t port = 6379;
  bool tls = false;
  std::string ca;  // PEM; empty: the system's
  std::string user;
  Secret password;
  int database = 0;
  std::string prefix = "outrigger:";
  Duration timeout = 20ms;
};

enum class Dialect : unsigned char { openai, anthropic, dify };
std::string_view name(Dialect dialect);

// A wire on which models are asked for words, named as its path: "chat/completions", "responses", "messages".
enum class Wire : unsigned char { chat_completions, responses, messages };
std::string_view name(Wire wire);

// A parsed http(s) URL.
struct Url {
  bool tls = false;
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string path;                             // without trailing slashes: "", "/v1"
  std::string user, password;                   // proxies only
  [[nodiscard]] std::string authority() const;  // host[:port] as a Host header has it
};
// Errors are whole sentences that say what to write instead.
std::optional<Url> parse_url(std::string_view text, std::string& error);

struct Upstream {
  std::string name;
  Url url;
  Dialect dialect = Dialect::openai;
  // What it is asked on; requests that came on another are translated into the first of them. Empty: what the dialect has
  // (openai: chat/completions and responses, and whatever a client's own path asks it for; anthropic: messages).
  std::vector<Wire> speaks;
  std::vector<Secret> keys;
  std::optional<Url> proxy;  // `proxy`, or from HTTPS_PROXY / HTTP_PROXY unless NO_PROXY names the host
  std::string ca;            // PEM
  bool verify = true;
  std::vector<std::pair<std::string, Secret>> headers;  // added to every request
};

// Unset: no limit of that kind but those of [[upstream]]'s transport. Of a model with a fallback, first_token is
// k_first_token_with_fallback (or `total`, if that is shorter) unless the file says otherwise.
inline constexpr Duration k_first_token_with_fallback = 30s;
struct Timeouts {
  Duration connect = 3s;
  std::optional<Duration> first_token, between_tokens;
  Duration total = 300s;
};

struct WeightedTarget {
  std::string to;  // "upstream" or "upstream:model"
  double weight = 1;
};

struct Price {  // USD per million tokens
  double input = 0, output = 0;
};

// A provider's limits as its contract states them. Unset: only what its answers tell is known.
struct Rate {
  std::optional<std::uint64_t> requests_per_minute, tokens_per_minute;
};

struct Breaker {
  std::uint32_t failures = 3;  // in a row
  Duration open = 1s, max_open = 30s;
};

// Requests in flight to one target. At most one of the two is set; neither: no limit.
struct Concurrency {
  std::optional<std::uint32_t> fixed;
  struct Adaptive {  // found between the two by how the target behaves
    std::uint32_t min = 2, max = 64;
  };
  std::optional<Adaptive> adaptive;
};

// What waits for a place, or for a rate gate. What does not fit, or would wait longer, is refused.
struct Queue {
  std::uint32_t depth = 100;
  Duration wait = 20s;
};

struct Retry {
  double budget = 0.1;         // attempts beyond the first, per request
  std::uint32_t attempts = 3;  // of one request, the first included; each fallback adds one
};

// A second attempt beside a first one that is slow.
struct Hedge {
  double budget = 0.02;    // hedges per request
  double quantile = 0.95;  // of the time to the first token, after which the first one counts as slow
};

struct Model {
  std::string name;                    // a glob: `*` and `?`
  std::vector<WeightedTarget> target;  // empty: the upstream that the request was sent to
  // As WeightedTarget::to, each once; may name one of several targets, which then stands in for the others. A fallback's own
  // [[model]] plays no part.
  std::vector<std::string> fallback;
  std::optional<std::string> fixed_answer;  // `answer`: what clients get when every target failed
  Concurrency concurrency;                  // of each target, as are rate and breaker
  Queue queue;
  Rate rate;
  Timeouts timeout;
  Breaker breaker;
  Retry retry;
  std::optional<Hedge> hedge;
  CachePolicy cache;
  std::optional<Price> price;
};

// [[target]]: what a target can do, and how much. What is set here holds whichever [[model]] leads there.
struct TargetTraits {
  std::string name;                      // "upstream" (all of its models) or "upstream:model", the model part a glob
  std::optional<std::uint64_t> context;  // tokens, of prompt and answer together
  bool tools = true, vision = true, json_schema = true, stream = true;
  std::optional<std::uint64_t> max_output;  // tokens
  // Top-level members that a request goes without, and that are called otherwise there: {ours, theirs}. Never model, messages or
  // stream; no two are renamed to the same.
  std::vector<std::string> drop;
  std::vector<std::pair<std::string, std::string>> rename;
  std::optional<Concurrency> concurrency;
  std::optional<Rate> rate;
  std::optional<Breaker> breaker;
};

struct Route {
  std::string path;      // "/faq"; no trailing slash
  std::string upstream;  // name; empty: the first one
  CachePolicy cache;
};

struct Client {
  std::string name;
  Secret key;                       // the key itself; or its SHA-256, if and only if these are 64 lower-case hex digits
  std::vector<std::string> models;  // globs; empty: all
  // Of all its requests together. What is over `rate` or `budget` is refused with the time to come again.
  Rate rate;
  struct Budget {  // of days and months in UTC; what a request costs is known at its end, so the last one may go over
    std::optional<double> usd_per_day, usd_per_month;
  };
  Budget budget;
};

// [[app]]: one Dify app, known by its key.
struct App {
  std::string name;                          // in metrics and the log
  Secret key;                                // as Client::key
  std::optional<std::uint32_t> concurrency;  // runs of it at one backend at once
  // What may be answered in Dify's place. Completion apps as soon as it is there, chats and workflows if they are `stateless`.
  struct Cache {
    bool stateless = false;          // an answer depends on the question alone, and asking does nothing else
    Duration ttl = 5min;             // a change of the app may pass unseen
    bool per_user = true;            // each user has answers of his own
    std::optional<Level> normalise;  // none: as [cache] says
    bool live_conversations = false;
  };
  std::optional<Cache> cache;
};

// [dify]: how the dify door treats its backends, the [[upstream]]s with dialect = "dify".
struct Dify {
  std::vector<WeightedTarget> target;  // names of upstreams; never empty when there is a dify door
  // The targets are one Dify behind several addresses: whichever is least busy is asked. Otherwise each user belongs to one of them.
  bool are_equal = false;
  std::vector<std::string> fallback;  // names of upstreams
  Concurrency concurrency{.fixed = 8, .adaptive = {}};
  Queue queue{.depth = 100, .wait = 30s};
  std::optional<std::uint32_t> per_user;  // runs of one user of an app at once
  std::vector<Network> trusted;           // peers whose X-Forwarded-* are believed, besides this machine itself
  std::optional<Duration> first_event;    // of a streaming run
  Duration info_ttl = 5s;                 // what describes an app is kept so long; 0: not at all
  Breaker breaker;
  bool stop_on_leave = false;
};

struct Log {
  std::string access = "stdout";  // "stdout", "off", or a file
};

// [trace]: OpenTelemetry, over OTLP/HTTP.
struct Trace {
  std::optional<Url> endpoint;  // where spans are posted to, with the whole path; nothing: none are sent
  std::optional<Url> proxy;     // on the way there, from the environment
  std::vector<std::pair<std::string, Secret>> headers;  // added to every export
  double sample = 1.0;                // share of the traces that begin here; those that come in bring their own word
  bool heeds_parent = true;           // false: they don't, and `sample` holds for all
  std::string service = "outrigger";  // service.name
  std::vector<std::pair<std::string, std::string>> resource;  // further attributes of whoever tells the spans
  bool exemplars = false;                                     // histograms in OpenMetrics name the trace of an observation
};

// A key that the file sets: what a reload has changed is told from these (config/changes.h).
struct Setting {
  std::string owner;   // "[cache]", "[[model]] `gpt-4o`"; empty at the top of the file
  std::string key;     // "ttl", "queue.depth"
  std::string shown;   // as it is written; of what may be a secret only where it comes from, or nothing
  std::string digest;  // of its value, env: and file: followed
};

struct Config {
  Duration drain = 30s;
  Duration drain_delay = 0s;  // how long new connections are still taken while /readyz says no, before the drain begins
  std::optional<Secret> admin_token;
  Listen listen;
  Limits limits;
  Cache cache;
  std::optional<Redis> redis;
  std::vector<Upstream> upstreams;  // at least one
  std::vector<Model> models;
  std::vector<TargetTraits> target_traits;
  std::vector<Route> routes;
  std::vector<Client> clients;
  std::vector<App> apps;
  Dify dify;
  Trace trace;
  Log log;
  std::vector<Setting> settings;  // in the order of the file's keys

  [[nodiscard]] const Upstream* upstream_named(std::string_view name) const;
  // The first [[model]] whose glob matches; null: none, the defaults hold.
  [[nodiscard]] const Model* model_for(std::string_view model) const;
  // The first [[target]] that matches; null: none, the target can do all that is asked of it.
  [[nodiscard]] const TargetTraits* traits_for(std::string_view upstream, std::string_view model) const;
};

// One remark about the file. `error`s make it unusable; the others are warnings ("accepted, but not yet in effect").
struct Diagnostic {
  std::string file;
  std::uint32_t line = 0, column = 0;  // 0: about the file as a whole
  bool error = true;
  std::string message;  // says what is wrong and what to write instead
};
std::string to_string(const Diagnostic& diagnostic);  // FILE:LINE:COL: message

// What a value "env:NAME" and the proxy variables are looked up in. main() passes the process's environment.
using Environment = std::map<std::string, std::string, std::less<>>;

struct Loaded {
  std::shared_ptr<const Config> config;  // null when there is any error
  std::vector<Diagnostic> diagnostics;
  std::vector<std::string> files;  // every "file:/path" that was read, or should have been: watch them
};
// `llm`: the --listen of the command line, which overrides listen.llm; empty: it does not.
Loaded load_file(const std::string& path, const Environment& environment, std::string_view llm = {});
Loaded load_text(std::string_view toml, const std::string& file_name, const Environment& environment,
                 std::string_view llm = {});
// `outrigger serve --upstream URL`: no file.
Loaded from_upstream(std::string_view url, const Environment& environment, std::string_view llm = {});

// A few lines for people: what would run. No secrets.
std::string summary(const Config& config);

// `*` matches any run, `?` one character; case-sensitive.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace outrigger::config
