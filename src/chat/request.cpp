#include "chat/request.h"

#include <algorithm>

#include "chat/binding.h"
#include "chat/fields.h"
#include "chat/number.h"
#include "chat/reading.h"
#include "chat/shape.h"

namespace outrigger::chat {
namespace {

std::string_view text_or_empty(yyjson_val* value) { return yyjson_is_str(value) ? text_of(value) : std::string_view{}; }

bool is_on(yyjson_val* value) {
  return !yyjson_is_null(value) && !yyjson_is_false(value) && !(yyjson_is_arr(value) && unsafe_yyjson_get_len(value) == 0);
}

bool has_item(yyjson_val* list, std::string_view wanted) {
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(list, index, count, item) {
    if (text_or_empty(item) == wanted) return true;
  }
  return false;
}

// Who asks, by what is written in the body. The first of them that is not empty counts, in this order.
struct Askers {
  std::string_view user;
  std::string_view user_id;
  std::string_view safety_identifier;
  std::string_view in_metadata;
  [[nodiscard]] std::string_view first() const {
    for (const std::string_view candidate : {user, user_id, safety_identifier, in_metadata}) {
      if (!candidate.empty()) return candidate;
    }
    return {};
  }
};

// The top level of a body.
class TopLevel {
 public:
  TopLevel(const Shape& shape, Reading& reading, Request& request) : shape_(shape), reading_(reading), request_(request) {}

  bool read(yyjson_val* root, std::string_view body);

 private:
  bool member(std::string_view name, yyjson_val* value);
  [[nodiscard]] const OwnMember* own_member(std::string_view name) const;
  bool kept(Field field, yyjson_val* value);
  bool left_out(Field field, std::string_view name, yyjson_val* value);
  bool stream_options(yyjson_val* value);
  void speaks() {
    reading_.note(BypassReason::audio);
    request_.needs.audio = true;
  }

  const Shape& shape_;
  Reading& reading_;
  Request& request_;
  Askers askers_;
  std::size_t count_ = 0;  // of the members in the form
  bool has_question_ = false;
};

bool TopLevel::read(yyjson_val* root, std::string_view body) {
  Members members;
  if (!members.load(root)) return reading_.not_json();
  reading_.has_suffix = std::any_of(members.begin(), members.end(),
                                    [](const auto& m) { return m.name() == "suffix" && !yyjson_is_null(m.value); });
  reading_.form.head(shape_.endpoint);
  const std::size_t mark = reading_.form.open_object();
  for (const Members::Member& m : members) {
    if (!member(m.name(), m.value)) return false;
  }
  reading_.form.close(mark, count_);
  if ((shape_.needs_model && request_.model.empty()) || !has_question_) return reading_.not_understood();
  request_.user = askers_.first();
  request_.needs.user = user_hash(request_.user);
  if (is_searching_model(request_.model)) reading_.note(BypassReason::hosted_tool);
  if (reading_.says_ping && reading_.tiny_output) {
    reading_.note(BypassReason::ping);
    request_.needs.ping = true;
  }
  return shape_.finish == nullptr || shape_.finish(reading_, body);
}

const OwnMember* TopLevel::own_member(std::string_view name) const {
  const auto found = std::ranges::find(shape_.own, name, &OwnMember::name);
  return found == shape_.own.end() ? nullptr : &*found;
}

bool TopLevel::member(std::string_view name, yyjson_val* value) {
  const OwnMember* own = own_member(name);
  const Field field = own != nullptr ? own->field : field_named(name);
  switch (field) {
    case Field::dropped:
    case Field::user:
    case Field::metadata:
    case Field::stream:
    case Field::stream_options:
      return left_out(field, name, value);
    default:
      break;
  }
  if (field != Field::unknown && yyjson_is_null(value)) return true;
  ++count_;
  reading_.form.name(name);
  if (own == nullptr || own->read == nullptr) return kept(field, value);
  has_question_ = has_question_ || own->asks;
  return own->read(reading_, value);
}

bool TopLevel::kept(Field field, yyjson_val* value) {
  switch (field) {
    case Field::model:
      if (!yyjson_is_str(value)) return reading_.not_understood();
      request_.model = text_of(value);
      break;
    case Field::tools:
      return reading_.tools(value);
    case Field::temperature:
      if (!is_number(value)) return reading_.not_understood();
      request_.temperature = to_double(text_of(value));
      return reading_.number(value, 1);
    case Field::answers:
      if (!is_number(value)) return reading_.not_understood();
      if (to_double(text_of(value)) > 1) {
        reading_.note(BypassReason::several_answers);
        request_.needs.several_answers = true;
      }
      return reading_.number(value, 1);
    case Field::output_limit:
      if (is_number(value) && to_double(text_of(value)) <= k_ping_tokens) reading_.tiny_output = true;
      note_output_limit(request_.needs, value);
      return reading_.number(value, 1);
    case Field::logprobs:
      if (is_on(value)) request_.needs.logprobs = true;
      return reading_.number(value, 1);
    case Field::number:
      return reading_.number(value, 1);
    case Field::modalities:
      if (has_item(value, "audio")) speaks();
      break;
    case Field::audio:
      speaks();
      break;
    case Field::functions:
      if (is_on(value)) request_.needs.tools = true;
      break;
    case Field::response_format:
      note_response_format(request_.needs, value);
      break;
    case Field::hosted:
      if (is_on(value)) reading_.note(BypassReason::hosted_tool);
      break;
    case Field::state:
      if (!is_on(value)) break;
      reading_.note(BypassReason::stateful);
      request_.needs.bound = true;
      break;
    default:
      break;
  }
  return reading_.value(value, 1);
}

bool TopLevel::left_out(Field field, std::string_view name, yyjson_val* value) {
  switch (field) {
    case Field::user: {
      auto& asker = name == "user" ? askers_.user : name == "user_id" ? askers_.user_id : askers_.safety_identifier;
      asker = text_or_empty(value);
      break;
    }
    case Field::metadata:
      request_.app = text_or_empty(yyjson_obj_get(value, "dify_app_id"));
      askers_.in_metadata = text_or_empty(yyjson_obj_get(value, "user_id"));
      break;
    case Field::stream:
      if (!yyjson_is_bool(value) && !yyjson_is_null(value)) return reading_.not_understood();
      request_.stream = yyjson_is_true(value);
      break;
    case Field::stream_options:
      if (!stream_options(value)) return false;
      break;
    default:
      break;
  }
  return reading_.dropped(value, 1);
}

bool TopLevel::stream_options(yyjson_val* value) {
  if (yyjson_is_null(value)) return true;
  if (!yyjson_is_obj(value)) return reading_.not_understood();
  yyjson_val* usage = yyjson_obj_get(value, "include_usage");
  if (usage != nullptr && !yyjson_is_bool(usage) && !yyjson_is_null(usage)) return reading_.not_understood();
  request_.include_usage = yyjson_is_true(usage);
  return true;
}

// What routing needs of a body whose shape is not understood.
void read_least(yyjson_val* root, Request& request) {
  request.model = text_or_empty(yyjson_obj_get(root, "model"));
  request.stream = yyjson_is_true(yyjson_obj_get(root, "stream"));
  request.include_usage = yyjson_is_true(yyjson_obj_get(yyjson_obj_get(root, "stream_options"), "include_usage"));
  request.needs.stream = request.stream;
  const Askers askers{.user = text_or_empty(yyjson_obj_get(root, "user")),
                      .user_id = text_or_empty(yyjson_obj_get(root, "user_id")),
                      .safety_identifier = text_or_empty(yyjson_obj_get(root, "safety_identifier")),
                      .in_metadata = text_or_empty(yyjson_obj_get(yyjson_obj_get(root, "metadata"), "user_id"))};
  request.needs.user = user_hash(askers.first());
}

}  // namespace

Request understand(const Shape& shape, std::string_view body, Level level, std::string room) {
  Request request;
  request.endpoint = shape.endpoint;
  const Document document = parse_json(body);
  yyjson_val* root = yyjson_doc_get_root(document.get());
  if (!yyjson_is_obj(root)) {
    request.bypass = BypassReason::not_json;
    return request;
  }
  request.canonical = std::move(room);
  request.canonical.clear();
  // The form of a small body is about as large as the body: names and sizes take what quotes and commas did.
  request.canonical.reserve(body.size() + body.size() / 4 + 64);
  Reading reading(request, std::min(level, shape.highest));
  if (!TopLevel(shape, reading, request).read(root, body)) {
    if (!is_strict(root, 1)) request.bypass = BypassReason::not_json;
    const auto reason = request.bypass;
    request = Request{};
    request.endpoint = shape.endpoint;
    request.bypass = reason;
    if (request.bypass == BypassReason::not_understood) read_least(root, request);
    return request;
  }
  request.needs.unknown = false;
  request.needs.stream = request.stream;
  request.needs.prompt_tokens = reading.longest != 0 ? reading.longest : request.prompt_tokens;
  if (!request.inputs.empty()) {
    const auto longest = std::ranges::max_element(request.inputs, {}, &Request::Input::tokens);
    request.needs.prompt_tokens = longest->tokens;
  }
  return request;
}

Request understand(Endpoint endpoint, std::string_view body, Level level, std::string room) {
  switch (endpoint) {
    case Endpoint::chat_completions:
      return understand(k_chat_shape, body, level, std::move(room));
    case Endpoint::completions:
      return understand(k_completions_shape, body, level, std::move(room));
    case Endpoint::embeddings:
      return understand(k_embeddings_shape, body, level, std::move(room));
    default:
      break;
  }
  Request request;
  request.endpoint = endpoint;
  request.bypass = BypassReason::endpoint;
  return request;
}

}  // namespace outrigger::chat
