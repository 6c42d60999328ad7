// RedisServer: what the simulated Redis knows and how it answers a command. Pure: the time is passed in, replies come back as
// bytes. sim_redis.h puts it on the net.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/rng.h"
#include "core/time.h"
#include "sim/world/redis_data.h"
#include "sim/world/resp.h"

namespace outrigger::sim {

// What is wrong with the answers. Anything else that can be wrong with a Redis is in SimRedis or in its Site.
struct RedisFaults {
  bool full = false;       // writes that need memory: -OOM
  bool loading = false;    // everything: -LOADING
  bool read_only = false;  // writes: -READONLY, as from a replica after a failover
  bool no_auth = false;    // everything: -NOAUTH, as after a change of the password
  double rubbish = 0;      // probability that a reply is random bytes
  double wrong_type = 0;   // probability that a reply is valid RESP of a type that nobody expects there
  double corrupt = 0;      // probability that a value read by GET or MGET is damaged: cut, a bit turned, or something else
};

struct RedisAccess {
  std::string user = "default";
  std::string password{};  // empty: nobody needs to say who he is
};

class RedisServer {
 public:
  struct Session {
    bool authenticated = false;
    int database = 0;
    std::string name;
    bool quitting = false;
  };

  RedisServer(RedisAccess access, Rng rng) : access_(std::move(access)), rng_(rng) {}

  // The reply, ready to be sent.
  [[nodiscard]] std::string run(Session& session, const RedisCommand& command, MonoTime now);

  [[nodiscard]] RedisData& data(int database = 0) { return databases_[database]; }
  void set_password(std::string password) { access_.password = std::move(password); }
  void clear();
  // Keys that a command left without a time to live, ever. They would fill the operator's Redis for good.
  // (A hash can only get one by the next command, which counts as together with it.)
  [[nodiscard]] std::set<std::string> keys_without_ttl() const;

  RedisFaults faults;

 private:
  struct Call {
    Session& session;
    const RedisCommand& args;  // [0] is the command's name
    MonoTime now;
    RedisData& data;
    std::string name;  // in upper case
  };
  struct Entry;
  static const Entry* find(std::string_view name);

  std::string answer(Session& session, const RedisCommand& command, MonoTime now);
  std::string refusal(const Session& session, const Entry& entry) const;
  std::string rubbish();
  std::string bulk_of(const std::string& stored);
  std::string damaged(std::string value);

  std::string ping(Call& call);
  std::string echo(Call& call);
  std::string quit(Call& call);
  std::string auth(Call& call);
  std::string select(Call& call);
  std::string client(Call& call);
  std::string info(Call& call);
  std::string dbsize(Call& call);
  std::string flushdb(Call& call);
  std::string get(Call& call);
  std::string mget(Call& call);
  std::string getrange(Call& call);
  std::string strlen(Call& call);
  std::string set(Call& call);
  std::string setex(Call& call);
  std::string del(Call& call);
  std::string exists(Call& call);
  std::string expire(Call& call);
  std::string ttl(Call& call);
  std::string persist(Call& call);
  std::string hset(Call& call);
  std::string hgetall(Call& call);
  std::string scan(Call& call);

  void note_ttl(Call& call, const std::string& key);

  RedisAccess access_;
  Rng rng_;
  std::map<int, RedisData> databases_;
  std::set<std::string> keys_without_ttl_;
  std::set<std::string> new_hashes_;  // no PEXPIRE has come yet
};

}  // namespace outrigger::sim
