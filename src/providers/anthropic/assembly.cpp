#include "providers/anthropic/assembly.h"

#include <algorithm>
#include <array>

#include "providers/anthropic/event.h"
#include "providers/anthropic/object.h"
#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

// A block while its deltas are added to it.
class Block {
 public:
  Block(BlockType type, std::string start) : type_(type), start_(std::move(start)) {}

  void grow(std::string_view name, std::string_view piece) { grown(name, Grown::Kind::string).text += piece; }
  void input(std::string_view piece) { input_ += piece; }
  // False when it has too many members.
  bool delta(yyjson_val* delta);
  // Its JSON text.
  void write(std::string& to) const;

 private:
  struct Grown {
    std::string name;
    std::string text;  // of a string: without quotes; of another value: JSON; of a list: its items, with commas
    enum class Kind : unsigned char { string, value, list } kind = Kind::string;
  };
  static constexpr std::size_t k_most = 16;

  // Begins anew where it was of another kind.
  Grown& grown(std::string_view name, Grown::Kind kind) {
    auto found = std::ranges::find(grown_, name, &Grown::name);
    if (found == grown_.end()) found = grown_.insert(found, Grown{.name = std::string(name), .text = {}, .kind = kind});
    if (found->kind != kind) *found = {.name = std::string(name), .text = {}, .kind = kind};
    return *found;
  }
  [[nodiscard]] bool is_call() const { return type_ == BlockType::call || type_ == BlockType::hosted_call; }
  static void write(std::string& to, const Grown& grown, yyjson_val* start);

  BlockType type_;
  std::string start_;  // JSON of content_block
  std::vector<Grown> grown_;
  std::string input_;
};

bool Block::delta(yyjson_val* delta) {
  const DeltaType type = delta_type(string_of(member(delta, "type")).value_or(std::string_view()));
  if (type == DeltaType::input_json) {
    input(string_of(member(delta, "partial_json")).value_or(std::string_view()));
    return true;
  }
  if (type == DeltaType::citations) {
    Grown& list = grown("citations", Grown::Kind::list);
    if (!list.text.empty()) list.text += ',';
    append_json(list.text, member(delta, "citation"));
    return true;
  }
  // Of known types one member grows, and of unknown ones every text, since that is what deltas are; but what makes a known block
  // what it is only grows by the deltas that belong to it.
  const std::string_view only = grown_member(type);
  for_each_member(delta, [&](std::string_view name, yyjson_val* value) {
    constexpr std::array<std::string_view, 8> k_own{"type", "id", "name", "text", "thinking", "signature", "input", "data"};
    const bool is_own = type_ != BlockType::other && std::ranges::find(k_own, name) != k_own.end();
    if (name == "type" || (only.empty() ? is_own : name != only)) return;
    if (const auto piece = string_of(value)) return grow(name, *piece);
    grown(name, Grown::Kind::value).text = json_of(value);
  });
  return grown_.size() <= k_most;
}

void Block::write(std::string& to, const Grown& grown, yyjson_val* start) {
  switch (grown.kind) {
    case Grown::Kind::string:
      append_string(to, std::string(string_of(start).value_or(std::string_view())) + grown.text);
      break;
    case Grown::Kind::value:
      to += grown.text;
      break;
    case Grown::Kind::list: {
      List list(to);
      for_each_item(start, [&](yyjson_val* item) { append_json(list.item(), item); });
      if (!grown.text.empty()) list.item() += grown.text;
      break;
    }
  }
}

void Block::write(std::string& to) const {
  const JsonDoc start = JsonDoc::read(start_);
  Object object(to);
  for_each_member(start.root(), [&](std::string_view name, yyjson_val* value) {
    const auto found = std::ranges::find(grown_, name, &Grown::name);
    if (name == "input" && (is_call() || !input_.empty())) return;
    if (found == grown_.end()) return append_member(object, name, value);
    std::string json;
    write(json, *found, value);
    object.extra(name, json);
  });
  for (const Grown& grown : grown_) {
    if (member(start.root(), grown.name) != nullptr) continue;
    std::string json;
    write(json, grown, nullptr);
    object.extra(grown.name, json);
  }
  if (!input_.empty()) {
    append_member(object, "input", JsonDoc::read(input_).root());
  } else if (is_call()) {
    yyjson_val* input = member(start.root(), "input");
    object.json("input", yyjson_is_obj(input) ? json_of(input) : "{}");
  }
}

class Assembly {
 public:
  std::optional<Assembled> run(RecordReader& records) {
    Record record;
    while (records.next(record)) {
      if (!take(record)) return std::nullopt;
    }
    if (records.broken() || !started_) return std::nullopt;
    for (const auto& block : blocks_) {
      if (block) block->write(out_.blocks.emplace_back());
    }
    return std::move(out_);
  }

 private:
  Block* at(std::uint64_t index) { return index < blocks_.size() && blocks_[index] ? &*blocks_[index] : nullptr; }
  bool grow(const Record& record, std::string_view name) {
    Block* block = at(record.index);
    if (block != nullptr) block->grow(name, record.text);
    return block != nullptr;
  }

  bool take(const Record& record) {
    switch (record.kind) {
      case Record::Kind::text_delta:
        return grow(record, "text");
      case Record::Kind::thinking_delta:
        return grow(record, "thinking");
      case Record::Kind::signature_delta:
        return grow(record, "signature");
      case Record::Kind::input_json_delta: {
        Block* block = at(record.index);
        if (block != nullptr) block->input(record.text);
        return block != nullptr;
      }
      case Record::Kind::message_start:
        started_ = true;
        return message(record);
      case Record::Kind::message_delta:
        return message(record);
      case Record::Kind::event:
        return event(record);
      case Record::Kind::block_stop:
        return true;
      default:
        return false;
    }
  }

  bool message(const Record& record) {
    bool ok = true;
    const auto set = [&ok](MemberTexts& to, std::string_view name, yyjson_val* value) {
      ok = to.set(name, json_of(value)) && ok;
    };
    // What the message is called at its beginning stands.
    const auto change = [&](std::string_view name, yyjson_val* value) {
      constexpr std::array<std::string_view, 6> k_fixed{"id", "type", "role", "model", "content", "usage"};
      if (!yyjson_is_null(value) && std::ranges::find(k_fixed, name) == k_fixed.end()) set(out_.members, name, value);
    };
    const bool is_start = record.kind == Record::Kind::message_start;
    const JsonDoc members = JsonDoc::read('{' + std::string(record.members) + '}');
    for_each_member(members.root(), [&](std::string_view name, yyjson_val* value) {
      if (is_start) {
        if (name != "content") set(out_.members, name, value);
      } else if (name == "delta") {
        for_each_member(value, change);
      } else {
        change(name, value);
      }
    });
    const JsonDoc usage = JsonDoc::read(record.usage);
    for_each_member(usage.root(), [&](std::string_view name, yyjson_val* value) { set(out_.usage, name, value); });
    return ok;
  }

  bool event(const Record& record) {
    if (record.text != "content_block_start" && record.text != "content_block_delta") return true;
    const JsonDoc doc = JsonDoc::read('{' + std::string(record.members) + '}');
    const auto index = whole_number_of(member(doc.root(), "index"));
    if (!index || *index >= k_blocks_max) return false;
    if (record.text == "content_block_start") {
      if (*index >= blocks_.size()) blocks_.resize(*index + 1);
      yyjson_val* content = member(doc.root(), "content_block");
      const BlockType type = block_type(string_of(member(content, "type")).value_or(std::string_view()));
      blocks_[*index].emplace(type, json_of(content));
      return true;
    }
    Block* block = at(*index);
    return block != nullptr && block->delta(member(doc.root(), "delta"));
  }

  Assembled out_;
  std::vector<std::optional<Block>> blocks_;
  bool started_ = false;
};

}  // namespace

bool MemberTexts::set(std::string_view name, std::string json) {
  for (auto& [known, value] : all_) {
    if (known != name) continue;
    value = std::move(json);
    return true;
  }
  if (all_.size() == k_most) return false;
  all_.emplace_back(name, std::move(json));
  return true;
}

std::optional<Assembled> assemble(RecordReader& records) { return Assembly().run(records); }

}  // namespace outrigger::providers::anthropic
