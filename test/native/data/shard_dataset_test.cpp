#include "data/shard_dataset.h"

#include <doctest/doctest.h>

#include "data/dataset_builder.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

/// A file that holds two pictures with other bytes around them: no tar is needed.
struct Pair {
  fixture::Folder folder;
  std::shared_ptr<ShardDataset> dataset = std::make_shared<ShardDataset>();

  explicit Pair(std::vector<ShardDataset::Place> more = {}) {
    const fixture::Bytes png = fixture::png(fixture::waves(20, 10), 20, 10, fixture::PngForm{});
    const fixture::Bytes jpeg = fixture::jpeg(fixture::waves(160, 80), 160, 80);
    std::string bytes = "before";
    bytes.append(png.begin(), png.end()).append("between").append(jpeg.begin(), jpeg.end()).append("behind");
    fixture::writeText(folder / "x.tar", bytes);
    DatasetBuilder builder(folder / "", dataset);
    builder.setClasses({"cat"});
    dataset->shards().add(folder / "x.tar");
    std::vector<ShardDataset::Place> places{{0, 6, png.size()}, {0, 6 + png.size() + 7, jpeg.size()}};
    places.insert(places.end(), more.begin(), more.end());
    for (const ShardDataset::Place& place : places) {
      builder.addImage(builder.images() + 1, folder / hd::concat("x.tar/", builder.images()), 0, 0);
      dataset->addPlace(place);
    }
    builder.probePictures(true, [this](int64_t image) { return dataset->probe(image); });
    builder.build({.keepEmpty = true, .minSide = 1});
  }
};

}  // namespace

TEST_CASE("shard data set: each picture is read from its own place") {
  const Pair pair;
  CHECK(pair.dataset->width(0) == 20);
  CHECK(pair.dataset->width(1) == 160);
  const fixture::Bytes expected = fixture::waves(20, 10);
  const Picture loaded = pair.dataset->load(0, 0, 0);
  CHECK(std::equal(expected.begin(), expected.end(), loaded.pixels));
  // A JPEG is decoded at an eighth where that is enough.
  CHECK(pair.dataset->load(1, 20, 10).width == 20);
  CHECK(pair.dataset->load(1, 0, 0).width == 160);
}

TEST_CASE("shard data set: places that hold no whole picture are reported and fail by name") {
  const Pair pair({{0, 6, 40}, {0, 0, 30}, {0, 6, 0}, {0, 1 << 20, 30}, {0, 6, uint64_t{1} << 40}});
  REQUIRE(pair.dataset->size() == 7);
  // The first one's header is whole: that it is cut shows when it is decoded.
  CHECK(pair.dataset->width(2) == 20);
  CHECK(fixture::findings(*pair.dataset, "unreadable-picture") == 4);
  CHECK(pair.dataset->trainable() == std::vector<int64_t>{0, 1, 2});
  for (int64_t image = 2; image < 7; ++image) {
    try {
      pair.dataset->load(image, 0, 0);
      FAIL_CHECK("expected picture ", image, " to be refused");
    } catch (const hd::Error& error) {
      CHECK(error.code() == "HD_DATA_IMAGE");
      CHECK(error.where() == pair.folder / hd::concat("x.tar/", image));
    }
  }
  fixture::Bytes slot(20 * 10 * 3);
  CHECK(codeOf([&] { pair.dataset->loadInto(2, slot.data(), 60); }) == "HD_DATA_IMAGE");
  CHECK_FALSE(pair.dataset->loadInto(3, slot.data(), 60));
}
