// [[target]]: what a target can do, what it calls things, and how much it takes.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/sections.h"
#include "config/suggest.h"

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_name = 256;
constexpr std::size_t k_max_targets = 256;  // each is compared with every model
constexpr std::size_t k_max_members = 64;   // of a request that are dropped or renamed
constexpr std::size_t k_max_member = 64;    // bytes of its name
constexpr std::uint64_t k_max_tokens = 1'000'000'000;

// What a request is understood and answered by. Without them, or with two of them, it would be another request.
constexpr std::array<std::string_view, 3> k_own_members{"model", "messages", "stream"};

bool is_own_member(std::string_view name) {
  return std::find(k_own_members.begin(), k_own_members.end(), name) != k_own_members.end();
}

// A member's name; "a.b" would look like one inside another, which is not reached.
bool is_member_name(std::string_view name) {
  return !name.empty() && name.size() <= k_max_member && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string member_problem(std::string_view name) {
  if (is_own_member(name)) return "is what a request is understood by and stays as it is; take it out";
  if (is_member_name(name)) return {};
  return fmt::format(
      "is not the name of a request's member; write up to {} letters, digits, `_` and `-`, such as "
      "\"temperature\"",
      k_max_member);
}

void read_drop(TableReader& table, TargetTraits& traits) {
  for (const Text& member : table.texts("drop", true)) {
    const std::string problem = member_problem(member.value);
    if (!problem.empty()) {
      table.context().error(member.place, fmt::format("{} in `drop` {}", member.shown(), problem));
    } else if (traits.drop.size() == k_max_members) {
      table.context().error(member.place, fmt::format("`drop` takes at most {} names; take some out", k_max_members));
      return;
    } else if (std::find(traits.drop.begin(), traits.drop.end(), member.value) == traits.drop.end()) {
      traits.drop.push_back(member.value);
    }
  }
}

std::string rename_problem(const TargetTraits& traits, std::string_view from, std::string_view to) {
  if (from == to) return "is renamed to itself; write what the target calls it, or take it out";
  if (std::find(traits.drop.begin(), traits.drop.end(), from) != traits.drop.end()) {
    return "stands in `drop`, too; take it out of one of the two";
  }
  for (const auto& [other, taken] : traits.rename) {
    if (taken == to) return fmt::format("is renamed to `{}`, and so is `{}`; a request can have only one of it", to, other);
  }
  return {};
}

void read_rename(TableReader& table, TargetTraits& traits) {
  const Node* node = table.table("rename");
  if (node == nullptr) return;
  TableReader rename(table.context(), *node, fmt::format("the rename of {}", table.where()));
  if (node->members.size() > k_max_members) {
    table.context().error(node->place, fmt::format("`rename` takes at most {} names; take some out", k_max_members));
    return;
  }
  for (const Member& member : node->members) {
    const auto to = rename.literal(member.key);
    if (!to) continue;
    std::string problem = member_problem(member.key);
    if (!problem.empty()) {
      table.context().error(member.place, fmt::format("`{}` in `rename` {}", member.key, problem));
    } else if (problem = member_problem(to->value); !problem.empty()) {
      table.context().error(to->place, fmt::format("{} in `rename` {}", to->shown(), problem));
    } else if (problem = rename_problem(traits, member.key, to->value); !problem.empty()) {
      table.context().error(member.place, fmt::format("`{}` in `rename` {}", member.key, problem));
    } else {
      traits.rename.emplace_back(member.key, to->value);
    }
  }
}

void read_abilities(TableReader& table, TargetTraits& traits) {
  set(traits.context, table.integer("context", {1, k_max_tokens}));
  set(traits.max_output, table.integer("max_output", {1, k_max_tokens}));
  if (traits.context && traits.max_output && *traits.max_output > *traits.context) {
    table.context().error(table.place_of("max_output"),
                          "`max_output` is larger than `context`, which the answer is part of; write a "
                          "smaller one");
  }
  set(traits.tools, table.boolean("tools"));
  set(traits.vision, table.boolean("vision"));
  set(traits.json_schema, table.boolean("json_schema"));
  set(traits.stream, table.boolean("stream"));
}

bool takes_all_of(const TargetName& earlier, const TargetName& later) {
  return earlier.upstream == later.upstream && shadows(earlier.model.value_or("*"), later.model.value_or("*"));
}

void read_name(TableReader& table, const Config& config, Names& names, TargetTraits& traits) {
  const auto name = table.literal("name");
  if (!name) {
    if (table.find("name") == nullptr) {
      table.context().error(table.place(),
                            R"([[target]] needs a `name`: an upstream, "relay", or models of it, "relay:gpt-4o*")");
    }
    return;
  }
  table.rename(fmt::format("[[target]] `{}`", name->value));
  if (name->value.size() > k_max_name) {
    table.context().error(name->place,
                          fmt::format("`name` may have at most {} bytes; write a pattern with `*`", k_max_name));
    return;
  }
  if (check_target(table.context(), config, *name, "name") == nullptr) return;
  if (!names.add(table.context(), *name, "name")) return;
  for (const TargetTraits& earlier : config.target_traits) {
    if (!takes_all_of(split_target(earlier.name), split_target(name->value))) continue;
    table.context().warning(name->place,
                            fmt::format("{} is never used, because `{}` above it matches first; put the narrower "
                                        "pattern first",
                                        table.where(), earlier.name));
    break;
  }
  traits.name = name->value;
}

// May a name match both? Only what surely matches no name gives false: patterns that begin or end differently.
bool may_meet(std::string_view left, std::string_view right) {
  if (!is_glob(left)) return glob_matches(right, left);
  if (!is_glob(right)) return glob_matches(left, right);
  const auto literal = [](char c) { return c != '*' && c != '?'; };
  for (std::size_t i = 0; i < std::min(left.size(), right.size()) && literal(left[i]) && literal(right[i]); ++i) {
    if (left[i] != right[i]) return false;
  }
  for (std::size_t i = 1; i <= std::min(left.size(), right.size()); ++i) {
    const char a = left[left.size() - i], b = right[right.size() - i];
    if (!literal(a) || !literal(b)) break;
    if (a != b) return false;
  }
  return true;
}

// The targets that requests for `model` may be sent to, as they are written.
std::vector<std::string_view> chain_of(const Config& config, const Model& model) {
  std::vector<std::string_view> chain;
  for (const WeightedTarget& target : model.target) chain.emplace_back(target.to);
  if (model.target.empty()) {
    for (const Upstream& upstream : config.upstreams) chain.emplace_back(upstream.name);
  }
  for (const std::string& fallback : model.fallback) chain.emplace_back(fallback);
  return chain;
}

// `keeps_name`: requests for `model` may ask for a name that is wanted.
bool leads_to(const Config& config, const Model& model, const TargetName& wanted, bool keeps_name) {
  const std::string_view pattern = wanted.model.value_or("*");
  const auto chain = chain_of(config, model);
  return std::any_of(chain.begin(), chain.end(), [&](std::string_view link) {
    const TargetName target = split_target(link);
    if (target.upstream != wanted.upstream) return false;
    return target.model ? glob_matches(pattern, *target.model) : keeps_name;
  });
}

// A [[target]] that no request can be sent to. What no [[model]] takes goes to the upstream that it was sent to, so that the name
// of a model is wrong cannot be known, only that a similar one stands in a chain.
void check_use(TableReader& table, const Config& config, const TargetTraits& traits) {
  const TargetName wanted = split_target(traits.name);
  const std::string_view pattern = wanted.model.value_or("*");
  // Of a name without wildcards it is certain which [[model]] takes it.
  const Model* only = is_glob(pattern) ? nullptr : config.model_for(pattern);
  std::vector<std::string_view> known;
  bool is_taken = false;
  for (const Model& model : config.models) {
    const bool keeps_name = is_glob(pattern) ? may_meet(model.name, pattern) : &model == only;
    if (leads_to(config, model, wanted, keeps_name)) return;
    is_taken = is_taken || shadows(model.name, pattern);
    for (const std::string_view link : chain_of(config, model)) {
      const TargetName target = split_target(link);
      if (target.upstream == wanted.upstream && target.model) known.push_back(*target.model);
    }
  }
  const Place place = table.find("name")->value.place;
  if (is_taken) {
    table.context().warning(
        place, fmt::format("{} matches nothing, because no [[model]] leads there; name a target of one, or take it out",
                           table.where()));
  } else if (const std::string_view near = wanted.model ? closest(*wanted.model, known) : std::string_view();
             !near.empty()) {
    table.context().warning(place,
                            fmt::format("{} matches no target of a [[model]], only what is sent to `{}` under that name "
                                        "(did you mean `{}:{}`?)",
                                        table.where(), wanted.upstream, wanted.upstream, near));
  }
}

}  // namespace

void read_targets(TableReader& top, Config& config) {
  Names names("[[target]]");
  const auto tables = top.tables("target");
  if (tables.size() > k_max_targets) {
    top.context().error(tables[k_max_targets]->place,
                        fmt::format("there may be at most {} [[target]]; write patterns with `*`", k_max_targets));
    return;
  }
  for (const Node* node : tables) {
    TableReader table(top.context(), *node, "[[target]]");
    TargetTraits traits;
    read_name(table, config, names, traits);
    read_abilities(table, traits);
    read_drop(table, traits);
    read_rename(table, traits);
    set(traits.concurrency, read_concurrency(table));
    set(traits.rate, read_rate(table));
    set(traits.breaker, read_breaker(table));
    // After a mistake elsewhere it is not certain where the models lead.
    if (!traits.name.empty() && !table.context().failed()) check_use(table, config, traits);
    table.finish();
    config.target_traits.push_back(std::move(traits));
  }
}

}  // namespace outrigger::config
