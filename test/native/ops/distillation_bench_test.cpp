#include "ops/distillation_bench.h"

#include <doctest/doctest.h>

TEST_CASE("the distillation benchmark does what it is asked and takes longer for more rows") {
  const auto run = [](int64_t rows, double weighted) {
    const hd::Value result =
        hd::ops::benchDistillation(hd::Value::Object{{"rows", rows}, {"weighted", weighted}, {"repeats", 3}});
    CHECK(result.at("rows").asInt() == rows);
    CHECK(result.at("bins").asInt() == 17);
    return result.at("milliseconds").asNumber();
  };
  const double few = run(200, 1), many = run(40000, 1);
  CHECK(few > 0);
  CHECK(many > few);
}
