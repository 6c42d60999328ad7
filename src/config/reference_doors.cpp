// The dify door and who comes in: [dify], [[app]], [[client]].
#include "config/reference_parts.h"

namespace outrigger::config::parts {

Section dify_section() {
  const Dify dify;
  Section section;
  section.name = "dify";
  section.text =
      "The dify door, when [`[listen] dify`](#listen-dify) opens it. Its backends are the [[upstream]]s with `dialect = "
      "\"dify\"`; without any it leads to `http://api:5001`, where Dify's Compose file has it.";
  section.example = "[dify]\ntrusted = [\"172.16.0.0/12\"]\nstop_on_leave = true\n";
  add(section,
      {text("target", none("the first backend"), "one, or from 1 to 32 in a list",
            "A backend. Or several addresses of one Dify, `[\"api-1\", \"api-2\"]`, of which the least busy is asked. Or "
            "several installations by weight, each user always at the same one: for moving from one Dify to another a few "
            "users at a time. Then the first of them has what belongs to no user: the console, files."),
       text("target.to", none("needed in a table"), {}, "The backend, in a list of tables."),
       number("target.weight", is(WeightedTarget().weight), {0, 1e6}, "Its share of the users. `0`: nobody is sent there."),
       texts("fallback", none("nobody"), "at most 32",
             "Backends that are asked when the target does not work. Never because it is only busy: its users' "
             "conversations are there.")});
  add_concurrency(section, is(std::uint64_t{dify.concurrency.fixed.value_or(0)}), "[[model]]",
                  "Runs (chat, completion, workflow) at one backend at once. Dify's api serves 10 connections "
                  "(`SERVER_WORKER_CONNECTIONS`) and lets everything beyond hang or fail; two of them stay free for the "
                  "console, health checks, uploads and stopping.");
  add_queue(section, dify.queue,
            "What waits for a place, fair between apps, streaming runs first. 30 s is half of what Dify's own SDK waits for "
            "an answer.");
  add(section,
      {integer("per_user", none("no such limit"), {1, 100'000}, "Runs of one user of an app at once, at one backend."),
       texts("trusted", none("only this machine"), "at most 256 addresses or blocks",
             "Peers that may say in `X-Forwarded-*` for whom they ask, such as the network that Dify's nginx is on. Whoever "
             "else says so may be lying."),
       duration("first_event", none("no limit"), {10ms, 1h},
                "A streaming run that has said nothing after this has failed. Off: an agent may think for minutes before "
                "its first word."),
       duration("info_ttl", is(dify.info_ttl), {0s, 1h},
                "What describes an app (parameters, info, meta, site) is kept so long: chat windows ask for it whenever "
                "they open. `\"0s\"`: not at all.")});
  add_breaker(section, "[[model]]", "When a backend is left alone, and for how long.");
  add(section, {boolean("stop_on_leave", is(dify.stop_on_leave),
                        "Tell Dify to stop a streaming run whose client has left. Off: Dify goes on and keeps the answer in "
                        "the conversation.")});
  return section;
}

Section app_section() {
  const App::Cache cache;
  Section section;
  section.name = "app";
  section.is_list = true;
  section.text =
      "A Dify app: its name in metrics and the log. Apps that are not here come through the dify door as well, and are "
      "called what Dify calls them. At most 1024.";
  section.example =
      "[[app]]\nname = \"faq-bot\"\nkey = \"env:DIFY_FAQ_APP_KEY\"\nconcurrency = 4\ncache = { stateless = true, per_user = "
      "false }\n";
  add(section,
      {text("name", none("needed"), "at most 64 bytes", "In metrics and the log."),
       text("key", none("needed"), {},
            "Its API key, or `\"sha256:\"` and the key's SHA-256 in hex (`printf %s \"$KEY\" | sha256sum`)."),
       integer("concurrency", none("only that of [dify]"), {1, 100'000},
               "Runs of it at one backend at once, so that it leaves room for others."),
       table("cache", none("its runs are never answered from the cache"),
             "Answers of its runs from the cache. What an app does besides answering, only you know."),
       boolean("cache.stateless", is(cache.stateless),
               "An answer depends on the question alone, and asking does nothing else. Needed for chats (their first turn "
               "is answered, later ones always go to Dify) and for workflows; completion apps are answered without it."),
       duration("cache.ttl", is(cache.ttl), {1s, 24h * 365},
                "Short, for a change of the app may not pass through this door. What does pass empties it at once."),
       boolean("cache.per_user", is(cache.per_user),
               "Each user has answers of his own. `false`: all users of the app share them."),
       choice("cache.normalise", none("as [cache] says"), {},
              "What counts as the same question, as [`[cache] normalise`](#cache-normalise)."),
       boolean("cache.live_conversations", is(cache.live_conversations),
               "A chat that began with an answer from the cache may go on: its first turn is then asked of Dify as well.")});
  for (Entry& entry : section.entries) {
    if (entry.key != "cache.normalise") continue;
    for (int i = 0; i <= static_cast<int>(Level::synonyms); ++i) entry.words.emplace_back(name(static_cast<Level>(i)));
  }
  return section;
}

Section client_section() {
  Section section;
  section.name = "client";
  section.is_list = true;
  section.text =
      "Who may come in at the llm door, and how much. Without any the door is open to whoever reaches it, which is right as "
      "long as no `keys` are put in. Paste the key into Dify as the provider's API key. Clients never share answers, unless "
      "[`scope`](#cache-scope) is `global`.";
  section.example =
      "[[client]]\nname = \"support-desk\"\nkey = \"env:SUPPORT_KEY\"\nmodels = [\"gpt-4o*\"]\nbudget = { usd_per_day = 20, "
      "usd_per_month = 200 }\n";
  add(section,
      {text("name", none("needed"), "at most 64 bytes", "In the log and in metrics."),
       text("key", none("needed"), "one line of visible ASCII without blanks",
            "The key, or `\"sha256:\"` and its SHA-256 in hex (`printf %s \"$KEY\" | sha256sum`). Each client has its own."),
       texts("models", none("all"), "from 1 to 256 patterns", "What it may ask for.")});
  add_rate(
      section, "no limit", "[[model]]",
      "What it may ask within any sixty seconds, at each replica. Requests count when they come, tokens only where a "
      "model is asked: what the cache answers is free. What is under way counts by estimate until it is over. What is "
      "passed through without being understood (audio, images, other wires) counts by its size, four bytes a token both "
      "ways, and so it does in a budget. Too fast is answered with a 429 that says when to come again.");
  add(section,
      {table("budget", none("no limit"),
             "What it may spend, in days and months of UTC, at list price or [`[[model]] price`](#model-price). When it is "
             "used up the cache goes on answering (an old answer is better than none, too), and the rest gets a 429 until "
             "it begins anew. Kept in [redis], where all replicas count together and a restart of theirs forgets nothing; "
             "nor does one of a Redis that keeps nothing on disk, as long as a replica runs meanwhile. Without [redis] in "
             "memory. A model whose price nobody knows is refused: write it down in its [[model]]. A stream of chat "
             "completions is asked for its usage, which a client that has not asked does not get; `drop = "
             "[\"stream_options\"]` in [[target]] spares a provider that refuses that."),
       number("budget.usd_per_day", none("no such limit"), {0.01, 10'000'000}, "USD from midnight to midnight (UTC)."),
       number("budget.usd_per_month", none("no such limit"), {0.01, 10'000'000},
              "USD from the first of a month to the next (UTC).")});
  return section;
}

}  // namespace outrigger::config::parts
