#include "cache/resp.h"

#include <hiredis/hiredis.h>

#include <array>
#include <charconv>
#include <utility>

#include "core/check.h"

namespace outrigger::cache {
namespace {

// How many elements the reply that is being read may still have.
struct Budget {
  std::size_t elements = 0;
};

// Where hiredis wants the object of `task`: a new one, or its place in the array above it. Its arrays are made in full when
// they begin, so places do not move.
Reply* object_for(const redisReadTask* task, Reply::Kind kind) {
  Reply* reply = nullptr;
  if (task->parent == nullptr) {
    reply = new Reply;
  } else {
    reply = &static_cast<Reply*>(task->parent->obj)->elements[static_cast<std::size_t>(task->idx)];
  }
  reply->kind = kind;
  return reply;
}

// Null makes the reader fail. RESP3's types come only to those who said HELLO 3, which we never do.
void* make_text(const redisReadTask* task, char* text, std::size_t size) noexcept {
  Reply* reply = nullptr;
  switch (task->type) {
    case REDIS_REPLY_STRING:
      reply = object_for(task, Reply::Kind::string);
      break;
    case REDIS_REPLY_STATUS:
      reply = object_for(task, Reply::Kind::status);
      break;
    case REDIS_REPLY_ERROR:
      reply = object_for(task, Reply::Kind::error);
      break;
    default:
      return nullptr;
  }
  reply->text.assign(text, size);
  return reply;
}

// hiredis 0.14 allows seven levels and 1.x any number; replies die recursively, so it is seven everywhere.
bool too_deep(const redisReadTask* task) {
  int levels = 1;
  for (const redisReadTask* above = task->parent; above != nullptr; above = above->parent) ++levels;
  return levels > 7;
}

void* make_array(const redisReadTask* task, std::size_t size) noexcept {
  auto& budget = *static_cast<Budget*>(task->privdata);
  if (task->type != REDIS_REPLY_ARRAY || size > budget.elements || too_deep(task)) return nullptr;
  budget.elements -= size;
  Reply* reply = object_for(task, Reply::Kind::array);
  reply->elements.resize(size);
  return reply;
}

void* make_integer(const redisReadTask* task, long long value) noexcept {
  Reply* reply = object_for(task, Reply::Kind::integer);
  reply->integer = value;
  return reply;
}

void* make_nil(const redisReadTask* task) noexcept { return object_for(task, Reply::Kind::nil); }

// Of whole replies only: what is nested belongs to its array.
void free_reply(void* reply) noexcept { delete static_cast<Reply*>(reply); }

// hiredis 1.x makes an invalid pointer of a RESP3 double or bool if there is no function for it; 0.14 knows neither.
template <class Table>
void refuse_doubles_and_bools(Table& table) {
  if constexpr (requires { table.createDouble; }) {
    table.createDouble = [](auto...) -> void* { return nullptr; };
    table.createBool = [](auto...) -> void* { return nullptr; };
  }
}

redisReplyObjectFunctions functions() {
  redisReplyObjectFunctions table{};
  table.createString = make_text;
  // An array's size is an int in hiredis 0.14 and a size_t from 1.0 on.
  table.createArray = [](const redisReadTask* task, auto size) -> void* {
    return make_array(task, static_cast<std::size_t>(size));
  };
  table.createInteger = make_integer;
  table.createNil = make_nil;
  table.freeObject = free_reply;
  refuse_doubles_and_bools(table);
  return table;
}

}  // namespace

struct ReplyReader::Hiredis {
  Hiredis() : reader(redisReaderCreateWithFunctions(&table)) {
    OR_CHECK(reader != nullptr);
    reader->privdata = &budget;
  }
  ~Hiredis() { redisReaderFree(reader); }
  Hiredis(const Hiredis&) = delete;
  Hiredis& operator=(const Hiredis&) = delete;

  Budget budget;
  redisReplyObjectFunctions table = functions();
  redisReader* reader;
};

ReplyReader::ReplyReader(ReplyLimits limits) : hiredis_(std::make_unique<Hiredis>()), limits_(limits) {
  hiredis_->budget.elements = limits_.elements;
}

ReplyReader::~ReplyReader() = default;

void ReplyReader::feed(std::string_view data) {
  if (failed_) return;
  unfinished_ += data.size();
  failed_ = redisReaderFeed(hiredis_->reader, data.data(), data.size()) != REDIS_OK;
}

std::expected<std::optional<Reply>, std::string_view> ReplyReader::next() {
  void* object = nullptr;
  if (!failed_) failed_ = redisReaderGetReply(hiredis_->reader, &object) != REDIS_OK;
  if (failed_) return std::unexpected("not the Redis protocol, or a reply of absurd shape");
  if (object == nullptr) {
    if (unfinished_ <= limits_.bytes) return std::nullopt;
    failed_ = true;
    return std::unexpected("a reply beyond the limit of size");
  }
  const std::unique_ptr<Reply> reply(static_cast<Reply*>(object));
  unfinished_ = 0;
  hiredis_->budget.elements = limits_.elements;
  return std::move(*reply);
}

// A command is an array of bulk strings. Written here and not by hiredis, which prints by way of printf into memory of its own.
void append_command(std::string& out, std::span<const std::string_view> arguments) {
  const auto append_size = [&out](char kind, std::size_t size) {
    std::array<char, 24> line{kind};
    char* const end = std::to_chars(line.data() + 1, line.data() + line.size(), size).ptr;
    out.append(line.data(), end).append("\r\n");
  };
  append_size('*', arguments.size());
  for (const std::string_view argument : arguments) {
    append_size('$', argument.size());
    out.append(argument).append("\r\n");
  }
}

}  // namespace outrigger::cache
