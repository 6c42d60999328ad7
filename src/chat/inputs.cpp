// `prompt` of completions and `input` of embeddings: a text, a list of token ids, or an array of either. Embeddings are cut into
// one form for each element, so that an element's key does not depend on what it was sent with.
#include <algorithm>

#include "chat/json_spans.h"
#include "chat/number.h"
#include "chat/reading.h"
#include "chat/shape.h"

namespace outrigger::chat {
namespace {

constexpr int k_list_depth = 2;
// Of Reading::marks.
constexpr unsigned k_late_chunking = 1;
constexpr unsigned k_echo = 2;
// What one body may be cut into. OpenAI takes 2,048 elements; the rest of the form, which every element repeats, is a model's
// name and a few words.
constexpr std::size_t k_max_elements = 4096;
constexpr std::size_t k_max_rest = 16 * 1024;

bool is_token_list(yyjson_val* value) {
  if (!yyjson_is_arr(value) || unsafe_yyjson_get_len(value) == 0) return false;
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (!is_number(item) || !is_plain_integer(text_of(item))) return false;
  }
  return true;
}

// One of the four shapes as a list of elements.
struct Elements {
  yyjson_val* first = nullptr;  // null: not of a known shape
  std::size_t count = 0;
};
Elements elements_of(yyjson_val* value) {
  if (yyjson_is_str(value) || is_token_list(value)) return {value, 1};
  if (!yyjson_is_arr(value) || unsafe_yyjson_get_len(value) == 0) return {};
  yyjson_val* first = unsafe_yyjson_get_first(value);
  const bool texts = yyjson_is_str(first);
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (texts ? !yyjson_is_str(item) : !is_token_list(item)) return {};
  }
  return {first, count};
}

// Of a text or a list of token ids.
std::uint32_t tokens_of(yyjson_val* element) {
  return yyjson_is_str(element) ? estimate_tokens(text_of(element))
                                : static_cast<std::uint32_t>(unsafe_yyjson_get_len(element));
}

// Jina's: an object, or a list with objects in it.
bool has_records(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return yyjson_is_obj(value) && unsafe_yyjson_get_len(value) != 0;
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (yyjson_is_obj(item)) return true;
  }
  return false;
}

}  // namespace

bool Reading::prompt(yyjson_val* value) {
  const Elements elements = elements_of(value);
  if (elements.first == nullptr) return not_understood();
  if (elements.count > 1) {
    note(BypassReason::several_answers);
    request.needs.several_answers = true;
    yyjson_val* item = elements.first;
    for (std::size_t i = 0; i < elements.count; ++i, item = unsafe_yyjson_get_next(item)) {
      const std::uint32_t tokens = tokens_of(item);
      request.prompt_tokens += tokens;
      longest = std::max(longest, tokens);
    }
    return this->value(value, k_list_depth - 1);
  }
  if (!yyjson_is_str(elements.first)) {
    request.prompt_tokens += tokens_of(elements.first);
    return this->value(elements.first, k_list_depth);
  }
  const std::string_view words = text_of(elements.first);
  says_ping = words == k_ping;
  // The model goes on where the prompt ends, so the blanks there count; with a suffix it fills in code, and an echo repeats the
  // prompt in the answer.
  const bool is_exact = has_suffix || (marks & k_echo) != 0;
  text(words, {.trim_front = true, .trim_back = false}, is_exact ? TextUse::exact : TextUse::other);
  return true;
}

bool Reading::input(yyjson_val* value) {
  tiny_output = true;  // embeddings answer with no words at all
  const Elements elements = elements_of(value);
  if (elements.first == nullptr && has_records(value)) {
    keep_whole();
    return yyjson_is_arr(value) ? list(value, TextUse::other) : record(value, 1);
  }
  if (elements.first == nullptr || elements.count > k_max_elements) return not_understood();
  input_.begin = form.size();
  const bool alone = elements.count == 1;
  const std::size_t mark = alone ? 0 : form.open_array();
  yyjson_val* item = elements.first;
  request.inputs.reserve(elements.count);
  for (std::size_t i = 0; i < elements.count; ++i, item = unsafe_yyjson_get_next(item)) {
    const std::size_t begin = form.size();
    const std::uint32_t before = request.prompt_tokens;
    if (yyjson_is_str(item)) {
      text(text_of(item), {}, TextUse::other);
      says_ping = alone && text_of(item) == k_ping;
    } else {
      if (!this->value(item, k_list_depth)) return false;
      request.prompt_tokens += static_cast<std::uint32_t>(unsafe_yyjson_get_len(item));
    }
    elements_.push_back({begin, form.size()});
    request.inputs.emplace_back().tokens = request.prompt_tokens - before;
  }
  if (!alone) form.close(mark, elements.count);
  input_.end = form.size();
  return true;
}

bool Reading::cut_inputs(std::string_view body) {
  if (whole_) {
    if ((marks & k_late_chunking) != 0) longest = 0;
    request.inputs.clear();
    request.endpoint = Endpoint::embed;
    return true;
  }
  const std::string_view whole = request.canonical;
  const std::string_view before = whole.substr(0, input_.begin);
  const std::string_view after = whole.substr(input_.end);
  if (before.size() + after.size() > k_max_rest) return not_understood();
  const InputText source = find_input(body);
  if (source.elements.size() != elements_.size()) return not_understood();
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    const Span element = elements_[i];
    Request::Input& input = request.inputs[i];
    input.canonical.reserve(before.size() + (element.end - element.begin) + after.size());
    input.canonical.append(before).append(whole.substr(element.begin, element.end - element.begin)).append(after);
    input.json = source.elements[i];
  }
  return true;
}

namespace {
constexpr OwnMember k_completions_members[] = {
    // Comes before `prompt`, for members are read in the order of their names.
    {.name = "echo",
     .read =
         [](Reading& reading, yyjson_val* value) {
           if (!yyjson_is_false(value)) reading.marks |= k_echo;
           return reading.value(value, 1);
         }},
    {.name = "prompt", .read = [](Reading& reading, yyjson_val* value) { return reading.prompt(value); }, .asks = true},
};
constexpr OwnMember k_embeddings_members[] = {
    {.name = "input", .read = [](Reading& reading, yyjson_val* value) { return reading.input(value); }, .asks = true},
    // Jina's. The texts of a late chunking are one text: each vector depends on all of them.
    {.name = "late_chunking",
     .read =
         [](Reading& reading, yyjson_val* value) {
           if (!yyjson_is_false(value)) {
             reading.keep_whole();
             reading.marks |= k_late_chunking;
           }
           return reading.value(value, 1);
         }},
    // Several vectors for each element.
    {.name = "return_multivector",
     .read =
         [](Reading& reading, yyjson_val* value) {
           if (!yyjson_is_false(value)) reading.keep_whole();
           return reading.value(value, 1);
         }},
    {.name = "embedding_type",
     .read =
         [](Reading& reading, yyjson_val* value) {
           if (yyjson_is_arr(value)) reading.keep_whole();
           return reading.value(value, 1);
         }},
};
}  // namespace
const Shape k_completions_shape{.endpoint = Endpoint::completions, .own = k_completions_members};
const Shape k_embeddings_shape{
    .endpoint = Endpoint::embeddings,
    .own = k_embeddings_members,
    .finish = [](Reading& reading, std::string_view body) { return reading.cut_inputs(body); },
    .highest = Level::safe,
};

}  // namespace outrigger::chat
