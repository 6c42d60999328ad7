// A model's chain: where its requests go, and where next when that fails. A chain is a plain list: that a fallback has a
// [[model]] of its own plays no part, so nothing can go in circles.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/sections.h"

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_targets = 32;

// One target of the chain, and where it is written.
struct Link {
  const Upstream* upstream = nullptr;
  std::string to;
  Place place;
};
using Links = std::vector<Link>;

// Null: an error has been noted.
const Upstream* check_link(TableReader& table, const Config& config, const Text& target, std::string_view key) {
  const Upstream* upstream = check_target(table.context(), config, target, key);
  if (upstream == nullptr || !is_glob(target.value)) return upstream;
  table.context().error(target.place,
                        fmt::format("`{0}` leads to one model, so `*` and `?` have no place in it; write \"{1}\" to "
                                    "keep the model that was asked for",
                                    key, upstream->name));
  return nullptr;
}

std::optional<WeightedTarget> read_weighted(TableReader& model, const Config& config, const Node& node, Links& links) {
  TableReader table(model.context(), node, fmt::format("the target of {}", model.where()));
  WeightedTarget target;
  const auto to = table.literal("to");
  set(target.weight, table.number("weight", {0, 1e6}));
  table.finish();
  if (!to && node.find("to") == nullptr) {
    table.context().error(node.place, R"(a target needs `to`; write { to = "relay", weight = 1 })");
  }
  if (!to) return std::nullopt;
  const Upstream* upstream = check_link(table, config, *to, "to");
  if (upstream == nullptr) return std::nullopt;
  target.to = to->value;
  links.push_back({upstream, to->value, to->place});
  return target;
}

void read_target_list(TableReader& table, const Config& config, const Node& list, Model& model, Links& links) {
  double sum = 0;
  for (const Node& item : list.items) {
    std::optional<WeightedTarget> target;
    if (item.kind == Node::Kind::table) {
      target = read_weighted(table, config, item, links);
    } else if (item.kind == Node::Kind::string && !item.text.empty()) {
      const Text text{item.text, "inline", item.place};
      if (const Upstream* upstream = check_link(table, config, text, "target")) {
        links.push_back({upstream, item.text, item.place});
        target = WeightedTarget{item.text, 1};
      }
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

Links read_target(TableReader& table, const Config& config, Model& model) {
  Links links;
  const Member* member = table.find("target");
  if (member == nullptr) return links;
  if (member->value.kind == Node::Kind::array) {
    read_target_list(table, config, member->value, model, links);
    // One that cannot be read leaves open which the others stand in for.
    if (links.size() != member->value.items.size()) links.clear();
  } else if (const auto text = table.literal("target")) {
    const Upstream* upstream = check_link(table, config, *text, "target");
    if (upstream == nullptr) return links;
    links.push_back({upstream, text->value, text->place});
    model.target.push_back({text->value, 1});
  }
  return links;
}

Links read_fallback(TableReader& table, const Config& config, Model& model) {
  Links links;
  for (const Text& target : table.texts("fallback", true)) {
    if (links.size() == k_max_targets) {
      table.context().error(target.place, fmt::format("`fallback` takes at most {} targets; take some out", k_max_targets));
      break;
    }
    const Upstream* upstream = check_link(table, config, target, "fallback");
    if (upstream == nullptr) continue;
    links.push_back({upstream, target.value, target.place});
    model.fallback.push_back(target.value);
  }
  return links;
}

// Of a model whose name is no pattern, "relay" and "relay:<name>" are the same target.
bool is_same(const Model& model, std::string_view left, std::string_view right) {
  if (left == right) return true;
  if (model.name.empty() || is_glob(model.name)) return false;
  const TargetName a = split_target(left), b = split_target(right);
  return a.upstream == b.upstream && a.model.value_or(model.name) == b.model.value_or(model.name);
}

const Link* same_before(const Model& model, const Links& links, std::size_t index) {
  for (std::size_t i = 0; i < index; ++i) {
    if (is_same(model, links[i].to, links[index].to)) return &links[i];
  }
  return nullptr;
}

// A fallback may be one of several targets: then it stands in for the others.
void check_repeats(Context& context, const Model& model, const Links& targets, const Links& fallbacks) {
  for (std::size_t i = 1; i < targets.size(); ++i) {
    if (same_before(model, targets, i) == nullptr) continue;
    context.error(targets[i].place,
                  fmt::format("`{}` stands in `target` twice; write it once, with the sum of the weights", targets[i].to));
  }
  for (std::size_t i = 0; i < fallbacks.size(); ++i) {
    const Link& link = fallbacks[i];
    if (targets.size() == 1 && is_same(model, targets.front().to, link.to)) {
      context.error(link.place,
                    fmt::format("`{}` would fall back to itself; name another target or model, or take it out", link.to));
    } else if (const Link* before = same_before(model, fallbacks, i)) {
      context.error(link.place, fmt::format("`{}` stands in `fallback` on line {} already; take one of the two out", link.to,
                                            before->place.line));
    }
  }
}

// What a fallback at another upstream cannot take along. `firsts`: where a request may have been before.
void check_upstream(Context& context, const Upstream& upstream, const Links& firsts, Place place) {
  const auto speaks_to_models = [](const Upstream& one) { return one.dialect != Dialect::dify; };
  bool can_follow = false;
  const Upstream* other = nullptr;
  for (const Link& first : firsts) {
    if (first.upstream == &upstream) continue;
    if (other == nullptr) other = first.upstream;
    can_follow = can_follow || speaks_to_models(*first.upstream) == speaks_to_models(upstream);
  }
  if (other == nullptr) return;
  if (!can_follow) {
    context.warning(
        place, fmt::format("`{0}` speaks {1} and `{2}` {3}, between which requests cannot be translated, so `{0}` is not "
                           "tried after `{2}`; name another upstream",
                           upstream.name, name(upstream.dialect), other->name, name(other->dialect)));
  } else if (!has_credential(upstream)) {
    context.warning(
        place, fmt::format("`{0}` has no `keys`, and a client's key belongs to `{1}` and is not sent there, so `{0}` is "
                           "asked without one; write `keys` in [[upstream]] `{0}` if it wants one",
                           upstream.name, other->name));
  }
}

}  // namespace

void read_chain(TableReader& table, const Config& config, Model& model) {
  Links firsts = read_target(table, config, model);
  const Links fallbacks = read_fallback(table, config, model);
  // Without `target` a request may have been sent to any upstream; if there are several, only its path tells to which.
  const bool is_addressed = table.find("target") == nullptr;
  if (is_addressed) {
    for (const Upstream& upstream : config.upstreams) firsts.push_back({&upstream, upstream.name, table.place()});
  }
  check_repeats(table.context(), model, is_addressed && firsts.size() > 1 ? Links() : firsts, fallbacks);
  std::vector<const Upstream*> checked;
  for (const Link& link : fallbacks) {
    if (std::find(checked.begin(), checked.end(), link.upstream) != checked.end()) continue;
    checked.push_back(link.upstream);
    check_upstream(table.context(), *link.upstream, firsts, link.place);
  }
}

}  // namespace outrigger::config
