// What clients ask: requests as text, drawn from a generator. Pure.
//
// A question's name ("Q17") says all about it: endpoint, length, tools. So the same name is the same question, in spellings that
// must share an answer, and a checker can tell from an answer's first word what was asked.
#pragma once

#include <string>

#include "core/rng.h"
#include "sim/history.h"

namespace outrigger::sim {

struct AskingPlan {
  std::size_t questions = 60;
  std::size_t texts = 40;  // of embeddings
  double odd = 0.04;       // how many requests are not those of a well-behaved client
};

// Everything of the request but its id, its instance and how its client behaves.
Request draw_request(Rng& rng, const AskingPlan& plan);
// The same question in another spelling, form and steering, by another client now and then.
Request draw_duplicate(Rng& rng, const Request& like);
// How the client behaves. `steady`: it stays and reads.
void draw_behaviour(Rng& rng, Request& request, bool steady);

}  // namespace outrigger::sim
