// Normalisation: which differences between two texts do not make them different questions. Pure.
//
//   exact      none
//   safe       Unicode form C, line ends, invisible characters, outer blanks, repeated spaces; code stays as it is
//   faq        (question.h) the last user turn: width, case, CJK punctuation, punctuation at the end
//   faq+       also other punctuation, greetings and modal particles
//   synonyms   also interchangeable question words
//
// Only the key sees the result; what goes upstream is never touched. Every rule here is a promise that two texts mean the same
// to a model, so what is doubtful stays as it is: that costs a hit, the other error gives a wrong answer.
#pragma once

#include <string>
#include <string_view>

#include "core/policy.h"

namespace outrigger::chat {

// Whether the blanks at the two ends of a text mean nothing. They do between two texts that a provider joins, and at the end
// of a text that the model is to continue.
struct Edges {
  bool trim_front = true;
  bool trim_back = true;
};

// Appends `text` as level `safe` sees it. Idempotent: what has this form already is appended unchanged.
//   - CRLF, CR, NEL, LS and PS become LF; what is_invisible() says goes; joiners stay where joiner_matters().
//   - A run of one kind of space becomes one, except at a line's beginning, where blanks may be structure. Tabs stay: two of
//     them are an empty column.
//   - Outer blanks go, but not what makes the first line indented code if there is other such code.
//   - Code (code_spans.h) stays byte for byte.
void append_safe(std::string& out, std::string_view text, Edges edges = {});

}  // namespace outrigger::chat
