// The words that a simulated model says, and how it counts them. Pure and the same on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::sim_provider {

// Cuts a text into tokens: words of at most eight bytes with the blank before them, single other characters. No cut ever
// falls inside a UTF-8 character; the tokens joined are the text.
std::vector<std::string_view> tokens_of(std::string_view text);
std::uint64_t count_tokens(std::string_view text);

// An answer of exactly `tokens` tokens to a question; in Chinese when the question is. `hash` chooses the sentences and
// stands in the text, so different prompts have different answers.
std::string derived_answer(std::string_view question, std::uint64_t hash, std::uint64_t tokens);

// Words, of exactly `size` bytes.
std::string sized_answer(std::uint64_t hash, std::uint64_t size);

// What a reasoning model thinks before it answers.
std::string derived_thought(std::string_view question);

// `text` cut to at most `size` bytes, not inside a character.
std::string_view shortened(std::string_view text, std::size_t size);

}  // namespace outrigger::sim_provider
