#include "sim/world/redis_server.h"

#include <array>
#include <limits>

#include "sim/world/redis_text.h"

namespace outrigger::sim {
namespace {

constexpr int k_databases = 16;  // Redis' default

}  // namespace

struct RedisServer::Entry {
  std::string_view name;
  std::size_t args_min, args_max;  // the name included
  bool writes, needs_memory, open_to_all;
  std::string (RedisServer::*run)(Call&);
};

const RedisServer::Entry* RedisServer::find(std::string_view name) {
  constexpr std::size_t k_many = std::numeric_limits<std::size_t>::max();
  using S = RedisServer;
  static constexpr std::array k_table{
      Entry{"PING", 1, 2, false, false, false, &S::ping},
      Entry{"ECHO", 2, 2, false, false, false, &S::echo},
      Entry{"QUIT", 1, 1, false, false, true, &S::quit},
      Entry{"AUTH", 2, 3, false, false, true, &S::auth},
      Entry{"SELECT", 2, 2, false, false, false, &S::select},
      Entry{"CLIENT", 2, 4, false, false, false, &S::client},
      Entry{"INFO", 1, k_many, false, false, false, &S::info},
      Entry{"DBSIZE", 1, 1, false, false, false, &S::dbsize},
      Entry{"FLUSHDB", 1, 2, true, false, false, &S::flushdb},
      Entry{"GET", 2, 2, false, false, false, &S::get},
      Entry{"MGET", 2, k_many, false, false, false, &S::mget},
      Entry{"GETRANGE", 4, 4, false, false, false, &S::getrange},
      Entry{"STRLEN", 2, 2, false, false, false, &S::strlen},
      Entry{"SET", 3, k_many, true, true, false, &S::set},
      Entry{"SETEX", 4, 4, true, true, false, &S::setex},
      Entry{"PSETEX", 4, 4, true, true, false, &S::setex},
      Entry{"DEL", 2, k_many, true, false, false, &S::del},
      Entry{"UNLINK", 2, k_many, true, false, false, &S::del},
      Entry{"EXISTS", 2, k_many, false, false, false, &S::exists},
      Entry{"EXPIRE", 3, 3, true, false, false, &S::expire},
      Entry{"PEXPIRE", 3, 3, true, false, false, &S::expire},
      Entry{"TTL", 2, 2, false, false, false, &S::ttl},
      Entry{"PTTL", 2, 2, false, false, false, &S::ttl},
      Entry{"PERSIST", 2, 2, true, false, false, &S::persist},
      Entry{"HSET", 4, 4, true, true, false, &S::hset},
      Entry{"HSETNX", 4, 4, true, true, false, &S::hset},
      Entry{"HGETALL", 2, 2, false, false, false, &S::hgetall},
      Entry{"SCAN", 2, 6, false, false, false, &S::scan},
  };
  for (const Entry& entry : k_table) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string RedisServer::run(Session& session, const RedisCommand& command, MonoTime now) {
  std::string reply = answer(session, command, now);
  if (rng_.chance(faults.rubbish)) return rubbish();
  if (rng_.chance(faults.wrong_type)) {
    constexpr std::array<std::string_view, 5> k_odd{":-7\r\n", "+what\r\n", "*-1\r\n", "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
                                                    "$0\r\n\r\n"};
    return std::string(k_odd[rng_.below(k_odd.size())]);
  }
  return reply;
}

std::string RedisServer::answer(Session& session, const RedisCommand& command, MonoTime now) {
  Call call{session, command, now, databases_[session.database], upper(command.front())};
  const Entry* entry = find(call.name);
  if (entry == nullptr) return resp::error("ERR unknown command '" + command.front() + "', with args beginning with: ");
  if (command.size() < entry->args_min || command.size() > entry->args_max) {
    return resp::error("ERR wrong number of arguments for '" + lower(call.name) + "' command");
  }
  const std::string refused = refusal(session, *entry);
  return refused.empty() ? (this->*entry->run)(call) : refused;
}

std::string RedisServer::refusal(const Session& session, const Entry& entry) const {
  const bool known = session.authenticated || access_.password.empty();
  if (!entry.open_to_all && (!known || faults.no_auth)) return resp::error("NOAUTH Authentication required.");
  if (faults.loading && !entry.open_to_all) return resp::error("LOADING Redis is loading the dataset in memory");
  if (faults.read_only && entry.writes) return resp::error("READONLY You can't write against a read only replica.");
  if (faults.full && entry.needs_memory) return resp::error("OOM command not allowed when used memory > 'maxmemory'.");
  return {};
}

void RedisServer::clear() {
  databases_.clear();
  new_hashes_.clear();
}

std::string RedisServer::rubbish() {
  std::string bytes(1 + rng_.below(64), '\0');
  for (char& c : bytes) c = static_cast<char>(rng_.below(256));
  return bytes;
}

std::string RedisServer::bulk_of(const std::string& stored) {
  return resp::bulk(rng_.chance(faults.corrupt) ? damaged(stored) : stored);
}

std::string RedisServer::damaged(std::string value) {
  switch (value.empty() ? 2 : rng_.below(3)) {
    case 0:
      value.resize(rng_.below(value.size()));
      return value;
    case 1:
      value[rng_.below(value.size())] ^= static_cast<char>(1U << rng_.below(8));
      return value;
    default:
      return rubbish();
  }
}

void RedisServer::note_ttl(Call& call, const std::string& key) {
  const RedisData::Value* value = call.data.find(key, call.now);
  if (value != nullptr && !value->expires) keys_without_ttl_.insert(key);
}

std::set<std::string> RedisServer::keys_without_ttl() const {
  std::set<std::string> keys = keys_without_ttl_;
  keys.insert(new_hashes_.begin(), new_hashes_.end());
  return keys;
}

std::string RedisServer::ping(Call& call) { return call.args.size() == 1 ? resp::simple("PONG") : resp::bulk(call.args[1]); }

std::string RedisServer::echo(Call& call) { return resp::bulk(call.args[1]); }

std::string RedisServer::quit(Call& call) {
  call.session.quitting = true;
  return resp::simple("OK");
}

std::string RedisServer::auth(Call& call) {
  const bool named = call.args.size() == 3;
  if (access_.password.empty() && !named) {
    return resp::error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration "
        "is "
        "correct?");
  }
  const std::string& user = named ? call.args[1] : "default";
  if (user != access_.user || call.args.back() != access_.password) {
    return resp::error("WRONGPASS invalid username-password pair or user is disabled.");
  }
  call.session.authenticated = true;
  return resp::simple("OK");
}

std::string RedisServer::select(Call& call) {
  const auto database = number(call.args[1]);
  if (!database) return resp::error("ERR value is not an integer or out of range");
  if (*database < 0 || *database >= k_databases) return resp::error("ERR DB index is out of range");
  call.session.database = static_cast<int>(*database);
  return resp::simple("OK");
}

std::string RedisServer::client(Call& call) {
  const std::string what = upper(call.args[1]);
  if (what == "SETNAME" && call.args.size() == 3) {
    call.session.name = call.args[2];
    return resp::simple("OK");
  }
  if (what == "SETINFO" && call.args.size() == 4) return resp::simple("OK");
  return resp::error("ERR unknown subcommand '" + call.args[1] + "'. Try CLIENT HELP.");
}

std::string RedisServer::info(Call&) {
  return resp::bulk("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n# Replication\r\nrole:master\r\n");
}

std::string RedisServer::dbsize(Call& call) { return resp::integer(static_cast<std::int64_t>(call.data.size(call.now))); }

std::string RedisServer::flushdb(Call& call) {
  call.data.clear();
  return resp::simple("OK");
}

}  // namespace outrigger::sim
