#include "proxy/dify_judge.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;
using enum chat::BypassReason;

std::optional<chat::BypassReason> bypass_of(const config::Config& config, const RunAsked& asked, const Steering& steering) {
  // The web app's and other fronts have credentials that tell nothing of the app.
  if (asked.call.kind != dify::CallKind::run || !asked.call.as_written) return endpoint;
  if (asked.app == nullptr || !asked.app->cache || config.cache.mode == CacheMode::off) return cache_off;
  if (!asked.run.conversation_id.empty()) return conversation;
  // What a workflow does besides answering, and what a chat remembers, only the operator knows.
  const config::App::Cache& cache = *asked.app->cache;
  if (asked.run.kind != dify::RunKind::completion && !cache.stateless) return stateful;
  if (asked.run.bypass) return asked.run.bypass;
  if (steering.no_store) return no_store;
  return std::nullopt;
}

}  // namespace

dify::RunOptions run_options(const config::Config& config, const config::App* app) {
  const bool has_cache = app != nullptr && app->cache;
  return {.level = has_cache ? app->cache->normalise.value_or(config.cache.normalise) : Level::exact,
          .per_user = !has_cache || app->cache->per_user};
}

RunJudgement judge_run(const config::Config& config, const RunAsked& asked, const chat::KeyMaker& keys) {
  RunJudgement judgement;
  judgement.steering = steering(asked.headers);
  judgement.bypass = bypass_of(config, asked, judgement.steering);
  if (judgement.bypass) return judgement;
  judgement.identity = keys.identity({.scope = asked.app->cache->per_user ? Scope::user : Scope::app,
                                      .level = run_options(config, asked.app).level,
                                      .epoch = config.cache.epoch,
                                      .upstream = asked.backend,
                                      .query = asked.target,
                                      .credential = asked.digest,
                                      .app = asked.digest,
                                      .user = asked.run.user,
                                      .canonical = asked.run.canonical});
  return judgement;
}

}  // namespace outrigger::proxy
