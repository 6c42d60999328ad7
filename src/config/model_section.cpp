// [[model]]: what a model's name means here. What later versions will do with it is checked in full already, so that a file that
// is accepted today is right tomorrow.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_targets = 32;
constexpr std::size_t k_max_pattern = 256;

// "upstream" or "upstream:model". The model may hold colons of its own ("ollama:llama3:8b").
bool check_target(TableReader& table, const Config& config, const Text& target, std::string_view key) {
  const std::size_t colon = target.value.find(':');
  if (named_upstream(table.context(), config, target.place, key, std::string_view(target.value).substr(0, colon)) ==
      nullptr) {
    return false;
  }
  if (colon != target.value.size() - 1) return true;
  table.context().error(target.place,
                        fmt::format("`{}` ends with a colon; write \"upstream:model\", or \"upstream\" alone", key));
  return false;
}

std::optional<WeightedTarget> read_weighted(TableReader& model, const Config& config, const Node& node) {
  TableReader table(model.context(), node, fmt::format("the target of {}", model.where()));
  WeightedTarget target;
  const auto to = table.literal("to");
  set(target.weight, table.number("weight", {0, 1e6}));
  table.finish();
  if (!to && node.find("to") == nullptr) {
    table.context().error(node.place, R"(a target needs `to`; write { to = "relay", weight = 1 })");
  }
  if (!to || !check_target(table, config, *to, "to")) return std::nullopt;
  target.to = to->value;
  return target;
}

void read_target_list(TableReader& table, const Config& config, const Node& list, Model& model) {
  double sum = 0;
  for (const Node& item : list.items) {
    std::optional<WeightedTarget> target;
    if (item.kind == Node::Kind::table) {
      target = read_weighted(table, config, item);
    } else if (item.kind == Node::Kind::string && !item.text.empty()) {
      const Text text{item.text, "inline", item.place};
      if (check_target(table, config, text, "target")) target = WeightedTarget{item.text, 1};
    } else {
      table.context().error(item.place, R"(a target is written "relay", "relay:gpt-4o", or { to = "relay", weight = 1 })");
    }
    if (target) sum += target->weight;
    if (target) model.target.push_back(std::move(*target));
  }
  if (list.items.empty() || list.items.size() > k_max_targets) {
    table.context().error(
        list.place, fmt::format("`target` takes from 1 to {} targets; write one, or leave `target` out", k_max_targets));
  } else if (!model.target.empty() && sum <= 0) {
    table.context().error(list.place, "the weights of `target` are all 0; write at least one above 0");
  }
}

void read_target(TableReader& table, const Config& config, Model& model) {
  const Member* member = table.find("target");
  if (member == nullptr) return;
  if (member->value.kind == Node::Kind::array) {
    read_target_list(table, config, member->value, model);
  } else if (const auto text = table.literal("target"); text && check_target(table, config, *text, "target")) {
    model.target.push_back({text->value, 1});
  }
}

void read_fallback(TableReader& table, const Config& config, Model& model) {
  for (const Text& target : table.texts("fallback", true)) {
    if (model.fallback.size() == k_max_targets) {
      table.context().error(target.place, fmt::format("`fallback` takes at most {} targets; take some out", k_max_targets));
      break;
    }
    if (check_target(table, config, target, "fallback")) model.fallback.push_back(target.value);
  }
}

// A table below a model, all of whose keys `read` asks for. Not called when the table is not there.
template <class Read>
void with_table(TableReader& model, std::string_view key, Read&& read) {
  const Node* node = model.table(key);
  if (node == nullptr) return;
  TableReader table(model.context(), *node, fmt::format("the {} of {}", key, model.where()));
  read(table);
  table.finish();
}

void read_pacing(TableReader& table, Model& model) {
  set(model.concurrency.fixed, table.integer("concurrency", {1, 100'000}));
  with_table(table, "queue", [&](TableReader& queue) {
    set(model.queue.depth, queue.integer("depth", {0, 100'000}));
    set(model.queue.wait, queue.duration("wait", {0s, 1h}));
  });
  with_table(table, "rate", [&](TableReader& rate) {
    set(model.rate.requests_per_minute, rate.integer("requests_per_minute", {1, 100'000'000}));
    set(model.rate.tokens_per_minute, rate.integer("tokens_per_minute", {1, 100'000'000'000}));
  });
}

void read_failing(TableReader& table, Model& model) {
  with_table(table, "breaker", [&](TableReader& breaker) {
    set(model.breaker.failures, breaker.integer("failures", {1, 1000}));
    set(model.breaker.open, breaker.duration("open", {10ms, 1h}));
    set(model.breaker.max_open, breaker.duration("max_open", {10ms, 24h}));
    if (model.breaker.max_open < model.breaker.open) {
      breaker.context().error(breaker.place_of("max_open"), "`max_open` is shorter than `open`; write a longer one");
    }
  });
  with_table(table, "retry", [&](TableReader& retry) {
    set(model.retry.budget, retry.number("budget", {0, 1}));
    set(model.retry.attempts, retry.integer("attempts", {1, 10}));
  });
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

// Does every name that `later` matches go to `earlier` already? A `*` of `later` is letters like any others to a `*` of `earlier`,
// but not to its `?`.
bool shadows(std::string_view earlier, std::string_view later) {
  const bool unsure = earlier.find('?') != std::string_view::npos && later.find('*') != std::string_view::npos;
  return !unsure && glob_matches(earlier, later);
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
    read_target(table, config, model);
    read_fallback(table, config, model);
    read_pacing(table, model);
    read_timeout(table, model);
    read_failing(table, model);
    model.cache = read_cache_policy(table);
    read_price(table, model);
    table.finish();
    config.models.push_back(std::move(model));
  }
}

}  // namespace outrigger::config
