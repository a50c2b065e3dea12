#include "data/similarity.h"

#include <doctest/doctest.h>

#include "data/synthetic.h"
#include "data_fixture.h"

using namespace hd::data;

namespace {

Picture pictureOf(std::vector<uint8_t> pixels, int width, int height) {
  Picture picture;
  picture.width = width;
  picture.height = height;
  picture.storage = std::move(pixels);
  picture.pixels = picture.storage.data();
  return picture;
}

Picture halved(const Picture& picture) {
  std::vector<uint8_t> out;
  for (int y = 0; y + 1 < picture.height; y += 2) {
    for (int x = 0; x + 1 < picture.width; x += 2) {
      for (int c = 0; c < 3; ++c) {
        const auto at = [&](int i, int j) {
          return int{picture.pixels[((y + j) * picture.width + x + i) * 3 + c]};
        };
        out.push_back(static_cast<uint8_t>((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4));
      }
    }
  }
  return pictureOf(std::move(out), picture.width / 2, picture.height / 2);
}

SyntheticOptions scenes(const char* split, int64_t count = 40) {
  SyntheticOptions options;
  options.count = count;
  options.width = options.height = 160;
  options.split = split;
  return options;
}

}  // namespace

TEST_CASE("the pixel hash tells one changed byte and another shape of the same bytes") {
  const std::vector<uint8_t> bytes = fixture::noise(12 * 10 * 3, 1);
  const uint64_t hash = pixelHash(pictureOf(bytes, 12, 10));
  CHECK(hash == pixelHash(pictureOf(bytes, 12, 10)));
  CHECK(hash != pixelHash(pictureOf(bytes, 10, 12)));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> changed = bytes;
    changed[i] ^= 1;
    CHECK(hash != pixelHash(pictureOf(changed, 12, 10)));
  }
}

TEST_CASE("recompressed and resized copies are found, other scenes are not") {
  const auto dataset = makeSynthetic(scenes("train"));
  std::vector<Fingerprint> prints, recompressed, resized;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    const Picture picture = dataset->load(i, 0, 0);
    prints.push_back(fingerprint(picture));
    const auto jpeg = fixture::jpeg({picture.storage}, picture.width, picture.height, TJPF_RGB, TJSAMP_420);
    recompressed.push_back(fingerprint(decodePicture(jpeg.data(), jpeg.size(), "", 0, 0)));
    resized.push_back(fingerprint(halved(picture)));
  }
  for (size_t i = 0; i < prints.size(); ++i) {
    CHECK(nearDuplicate(prints[i], prints[i]) == 0);
    CHECK(nearDuplicate(prints[i], recompressed[i]) >= 0);
    CHECK(nearDuplicate(prints[i], resized[i]) >= 0);
    for (size_t j = 0; j < i; ++j) CHECK(nearDuplicate(prints[i], prints[j]) == -1);
  }
}

TEST_CASE("pictures smaller than the grid and undecodable ones are no trouble") {
  const Fingerprint tiny = fingerprint(pictureOf({10, 20, 30}, 1, 1));
  CHECK(nearDuplicate(tiny, tiny) == 0);
  CHECK(nearDuplicate(tiny, Fingerprint{}) == -1);
  CHECK(nearDuplicate(Fingerprint{}, Fingerprint{}) == -1);
  fingerprint(pictureOf(fixture::noise(3 * 1 * 300, 2), 300, 1));
}

TEST_CASE("fingerprints of a data set do not depend on the number of threads") {
  const auto dataset = makeSynthetic(scenes("val", 10));
  const auto one = fingerprints(*dataset, 1), four = fingerprints(*dataset, 4);
  for (size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].hash == four[i].hash);
    CHECK(one[i].thumbnail == four[i].thumbnail);
  }
  std::stop_source source;
  source.request_stop();
  CHECK(fixture::codeOf([&] { fingerprints(*dataset, 2, source.get_token()); }) == "HD_CANCELLED");
}
