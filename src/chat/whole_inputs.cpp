// Inputs that stay together: lists of texts and of objects with texts and pictures, as Jina and Cohere take them.
#include <algorithm>
#include <array>

#include "chat/reading.h"

namespace outrigger::chat {
namespace {

// Members of an object that hold a picture or say where one is. Any other may be a text that happens to name a URL.
constexpr std::array<std::string_view, 8> k_media{"image",     "image_url", "images", "video",
                                                  "video_url", "audio",     "pdf",    "bytes"};

bool is_media(std::string_view name, yyjson_val* value, yyjson_val* object) {
  if (!yyjson_is_str(value) && !yyjson_is_ctn(value)) return false;
  if (std::ranges::find(k_media, name) != k_media.end()) return true;
  return name == "url" && unsafe_yyjson_get_len(object) == 1;  // beside other members it is only mentioned
}

// Called for what value() has written, and so no deeper than k_max_depth.
void look_into(Reading& reading, yyjson_val* value) {
  Request& request = reading.request;
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  if (yyjson_is_str(value)) request.prompt_tokens += estimate_tokens(text_of(value));
  yyjson_arr_foreach(value, index, count, item) { look_into(reading, item); }
  yyjson_val* name = nullptr;
  yyjson_obj_foreach(value, index, count, name, item) {
    if (is_media(text_of(name), item, value)) {
      reading.inspect_media(item);
      request.needs.vision = true;
      request.prompt_tokens += k_media_tokens;
    } else if (text_of(name) != "type") {
      look_into(reading, item);
    }
  }
}

}  // namespace

bool Reading::record(yyjson_val* value, int depth) {
  if (!this->value(value, depth)) return false;
  look_into(*this, value);
  return true;
}

bool Reading::list(yyjson_val* value, TextUse turn) {
  if (!yyjson_is_arr(value)) return not_understood();
  const std::size_t mark = form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    const std::uint32_t before = request.prompt_tokens;
    if (yyjson_is_str(item)) {
      text(text_of(item), {}, turn);
    } else if (!yyjson_is_obj(item) || unsafe_yyjson_get_len(item) == 0) {
      return not_understood();
    } else if (!record(item, 2)) {
      return false;
    }
    longest = std::max(longest, request.prompt_tokens - before);
  }
  form.close(mark, count);
  return true;
}

bool Reading::pictures(yyjson_val* value) {
  if (!yyjson_is_arr(value)) return not_understood();
  inspect_media(value);
  if (const std::size_t count = unsafe_yyjson_get_len(value); count != 0) {
    request.needs.vision = true;
    request.prompt_tokens += static_cast<std::uint32_t>(std::min<std::size_t>(count, 1024)) * k_media_tokens;
    longest = std::max(longest, k_media_tokens);
  }
  return this->value(value, 1);
}

}  // namespace outrigger::chat
