// Chat completions and completions.
#include "sim/answers.h"
#include "sim/delivery.h"

namespace outrigger::sim_provider {

Spoken answer_text(const Ask& ask, bool chat, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  const Reply reply = compose(ask, settings, fault);
  const Form form{chat, ask.logprobs, !fault.no_usage && (!ask.stream || ask.include_usage), ask.model};
  if (!ask.stream) {
    return {blocking(blocking_body(reply, form, stamp), reply.completion_tokens, settings, fault), reply.prompt_tokens,
            reply.completion_tokens};
  }
  Stream stream{Wire::openai, stream_events(reply, form, stamp), StreamEvent{{}, "[DONE]"}};
  return {streamed(std::move(stream), settings, fault), reply.prompt_tokens, reply.completion_tokens};
}

}  // namespace outrigger::sim_provider
