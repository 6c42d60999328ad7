// Scripts for every endpoint, faults that show in the answer itself included. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/ask.h"
#include "sim/errors.h"
#include "sim/fault.h"
#include "sim/script.h"
#include "sim/settings.h"
#include "sim/wire.h"

namespace outrigger::sim_provider {

struct Spoken {
  Script script;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
};

// Chat completions and completions, in one piece or as a stream, as asked.
Spoken answer_text(const Ask& ask, bool chat, const Settings& settings, const Fault& fault, const Stamp& stamp);

// Anthropic's messages.
Spoken answer_messages(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp);
Script answer_token_count(const Ask& ask, const Settings& settings, const Fault& fault);

// OpenAI's responses.
Spoken answer_response(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp);

Spoken answer_rerank(const Ask& ask, Wire wire, const Settings& settings, const Fault& fault, const Stamp& stamp);
Spoken answer_gemini(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp);
Spoken answer_ollama(const Ask& ask, const Settings& settings, const Fault& fault, const Stamp& stamp);

Script answer_embeddings(const Ask& ask, const Settings& settings, const Fault& fault);
Script answer_models(const Settings& settings, std::int64_t created);
Script answer_model(std::string_view model, std::int64_t created);
Script answer_file(std::uint64_t body_size, std::string_view body_sha256, const Stamp& stamp);
Script answer_transcription(std::uint64_t body_size, std::string_view body_sha256, const Settings& settings,
                            const Fault& fault);
Script answer_speech(const Ask& ask, const Settings& settings, const Fault& fault);
Script answer_image(const Settings& settings, const Fault& fault, std::int64_t created);
Script answer_moderation(const Ask& ask, const Stamp& stamp);

// The answer, or what stands in for one, that a fault makes without knowing the request; nothing when it leaves that to others.
std::optional<Script> answer_instead(const Fault& fault, Wire wire, const Ask& ask, const Settings& settings,
                                     std::string_view request_id);

// Whole seconds rounded up, and milliseconds.
void add_retry_after(http::Headers& headers, Duration wait);

// What a fault does to any answer: headers, lengths, connection. Last of all.
void spoil(Script& script, const Fault& fault);

}  // namespace outrigger::sim_provider
