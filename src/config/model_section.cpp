// [[model]]: what a model's name means here. Where its requests go stands in chain.cpp.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/units.h"

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_pattern = 256;
constexpr std::size_t k_max_answer = 64u << 10;  // bytes
// Dify's own clients give an answer up after 300 s. Who has waited for longer than this is not there to get one.
constexpr Duration k_patience = 240s;

void read_queue(TableReader& table, Model& model) {
  with_table(table, "queue", [&](TableReader& queue) {
    set(model.queue.depth, queue.integer("depth", {0, 100'000}));
    set(model.queue.wait, queue.duration("wait", {0s, 1h}));
    if (model.queue.wait > k_patience) {
      queue.context().warning(
          queue.place_of("wait"),
          fmt::format(
              "`wait` is longer than any known client waits: Dify's give up after 300s, answer included; write {} or "
              "less, so that they are told in time",
              format_duration(k_patience)));
    }
  });
}

void read_retry(TableReader& table, Model& model) {
  with_table(table, "retry", [&](TableReader& retry) {
    set(model.retry.budget, retry.number("budget", {0, 1}));
    set(model.retry.attempts, retry.integer("attempts", {1, 10}));
  });
}

// `true` is a table with nothing in it.
void read_hedge(TableReader& table, Model& model) {
  const Member* member = table.find("hedge");
  if (member == nullptr) return;
  if (member->value.kind == Node::Kind::boolean) {
    if (member->value.boolean) model.hedge.emplace();
    return;
  }
  if (member->value.kind != Node::Kind::table) {
    table.context().error(member->value.place, fmt::format("`hedge` in {} must be true, false or a table such as hedge = {{ "
                                                           "budget = 0.02 }}, not {}",
                                                           table.where(), describe(member->value.kind)));
    return;
  }
  with_table(table, "hedge", [&](TableReader& hedge) {
    model.hedge.emplace();
    set(model.hedge->budget, hedge.number("budget", {0.001, 0.5}));
    set(model.hedge->quantile, hedge.number("quantile", {0.5, 0.999}));
  });
}

// Bytes of the UTF-8 character (RFC 3629) that begins with these two; 0: none does.
std::size_t utf8_length(unsigned first, unsigned second) {
  const auto between = [](unsigned byte, unsigned least, unsigned most) { return byte >= least && byte <= most; };
  if (first < 0x80) return 1;
  if (!between(second, 0x80, 0xBF)) return 0;
  if (between(first, 0xC2, 0xDF)) return 2;
  // Not what fits into fewer bytes, nor half of a surrogate pair, nor what lies beyond U+10FFFF.
  if (between(first, 0xE0, 0xEF)) return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ? 0 : 3;
  if (between(first, 0xF0, 0xF4)) return (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ? 0 : 4;
  return 0;
}

// The configuration's own text is, or was refused. An environment variable's or another file's may be anything.
bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t at) -> unsigned { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0; };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(byte(at), byte(at + 1));
    if (length == 0) return false;
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

void read_answer(TableReader& table, Model& model) {
  const auto answer = table.text("answer");
  if (!answer) return;
  if (answer->value.size() > k_max_answer) {
    table.context().error(answer->place,
                          fmt::format("`answer` may have at most {}; write a shorter one", format_size(k_max_answer)));
  } else if (!is_utf8(answer->value)) {
    table.context().error(answer->place,
                          fmt::format("{} does not hold text in UTF-8, so `answer` cannot be sent as JSON; save "
                                      "it as UTF-8",
                                      answer->source));
  } else {
    model.fixed_answer = answer->value;
  }
}

void read_timeout(TableReader& table, Model& model) {
  with_table(table, "timeout", [&](TableReader& timeout) {
    const auto connect = timeout.duration("connect", {10ms, 5min});
    set(model.timeout.connect, connect);
    set(model.timeout.first_token, timeout.duration("first_token", {10ms, 1h}));
    set(model.timeout.between_tokens, timeout.duration("between_tokens", {10ms, 1h}));
    set(model.timeout.total, timeout.duration("total", {10ms, 24h}));
    // The default of `connect` gives way to a short `total`; what was written down does not.
    if (!connect) model.timeout.connect = std::min(model.timeout.connect, model.timeout.total);
    const bool never_reached = model.timeout.connect > model.timeout.total ||
                               model.timeout.first_token > model.timeout.total ||
                               model.timeout.between_tokens > model.timeout.total;
    if (never_reached) {
      timeout.context().error(timeout.place(),
                              fmt::format("{} is longer than `total`; write a longer `total`, or make the other "
                                          "one shorter",
                                          timeout.where()));
    }
  });
}

void read_price(TableReader& table, Model& model) {
  with_table(table, "price", [&](TableReader& price) {
    const auto input = price.number("input", {0, 1e6});
    const auto output = price.number("output", {0, 1e6});
    if (input && output) {
      model.price = Price{*input, *output};
    } else if (price.find("input") == nullptr || price.find("output") == nullptr) {
      price.context().error(price.place(),
                            "`price` needs both `input` and `output`, in USD per million tokens; write "
                            "price = { input = 3.0, output = 15.0 }");
    }
  });
}

void read_name(TableReader& table, Config& config, Names& names, Model& model) {
  const auto name = table.literal("name");
  if (!name) {
    if (table.find("name") == nullptr) {
      table.context().error(table.place(),
                            R"([[model]] needs a `name`: what Dify asks for, such as "gpt-4o*"; `*` matches all)");
    }
    return;
  }
  table.rename(fmt::format("[[model]] `{}`", name->value));
  if (name->value.size() > k_max_pattern) {
    table.context().error(name->place,
                          fmt::format("`name` may have at most {} characters; write a pattern with `*`", k_max_pattern));
    return;
  }
  if (!names.add(table.context(), *name, "name")) return;
  for (const Model& earlier : config.models) {
    if (earlier.name.empty() || !shadows(earlier.name, name->value)) continue;
    table.context().warning(name->place,
                            fmt::format("{} is never used, because `{}` above it matches first; put the narrower "
                                        "pattern first",
                                        table.where(), earlier.name));
    break;
  }
  model.name = name->value;
}

}  // namespace

void read_models(TableReader& top, Config& config) {
  Names names("[[model]]");
  for (const Node* node : top.tables("model")) {
    TableReader table(top.context(), *node, "[[model]]");
    Model model;
    read_name(table, config, names, model);
    read_chain(table, config, model);
    read_answer(table, model);
    set(model.concurrency, read_concurrency(table));
    read_queue(table, model);
    set(model.rate, read_rate(table));
    read_timeout(table, model);
    if (!model.fallback.empty() && !model.timeout.first_token) {
      model.timeout.first_token = std::min(k_first_token_with_fallback, model.timeout.total);
    }
    set(model.breaker, read_breaker(table));
    read_retry(table, model);
    read_hedge(table, model);
    model.cache = read_cache_policy(table);
    read_price(table, model);
    table.finish();
    config.models.push_back(std::move(model));
  }
}

}  // namespace outrigger::config
