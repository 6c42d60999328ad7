#include "sim/json_to_toml.h"

#include <utility>

#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

// Deep enough for any schedule; keeps the recursion short whatever comes in.
constexpr int k_max_depth = 8;

bool fill(toml::table& table, yyjson_val* object, int depth);

bool push(toml::array& array, yyjson_val* value, int depth) {
  if (depth > k_max_depth) return false;
  if (yyjson_is_str(value)) {
    array.push_back(std::string(text_of(value)));
  } else if (yyjson_is_bool(value)) {
    array.push_back(yyjson_get_bool(value));
  } else if (yyjson_is_int(value)) {
    array.push_back(static_cast<std::int64_t>(yyjson_get_sint(value)));
  } else if (yyjson_is_real(value)) {
    array.push_back(yyjson_get_real(value));
  } else if (yyjson_is_obj(value)) {
    toml::table inner;
    if (!fill(inner, value, depth + 1)) return false;
    array.push_back(std::move(inner));
  } else if (yyjson_is_arr(value)) {
    toml::array inner;
    for (std::size_t i = 0; i < yyjson_arr_size(value); ++i) {
      if (!push(inner, yyjson_arr_get(value, i), depth + 1)) return false;
    }
    array.push_back(std::move(inner));
  } else {
    return false;
  }
  return true;
}

bool fill(toml::table& table, yyjson_val* object, int depth) {
  yyjson_obj_iter members = yyjson_obj_iter_with(object);
  while (yyjson_val* key = yyjson_obj_iter_next(&members)) {
    yyjson_val* value = yyjson_obj_iter_get_val(key);
    if (yyjson_is_null(value)) continue;
    toml::array holder;
    if (!push(holder, value, depth)) return false;
    // An element moves from the holder by visiting it with its own type.
    holder.get(0)->visit([&](auto& node) { table.insert_or_assign(text_of(key), std::move(node)); });
  }
  return true;
}

}  // namespace

Result<toml::table> toml_from_json(std::string_view text) {
  const Json doc = parse_json(text);
  if (doc == nullptr) return fail(ErrorCode::bad_config, "faults: this is not valid JSON");
  yyjson_val* root = yyjson_doc_get_root(doc.get());
  toml::table table;
  bool good = false;
  if (yyjson_is_obj(root)) {
    good = fill(table, root, 0);
  } else if (yyjson_is_arr(root)) {
    toml::array holder;
    good = push(holder, root, 0);
    if (good) table.insert_or_assign("fault", std::move(*holder.get(0)->as_array()));
  }
  if (!good) return fail(ErrorCode::bad_config, "faults: write an object with a member \"fault\", or an array of faults");
  return table;
}

}  // namespace outrigger::sim_provider
