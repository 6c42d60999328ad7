// Where requests go: [[upstream]], [[model]], [[target]], [[route]].
#include "config/reference_parts.h"

namespace outrigger::config::parts {

Section upstream_section() {
  const Upstream upstream;
  Section section;
  section.name = "upstream";
  section.is_list = true;
  section.text =
      "Where requests go. `http://outrigger:8080/NAME/v1` leads to each, a path without a name to the first. At least one "
      "is needed, unless only the dify door is open.";
  section.example =
      "[[upstream]]\nname = \"openai\"\nurl = \"https://api.openai.com/v1\"\n\n[[upstream]]\nname = \"anthropic\"\nurl = "
      "\"https://api.anthropic.com\"\ndialect = \"anthropic\"\nkeys = [\"env:ANTHROPIC_KEY\"]\n";
  add(section,
      {text("name", none("needed when there are several"), "letters, digits, `-`, `_`, `.`; at most 64",
            "In paths, targets, headers, log and metrics. Not a word that API paths begin with, such as `v1` or `chat`."),
       text("url", none("needed"), "http:// or https://",
            "The base URL. With or without `/v1`, and with an endpoint behind it by mistake, it works all the same. No user "
            "or password inside: those belong into `keys`."),
       choice("dialect", is(name(upstream.dialect)),
              {std::string(name(Dialect::openai)), std::string(name(Dialect::anthropic)), std::string(name(Dialect::dify))},
              "The wire format. `dify` is a backend of the dify door."),
       texts("speaks", none("what the dialect has, and whatever a client's path asks for"),
             "`\"chat/completions\"`, `\"responses\"`, `\"messages\"`",
             "The wires on which it takes requests for words. What comes in on another is translated into the first of them "
             "([what is carried](dialects.md)). A relay that knows only chat completions serves Dify's OpenAI plugin, which "
             "asks for responses, when this says so."),
       texts("keys", none("the client's own key is passed on"), "each one line of visible ASCII, without `Bearer`",
             "Put in for every request, taking turns; one that the provider refuses is set aside. `[\"none\"]` for a server "
             "that wants no key. Without `keys` nothing has to be moved out of Dify. With them, add a "
             "[`[[client]]`](#client), or anybody who reaches the door spends them."),
       text("proxy", none("`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment"),
            "http://host:port, or `\"off\"`",
            "Reached by CONNECT. `\"off\"` goes there directly whatever the environment says."),
       text("ca", none("the system's certificates"), "PEM", "A root certificate of your own."),
       boolean("verify", is(upstream.verify),
               "`false` is for tests only: without the check anybody in between can read the keys. `ca` is safer."),
       free_table("headers", "at most 32",
                  "Added to every request: `{ \"x-team\" = \"support\" }`. Values may be `\"env:NAME\"` or "
                  "`\"file:/path\"`. Not what frames a request (`host`, `content-length`, …).")});
  return section;
}

namespace {

void add_timeout(Section& section) {
  const Timeouts timeouts;
  add(section,
      {table("timeout", none("the values below"), "How long each step may take. None may be longer than `total`."),
       duration("timeout.connect", is(timeouts.connect), {10ms, 5min},
                "Connecting, TLS included. A handshake around the world takes 1 s. Gives way to a shorter `total`."),
       duration("timeout.first_token", none("no limit; with a `fallback` 30s"), {10ms, 1h},
                "A stream that says nothing for so long is cut over to the next target. It has a default only where there "
                "is a fallback, since giving up early elsewhere only turns slow answers into failures; 30 s is longer than "
                "models that show their thinking are silent. Give models that hide it more."),
       duration(
           "timeout.between_tokens", none("no limit"), {10ms, 1h},
           "A stream that pauses for longer ends with an error event. None by default, because reasoning models pause."),
       duration(
           "timeout.total", is(timeouts.total), {10ms, 24h},
           "All of it, retries, waiting and fallbacks included. Longer answers than five minutes are lost in Dify, too.")});
}

void add_retry_and_hedge(Section& section) {
  const Retry retry;
  const Hedge hedge;
  add(section,
      {table("retry", none("the values below"),
             "How often what has failed is tried again, before the client has had a byte."),
       number("retry.budget", is(retry.budget), {0, 1},
              "Retries per request, over all requests: a tenth, so that they never make an outage worse. Fallbacks are not "
              "counted."),
       integer("retry.attempts", is(std::uint64_t{retry.attempts}), {1, 10},
               "Attempts of one request, the first included; each fallback adds one."),
       table("hedge", none("off"),
             "A second attempt beside one whose first token is late; the later one is cut off. Off, because both are paid "
             "for. `true` means the values below."),
       number("hedge.budget", is(hedge.budget), {0.001, 0.5}, "At most so many per request, over all requests."),
       number("hedge.quantile", is(hedge.quantile), {0.5, 0.999}, "Late is what this share of first tokens is not.")});
}

}  // namespace

Section model_section() {
  Section section;
  section.name = "model";
  section.is_list = true;
  section.text =
      "What holds for a model. The first whose `name` matches counts, so narrower patterns come first. Without any, a model "
      "goes to the upstream that it was sent to, with the defaults below.";
  section.example =
      "[[model]]\nname = \"gpt-4o*\"\ntarget = \"openai\"\nfallback = [\"relay:gpt-4o-mini\"]\nconcurrency = 20\ntimeout = "
      "{ first_token = \"15s\" }\n";
  add(section,
      {text("name", none("needed"), "a pattern of at most 256 characters", "What Dify asks for."),
       text("target", none("the upstream that the request was sent to"), "one, or from 1 to 32 in a list",
            "`\"relay\"` is asked for the same model, `\"relay:gpt-4o\"` for that one. Several share by weight, `[{ to = "
            "\"relay\", weight = 5 }, …]`, and a user stays with the one that he was given, because models talk "
            "differently."),
       text("target.to", none("needed in a table"), {}, "The target, in a list of tables."),
       number("target.weight", is(WeightedTarget().weight), {0, 1e6}, "Its share. `0`: nobody is sent there."),
       texts("fallback", none("nobody gets another model than he asked for"), "at most 32",
             "Tried in this order when the target fails, before a client has had the first byte. What a fallback falls back "
             "to in a [[model]] of its own is not followed, so nothing goes in circles. A client's own key is for the "
             "upstream that it was sent to: a fallback elsewhere needs `keys`. It may speak another dialect."),
       text("answer", none("the error, because that is honest"), "at most 64KiB of UTF-8",
            "What clients are answered when all of these failed and the cache has nothing.")});
  add_concurrency(section, none("no limit, because only you know what the provider sold"), {},
                  "Requests in flight to each target at once: a number, or bounds between which the right one is found.");
  add_queue(section, Queue(),
            "What waits for a place or for the rate: as many as Dify's workers can hold, for as long as people do. The rest "
            "is told when to come again. Fair between users, people before batches.");
  add_rate(section, "learned from the provider's answers", {},
           "The provider's limits for each target, when they are known. Waiting for a limit beats running into a 429.");
  add_timeout(section);
  add_breaker(section, {}, "When a target is left alone, and for how long.");
  add_retry_and_hedge(section);
  add_cache_policy(section, "as [cache] says", "What differs from [`[cache]`](#cache) for this model.");
  add(section,
      {table("price", none("a built-in table knows the common models"),
             "What tokens cost, to tell what was saved and spent, and for the budgets of clients. Both members are needed."),
       number("price.input", none("needed in a `price`"), {0, 1e6}, "USD per million tokens of prompts."),
       number("price.output", none("needed in a `price`"), {0, 1e6}, "USD per million tokens of answers.")});
  return section;
}

Section target_section() {
  const TargetTraits traits;
  Section section;
  section.name = "target";
  section.is_list = true;
  section.text =
      "What a target can do, so that a request is not sent where it must fail, and what it calls things. The first whose "
      "name matches counts. Without any, a target is taken to do all that is asked of it. At most 256.";
  section.example =
      "[[target]]\nname = \"relay:gpt-4o*\"\ncontext = 128000\nrename = { max_tokens = \"max_completion_tokens\" }\n";
  add(section,
      {text("name", none("needed"), "at most 256 bytes", "An upstream, or models of it: `\"relay:gpt-4o*\"`."),
       integer("context", none("the target says so itself, which costs an attempt"), {1, 1'000'000'000},
               "Tokens of prompt and answer together. A request that does not fit goes to the next target."),
       integer("max_output", none("not known"), {1, 1'000'000'000}, "Tokens of an answer. Not more than `context`."),
       boolean("tools", is(traits.tools), "It takes function calls."),
       boolean("vision", is(traits.vision), "It takes images."),
       boolean("json_schema", is(traits.json_schema), "It answers after a JSON schema."),
       boolean("stream", is(traits.stream), "It answers piece by piece."),
       texts("drop", none("none"), "at most 64 names",
             "Members that it refuses: they are left out of the request, at the top level only. Never `model`, `messages` "
             "or `stream`."),
       free_table("rename", "at most 64 names", "What it calls members of the top level: `{ ours = \"theirs\" }`.")});
  add_concurrency(section, none("the model's"), "[[model]]", "Instead of the model's, whichever model leads here.");
  add_rate(section, "the model's", "[[model]]", "Instead of the model's, as a whole, whichever model leads here.");
  add_breaker(section, "[[model]]", "Instead of the model's, as a whole, whichever model leads here.");
  return section;
}

Section route_section() {
  Section section;
  section.name = "route";
  section.is_list = true;
  section.text =
      "A path of its own with a cache policy of its own: `http://outrigger:8080/faq/v1` as the base URL in Dify. Dify's "
      "plugins cannot send headers, so the path is how an app says what it is.";
  section.example = "[[route]]\npath = \"/faq\"\ncache = { normalise = \"faq+\", ttl = \"24h\", scope = \"global\" }\n";
  add(section,
      {text("path", none("needed"), "letters, digits and `-_.~/`; at most 128 bytes",
            "Begins with `/` and does not end with one. Not the name of an upstream, nor a word that API paths begin with."),
       text("upstream", none("the first"), {}, "The upstream that it leads to.")});
  add_cache_policy(section, "as [cache] or the model says", "What differs from [`[cache]`](#cache) and the model's.");
  return section;
}

}  // namespace outrigger::config::parts
