// The commands of RedisServer that read and write keys.
#include <algorithm>
#include <map>
#include <optional>

#include "sim/world/redis_server.h"
#include "sim/world/redis_text.h"

namespace outrigger::sim {
namespace {

constexpr std::string_view k_not_an_integer = "ERR value is not an integer or out of range";
constexpr std::string_view k_syntax = "ERR syntax error";
constexpr std::size_t k_scan_count = 10;  // Redis' default

struct SetOptions {
  std::optional<Duration> ttl;
  bool keep_ttl = false;
  bool only_new = false;
  bool only_there = false;
  bool wants_old = false;
};

// What stands behind SET key value. On a mistake `problem` is set to Redis' words for it.
SetOptions set_options(const RedisCommand& args, std::string& problem) {
  SetOptions options;
  for (std::size_t i = 3; i < args.size(); ++i) {
    const std::string word = upper(args[i]);
    if ((word == "EX" || word == "PX") && i + 1 < args.size() && !options.ttl && !options.keep_ttl) {
      options.ttl = span_of(args[++i], word == "PX");
      if (!options.ttl) problem = k_not_an_integer;
      if (options.ttl && *options.ttl <= Duration{}) problem = "ERR invalid expire time in 'set' command";
    } else if (word == "KEEPTTL" && !options.ttl) {
      options.keep_ttl = true;
    } else if (word == "NX" && !options.only_there) {
      options.only_new = true;
    } else if (word == "XX" && !options.only_new) {
      options.only_there = true;
    } else if (word == "GET") {
      options.wants_old = true;
    } else {
      problem = k_syntax;
    }
    if (!problem.empty()) break;
  }
  return options;
}

std::string text_of(const std::map<std::string, std::string>& fields) {
  std::string text;
  for (const auto& [name, content] : fields) text += resp::bulk(name) + resp::bulk(content);
  return text;
}

std::map<std::string, std::string> hash_of(std::string_view text) {
  const auto next = [&text] {
    const std::size_t line = text.find("\r\n");
    const auto size = number<std::size_t>(text.substr(1, line - 1)).value_or(0);
    std::string word(text.substr(line + 2, size));
    text.remove_prefix(line + 2 + size + 2);
    return word;
  };
  std::map<std::string, std::string> fields;
  while (!text.empty()) {
    std::string name = next();
    fields[std::move(name)] = next();
  }
  return fields;
}

}  // namespace

std::string RedisServer::get(Call& call) {
  const RedisData::Value* value = call.data.find(call.args[1], call.now);
  return value == nullptr ? resp::nil() : bulk_of(value->bytes);
}

std::string RedisServer::mget(Call& call) {
  std::string reply = resp::array_head(call.args.size() - 1);
  for (std::size_t i = 1; i < call.args.size(); ++i) {
    const RedisData::Value* value = call.data.find(call.args[i], call.now);
    reply += value == nullptr ? resp::nil() : bulk_of(value->bytes);
  }
  return reply;
}

std::string RedisServer::getrange(Call& call) {
  const auto first = number(call.args[2]);
  const auto last = number(call.args[3]);
  if (!first || !last) return resp::error(k_not_an_integer);
  const RedisData::Value* value = call.data.find(call.args[1], call.now);
  if (value == nullptr) return resp::bulk("");
  const auto size = static_cast<std::int64_t>(value->bytes.size());
  // Negative positions count from the end; both ends belong to the range.
  const std::int64_t begin = std::max<std::int64_t>(*first < 0 ? *first + size : *first, 0);
  const std::int64_t end = std::min<std::int64_t>(*last < 0 ? *last + size : *last, size - 1);
  if (begin > end) return resp::bulk("");
  return bulk_of(value->bytes.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin + 1)));
}

std::string RedisServer::strlen(Call& call) {
  const RedisData::Value* value = call.data.find(call.args[1], call.now);
  return resp::integer(value == nullptr ? 0 : static_cast<std::int64_t>(value->bytes.size()));
}

std::string RedisServer::set(Call& call) {
  std::string problem;
  const SetOptions options = set_options(call.args, problem);
  if (!problem.empty()) return resp::error(problem);
  const std::string& key = call.args[1];
  const RedisData::Value* old = call.data.find(key, call.now);
  const bool refused = (options.only_new && old != nullptr) || (options.only_there && old == nullptr);
  const std::string old_reply = old == nullptr ? resp::nil() : bulk_of(old->bytes);
  if (!refused) {
    std::optional<MonoTime> expires;
    if (options.ttl) expires = call.now + *options.ttl;
    if (options.keep_ttl && old != nullptr) expires = old->expires;
    call.data.put(key, call.args[2], expires);
    note_ttl(call, key);
  }
  if (options.wants_old) return old_reply;
  return refused ? resp::nil() : resp::simple("OK");
}

std::string RedisServer::setex(Call& call) {
  const auto ttl = span_of(call.args[2], call.name == "PSETEX");
  if (!ttl) return resp::error(k_not_an_integer);
  if (*ttl <= Duration{}) return resp::error("ERR invalid expire time in '" + lower(call.name) + "' command");
  call.data.put(call.args[1], call.args[3], call.now + *ttl);
  return resp::simple("OK");
}

std::string RedisServer::del(Call& call) {
  const auto erased = std::count_if(call.args.begin() + 1, call.args.end(),
                                    [&call](const std::string& key) { return call.data.erase(key, call.now); });
  return resp::integer(erased);
}

std::string RedisServer::exists(Call& call) {
  const auto found = std::count_if(call.args.begin() + 1, call.args.end(),
                                   [&call](const std::string& key) { return call.data.find(key, call.now) != nullptr; });
  return resp::integer(found);
}

std::string RedisServer::expire(Call& call) {
  const auto ttl = span_of(call.args[2], call.name == "PEXPIRE");
  if (!ttl) return resp::error(k_not_an_integer);
  RedisData::Value* value = call.data.find(call.args[1], call.now);
  if (value == nullptr) return resp::integer(0);
  value->expires = call.now + *ttl;
  new_hashes_.erase(call.args[1]);
  return resp::integer(1);
}

std::string RedisServer::ttl(Call& call) {
  const RedisData::Value* value = call.data.find(call.args[1], call.now);
  if (value == nullptr) return resp::integer(-2);
  if (!value->expires) return resp::integer(-1);
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(*value->expires - call.now).count();
  return resp::integer(call.name == "PTTL" ? millis : (millis + 500) / 1000);
}

std::string RedisServer::persist(Call& call) {
  RedisData::Value* value = call.data.find(call.args[1], call.now);
  if (value == nullptr || !value->expires) return resp::integer(0);
  value->expires.reset();
  note_ttl(call, call.args[1]);
  return resp::integer(1);
}

// A hash is kept as the text of its fields and values, each behind its size. What is not one is none of these commands' business.
std::string RedisServer::hset(Call& call) {
  const std::string& key = call.args[1];
  RedisData::Value* value = call.data.find(key, call.now);
  auto fields = value != nullptr ? hash_of(value->bytes) : std::map<std::string, std::string>();
  const bool is_new = !fields.contains(call.args[2]);
  if (!is_new && call.name == "HSETNX") return resp::integer(0);
  fields[call.args[2]] = call.args[3];
  if (value != nullptr) {
    value->bytes = text_of(fields);
  } else {
    call.data.put(key, text_of(fields), std::nullopt);
    new_hashes_.insert(key);
  }
  return resp::integer(is_new ? 1 : 0);
}

std::string RedisServer::hgetall(Call& call) {
  const RedisData::Value* value = call.data.find(call.args[1], call.now);
  const auto fields = value != nullptr ? hash_of(value->bytes) : std::map<std::string, std::string>();
  std::string reply = resp::array_head(2 * fields.size());
  for (const auto& [name, content] : fields) reply += resp::bulk(name) + bulk_of(content);
  return reply;
}

std::string RedisServer::scan(Call& call) {
  const auto cursor = number<std::uint64_t>(call.args[1]);
  if (!cursor) return resp::error("ERR invalid cursor");
  std::string pattern = "*";
  std::size_t count = k_scan_count;
  for (std::size_t i = 2; i < call.args.size(); i += 2) {
    const std::string word = upper(call.args[i]);
    if (i + 1 == call.args.size() || (word != "MATCH" && word != "COUNT")) return resp::error(k_syntax);
    if (word == "MATCH") {
      pattern = call.args[i + 1];
      continue;
    }
    const auto wanted = number(call.args[i + 1]);
    if (!wanted) return resp::error(k_not_an_integer);
    if (*wanted < 1) return resp::error(k_syntax);
    count = static_cast<std::size_t>(*wanted);
  }
  const RedisData::Page page = call.data.scan(*cursor, pattern, count, call.now);
  std::string reply = resp::array_head(2) + resp::bulk(std::to_string(page.cursor)) + resp::array_head(page.keys.size());
  for (const std::string& key : page.keys) reply += resp::bulk(key);
  return reply;
}

}  // namespace outrigger::sim
