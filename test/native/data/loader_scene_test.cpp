// Pictures that are joined of several others: order, threads, ranks, resuming, damaged files, the end of a
// run.
#include "data/loader_scene.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "native/data/painted.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::codeOf;
using fixture::MemoryDataset;
using fixture::mixedSizes;
using fixture::options;
using fixture::PaintedDataset;
using fixture::Seen;
using fixture::take;

namespace {

constexpr const char* kAll =
    R"("seed": 3, "augment": [{"crop": {"keepObject": true}}, {"resize": {"sizes": [80]}}, {"mosaic": {"size": 96, "probability": 0.7}},
       {"affine": {"rotate": 10, "perspective": 0.001}}, {"copyPaste": {}}, {"mixup": {}}, {"flip": {}}, {"photometric": {}}])";

std::vector<std::vector<Seen>> batches(const std::shared_ptr<const Dataset>& dataset, const std::string& more,
                                       int64_t steps, int64_t epoch = 0, int64_t step = 0) {
  Loader loader(dataset, options(hd::concat("{", kAll, more, "}")));
  loader.begin(epoch, step);
  return take(loader, steps);
}

// Every picture loads but some, which come as noise.
class Damaged : public PaintedDataset {
 public:
  Damaged(int count, std::set<int64_t> bad) : PaintedDataset(count, 80, 60), bad_(std::move(bad)) {}
  Picture load(int64_t image, int width, int height) const override {
    if (bad_.contains(image))
      throw hd::Error("HD_DATA_IMAGE", "expected a picture but received noise", "memory");
    return PaintedDataset::load(image, width, height);
  }

 private:
  const std::set<int64_t> bad_;
};

// The first picture has three objects of which only a corner of each box is the object; the second has none.
class Corners : public PaintedDataset {
 public:
  Corners() : PaintedDataset(2, 120, 90) {
    firstAnnotation_ = {0, 3, 3};
    for (size_t i = 0; i < 3; ++i) {
      Annotation& a = table_.annotations[i];
      a.polygons = table_.addPolygons({{a.x1, a.y1, a.x1 + 4, a.y1, a.x1, a.y1 + 4}});
    }
  }
};

}  // namespace

TEST_CASE("copyPaste adds no object of which no pixel is shown") {
  const auto dataset = std::make_shared<Corners>();
  const auto pictures = fixture::painted(
      dataset,
      R"([{"crop": {"probability": 1, "scale": [0.3, 0.5], "minVisible": 0}}, {"resize": {"sizes": [96]}},
          {"copyPaste": {"probability": 1, "maxCovered": 1, "minSide": 0}}])",
      400);
  int pasted = 0;
  for (const fixture::PaintedPicture& picture : pictures) {
    if (picture.targets.image != 1) continue;
    for (size_t i = 0; i < picture.targets.labels.size(); ++i) {
      ++pasted;
      CHECK(fixture::extentOf(picture, picture.targets.labels[i])[0] < 1e9);
    }
  }
  CHECK(pasted > 20);
}

TEST_CASE("epochs behind the last are augmented as the last is") {
  const auto dataset = std::make_shared<PaintedDataset>(4, 100, 80);
  const auto flipped = [&](int64_t epoch) {
    const auto pictures =
        fixture::painted(dataset, R"([{"flip": {"probability": 1}}])", 4, R"(, "epochs": 3)", epoch);
    return std::count_if(pictures.begin(), pictures.end(),
                         [](const auto& picture) { return picture.targets.flipped; });
  };
  for (const int64_t epoch : {0, 2, 3, 7}) CHECK(flipped(epoch) == 4);
}

TEST_CASE("joined pictures are equal bit by bit for any number of threads, slots and ranks") {
  const auto dataset = std::make_shared<PaintedDataset>(13, 100, 80);
  const auto expected = batches(dataset, R"(, "batch": 4, "threads": 1, "slots": 1)", 6);
  REQUIRE(expected.size() == 6);
  CHECK(batches(dataset, R"(, "batch": 4, "threads": 4, "slots": 3)", 6) == expected);
  std::vector<std::vector<Seen>> joined(6);
  for (int rank = 0; rank < 2; ++rank) {
    const auto part = batches(dataset, hd::concat(R"(, "batch": 2, "ranks": 2, "rank": )", rank), 6);
    for (size_t step = 0; step < 6; ++step)
      joined[step].insert(joined[step].end(), part[step].begin(), part[step].end());
  }
  CHECK(joined == expected);
}

TEST_CASE("joined pictures go on as if they had never stopped, also where steps close") {
  const auto dataset = std::make_shared<PaintedDataset>(8, 100, 80);
  const std::string how =
      R"({"seed": 3, "batch": 4, "epochs": 4, "augment": [{"mosaic": {"size": 96, "close": 2}}, {"affine": {"close": 1}}, {"flip": {}}]})";
  Loader whole(dataset, options(how));
  whole.begin(0, 0);
  const auto all = take(whole, 8);
  for (int64_t from = 0; from < 8; ++from) {
    Loader part(dataset, options(how));
    part.begin(from / 2, from % 2);
    CHECK(take(part, 1)[0] == all[static_cast<size_t>(from)]);
  }
}

TEST_CASE("close: mosaics end with their epoch, whether the run's length comes in epochs or in steps") {
  const auto dataset = std::make_shared<PaintedDataset>(8, 100, 80);
  for (const char* length : {R"(, "epochs": 4)", R"(, "steps": 7)", R"(, "steps": 8)"}) {
    const std::string steps = R"([{"mosaic": {"size": 96, "close": 2}}])";
    for (int64_t epoch = 0; epoch < 4; ++epoch) {
      const auto pictures = fixture::painted(dataset, steps, 4, length, epoch);
      CHECK(pictures[0].targets.width == (epoch < 2 ? 96 : 100));
    }
  }
  const auto endless = fixture::painted(dataset, R"([{"mosaic": {"size": 96, "close": 2}}])", 4, "", 500);
  CHECK(endless[0].targets.width == 96);
}

TEST_CASE("canvases fit what is left when mosaics have ended") {
  const auto dataset = std::make_shared<PaintedDataset>(8, 200, 80);
  Loader loader(dataset,
                options(R"({"batch": 2, "epochs": 2, "augment": [{"mosaic": {"size": 96, "close": 1}}]})"));
  loader.begin(1, 0);
  const hd::data::Slot slot = loader.next();
  CHECK(slot.batch().images[0].width == 200);
}

TEST_CASE("a picture that cannot be read is replaced where it would be joined, and counted once") {
  const std::string how =
      R"({"seed": 3, "batch": 4, "maxBad": 0.5, "threads": 2, "augment": [{"mosaic": {"size": 96}}, {"mixup": {}}]})";
  const auto dataset = std::make_shared<Damaged>(10, std::set<int64_t>{2, 7});
  Loader loader(dataset, options(how));
  loader.begin(0, 0);
  const auto first = take(loader, 9);
  REQUIRE(first.size() == 9);
  CHECK(loader.statistics().badSamples == 2);
  loader.begin(0, 0);  // now they are known from the start
  CHECK(take(loader, 9) == first);
  for (const auto& batch : first) {
    for (const Seen& one : batch) CHECK((one.image != 2 && one.image != 7));
  }
}

TEST_CASE("under 'stop' the run ends with the error of a joined picture") {
  const auto dataset = std::make_shared<Damaged>(4, std::set<int64_t>{1, 2, 3});
  Loader loader(
      dataset,
      options(
          R"({"batch": 1, "shuffle": false, "onBadSample": "stop", "augment": [{"mosaic": {"size": 96}}]})"));
  loader.begin(0, 0);
  CHECK(codeOf([&] { loader.next(); }) == "HD_DATA_IMAGE");
}

TEST_CASE("pictures of unknown size cannot be joined, and the run says so before it starts") {
  const auto unknown = std::make_shared<MemoryDataset>(mixedSizes(4), false);
  try {
    Loader(unknown, options(R"({"augment": [{"resize": {"sizes": [64]}}, {"mixup": {}}]})"));
    FAIL("expected an error");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_DATA_TRANSFORM");
    CHECK(std::string(error.what()).find("give the sizes with the source") != std::string::npos);
  }
}

TEST_CASE("objects with and without keypoints or polygons stay in line when they are joined") {
  const auto plain = std::make_shared<MemoryDataset>(mixedSizes(6));
  for (const auto& picture : fixture::painted(plain, R"([{"mosaic": {"size": 96}}])", 6)) {
    CHECK(picture.targets.keypoints.empty());
    CHECK(picture.targets.polygons.empty());
    CHECK(picture.targets.boxes.size() == 4 * picture.targets.labels.size());
  }
}

TEST_CASE("generated scenes are joined like files") {
  const auto scenes = Dataset::open(options(R"({"format": "synthetic", "count": 12, "size": 64})"));
  const auto expected = batches(scenes, R"(, "batch": 4, "threads": 1)", 3);
  CHECK(batches(scenes, R"(, "batch": 4, "threads": 3)", 3) == expected);
  size_t objects = 0;
  for (const Seen& one : expected[0]) objects += one.labels.size();
  CHECK(objects > 4);
}
