#include "admin/history_json.h"

#include "admin/json.h"
#include "obs/access_log.h"

namespace outrigger::admin {
namespace {

void put_count(Json& json, Json::Value object, const char* name, std::uint64_t value) {
  if (value > 0) json.put(object, name, value);
}

void put_amounts(Json& json, Json::Value object, const obs::Amounts& amounts) {
  put_count(json, object, "requests", amounts.requests);
  if (amounts.saved_usd > 0) json.put(object, "saved_usd", amounts.saved_usd);
  if (amounts.spent_usd > 0) json.put(object, "spent_usd", amounts.spent_usd);
  put_count(json, object, "saved_tokens", amounts.saved_tokens);
  put_count(json, object, "spent_tokens", amounts.spent_tokens);
}

void put_point(Json& json, Json::Value object, const obs::HistoryPoint& point) {
  put_amounts(json, object, point);
  put_count(json, object, "hit", point.hit);
  put_count(json, object, "coalesced", point.coalesced);
  put_count(json, object, "stale", point.stale);
  put_count(json, object, "miss", point.miss);
  put_count(json, object, "bypass", point.bypass);
  put_count(json, object, "observe", point.observe);
  put_count(json, object, "errors", point.errors);
}

void put_rows(Json& json, Json::Value parent, const char* name, const std::vector<obs::History::Row>& rows) {
  const Json::Value array = json.array(parent, name);
  for (const obs::History::Row& row : rows) {
    const Json::Value object = json.append_object(array);
    json.put(object, "name", row.name);
    const Json::Value points = json.array(object, "points");
    for (const obs::Amounts& amounts : row.points) put_amounts(json, json.append_object(points), amounts);
  }
}

std::string time_text(WallTime time) {
  std::string text;
  obs::append_time(text, time);
  return text;
}

}  // namespace

std::string to_json(const obs::History::View& view, obs::History::Span span) {
  Json json;
  const Json::Value root = json.root();
  json.put(root, "span", name(span));
  json.put(root, "step_seconds", static_cast<std::uint64_t>(view.step.count()));
  json.put(root, "from", time_text(view.from));
  const Json::Value points = json.array(root, "points");
  for (const obs::HistoryPoint& point : view.points) put_point(json, json.append_object(points), point);
  put_rows(json, root, "models", view.models);
  put_rows(json, root, "routes", view.routes);
  return json.text(JsonForm::compact);
}

std::string to_json(const obs::History::Finished& step) {
  Json json;
  json.put(json.root(), "at", time_text(step.at));
  put_point(json, json.object(json.root(), "point"), step.point);
  return json.text(JsonForm::compact);
}

}  // namespace outrigger::admin
