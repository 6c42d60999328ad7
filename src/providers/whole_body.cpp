#include "providers/whole_body.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "providers/json_doc.h"
#include "providers/openai/notices.h"
#include "providers/sealed.h"

namespace outrigger::providers {
namespace {

using enum chat::NoStoreReason;

constexpr std::string_view k_magic = "ORW\x01";

// What is written anew, by where it stands in the body. Part of the stored form.
struct Place {
  enum class Kind : std::uint32_t { id = 1, created, count } kind;
  std::uint32_t offset;
  std::uint32_t size;
};
constexpr std::uint32_t k_places_max = 32;

constexpr std::size_t k_created_size = 10;
constexpr std::string_view k_id_blank = "------------------------";
static_assert(k_id_blank.size() == k_id_size);

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// RFC 9562: such an id stays as it is, for what would be put into it is none.
bool is_uuid(std::string_view id) {
  constexpr std::size_t k_size = 36;
  constexpr std::array<std::size_t, 4> k_dashes{8, 13, 18, 23};
  return id.size() == k_size && std::ranges::all_of(k_dashes, [&](std::size_t at) { return id[at] == '-'; });
}

// The part after "rerank-" and the like; empty when the id is not of that kind.
std::string_view random_part(std::string_view id) {
  constexpr std::size_t k_shortest = 8;  // less is no random part
  const std::size_t word = id.find_first_of("-_");
  if (word == 0 || word == std::string_view::npos || is_uuid(id)) return {};
  if (!std::all_of(id.begin(), id.begin() + static_cast<std::ptrdiff_t>(word), is_letter)) return {};
  const std::string_view rest = id.substr(word + 1);
  return rest.size() < k_shortest ? std::string_view() : rest;
}

// Finds the places. `parsed` is `body` after it was read in place: what is not escaped stands where it stood.
class Places {
 public:
  Places(std::string_view body, const std::string& parsed) : body_(body), parsed_(parsed) {}

  void look_over(yyjson_val* root) {
    if (const auto id = string_of(member(root, "id"))) add(Place::Kind::id, random_part(*id));
    const auto created = number_of(member(root, "created"));
    if (created && created->size() == k_created_size && whole_number_of(member(root, "created"))) {
      add(Place::Kind::created, *created);
    }
    add_counts(member(root, "usage"));
    add_counts(member(member(root, "meta"), "billed_units"));
    add_counts(member(member(root, "meta"), "tokens"));
    std::ranges::sort(places_, {}, &Place::offset);
  }
  [[nodiscard]] const std::vector<Place>& all() const { return places_; }

 private:
  void add(Place::Kind kind, std::string_view text) {
    if (text.empty() || places_.size() == k_places_max) return;
    const auto offset = static_cast<std::size_t>(text.data() - parsed_.data());
    if (body_.substr(offset, text.size()) != text) return;  // escapes stood in it
    places_.push_back({kind, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(text.size())});
  }
  void add_counts(yyjson_val* object) {
    if (!yyjson_is_obj(object)) return;
    yyjson_obj_iter iterator = yyjson_obj_iter_with(object);
    while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
      if (const auto number = number_of(yyjson_obj_iter_get_val(name))) add(Place::Kind::count, *number);
    }
  }

  std::string_view body_;
  const std::string& parsed_;
  std::vector<Place> places_;
};

// The first that counts anything, since relays write zeros for what they did not count.
std::uint64_t first_count(std::initializer_list<yyjson_val*> objects, std::initializer_list<std::string_view> names) {
  for (yyjson_val* object : objects) {
    for (const std::string_view name : names) {
      const std::uint64_t count = whole_number_of(member(object, name)).value_or(0);
      if (count > 0) return count;
    }
  }
  return 0;
}

std::optional<Usage> usage_in(yyjson_val* root) {
  yyjson_val* meta = member(root, "meta");
  const auto told = {member(root, "usage"), member(meta, "tokens"), member(meta, "billed_units")};
  const Usage usage{first_count(told, {"prompt_tokens", "input_tokens", "total_tokens"}),
                    first_count(told, {"completion_tokens", "output_tokens"})};
  if (usage.prompt_tokens == 0 && usage.completion_tokens == 0) return std::nullopt;
  return usage;
}

void put(std::string& to, std::uint32_t number) {
  for (unsigned shift = 0; shift < 32; shift += 8) to += static_cast<char>(number >> shift);
}

bool take(std::string_view& from, std::uint32_t& number) {
  if (from.size() < sizeof number) return false;
  number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) number |= std::uint32_t{static_cast<unsigned char>(from[i])} << (8 * i);
  from.remove_prefix(sizeof number);
  return true;
}

Bytes encode(chat::Endpoint endpoint, const std::vector<Place>& places, std::string_view body) {
  std::string content;
  content.reserve(body.size() + (2 + 3 * places.size()) * sizeof(std::uint32_t));
  put(content, static_cast<std::uint32_t>(endpoint));
  put(content, static_cast<std::uint32_t>(places.size()));
  for (const Place& place : places) {
    put(content, static_cast<std::uint32_t>(place.kind));
    put(content, place.offset);
    put(content, place.size);
  }
  content += body;
  return seal(k_magic, content);
}

struct Stored {
  std::uint32_t endpoint = 0;
  std::vector<Place> places;
  std::string_view body;
};

std::optional<Stored> decode(std::string_view encoded) {
  std::optional<std::string_view> rest = unseal(k_magic, encoded);
  Stored stored;
  std::uint32_t count = 0;
  if (!rest || !take(*rest, stored.endpoint) || !take(*rest, count) || count > k_places_max) return std::nullopt;
  for (; count > 0; --count) {
    std::uint32_t kind = 0;
    Place place{};
    if (!take(*rest, kind) || !take(*rest, place.offset) || !take(*rest, place.size)) return std::nullopt;
    place.kind = static_cast<Place::Kind>(kind);
    stored.places.push_back(place);
  }
  stored.body = *rest;
  std::size_t from = 0;
  for (const Place& place : stored.places) {
    const bool is_known = place.kind >= Place::Kind::id && place.kind <= Place::Kind::count;
    if (!is_known || place.offset < from || place.offset > stored.body.size()) return std::nullopt;
    if (place.size > stored.body.size() - place.offset) return std::nullopt;
    if (place.kind == Place::Kind::created && place.size != k_created_size) return std::nullopt;
    from = std::size_t{place.offset} + place.size;
  }
  return stored;
}

}  // namespace

void WholeBodyReader::feed(std::string_view data) {
  if (too_large_) return;
  too_large_ = data.size() > k_body_size_max - body_.size();
  if (too_large_) {
    std::exchange(body_, {});
  } else {
    body_ += data;
  }
}

std::expected<Answer, chat::NoStoreReason> WholeBodyReader::finish() {
  if (too_large_) return std::unexpected(not_understood);
  std::string parsed = body_;
  const JsonDoc doc = JsonDoc::read_in_place(parsed);
  yyjson_val* root = doc.root();
  if (root == nullptr) return std::unexpected(not_understood);
  usage_ = usage_in(root);
  if (const auto reason = judge_(root)) {
    error_ = *reason == error_in_answer;
    return std::unexpected(*reason);
  }
  Places places(body_, parsed);
  places.look_over(root);
  Answer answer;
  answer.encoded = encode(endpoint_, places.all(), body_);
  answer.model = string_of(member(root, "model")).value_or(std::string_view());
  answer.usage = usage_;
  return answer;
}

std::unique_ptr<AnswerReader> WholeBodyDialect::make_reader(bool streamed) const {
  if (streamed) return nullptr;
  return std::make_unique<WholeBodyReader>(shape_.endpoint, judge_);
}

std::optional<Rendered> WholeBodyDialect::render(std::string_view encoded, const RenderOptions& options) const {
  if (options.stream) return std::nullopt;
  const std::optional<Stored> stored = decode(encoded);
  if (!stored || stored->endpoint != static_cast<std::uint32_t>(shape_.endpoint)) return std::nullopt;
  Rendered rendered;
  std::string text;
  text.reserve(stored->body.size() + k_id_size);
  std::size_t from = 0;
  const auto here = [&] { return static_cast<std::uint32_t>(text.size()); };
  for (const Place& place : stored->places) {
    text += stored->body.substr(from, place.offset - from);
    from = std::size_t{place.offset} + place.size;
    const std::string_view original = stored->body.substr(place.offset, place.size);
    switch (place.kind) {
      case Place::Kind::id:
        rendered.ids.push_back(here());
        text += k_id_blank;
        break;
      case Place::Kind::created:
        rendered.createds.push_back(here());
        text += original;
        break;
      case Place::Kind::count:
        text += options.usage == UsagePolicy::zero ? std::string_view("0") : original;
        break;
    }
  }
  text += stored->body.substr(from);
  rendered.text = Bytes::copy(text);
  return rendered;
}

std::string WholeBodyDialect::error_body(const ErrorSaid& error) const { return openai::error_body(error); }
std::string WholeBodyDialect::error_event(const ErrorSaid& error, std::size_t /*events*/) const {
  return openai::error_event(error);
}

}  // namespace outrigger::providers
