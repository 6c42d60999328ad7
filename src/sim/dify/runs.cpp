#include "sim/dify/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/json.h"

namespace outrigger::sim_dify {
namespace {

constexpr std::size_t k_max_names = 1024;
constexpr std::string_view k_others = "(others)";

std::string tally_json(const Runs::Tally& tally) {
  return fmt::format(R"({{"total":{},"running":{},"running_max":{}}})", tally.total, tally.running, tally.running_max);
}

std::string tallies_json(const std::map<std::string, Runs::Tally, std::less<>>& tallies) {
  std::string text = "{";
  for (const auto& [name, tally] : tallies) {
    text += fmt::format("{}{}:{}", text.size() > 1 ? "," : "", sim_provider::json_quoted(name), tally_json(tally));
  }
  return text + "}";
}

void count(Runs::Tally& tally) {
  ++tally.total;
  ++tally.running;
  tally.running_max = std::max(tally.running_max, tally.running);
}

}  // namespace

void Runs::add(Tallies& to, std::string_view name) {
  const auto found = to.find(name);
  count(found != to.end() ? found->second : to[std::string(to.size() < k_max_names ? name : k_others)]);
}

void Runs::remove(Tallies& from, std::string_view name) {
  auto found = from.find(name);
  if (found == from.end()) found = from.find(k_others);
  if (found != from.end() && found->second.running > 0) --found->second.running;
}

void Runs::begin(std::string task_id, Run run, MonoTime now) {
  settle(now);
  count(all_);
  add(by_app_, run.app);
  add(by_path_, run.path);
  add(by_user_, run.user);
  if (run.ends != MonoTime::max()) ends_.emplace(run.ends, task_id);
  table_.insert_or_assign(std::move(task_id), std::move(run));
}

void Runs::end(Table::iterator run, std::uint64_t& outcome) {
  ++outcome;
  --all_.running;
  remove(by_app_, run->second.app);
  remove(by_path_, run->second.path);
  remove(by_user_, run->second.user);
  table_.erase(run);
}

void Runs::settle(MonoTime now) {
  while (!ends_.empty() && ends_.begin()->first <= now) {
    const auto run = table_.find(ends_.begin()->second);
    if (run != table_.end()) end(run, run->second.fails ? failed_ : completed_);
    ends_.erase(ends_.begin());
  }
}

Runs::Run* Runs::find(std::string_view task_id, MonoTime now) {
  settle(now);
  const auto found = table_.find(task_id);
  return found == table_.end() ? nullptr : &found->second;
}

void Runs::stop(std::string_view task_id, MonoTime now) {
  settle(now);
  const auto found = table_.find(task_id);
  if (found == table_.end()) return;
  const auto on_stop = std::move(found->second.on_stop);
  end(found, stopped_);
  if (on_stop) on_stop();
}

void Runs::set_end(std::string_view task_id, MonoTime ends, bool fails) {
  const auto found = table_.find(task_id);
  if (found == table_.end()) return;
  found->second.ends = ends;
  found->second.fails = fails;
  ends_.emplace(ends, task_id);
}

void Runs::detach(std::string_view task_id) {
  if (const auto found = table_.find(task_id); found != table_.end()) found->second.on_stop = nullptr;
}

std::uint64_t Runs::running(std::string_view app, MonoTime now) {
  settle(now);
  const auto found = by_app_.find(app);
  return found == by_app_.end() ? 0 : found->second.running;
}

std::string Runs::json(MonoTime now) {
  settle(now);
  return fmt::format(
      R"({{"total":{},"running":{},"running_max":{},"completed":{},"failed":{},"stopped":{},"by_app":{},"by_path":{},"by_user":{}}})",
      all_.total, all_.running, all_.running_max, completed_, failed_, stopped_, tallies_json(by_app_),
      tallies_json(by_path_), tallies_json(by_user_));
}

}  // namespace outrigger::sim_dify
