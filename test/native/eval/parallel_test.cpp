#include "eval/parallel.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using namespace hd::eval;

TEST_CASE("parallelFor calls every piece exactly once, whatever the number of threads") {
  for (const int threads : {0, 1, 2, 7}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{5}, size_t{1000}}) {
      std::vector<int> calls(count, 0);
      parallelFor(count, threads, [&](size_t i) { ++calls[i]; });
      CHECK(calls == std::vector<int>(count, 1));
    }
  }
}

TEST_CASE("parallelRanges cuts the whole range into pieces of at most the grain") {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{8}, size_t{9}, size_t{100}}) {
    std::vector<int> calls(count, 0);
    parallelRanges(count, 8, 3, [&](size_t begin, size_t end) {
      CHECK(begin < end);
      CHECK(end - begin <= 8);
      for (size_t i = begin; i < end; ++i) ++calls[i];
    });
    CHECK(calls == std::vector<int>(count, 1));
  }
}

TEST_CASE("an exception of a piece reaches the caller after all threads have ended") {
  for (const int threads : {1, 4}) {
    std::atomic<int> running{0};
    CHECK_THROWS_WITH_AS(parallelFor(100, threads,
                                     [&](size_t i) {
                                       ++running;
                                       if (i == 13) {
                                         --running;
                                         throw std::runtime_error("piece 13");
                                       }
                                       --running;
                                     }),
                         "piece 13", std::runtime_error);
    CHECK(running == 0);
  }
}
