#include "data/parallel.h"

#include <doctest/doctest.h>

#include <string>

using hd::data::parallelFor;

TEST_CASE("every item is worked on once, with any number of threads") {
  for (const int threads : {0, 1, 3, 50}) {
    std::vector<std::atomic<int>> seen(101);
    parallelFor(101, threads, [&](int64_t i) { ++seen[static_cast<size_t>(i)]; });
    for (const auto& count : seen) CHECK(count == 1);
  }
  parallelFor(0, 4, [](int64_t) { FAIL("there is nothing to do"); });
}

TEST_CASE("the first exception comes back and ends the work") {
  std::atomic<int> done{0};
  std::string message;
  try {
    parallelFor(100000, 4, [&](int64_t i) {
      if (i == 10) throw hd::Error("HD_TEST", "ten");
      ++done;
    });
  } catch (const hd::Error& error) {
    message = error.what();
  }
  CHECK(message == "ten");
  CHECK(done < 100000);
}

TEST_CASE("a stop request ends the work with HD_CANCELLED") {
  std::stop_source source;
  std::string code;
  std::atomic<int> done{0};
  try {
    parallelFor(
        100000, 2,
        [&](int64_t) {
          if (++done == 20) source.request_stop();
        },
        source.get_token());
  } catch (const hd::Error& error) {
    code = error.code();
  }
  CHECK(code == "HD_CANCELLED");
  CHECK(done < 1000);
}
