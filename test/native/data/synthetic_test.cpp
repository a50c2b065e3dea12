#include "data/synthetic.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <set>

#include "data/similarity.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

SyntheticOptions small(int64_t count = 60) {
  SyntheticOptions options;
  options.count = count;
  options.seed = 5;
  return options;
}

double overlapOfSmaller(const Annotation& a, const Annotation& b) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
               height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const auto area = [](const Annotation& c) { return double{c.x2 - c.x1} * (c.y2 - c.y1); };
  return width * height / std::min(area(a), area(b));
}

}  // namespace

TEST_CASE("scenes are a function of seed, split and index, whatever the count") {
  const auto first = makeSynthetic(small(60)), again = makeSynthetic(small(60)),
             longer = makeSynthetic(small(90));
  CHECK(first->digest() == again->digest());
  for (int64_t i : {0, 17, 59}) {
    CHECK(pixelHash(first->load(i, 0, 0)) == pixelHash(longer->load(i, 0, 0)));
    CHECK(first->annotations(i).size() == longer->annotations(i).size());
  }
  SyntheticOptions other = small();
  other.seed = 6;
  SyntheticOptions val = small();
  val.split = "val";
  std::set<uint64_t> hashes;
  for (const auto& options : {small(), other, val}) {
    const auto dataset = makeSynthetic(options);
    for (int64_t i = 0; i < 20; ++i) hashes.insert(pixelHash(dataset->load(i, 0, 0)));
  }
  CHECK(hashes.size() == 60);
  CHECK(makeSynthetic(other)->digest() != first->digest());
  CHECK(makeSynthetic(val)->digest() != first->digest());
}

TEST_CASE("the drawn bytes are the same on every machine") {
  // Pinned: a difference means that pictures changed, and syntheticVersion must rise with it.
  CHECK(pixelHash(makeSynthetic(small())->load(3, 0, 0)) == 17358497071812221703ull);
}

TEST_CASE("boxes are exact, inside the picture and overlap within the limit") {
  SyntheticOptions options = small(200);
  options.width = 200;
  options.height = 120;
  options.minObjects = 2;
  const auto dataset = makeSynthetic(options);
  CHECK(dataset->findings().empty());
  CHECK(fixture::brokenInvariant(*dataset) == "");
  CHECK(dataset->trainable().size() == 200);
  std::set<int32_t> labels;
  for (int64_t image = 0; image < dataset->size(); ++image) {
    const auto objects = dataset->annotations(image);
    CHECK(objects.size() >= 1);
    CHECK(objects.size() <= 6);
    for (size_t i = 0; i < objects.size(); ++i) {
      const Annotation& a = objects[i];
      labels.insert(a.label);
      CHECK(a.x1 >= 0);
      CHECK(a.y1 >= 0);
      CHECK(a.x2 <= 200);
      CHECK(a.y2 <= 120);
      const std::vector<float> outline = dataset->polygons(a).front();
      float x1 = 1e9f, y1 = 1e9f, x2 = -1e9f, y2 = -1e9f;
      for (size_t p = 0; p < outline.size(); p += 2) {
        x1 = std::min(x1, outline[p]), x2 = std::max(x2, outline[p]);
        y1 = std::min(y1, outline[p + 1]), y2 = std::max(y2, outline[p + 1]);
      }
      for (const auto& [edge, expected] : {std::pair{a.x1, x1}, {a.y1, y1}, {a.x2, x2}, {a.y2, y2}}) {
        CHECK(edge == doctest::Approx(expected).epsilon(1e-4));
      }
      CHECK(a.area <= double{a.x2 - a.x1} * (a.y2 - a.y1) * 1.001);
      CHECK(a.area >= 0.2 * double{a.x2 - a.x1} * (a.y2 - a.y1));
      REQUIRE(dataset->keypoints(a).size() == 9);
      for (size_t j = 0; j < i; ++j) CHECK(overlapOfSmaller(a, objects[j]) <= options.maxOverlap + 1e-3);
    }
  }
  CHECK(labels == std::set<int32_t>{0, 1, 2, 3});
}

TEST_CASE("objects stand out from what is around them") {
  // A change of the picture inside the outline against just outside of the box: the mean over many objects is
  // large.
  SyntheticOptions options = small(50);
  options.maxObjects = 1;
  options.classes = {"square"};
  const auto dataset = makeSynthetic(options);
  double difference = 0;
  for (int64_t image = 0; image < dataset->size(); ++image) {
    const Picture picture = dataset->load(image, 0, 0);
    const auto keypoints = dataset->keypoints(dataset->annotations(image)[0]);
    const auto at = [&](int x, int y) { return picture.pixels + (y * picture.width + x) * 3; };
    const uint8_t* inside = at(static_cast<int>(keypoints[0]), static_cast<int>(keypoints[1]));
    int largest = 0;
    for (int c = 0; c < 3; ++c) largest = std::max(largest, std::abs(int{inside[c]} - int{at(0, 0)[c]}));
    difference += largest;
  }
  CHECK(difference / 50 > 60);
}

TEST_CASE("a hidden keypoint is marked") {
  SyntheticOptions options = small(300);
  options.minObjects = 5;
  options.maxOverlap = 0.6;
  const auto dataset = makeSynthetic(options);
  int hidden = 0, seen = 0;
  for (const Annotation& a : dataset->table().annotations) {
    const auto keypoints = dataset->keypoints(a);
    for (size_t k = 2; k < 9; k += 3) (keypoints[k] == 1 ? hidden : seen) += 1;
  }
  CHECK(hidden > 20);
  CHECK(seen > 5 * hidden);
}

TEST_CASE("drawing into a slot gives the same bytes and leaves the padding alone") {
  const auto dataset = makeSynthetic(small(3));
  const Picture picture = dataset->load(1, 0, 0);
  const size_t pitch = 128 * 3 + 48;
  std::vector<uint8_t> slot(pitch * 128, 99);
  REQUIRE(dataset->loadInto(1, slot.data(), pitch));
  for (int y = 0; y < 128; ++y) {
    CHECK(std::memcmp(slot.data() + y * pitch, picture.pixels + y * 128 * 3, 128 * 3) == 0);
    for (size_t x = 128 * 3; x < pitch; ++x) CHECK(slot[y * pitch + x] == 99);
  }
}

TEST_CASE("every shape can be drawn, at the smallest and at odd sizes") {
  for (const std::string& shape : syntheticShapes()) {
    for (const auto& [width, height] : {std::pair{16, 16}, {33, 70}, {301, 97}}) {
      SyntheticOptions options = small(5);
      options.classes = {shape};
      options.width = width;
      options.height = height;
      const auto dataset = makeSynthetic(options);
      CHECK(dataset->load(4, 0, 0).width == width);
      CHECK(fixture::brokenInvariant(*dataset) == "");
    }
  }
}

TEST_CASE("options out of range are refused") {
  const auto code = [](auto change) {
    SyntheticOptions options;
    change(options);
    return codeOf([&] { makeSynthetic(options); });
  };
  CHECK(code([](auto& o) { o.count = 0; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.width = 15; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.height = 5000; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.minObjects = 7; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.minObjects = 0; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.maxScale = 0.9; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.maxOverlap = -1; }) == "HD_DATA_SYNTHETIC");
  CHECK(code([](auto& o) { o.classes = {"dodecahedron"}; }) == "HD_DATA_CLASSES");
  CHECK(code([](auto& o) { o.classes = {}; }) == "HD_DATA_CLASSES");
}
