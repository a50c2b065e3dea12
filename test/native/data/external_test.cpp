#include "data/external.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

const std::vector<uint8_t> pixels(20 * 10 * 3, 7);

ExternalSample good(int64_t image) {
  ExternalSample sample;
  sample.picture.width = 20;
  sample.picture.height = 10;
  sample.picture.pixels = pixels.data();
  Annotation a{1, 2, 8, 9, 49, static_cast<int32_t>(image % 2), false, false, image, -1, -1, -1};
  a.polygons = sample.table.addPolygons({{1, 2, 8, 2, 8, 9}});
  sample.table.annotations.push_back(a);
  return sample;
}

std::string codeFor(ExternalSample sample) {
  const ExternalDataset dataset(3, {"a", "b"}, [&](int64_t) { return sample; });
  return codeOf([&] { dataset.sample(0, 0, 0); });
}

}  // namespace

TEST_CASE("a sample of the user's source keeps its memory and its annotations") {
  const ExternalDataset dataset(5, {"a", "b"}, good);
  CHECK(dataset.size() == 5);
  CHECK(dataset.width(2) == 0);
  CHECK(dataset.annotations(2).empty());
  CHECK(dataset.trainable().size() == 5);
  CHECK(dataset.lastAnnotations(3).empty());
  const Sample sample = dataset.sample(3, 0, 0);
  CHECK(sample.picture.pixels == pixels.data());  // nothing was copied
  CHECK(sample.width == 20);
  REQUIRE(sample.annotations.size() == 1);
  CHECK(sample.annotations[0].label == 1);
  CHECK(sample.table->polygons(sample.annotations[0]).front().size() == 6);
  const Sample copy = sample;  // annotations live as long as any copy
  CHECK(copy.annotations.data() == copy.table->annotations.data());
  REQUIRE(dataset.lastAnnotations(3).size() == 1);
  CHECK(dataset.lastAnnotations(3)[0].label == 1);
  CHECK(dataset.lastAnnotations(2).empty());
  CHECK(codeOf([&] { dataset.lastAnnotations(5); }) == "HD_INTERNAL");
}

TEST_CASE("announced sizes are known before the first call") {
  const ExternalDataset dataset(2, {"a"}, good, {{20, 10}, {30, 40}});
  CHECK(dataset.width(1) == 30);
  CHECK(dataset.height(0) == 10);
  CHECK(dataset.digest() != ExternalDataset(2, {"a"}, good).digest());
}

TEST_CASE("a source that fills writes into the memory it is given") {
  size_t pitchSeen = 0;
  const ExternalDataset dataset(
      2, {"a", "b"},
      [&](int64_t image, uint8_t* pixels, size_t pitch) {
        pitchSeen = pitch;
        for (int y = 0; y < 3; ++y)
          std::fill_n(pixels + pitch * static_cast<size_t>(y), 12, uint8_t(40 + image));
        AnnotationTable table;
        table.annotations.push_back({1, 1, 3, 3, 4, 1, false, false, 0, -1, -1, -1});
        return table;
      },
      {{4, 3}, {4, 3}});
  std::vector<uint8_t> slot(3 * 20, 9);
  const auto inPlace = dataset.sampleInto(1, slot.data(), 20);
  REQUIRE(inPlace);
  CHECK(pitchSeen == 20);
  CHECK(slot[20 + 11] == 41);
  CHECK(slot[20 + 12] == 9);  // beyond the picture's own columns
  CHECK(inPlace->picture.pixels == nullptr);
  CHECK(inPlace->annotations[0].label == 1);
  CHECK(dataset.lastAnnotations(1).size() == 1);
  const Sample sample = dataset.sample(0, 0, 0);
  CHECK(pitchSeen == 12);
  CHECK(sample.picture.pixels[35] == 40);
  CHECK(dataset.loadInto(0, slot.data(), 20));
  const ExternalDataset handsOut(3, {"a", "b"}, good);
  CHECK(!handsOut.sampleInto(0, slot.data(), 20));
}

TEST_CASE("a source that fills must give a size for each picture") {
  const auto fill = [](int64_t, uint8_t*, size_t) { return AnnotationTable{}; };
  CHECK(codeOf([&] { ExternalDataset(1, {"a"}, fill, {}); }) == "HD_DATA_SOURCE");
  CHECK(codeOf([&] { ExternalDataset(1, {"a"}, fill, {{0, 5}}); }) == "HD_DATA_SOURCE");
  CHECK(codeOf([&] { ExternalDataset(2, {"a"}, fill, {{5, 5}}); }) == "HD_DATA_SOURCE");
}

TEST_CASE("what a source returns is checked") {
  CHECK(codeFor(good(0)) == "");
  ExternalSample sample = good(0);
  sample.picture.pixels = nullptr;
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
  sample = good(0);
  sample.picture.width = 0;
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
  sample = good(0);
  sample.table.annotations[0].label = 2;
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
  sample.table.annotations[0].label = -1;
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
  sample = good(0);
  sample.table.annotations[0].y2 = std::numeric_limits<float>::quiet_NaN();
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
  sample = good(0);
  sample.table.annotations[0].polygons = sample.table.addPolygons({{1, 2, 3, 4}});
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
  sample = good(0);
  sample.table.annotations[0].keypoints = sample.table.addKeypoints(std::vector<float>{1, 2});
  CHECK(codeFor(sample) == "HD_DATA_SOURCE");
}

TEST_CASE("what a source announces is checked") {
  CHECK(codeOf([] { ExternalDataset(-1, {"a"}, good); }) == "HD_DATA_SOURCE");
  CHECK(codeOf([] { ExternalDataset(1, {}, good); }) == "HD_DATA_SOURCE");
  CHECK(codeOf([] { ExternalDataset(2, {"a"}, good, {{1, 1}}); }) == "HD_DATA_SOURCE");
}
