// Records: what the simulated Dify keeps: conversations, messages, uploaded files, workflow runs. Bounded; the oldest is
// forgotten first. Everything belongs to an app (by its key) and a user.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrigger::sim_dify {

struct Owner {
  std::string app, user;
  bool operator==(const Owner&) const = default;
};

struct Message {
  Owner owner;
  std::string conversation, query, answer, inputs;  // inputs: JSON
  std::string rating;                               // "like", "dislike" or nothing
  std::int64_t created = 0;                         // Unix seconds, here and below
};

struct Conversation {
  Owner owner;
  std::string name, inputs;
  std::vector<std::string> messages;  // ids, in their order
  std::int64_t created = 0, updated = 0;
};

struct File {
  Owner owner;
  std::string name, type, content, sha256;
  std::int64_t created = 0;
};

struct WorkflowRun {
  Owner owner;
  std::string json;  // what GET /workflows/run/{id} answers
};

// A table by id that forgets its oldest entry when it is full.
template <class Value>
class Kept {
 public:
  explicit Kept(std::size_t most) : most_(most) {}

  Value& keep(std::string id, Value value) {
    order_.push_back(id);
    Value& kept = table_.insert_or_assign(std::move(id), std::move(value)).first->second;
    if (order_.size() > most_) {
      table_.erase(order_.front());
      order_.pop_front();
    }
    return kept;
  }
  // Null: not there.
  Value* find(std::string_view id) {
    const auto found = table_.find(id);
    return found == table_.end() ? nullptr : &found->second;
  }
  // Null, too, when it is somebody else's.
  Value* find(std::string_view id, const Owner& owner) {
    Value* found = find(id);
    return found != nullptr && found->owner == owner ? found : nullptr;
  }
  // It cannot be found any more.
  void forget(std::string_view id) {
    if (const auto found = table_.find(id); found != table_.end()) table_.erase(found);
  }
  // Ids, oldest first; some may be forgotten.
  [[nodiscard]] const std::deque<std::string>& order() const { return order_; }

 private:
  std::size_t most_;
  std::map<std::string, Value, std::less<>> table_;
  std::deque<std::string> order_;
};

struct Records {
  Kept<Conversation> conversations{16'384};
  Kept<Message> messages{65'536};
  Kept<File> files{64};
  Kept<WorkflowRun> workflow_runs{16'384};
  // Knowledge: how often documents and segments have changed, and apps by their ids.
  std::uint64_t knowledge = 1;
  std::map<std::string, std::uint64_t, std::less<>> app_versions;
};

}  // namespace outrigger::sim_dify
