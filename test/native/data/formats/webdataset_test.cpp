#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "../data_fixture.h"
#include "../tar_fixture.h"
#include "data/text_file.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::findings;
using fixture::object;
using fixture::Tar;

namespace {

std::string picture(int width = 64, int height = 48, int phase = 0) {
  const fixture::Bytes bytes =
      fixture::png(fixture::waves(width, height, 3, phase), width, height, fixture::PngForm{});
  return {bytes.begin(), bytes.end()};
}

const char* const kCat = R"({"boxes": [[1, 2, 21, 32]], "labels": ["cat"]})";
const char* const kDog = R"({"boxes": [[5, 5, 15, 15], [2, 2, 30, 30]], "labels": ["dog", "cat"]})";

class Shards {
 public:
  std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& bytes) const {
    fixture::writeText(folder_ / name, bytes);
  }
  std::shared_ptr<const Dataset> open(hd::Value spec = {}) const {
    if (spec.find("shards") == nullptr) spec.set("shards", folder_ / "a.tar");
    return Dataset::open(spec.set("format", "webdataset"));
  }
  std::shared_ptr<const Dataset> one(const Tar& tar, hd::Value spec = {}) const {
    write("a.tar", tar.whole());
    return open(std::move(spec));
  }

 private:
  fixture::Folder folder_;
};

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const hd::Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("webdataset: members of one key are a sample; classes are those found, sorted") {
  const Shards shards;
  const auto dataset = shards.one(Tar()
                                      .file("x/000.png", picture(64, 48))
                                      .file("x/000.json", kDog)
                                      .file("x/000.txt", "a caption")
                                      .file("x/001.cat.json", "not of this key's json")
                                      .file("x/001.json", kCat)
                                      .file("x/001.PNG", picture(40, 50, 1)));
  REQUIRE(dataset->size() == 2);
  CHECK(dataset->classes() == std::vector<std::string>{"cat", "dog"});
  CHECK(dataset->categoryIds() == std::vector<int64_t>{1, 2});
  CHECK(dataset->file(0) == shards.path("a.tar/x/000.png"));
  CHECK(dataset->file(1) == shards.path("a.tar/x/001.PNG"));
  CHECK(dataset->width(1) == 40);
  CHECK(dataset->height(1) == 50);
  REQUIRE(dataset->annotations(0).size() == 2);
  const Annotation& dog = dataset->annotations(0)[0];
  CHECK(dog.label == 1);
  CHECK(dog.x1 == 5);
  CHECK(dog.x2 == 15);
  CHECK(dog.area == 100);
  CHECK(dataset->annotations(1)[0].label == 0);
  CHECK(dataset->annotations(1)[0].id == 3);
  CHECK(dataset->findings().empty());
  CHECK(dataset->trainable() == std::vector<int64_t>{0, 1});
  CHECK(fixture::brokenInvariant(*dataset) == "");
}

TEST_CASE("webdataset: pictures are those of the files that were packed, whole and into a slot") {
  const Shards shards;
  const auto dataset = shards.one(
      Tar().file("a.png", picture(64, 48, 0)).file("a.json", kCat).file("b.png", picture(64, 48, 3)));
  REQUIRE(dataset->size() == 2);
  for (const int64_t image : {1, 0, 1}) {
    const fixture::Bytes expected = fixture::waves(64, 48, 3, image == 0 ? 0 : 3);
    const Picture loaded = dataset->load(image, 0, 0);
    REQUIRE(loaded.width == 64);
    CHECK(std::equal(expected.begin(), expected.end(), loaded.pixels));
    const size_t pitch = 64 * 3 + 6;
    fixture::Bytes slot(pitch * 48, 0xA5);
    const auto sample = dataset->sampleInto(image, slot.data(), pitch);
    REQUIRE(sample.has_value());
    CHECK(sample->annotations.size() == (image == 0 ? 1 : 0));
    for (size_t y = 0; y < 48; ++y)
      CHECK(std::equal(slot.begin() + y * pitch, slot.begin() + y * pitch + 192, expected.begin() + y * 192));
    CHECK(dataset->sample(image, 0, 0).width == 64);
  }
}

TEST_CASE("webdataset: the size of the sample's JSON spares the look at the picture") {
  const Shards shards;
  const auto dataset =
      shards.one(Tar()
                     .file("a.png", picture(64, 48))
                     .file("a.json", R"({"width": 64, "height": 48, "boxes": [], "labels": []})")
                     .file("b.png", picture(64, 48))
                     .file("b.json", R"({"boxes": [], "height": 480, "width": 640})")
                     .file("c.png", picture(64, 48))
                     .file("c.json", R"({"boxes": [], "width": 640})"),
                 object({{"keepEmpty", true}, {"classes", hd::Value::Array{"cat"}}}));
  CHECK(dataset->width(0) == 64);
  CHECK(dataset->width(1) == 640);
  CHECK(dataset->width(2) == 64);
  // A wrong size is a bad sample, as in any format.
  CHECK(codeOf([&] { dataset->sample(1, 0, 0); }) == "HD_DATA_IMAGE");
  CHECK_NOTHROW(dataset->sample(0, 0, 0));
}

TEST_CASE("webdataset: classes by number") {
  const Shards shards;
  const Tar tar =
      Tar()
          .file("a.png", picture())
          .file("a.json",
                R"({"boxes": [[1, 1, 9, 9], [2, 2, 9, 9], [3, 3, 9, 9]], "labels": [1, "cone", 7]})");
  const hd::Value classes = hd::Value::Array{"cone", "cube"};
  const auto dataset = shards.one(tar, object({{"classes", classes}}));
  REQUIRE(dataset->annotations(0).size() == 2);
  CHECK(dataset->annotations(0)[0].label == 1);
  CHECK(dataset->annotations(0)[1].label == 0);
  CHECK(findings(*dataset, "unknown-class") == 1);

  const auto numbered =
      shards.one(tar, object({{"classes", classes}, {"categoryIds", hd::Value::Array{7, 1}}}));
  CHECK(numbered->categoryIds() == std::vector<int64_t>{7, 1});
  REQUIRE(numbered->annotations(0).size() == 3);
  CHECK(numbered->annotations(0)[0].label == 1);
  CHECK(numbered->annotations(0)[2].label == 0);

  const std::string text = message([&] { shards.one(tar); });
  CHECK(text.find("class names for classes") != std::string::npos);
  CHECK(text.find("a.tar/a.png, object 1") != std::string::npos);
  for (const auto& ids : {hd::Value::Array{7}, hd::Value::Array{7, 7}}) {
    CHECK(codeOf([&] {
            shards.one(tar, object({{"classes", classes}, {"categoryIds", ids}}));
          }) == "HD_DATA_CLASSES");
  }
}

TEST_CASE("webdataset: names that no class has are named with the nearest") {
  const Shards shards;
  const auto dataset = shards.one(Tar().file("a.png", picture()).file("a.json", kDog),
                                  object({{"classes", hd::Value::Array{"cats", "dog"}}}));
  REQUIRE(findings(*dataset, "unknown-class") == 1);
  CHECK(dataset->findings()[0].message.find("nearest: 'cats'") != std::string::npos);
  CHECK(dataset->annotations(0).size() == 1);
}

TEST_CASE("webdataset: samples that cannot be used become findings") {
  const Shards shards;
  const auto dataset = shards.one(Tar()
                                      .file("orphan.json", kCat)
                                      .file("good.png", picture())
                                      .file("good.json", kCat)
                                      .file("twice.png", picture(64, 48))
                                      .file("twice.json", kCat)
                                      .file("twice.png", picture(32, 32))
                                      .file("twice.jpg", picture(32, 32))
                                      .file("twice.json", kDog)
                                      .file("captions.txt", "alone")
                                      .file("broken.png", picture())
                                      .file("broken.json", "{")
                                      .file("unlabelled.png", picture())
                                      .file("empty.png", "")
                                      .file("empty.json", kCat)
                                      .file("text.jpg", "no picture")
                                      .file("README", "no key")
                                      .file(".hidden.png", "no key"),
                                  object({{"keepEmpty", true}}));
  CHECK(dataset->size() == 5);  // good, twice, unlabelled, empty, text
  CHECK(findings(*dataset, "orphan-json") == 1);
  CHECK(findings(*dataset, "duplicate-key") == 3);
  CHECK(findings(*dataset, "no-picture") == 1);
  CHECK(findings(*dataset, "bad-sample") == 1);
  CHECK(findings(*dataset, "missing-labels") == 2);
  CHECK(findings(*dataset, "unreadable-picture") == 2);
  CHECK(dataset->trainable() == std::vector<int64_t>{0, 1, 2});
  CHECK(dataset->width(1) == 64);
  CHECK(dataset->annotations(1).size() == 1);
  for (const Finding& finding : dataset->findings()) {
    CAPTURE(finding.message);
    CHECK(finding.where.starts_with(shards.path("a.tar/")));
    if (finding.code == "bad-sample") CHECK(finding.where == shards.path("a.tar/broken.json"));
  }
  CHECK(codeOf([&] { dataset->load(3, 0, 0); }) == "HD_DATA_IMAGE");
}

TEST_CASE("webdataset: nothing is written or opened by the names in a shard") {
  const Shards shards;
  const Tar tar = Tar()
                      .file("../../x.png", picture())
                      .file("../../x.json", kCat)
                      .file("/absolute/y.png", picture())
                      .entry({.name = "link.png", .type = '2'})
                      .entry({.name = "hard.png", .type = '1'})
                      .entry({.name = "device.png", .type = '3'});
  shards.write("inner/a.tar", tar.whole());
  const auto before = std::filesystem::recursive_directory_iterator(shards.path(""));
  std::set<std::string> files;
  for (const auto& entry : before) files.insert(entry.path());
  const auto dataset = shards.open(object({{"shards", shards.path("inner/a.tar")}}));
  REQUIRE(dataset->size() == 2);
  CHECK(dataset->load(0, 0, 0).width == 64);
  CHECK(dataset->load(1, 0, 0).width == 64);
  CHECK(findings(*dataset, "skipped-entries") == 3);
  std::set<std::string> after;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shards.path("")))
    after.insert(entry.path());
  CHECK((after == files));
}

TEST_CASE("webdataset: a shard that is cut gives its whole samples and a warning") {
  const Shards shards;
  const Tar tar =
      Tar().file("a.png", picture()).file("a.json", kCat).file("b.png", picture()).file("b.json", kDog);
  const std::string whole = tar.whole();
  shards.write("a.tar", whole.substr(0, whole.size() - 1024 - 512));
  const auto dataset = shards.open();
  CHECK(dataset->size() == 2);
  CHECK(findings(*dataset, "shard-cut") == 1);
  CHECK(findings(*dataset, "missing-labels") == 1);
  CHECK(dataset->findings()[0].message.find("the 3 files before it are used") != std::string::npos);
  // Bytes in the middle that are no header.
  std::string damaged = whole;
  const size_t third = damaged.find("b.png");
  damaged[third + 10] = 'x';
  shards.write("a.tar", damaged);
  const auto half = shards.open();
  CHECK(half->size() == 1);
  CHECK(findings(*half, "shard-damaged") == 1);
}

TEST_CASE("webdataset: no sample at all, no tar file, no file") {
  const Shards shards;
  shards.write("a.tar", Tar().file("a.json", kCat).file("b.txt", "x").whole());
  const std::string text = message([&] { shards.open(); });
  CHECK(text.find("(1 × no-picture, 1 × orphan-json)") != std::string::npos);
  CHECK(codeOf([&] { shards.open(); }) == "HD_DATA_EMPTY");
  shards.write("a.tar", "");
  CHECK(codeOf([&] { shards.open(); }) == "HD_DATA_EMPTY");
  shards.write("a.tar", Tar().whole());
  CHECK(codeOf([&] { shards.open(); }) == "HD_DATA_EMPTY");
  shards.write("a.tar", "\x1F\x8B" + std::string(2000, 'z'));
  CHECK(message([&] { shards.open(); }).find("gunzip") != std::string::npos);
  CHECK(codeOf([&] { shards.open(); }) == "HD_DATA_SHARD");
  for (const std::string& path : {shards.path("none.tar"), shards.path("")})
    CHECK(codeOf([&] { shards.open(object({{"shards", path}})); }) == "HD_DATA_SHARD");
  ::mkfifo(shards.path("fifo.tar").c_str(), 0600);
  CHECK(codeOf([&] { shards.open(object({{"shards", shards.path("fifo.tar")}})); }) == "HD_DATA_SHARD");
  CHECK(codeOf([&] { shards.open(object({{"shards", hd::Value::Array{}}})); }) == "HD_DATA_SHARD");
}

TEST_CASE("webdataset: several shards by pattern or list, and a digest without their folder") {
  const Shards shards;
  for (const char* folder : {"one/", "two/deep/"}) {
    for (int i = 0; i < 3; ++i) {
      shards.write(hd::concat(folder, "train-00", i, ".tar"),
                   Tar().file("same.png", picture(40 + i, 40)).file("same.json", kCat).whole());
    }
  }
  const auto pattern = shards.open(object({{"shards", shards.path("one/train-{000..002}.tar")}}));
  REQUIRE(pattern->size() == 3);
  CHECK(pattern->width(2) == 42);
  CHECK(pattern->findings().empty());  // equal keys in different shards are different samples
  const auto list = [&](const std::string& folder, std::initializer_list<int> numbers) {
    hd::Value paths;
    for (const int i : numbers) paths.push(shards.path(hd::concat(folder, "train-00", i, ".tar")));
    return shards.open(object({{"shards", paths}}));
  };
  CHECK(list("two/deep/", {0, 1, 2})->digest() == pattern->digest());
  CHECK(list("two/deep/", {0, 2, 1})->digest() != pattern->digest());
  CHECK(list("one/", {0, 1})->digest() != pattern->digest());
  CHECK(codeOf([&] {
          shards.open(object({{"shards", shards.path("one/train-{000..003}.tar")}}));
        }) == "HD_DATA_SHARD");
}

TEST_CASE("webdataset: names that tar writes with a leading './'") {
  const Shards shards;
  const auto dataset = shards.one(Tar().file("./a.png", picture()).file("./a.json", kCat));
  CHECK(dataset->file(0) == shards.path("a.tar/a.png"));
  CHECK(dataset->annotations(0).size() == 1);
}

TEST_CASE("webdataset: a shard that changes while it is used is a bad sample, not other pixels") {
  const Shards shards;
  const Tar tar = Tar().file("a.png", picture()).file("a.json", kCat);
  const auto dataset = shards.one(tar);
  CHECK_NOTHROW(dataset->load(0, 0, 0));
  std::filesystem::resize_file(shards.path("a.tar"), 700);  // through the open descriptor
  const std::string code = codeOf([&] { dataset->load(0, 0, 0); });
  CHECK(code == "HD_DATA_IMAGE");
}

TEST_CASE("webdataset: masks of another size than the picture lose only their mask") {
  const Shards shards;
  const auto dataset = shards.one(
      Tar().file("a.png", picture(64, 48)).file("a.json", R"({"boxes": [[1, 1, 9, 9], [1, 1, 8, 8]],
        "labels": ["cat", "cat"], "segmentation": [{"size": [48, 64], "counts": [1000, 2072]},
        {"size": [10, 10], "counts": [50, 50]}]})"));
  REQUIRE(dataset->annotations(0).size() == 2);
  CHECK(dataset->rle(dataset->annotations(0)[0]) != "");
  CHECK(dataset->rle(dataset->annotations(0)[1]) == "");
  CHECK(findings(*dataset, "invalid-rle") == 1);
}
