// A small face over yyjson's mutable document, for the admin door's answers.
#pragma once

#include <yyjson.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "obs/utf8.h"

namespace outrigger::admin {

enum class JsonForm : unsigned char {
  indented,  // for people, with a newline at the end
  compact,   // on one line, without
};

// Builds one JSON object; nested objects and arrays come from object() and array(). Text is copied, and what
// is no UTF-8 in it (it can only come from outside) is replaced by U+FFFD: a reader would refuse the whole.
class Json {
 public:
  using Value = yyjson_mut_val*;

  Json() : document_(yyjson_mut_doc_new(nullptr)), root_(yyjson_mut_obj(document_.get())) {
    yyjson_mut_doc_set_root(document_.get(), root_);
  }
  [[nodiscard]] Value root() const { return root_; }

  void put(Value object, const char* name, std::string_view text) {
    const std::string valid = obs::valid_utf8(text);
    yyjson_mut_obj_add_strncpy(document_.get(), object, name, valid.data(), valid.size());
  }
  void put(Value object, const char* name, const char* text) { put(object, name, std::string_view(text)); }
  void put(Value object, const char* name, bool value) { yyjson_mut_obj_add_bool(document_.get(), object, name, value); }
  void put(Value object, const char* name, std::uint64_t value) {
    yyjson_mut_obj_add_uint(document_.get(), object, name, value);
  }
  void put(Value object, const char* name, double value) { yyjson_mut_obj_add_real(document_.get(), object, name, value); }
  void put_null(Value object, const char* name) { yyjson_mut_obj_add_null(document_.get(), object, name); }
  Value object(Value parent, const char* name) { return yyjson_mut_obj_add_obj(document_.get(), parent, name); }
  Value array(Value parent, const char* name) { return yyjson_mut_obj_add_arr(document_.get(), parent, name); }
  Value append_object(Value array) { return yyjson_mut_arr_add_obj(document_.get(), array); }
  void append(Value array, std::string_view text) {
    const std::string valid = obs::valid_utf8(text);
    yyjson_mut_arr_add_strncpy(document_.get(), array, valid.data(), valid.size());
  }

  [[nodiscard]] std::string text(JsonForm form = JsonForm::indented) const {
    const bool is_indented = form == JsonForm::indented;
    std::size_t size = 0;
    char* raw = yyjson_mut_write(document_.get(), is_indented ? YYJSON_WRITE_PRETTY_TWO_SPACES : YYJSON_WRITE_NOFLAG, &size);
    std::string result = raw != nullptr ? std::string(raw, size) : "{}";
    if (is_indented) result += '\n';
    std::free(raw);  // NOLINT: yyjson allocates with malloc
    return result;
  }

 private:
  struct Free {
    void operator()(yyjson_mut_doc* document) const { yyjson_mut_doc_free(document); }
  };
  std::unique_ptr<yyjson_mut_doc, Free> document_;
  Value root_;
};

}  // namespace outrigger::admin
