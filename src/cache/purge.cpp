#include "cache/purge.h"

#include <algorithm>
#include <utility>

#include "cache/codec.h"
#include "cache/redis_tier.h"
#include "cache/redis_words.h"

namespace outrigger::cache {
namespace {

// Keys per SCAN: some milliseconds of Redis' time, and at most a megabyte of heads.
constexpr std::string_view k_scan_count = "500";
// Of one command of a purge. Longer than a lookup may take, because nobody waits for it with a question.
constexpr Duration k_command_limit = 2s;
// Of a whole purge. About ten million keys at the speed of a Redis nearby.
constexpr Duration k_purge_limit = 30s;
// Beyond this a dry run may count a key twice that SCAN names twice.
constexpr std::size_t k_seen_max = 200'000;
constexpr std::string_view k_last_of_head = "2047";
static_assert(k_head_max == 2048);

}  // namespace

bool is_empty(const PurgeFilter& filter) {
  return !filter.all && !filter.key && !filter.model && !filter.route && !filter.tag;
}

bool matches(const PurgeFilter& filter, const chat::Key& key, const Meta& meta) {
  if (is_empty(filter)) return false;
  if (filter.key && *filter.key != key) return false;
  if (filter.model && *filter.model != meta.model) return false;
  if (filter.route && *filter.route != meta.route) return false;
  return !filter.tag || std::ranges::find(meta.tags, *filter.tag) != meta.tags.end();
}

std::string glob_quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view("*?[]^\\-").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

RedisPurge::RedisPurge(io::World world, const RedisSettings& settings, RedisLink& lookups, PurgeFilter filter, bool dry_run,
                       Done done)
    : world_(world),
      prefix_(entry_prefix(settings)),
      pattern_(glob_quoted(prefix_) + "*"),
      filter_(std::move(filter)),
      dry_run_(dry_run),
      done_(std::move(done)),
      link_(&lookups) {
  if (filter_.key) return;
  RedisLink::Owner& owner = *this;
  own_link_ = std::make_unique<RedisLink>(world, settings, std::max(settings.timeout, k_command_limit), owner);
  link_ = own_link_.get();
}

RedisPurge::~RedisPurge() = default;

void RedisPurge::start() {
  timer_ = world_.loop.after(k_purge_limit, [this] { give_up(); });
  if (filter_.key) return judge({prefix_ + chat::hex(*filter_.key)});
  own_link_->open();
}

void RedisPurge::on_link_up() {
  if (!std::exchange(scanning_, true)) scan();
}

// Before the first SCAN all news is that there is no connection; afterwards the commands tell themselves.
void RedisPurge::on_link_news(LogLevel, std::string_view) {
  if (!scanning_) give_up();
}

// What cannot be sent ends the purge, in the next turn of the loop.
bool RedisPurge::send(const std::vector<std::string_view>& arguments, RedisLink::Done done) {
  const bool sent = link_->send(arguments, RedisLink::Use::other, std::move(done));
  if (!sent) timer_ = world_.loop.after(0ns, [this] { give_up(); });
  return sent;
}

void RedisPurge::scan() {
  send({"SCAN", cursor_, "MATCH", pattern_, "COUNT", k_scan_count}, [this](const Reply* reply) { return on_page(reply); });
}

bool RedisPurge::on_page(const Reply* reply) {
  using Kind = Reply::Kind;
  const bool is_page = reply != nullptr && reply->kind == Kind::array && reply->elements.size() == 2 &&
                       reply->elements[0].kind == Kind::string && reply->elements[1].kind == Kind::array;
  if (!is_page) {
    const bool possible = reply == nullptr || reply->kind == Kind::error;
    give_up();
    return possible;
  }
  cursor_ = reply->elements[0].text;
  std::vector<std::string> keys;
  for (const Reply& key : reply->elements[1].elements) {
    if (key.kind == Kind::string && key.text.starts_with(prefix_)) keys.push_back(key.text);
  }
  judge(std::move(keys));
  return true;
}

// Leaves in page_ what matches.
void RedisPurge::judge(std::vector<std::string> keys) {
  page_ = std::move(keys);
  const bool by_key_alone = filter_.key && !filter_.model && !filter_.route && !filter_.tag && !dry_run_;
  const bool everything = filter_.all && !filter_.key && !filter_.model && !filter_.route && !filter_.tag;
  if (by_key_alone || everything || page_.empty()) return on_judged();
  heads_missing_ = page_.size();
  for (std::size_t i = 0; i < page_.size(); ++i) {
    const bool sent = send({"GETRANGE", page_[i], "0", k_last_of_head}, [this, i](const Reply* r) { return on_head(i, r); });
    if (!sent) return;
  }
}

bool RedisPurge::on_head(std::size_t index, const Reply* reply) {
  if (reply == nullptr) {
    give_up();
    return true;
  }
  const bool is_text = reply->kind == Reply::Kind::string;
  const std::optional<Meta> meta = is_text ? read_head(reply->text) : std::nullopt;
  // By key there is one candidate, and it has that key. Otherwise the filter names none.
  if (!meta || !matches(filter_, filter_.key.value_or(chat::Key{}), *meta)) page_[index].clear();
  if (--heads_missing_ == 0) on_judged();
  return is_text || reply->kind == Reply::Kind::error;
}

void RedisPurge::on_judged() {
  std::erase_if(page_, [](const std::string& key) { return key.empty(); });
  if (page_.empty()) return next();
  if (!dry_run_) return remove("UNLINK");
  for (std::string& key : page_) {
    if (seen_.size() >= k_seen_max || seen_.insert(std::move(key)).second) ++report_.entries;
  }
  next();
}

void RedisPurge::remove(std::string_view command) {
  std::vector<std::string_view> arguments{command};
  arguments.insert(arguments.end(), page_.begin(), page_.end());
  send(arguments, [this, command](const Reply* reply) { return on_removed(command, reply); });
}

bool RedisPurge::on_removed(std::string_view command, const Reply* reply) {
  if (reply != nullptr && reply->kind == Reply::Kind::integer && reply->integer >= 0) {
    report_.entries += std::min(static_cast<std::size_t>(reply->integer), page_.size());
    next();
    return true;
  }
  const bool is_error = reply != nullptr && reply->kind == Reply::Kind::error;
  // UNLINK came with Redis 4.
  if (is_error && error_code(reply->text) == "ERR" && command == "UNLINK") {
    remove("DEL");
  } else {
    give_up();
  }
  return reply == nullptr || is_error;
}

void RedisPurge::next() {
  page_.clear();
  if (cursor_ == "0") {
    finish(true);
  } else {
    scan();
  }
}

void RedisPurge::finish(bool complete) {
  timer_.cancel();
  report_.complete = complete;
  if (Done done = std::exchange(done_, nullptr)) done(report_);
}

}  // namespace outrigger::cache
