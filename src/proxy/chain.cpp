#include "proxy/chain.h"

#include "core/rng.h"
#include "providers/dialect.h"
#include "proxy/target_name.h"

namespace outrigger::proxy {
namespace {

struct Name {
  std::string_view upstream, model;  // model empty: as asked
};

// "upstream" or "upstream:model"; the model may hold colons of its own.
Name split(std::string_view to) {
  const std::size_t colon = to.find(':');
  if (colon == std::string_view::npos) return {to, {}};
  return {to.substr(0, colon), to.substr(colon + 1)};
}

bool asks_for_words(chat::Endpoint endpoint) {
  const providers::Dialect* dialect = providers::dialect_of(endpoint);
  return dialect != nullptr && dialect->is_conversation();
}

Link link_to(const Snapshot& snapshot, const Destination& destination, std::string_view model, std::string_view asked) {
  Link link;
  link.snapshot = &snapshot;
  link.destination = destination;
  link.destination.query = {};  // a view of something that the link outlives
  const std::string& upstream = destination.target->upstream->name;
  const std::string_view effective = model.empty() ? asked : model;
  if (model != asked) link.model = model;
  link.name = target_name(upstream, effective);
  link.traits = snapshot.config().traits_for(upstream, effective);
  link.settings = snapshot.config().model_for(effective);
  return link;
}

}  // namespace

std::size_t weighted_choice(const std::vector<config::WeightedTarget>& targets, double point) {
  double sum = 0;
  for (const config::WeightedTarget& target : targets) sum += target.weight;
  double passed = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].weight <= 0) continue;
    last = i;
    passed += targets[i].weight;
    if (point * sum < passed) break;
  }
  return last;
}

Chain chain_for(const Snapshot& snapshot, std::string_view request_target, const config::Model* model,
                std::string_view asked, std::uint64_t user) {
  Chain chain;
  const auto add = [&](std::string_view to) {
    const auto [upstream, name] = split(to);
    const Destination destination = snapshot.destination_at(request_target, upstream);
    Link link = link_to(snapshot, destination, name, asked);
    for (const Link& known : chain) {
      if (known.name == link.name) return;
    }
    if (!chain.empty()) {
      const Link& first = chain.front();
      if (destination.place.endpoint != first.destination.place.endpoint) return;
      // Anthropic's wire has messages and nothing else of what is understood.
      const bool is_messages_only = destination.target->upstream->dialect == config::Dialect::anthropic;
      if (is_messages_only && !asks_for_words(destination.place.endpoint)) return;
      link.passes_credential = destination.target == first.destination.target;
      link.is_downgrade = (link.model.empty() ? asked : link.model) != (first.model.empty() ? asked : first.model);
    }
    chain.push_back(std::move(link));
  };
  if (model == nullptr || model->target.empty()) {
    chain.push_back(link_to(snapshot, snapshot.destination(request_target), {}, asked));
  } else {
    add(model->target[weighted_choice(model->target, Rng(user).unit())].to);
  }
  if (model == nullptr) return chain;
  for (const std::string& to : model->fallback) add(to);
  // A target asked for by the request's own [[model]] is paced by that.
  chain.front().settings = model;
  return chain;
}

}  // namespace outrigger::proxy
