// Everything but text: embeddings, models, files, audio, images, moderations.
#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/base64.h"
#include "core/rng.h"
#include "sim/answers.h"
#include "sim/delivery.h"
#include "sim/hash.h"
#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::string_view k_json = "application/json";
// What is on show when the settings name no models.
constexpr std::array<std::string_view, 4> k_models{"gpt-4o-mini", "gpt-4o", "text-embedding-3-small", "sim-reasoner"};
// One white pixel.
constexpr std::string_view k_png =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=";
constexpr std::size_t k_speech_bytes = 24'000;
constexpr std::size_t k_speech_piece = 4'000;

// A unit vector that depends on text and model alone.
std::vector<float> embedding(std::string_view text, std::string_view model, std::uint64_t dimensions) {
  Rng rng(stable_hash(text, stable_hash(model)));
  std::vector<double> raw(dimensions);
  double square = 0;
  for (double& x : raw) {
    x = rng.unit() - 0.5;
    square += x * x;
  }
  const double norm = square > 0 ? std::sqrt(square) : 1;
  std::vector<float> unit;
  unit.reserve(raw.size());
  for (const double x : raw) unit.push_back(static_cast<float>(x / norm));
  return unit;
}

// Little-endian floats, as OpenAI's base64 form has them on every machine that this runs on.
static_assert(std::endian::native == std::endian::little);

std::string embedding_json(const std::vector<float>& vector, bool as_base64) {
  if (as_base64) {
    std::string bytes(vector.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), vector.data(), bytes.size());
    return "\"" + base64(bytes) + "\"";
  }
  std::string text = "[";
  for (const float x : vector) fmt::format_to(std::back_inserter(text), "{}{}", text.size() > 1 ? "," : "", x);
  return text + "]";
}

std::string model_json(std::string_view model, std::int64_t created) {
  return fmt::format(R"({{"id":{},"object":"model","created":{},"owned_by":"outrigger-sim"}})", json_quoted(model), created);
}

}  // namespace

Script answer_embeddings(const Ask& ask, const Settings& settings, const Fault& fault) {
  std::string data;
  for (std::size_t i = 0; i < ask.inputs.size() && !fault.empty; ++i) {
    const auto vector = embedding(ask.inputs[i], ask.model, ask.dimensions.value_or(settings.dimensions));
    data += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":{}}})", i == 0 ? "" : ",", i,
                        embedding_json(vector, ask.base64));
  }
  std::string body = fmt::format(R"({{"object":"list","data":[{}],"model":{})", data, json_quoted(ask.model));
  if (!fault.no_usage) body += fmt::format(R"(,"usage":{{"prompt_tokens":{0},"total_tokens":{0}}})", ask.prompt_tokens);
  return whole(200, k_json, body + "}", first_wait(settings, fault));
}

Script answer_models(const Settings& settings, std::int64_t created) {
  std::string data;
  const auto add = [&](std::string_view model) { data += (data.empty() ? "" : ",") + model_json(model, created); };
  for (const std::string& model : settings.models) add(model);
  if (settings.models.empty()) {
    for (const std::string_view model : k_models) add(model);
  }
  return whole(200, k_json, fmt::format(R"({{"object":"list","data":[{}]}})", data));
}

Script answer_model(std::string_view model, std::int64_t created) { return whole(200, k_json, model_json(model, created)); }

Script answer_file(std::uint64_t body_size, std::string_view body_sha256, const Stamp& stamp) {
  return whole(
      200, k_json,
      fmt::format(
          R"({{"id":"file-{}","object":"file","bytes":{},"created_at":{},"filename":"upload","purpose":"assistants",)"
          R"("status":"processed","sha256":"{}"}})",
          stamp.id, body_size, stamp.created, body_sha256));
}

Script answer_transcription(std::uint64_t body_size, std::string_view body_sha256, const Settings& settings,
                            const Fault& fault) {
  return whole(
      200, k_json,
      fmt::format(
          R"({{"text":"This is what was said in {} bytes of audio ({}).","usage":{{"type":"duration","seconds":1}}}})",
          body_size, body_sha256.substr(0, 8)),
      first_wait(settings, fault));
}

Script answer_speech(const Ask& ask, const Settings& settings, const Fault& fault) {
  Script script = whole(200, "audio/mpeg", {}, first_wait(settings, fault));
  script.length = http::BodyLength::streamed();
  Rng rng(stable_hash(ask.question));
  for (std::size_t sent = 0; sent < k_speech_bytes; sent += k_speech_piece) {
    std::string piece(k_speech_piece, '\0');
    for (char& c : piece) c = static_cast<char>(rng.next() & 0xff);
    script.steps.push_back({settings.fast ? Duration(0) : settings.between_tokens, std::move(piece)});
  }
  return script;
}

Script answer_image(const Settings& settings, const Fault& fault, std::int64_t created) {
  return whole(200, k_json, fmt::format(R"({{"created":{},"data":[{{"b64_json":"{}"}}]}})", created, k_png),
               first_wait(settings, fault));
}

Script answer_moderation(const Ask& ask, const Stamp& stamp) {
  return whole(200, k_json,
               fmt::format(R"({{"id":"modr-{}","model":{},"results":[{{"flagged":false,"categories":{{"violence":false}},)"
                           R"("category_scores":{{"violence":0.0001}}}}]}})",
                           stamp.id, json_quoted(ask.model.empty() ? "omni-moderation-latest" : ask.model)));
}

}  // namespace outrigger::sim_provider
