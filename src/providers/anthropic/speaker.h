// Answers of others, said in Anthropic's messages: as a stream, or as one body at the end.
//
//   A stream has one block open at a time, since not every client takes more: text and the first call go out as they come, calls
//   that begin while another is open wait for the finish. Reasoning is left out, but for keep-alives: clients would send it back, and nobody
//   signed it.
#pragma once

#include <memory>

#include "providers/saying.h"

namespace outrigger::providers::anthropic {

std::unique_ptr<Speaker> make_speaker(const SpeakerOptions& options);

}  // namespace outrigger::providers::anthropic
