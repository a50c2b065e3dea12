#include "eval/mask.h"

#include <algorithm>

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;

namespace {

constexpr uint32_t kHeight = 13, kWidth = 9;

/// Blobs with runs over column ends, or noise, or nothing, or everything.
std::vector<uint8_t> randomPixels(hd::Random& random) {
  std::vector<uint8_t> pixels(kHeight * kWidth);
  const float density = random.chance(.1f) ? 0.f : random.chance(.1f) ? 1.f : random.uniform();
  uint8_t value = 0;
  for (uint8_t& pixel : pixels) {
    if (random.chance(.3f)) value = random.chance(density);
    pixel = value;
  }
  return pixels;
}

bool boxesOverlap(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  return a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];
}

}  // namespace

TEST_CASE("masks agree with their pixels: codecs, area, box") {
  hd::Random random(1, "synthetic", 0, 0);
  for (int round = 0; round < 300; ++round) {
    const std::vector<uint8_t> pixels = randomPixels(random);
    const Mask mask = maskFromPixels(pixels, kHeight, kWidth);
    CHECK(maskToPixels(mask) == pixels);
    const Mask back = maskFromCompressed(compressCounts(mask), kHeight, kWidth);
    CHECK(back.counts == mask.counts);
    CHECK(maskFromCounts(mask.counts, kHeight, kWidth).counts == mask.counts);
    CHECK(maskArea(mask) == static_cast<uint64_t>(std::count(pixels.begin(), pixels.end(), 1)));

    uint32_t left = kWidth, right = 0, top = kHeight, bottom = 0;
    for (uint32_t x = 0; x < kWidth; ++x) {
      for (uint32_t y = 0; y < kHeight; ++y) {
        if (!pixels[x * kHeight + y]) continue;
        left = std::min(left, x), right = std::max(right, x), top = std::min(top, y),
        bottom = std::max(bottom, y);
      }
    }
    const bool empty = maskArea(mask) == 0;
    const std::array<double, 4> expected{double(left), double(top), right + 1. - left, bottom + 1. - top};
    CHECK(maskBox(mask) == (empty ? std::array<double, 4>{} : expected));
  }
}

TEST_CASE("masks agree with their pixels: union, intersection, overlap") {
  hd::Random random(2, "synthetic", 0, 0);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<uint8_t>> pixels;
    std::vector<Mask> masks;
    for (uint32_t i = 0; i < 1 + random.below(4); ++i) {
      pixels.push_back(randomPixels(random));
      masks.push_back(maskFromPixels(pixels.back(), kHeight, kWidth));
    }
    std::vector<uint8_t> any(kHeight * kWidth), all(kHeight * kWidth, 1);
    for (const auto& each : pixels) {
      for (size_t i = 0; i < each.size(); ++i) any[i] |= each[i], all[i] &= each[i];
    }
    CHECK(mergeMasks(masks, false).counts == maskFromPixels(any, kHeight, kWidth).counts);
    CHECK(mergeMasks(masks, true).counts == maskFromPixels(all, kHeight, kWidth).counts);

    int both = 0, either = 0, first = 0;
    for (size_t i = 0; i < any.size(); ++i) {
      both += pixels.front()[i] && pixels.back()[i];
      either += pixels.front()[i] || pixels.back()[i];
      first += pixels.front()[i];
    }
    CHECK(maskOverlap(masks.front(), masks.back(), false) == (both == 0 ? 0 : double(both) / either));
    CHECK(maskOverlap(masks.front(), masks.back(), true) == (both == 0 ? 0 : double(both) / first));
    if (both > 0) CHECK(boxesOverlap(maskBox(masks.front()), maskBox(masks.back())));
  }
}

TEST_CASE("runs of no length do no harm") {
  const Mask plain = maskFromCounts({5, 3, 2}, 5, 2), padded = maskFromCounts({5, 0, 0, 3, 0, 0, 2}, 5, 2);
  CHECK(maskArea(padded) == 3);
  CHECK(maskBox(padded) == maskBox(plain));
  CHECK(maskOverlap(padded, plain, false) == 1);
  const Mask both[] = {padded, plain};
  CHECK(mergeMasks(both, false).counts == plain.counts);
  CHECK(maskBox(maskFromCounts({0, 0, 10}, 5, 2)) == std::array<double, 4>{});
}

TEST_CASE("compressed counts: known texts and large numbers") {
  CHECK(compressCounts(maskFromCounts({1961}, 37, 53)) == "Ym1");
  CHECK(compressCounts(maskFromCounts({0, 1961}, 37, 53)) == "0Ym1");
  const std::vector<uint32_t> wide{4294000000u - 3, 1, 2, 836225};  // 65535² pixels: the largest mask
  const Mask mask = maskFromCounts(wide, 65535, 65535);
  CHECK(maskFromCompressed(compressCounts(mask), 65535, 65535).counts == wide);
  CHECK(maskBox(mask) == std::array<double, 4>{65522, 0, 13, 65535});
}

TEST_CASE("masks of different sizes") {
  const Mask tall = maskFromCounts({3, 3, 4}, 5, 2), wide = maskFromCounts({3, 3, 4}, 2, 5);
  CHECK(maskOverlap(tall, wide, false) == -1);
  const Mask both[] = {tall, wide};
  checkError([&] { mergeMasks(both, false); }, "HD_DATA_MASK", "5x2 and 2x5");
  checkError([&] { mergeMasks({}, false); }, "HD_DATA_MASK", "at least one part");
}

TEST_CASE("broken counts are refused") {
  checkError([] { maskFromCounts({3, 3}, 5, 2); }, "HD_DATA_MASK", "a sum of 6");
  checkError([] { maskFromCounts({4294967295u, 4294967295u}, 5, 2); }, "HD_DATA_MASK", "a sum of 8589934590");
  checkError([] { maskFromCompressed("", 5, 2); }, "HD_DATA_MASK", "a sum of 0");
  checkError([] { maskFromCompressed("Ym!", 37, 53); }, "HD_DATA_MASK", "invalid character at character 2");
  checkError([] { maskFromCompressed("Y", 37, 53); }, "HD_DATA_MASK", "end of the text");
  checkError([] { maskFromCompressed("\xff", 37, 53); }, "HD_DATA_MASK", "invalid character");
  checkError([] { maskFromCompressed("oooooooooooooooo1", 37, 53); }, "HD_DATA_MASK", "invalid character");
  checkError([] { maskFromCompressed("O", 5, 2); }, "HD_DATA_MASK", "received -1 as number 0");
}

TEST_CASE("random bytes as compressed counts either decode to a whole mask or are refused") {
  hd::Random random(3, "synthetic", 0, 0);
  int decoded = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint32_t i = 0; i < random.below(6); ++i) text.push_back(static_cast<char>(48 + random.below(70)));
    try {
      const Mask mask = maskFromCompressed(text, 4, 5);
      CHECK(maskToPixels(mask).size() == 20);
      ++decoded;
    } catch (const hd::Error& error) {
      CHECK(error.code() == "HD_DATA_MASK");
    }
  }
  CHECK(decoded > 0);
}

TEST_CASE("box overlaps by hand") {
  CHECK(boxOverlap({0, 0, 10, 10}, {5, 5, 10, 10}, false) == doctest::Approx(25. / 175));
  CHECK(boxOverlap({0, 0, 10, 10}, {5, 5, 10, 10}, true) == doctest::Approx(.25));
  CHECK(boxOverlap({0, 0, 10, 10}, {0, 0, 10, 10}, false) == 1);
  CHECK(boxOverlap({0, 0, 10, 10}, {10, 0, 10, 10}, false) == 0);
  CHECK(boxOverlap({0, 0, 0, 10}, {0, 0, 10, 10}, true) == 0);
}
