// [cache] and [redis].
#include "config/reference_parts.h"

namespace outrigger::config::parts {
namespace {

constexpr Duration k_year = 365 * 24h;

// All words of an enum whose values count up from 0.
template <class Enum>
std::vector<std::string> words_up_to(Enum last) {
  std::vector<std::string> words;
  for (int i = 0; i <= static_cast<int>(last); ++i) words.emplace_back(name(static_cast<Enum>(i)));
  return words;
}

}  // namespace

Section cache_section() {
  const Cache cache;
  Section section;
  section.name = "cache";
  section.text =
      "What is answered from the cache, for whom, and for how long. [`[[model]] cache`](#model-cache) and [`[[route]] "
      "cache`](#route-cache) change it for a model or a path. What is never kept, and why a request was not looked up, is "
      "in [troubleshooting](troubleshooting.md#why-was-that-not-a-hit).";
  section.example = "[cache]\nttl = \"1h\"\nnormalise = \"faq\"\nepoch = 3\n";
  add(section,
      {choice("mode", is(name(cache.mode)), words_up_to(CacheMode::off),
              "`observe` never answers from the cache and only counts what would have hit: for a first week of looking on."),
       duration("ttl", is(cache.ttl), {1ms, k_year},
                "How long an answer is served. Long enough for a rush of the same question, short enough that a corrected "
                "prompt or knowledge base shows within minutes. (A changed knowledge base changes the prompt, and so the "
                "key; it is the answer to an unchanged prompt that ages.)"),
       duration("stale_if_error", is(cache.stale_if_error), {0s, k_year},
                "How much longer an answer may stand in when every target is down. Yesterday's answer beats none, and it "
                "says `stale`."),
       duration(
           "stale_while_revalidate", is(cache.stale_while_revalidate), {0s, k_year},
           "How long past its `ttl` an answer is still served, at once and marked `stale`, while a new one is fetched for "
           "whoever asks next. It hides the provider's slowness from those who ask often asked questions. Off, because "
           "it stretches the `ttl`. Not for embeddings."),
       choice("normalise", is(name(cache.normalise)), words_up_to(Level::synonyms),
              "What counts as the same question. `exact`: the same bytes. `safe`: also what no model can tell apart, such "
              "as line ends, invisible characters and doubled blanks outside code. `faq`: of the user's last turn also "
              "case, full and half width and punctuation at the end. `faq+`: also other punctuation, greetings and modal "
              "particles. `synonyms`: also interchangeable question words. From `faq` on a text with code, JSON, a URL or "
              "more than 512 characters stays `safe`. Only the key is made from that form; what goes upstream is untouched. "
              "`safe` cannot give a wrong answer, so it is the default; the others are for FAQ bots."),
       choice("scope", is(name(cache.scope)), words_up_to(Scope::global),
              "Who shares answers. `credential`: all who come with the same key. `app`: of those only the same app "
              "(`metadata.dify_app_id`), `user`: only the same user of it. `global`: everybody, whatever their key. One key "
              "is one team, so its answers may be shared within it. A request that does not say its app or user is not "
              "answered from the cache in that scope."),
       number("max_temperature", is(cache.max_temperature), {0, 2},
              "A request that asks for more randomness than this is not answered from the cache. At 2.0 none is excluded, "
              "because Dify sends its own default temperature whether or not anybody chose it."),
       size("memory", is_size(cache.memory), {16ull << 10, 1ull << 40},
            "Holds some 50,000 answers. It is a limit and not taken up front. A change takes a restart."),
       size("max_entry", is_size(cache.max_entry), {64, 64ull << 20},
            "Larger answers are not kept: they are rare and would push out hundreds of small ones. It gives way to a "
            "smaller `memory`."),
       choice("usage", is(name(cache.usage)), words_up_to(UsagePolicy::zero),
              "The token usage that a hit reports. `original` keeps Dify's statistics comparable; with `zero` they show the "
              "saving."),
       text("secret", none("one is made, and kept in Redis so that replicas agree"), "16 characters or more, else a warning",
            "Keys the hash, so that nobody who reads Redis can test what was asked. `openssl rand -hex 32` makes a good "
            "one. A new one makes everything stored unreachable."),
       text("epoch", is(cache.epoch), "text or a whole number",
            "A new one makes everything stored unreachable at once: count it up when all answers became wrong."),
       texts("tags", is_empty_list(), "at most 16 words of at most 64 bytes, without blanks and commas",
             "Words to purge by: `POST /api/cache/purge {\"tag\": \"support\"}`. Those of models and routes are added.")});
  return section;
}

Section redis_section() {
  const Redis redis;
  Section section;
  section.name = "redis";
  section.text =
      "Several instances share answers here, and restarts keep them. They share their rate limits and what they know of "
      "targets, too. Nothing waits for Redis longer than `timeout`; when it is gone, each instance goes on with its memory. "
      "Without this section the cache is in memory only.\n\nAn empty `[redis]` takes Dify's own variables: `REDIS_HOST`, "
      "`REDIS_PORT`, `REDIS_USERNAME`, `REDIS_PASSWORD`, `REDIS_USE_SSL`. A change of this section takes a restart.";
  section.example = "[redis]\nurl = \"redis://:password@redis:6379/5\"\n";
  add(section,
      {text("url", none("Dify's variables"), "`redis://[user][:password]@host[:port][/database]`",
            "One server; `rediss://` for TLS. Sentinel and Cluster are not supported yet. Database 5 is a good one beside "
            "Dify, which uses 0, 1 and 2."),
       text("user", none("that of `url`"), {}, "Instead of inside `url`."),
       text("password", none("that of `url`"), {},
            "Instead of inside `url`, so that it may be `\"env:NAME\"` or `\"file:/path\"`."),
       integer("database", none("that of `url`, or 0; with Dify's variables 5"), {0, 65535}, "Instead of inside `url`."),
       text("prefix", is(redis.prefix), "at most 64 visible characters, none of `*?[]\\`",
            "In front of every key, so that a Redis can be shared."),
       duration(
           "timeout", is(redis.timeout), {1ms, 10s},
           "The most that a lookup may add to a request. A Redis next door answers within 1 ms; one that does not is as "
           "good as gone, and is then left alone for a moment, so that a slow Redis costs this once and not per request."),
       text("ca", none("the system's certificates"), "PEM; only with `rediss://`",
            "The root certificate of a Redis with one of its own.")});
  return section;
}

}  // namespace outrigger::config::parts
