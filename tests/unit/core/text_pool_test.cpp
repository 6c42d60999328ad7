#include "core/text_pool.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger {
namespace {

TEST_CASE("a text's memory is used again, its content is not") {
  TextPool pool;
  CHECK(pool.take().empty());
  std::string text(1000, 'x');
  const char* memory = text.data();
  pool.give(std::move(text));
  const std::string again = pool.take();
  CHECK(again.empty());
  CHECK(again.capacity() >= 1000);
  CHECK(again.data() == memory);
  CHECK(pool.size() == 0);
}

TEST_CASE("the pool holds neither too much nor what is not worth it") {
  TextPool pool;
  pool.give("short");
  CHECK(pool.size() == 0);
  pool.give(std::string(TextPool::k_capacity_max + 1, 'x'));
  CHECK(pool.size() == 0);
  pool.give(std::string(TextPool::k_capacity_max, 'x'));
  CHECK(pool.size() == 1);
  for (std::size_t i = 0; i < 2 * TextPool::k_texts_max; ++i) pool.give(std::string(1000, 'x'));
  CHECK(pool.size() == TextPool::k_texts_max);
}

}  // namespace
}  // namespace outrigger
