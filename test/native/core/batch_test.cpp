#include "core/batch.h"

#include <doctest/doctest.h>

TEST_CASE("batch: fresh structs describe nothing") {
  const hd::Batch batch;
  CHECK(batch.pixels == nullptr);
  CHECK(batch.count * batch.height * batch.width == 0);
  const hd::ImageTargets targets;
  CHECK(targets.image == -1);
  CHECK(targets.boxes.empty());
  CHECK((targets.scaleX == 1 && targets.scaleY == 1 && targets.offsetX == 0 && targets.offsetY == 0));
  CHECK(hd::Detections{}.size() == 0);
}

TEST_CASE("batch: detections count by score") {
  hd::Detections detections;
  detections.boxes = {0, 0, 1, 1, 2, 2, 3, 3};
  detections.scores = {0.9f, 0.1f};
  detections.labels = {0, 3};
  CHECK(detections.size() == 2);
}

TEST_CASE("batch: a part is a window on the same pixels, with its own images") {
  std::vector<uint8_t> pixels(3 * 2 * 4 * 3);
  hd::Batch batch{pixels.data(), 3, 2, 4, std::vector<hd::ImageTargets>(3)};
  for (int64_t i = 0; i < 3; ++i) batch.images[static_cast<size_t>(i)].image = 10 + i;
  const hd::Batch part = batch.part(1, 2);
  CHECK(part.pixels == pixels.data() + 2 * 4 * 3);
  CHECK((part.count == 2 && part.height == 2 && part.width == 4));
  REQUIRE(part.images.size() == 2);
  CHECK((part.images[0].image == 11 && part.images[1].image == 12));
}
