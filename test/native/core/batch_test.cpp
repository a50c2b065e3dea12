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
