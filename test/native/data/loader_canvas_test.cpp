#include "data/loader_canvas.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::options;

TEST_CASE("sizes are rounded up to the divisor and sorted by area") {
  const CanvasSet set({.divisor = 16}, {{{30, 50}, 1}, {{17, 16}, 4}, {{32, 64}, 2}}, {});
  CHECK(set.all() == std::vector<Extent>{{16, 32}, {64, 32}});
  CHECK(set.largestArea() == 64 * 32);
  CHECK(set.choose({15, 20}) == Extent{16, 32});
  CHECK(set.choose({17, 20}) == Extent{64, 32});
}

TEST_CASE("random demand: few canvases, each a multiple, and every need fits") {
  for (uint64_t round = 0; round < 30; ++round) {
    hd::Random random(1, "test", 0, round);
    CanvasOptions options;
    options.divisor = 8 << random.below(3);
    options.maxCanvases = 1 + static_cast<int>(random.below(12));
    CanvasDemand demand;
    for (int i = 0; i < 600; ++i) ++demand[{1 + random.below(900), 1 + random.below(900)}];
    const std::vector<Extent> always = {{1000, 700}, {650, 1100}};
    const CanvasSet set(options, demand, always);
    CHECK(static_cast<int>(set.all().size()) <= options.maxCanvases);
    for (const Extent canvas : set.all()) {
      CHECK(canvas.width % options.divisor == 0);
      CHECK(canvas.height % options.divisor == 0);
    }
    const auto fits = [&](Extent need) {
      const Extent canvas = set.choose(need);
      return canvas.width >= need.width && canvas.height >= need.height;
    };
    for (const Extent need : always) CHECK(fits(need));
    CHECK(std::all_of(demand.begin(), demand.end(), [&](const auto& entry) {
      return fits({entry.first.second, entry.first.first});
    }));
  }
}

TEST_CASE("merging prefers what adds the least padding") {
  const CanvasSet set({.divisor = 32, .maxCanvases = 2},
                      {{{320, 320}, 10}, {{320, 352}, 10}, {{960, 320}, 10}}, {});
  CHECK(set.all() == std::vector<Extent>{{352, 320}, {320, 960}});
}

TEST_CASE("a need that fits nowhere gets the canvas that shrinks it least") {
  const CanvasSet set({}, {{{64, 256}, 1}, {{256, 64}, 1}}, {});
  CHECK(set.choose({500, 100}) == Extent{256, 64});
  CHECK(set.choose({100, 500}) == Extent{64, 256});
}

TEST_CASE("options are read, and refused outside their range") {
  const CanvasOptions read = CanvasOptions::from(
      options(R"({"divisor": 64, "maxCanvases": 3, "fixed": [128, 192], "fill": [1, 2, 3]})"));
  CHECK(read.divisor == 64);
  CHECK(read.fixed == Extent{192, 128});
  CHECK(read.fill == std::array<uint8_t, 3>{1, 2, 3});
  CHECK(CanvasSet(read, {{{999, 999}, 1}}, {}).all() == std::vector<Extent>{{192, 128}});
  CHECK(CanvasOptions::from(hd::Value()).divisor == 32);
  for (const char* json :
       {R"({"divisor": 0})", R"({"maxCanvases": 13})", R"({"fixed": [100, 64]})", R"({"fixed": [64]})",
        R"({"fixed": [1e9, 64]})", R"({"fill": [1, 2]})", R"({"fill": [1, 2, 256]})"}) {
    CAPTURE(json);
    CHECK(codeOf([&] { CanvasOptions::from(options(json)); }) == "HD_DATA_CANVAS");
  }
}
