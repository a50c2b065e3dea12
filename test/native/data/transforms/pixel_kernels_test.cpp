#include "data/transforms/pixel_kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "native/data/picture_fixture.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::noise;

namespace {

// Counts around the length of a run of the kernels, and one pixel.
constexpr int kCounts[] = {1, 2, 3, 63, 64, 65, 127, 128, 129, 200};

}  // namespace

TEST_CASE("rows blend exactly") {
  const Bytes upper = noise(600, 1), lower = noise(600, 2);
  for (const int weight : {0, 1, 100, 255, 256}) {
    std::vector<uint16_t> out(601, 7);
    blendRows(upper.data(), lower.data(), weight, 600, out.data());
    bool equal = true;
    for (size_t i = 0; i < 600; ++i) equal &= out[i] == upper[i] * (256 - weight) + lower[i] * weight;
    CHECK(equal);
    CHECK(out[600] == 7);
  }
}

TEST_CASE("columns blend to the nearest level, for any count, and nothing is written behind the last pixel") {
  for (const int count : kCounts) {
    hd::Random random(1, "test", 0, static_cast<uint64_t>(count));
    std::vector<uint16_t> row(3 * 50 + rowSlack);
    for (uint16_t& value : row) value = static_cast<uint16_t>(random.below(255 * 256 + 1));
    std::vector<uint32_t> columns;
    std::vector<uint16_t> weights;
    for (int x = 0; x < count; ++x) {
      columns.push_back(3 * random.below(49));
      weights.insert(weights.end(), 4, static_cast<uint16_t>(x % 7 == 0 ? 32768 : random.below(32769)));
    }
    Bytes out(static_cast<size_t>(count) * 3 + 4, 0xA5);
    blendColumns(row.data(), columns.data(), weights.data(), count, out.data());
    double largest = 0;
    for (size_t i = 0; i < static_cast<size_t>(count) * 3; ++i) {
      const uint16_t* left = &row[columns[i / 3] + i % 3];
      const double share = weights[i / 3 * 4] / 32768.0;
      largest = std::max(largest, std::abs(out[i] - (left[0] * (1 - share) + left[3] * share) / 256));
    }
    CHECK(largest <= 0.5 + 2.0 / 128);
    CHECK(std::all_of(out.end() - 4, out.end(), [](uint8_t byte) { return byte == 0xA5; }));
  }
}

TEST_CASE("rows are mirrored pixel by pixel") {
  for (const int count : kCounts) {
    const auto size = static_cast<size_t>(count) * 3;
    const Bytes in = noise(size, 3);
    Bytes out(size + 1, 9);
    mirrorRow(in.data(), count, out.data());
    bool equal = out[size] == 9;
    for (size_t i = 0; i < size; ++i) equal &= out[i] == in[size - 3 - i / 3 * 3 + i % 3];
    CHECK(equal);
  }
}

TEST_CASE("colours map exactly as the integer formula says") {
  const int32_t rows[12] = {5000, -900, 30, 2048, 100, 4096, -7000, 300000, 0, 0, 9000, -900000};
  for (const int count : kCounts) {
    const auto size = static_cast<size_t>(count) * 3;
    const Bytes in = noise(size, 4);
    Bytes out = in;
    out.push_back(9);
    mapColours(rows, count, out.data());
    bool equal = out[size] == 9;
    for (size_t i = 0; i < size; ++i) {
      const uint8_t* pixel = &in[i / 3 * 3];
      const int32_t* row = rows + 4 * (i % 3);
      equal &= out[i] ==
               std::clamp((row[0] * pixel[0] + row[1] * pixel[1] + row[2] * pixel[2] + row[3]) >> 12, 0, 255);
    }
    CHECK(equal);
  }
}
