#include "data/transforms/pixel_kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
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

TEST_CASE("places are those of the exact map, cut at the border, with shares to 1/2048") {
  const double step[3] = {0.7, -0.3, 0.002};
  for (const auto& [width, height] : {std::pair{40, 30}, {1, 30}, {40, 1}, {2, 2}}) {
    for (const int count : kCounts) {
      const double start[3] = {-3, 25, 0.9};
      std::vector<uint32_t> offsets(static_cast<size_t>(count));
      std::vector<uint16_t> across(offsets.size()), down(offsets.size());
      placePixels(start, step, width, height, count, offsets.data(), across.data(), down.data());
      bool right = true;
      for (int x = 0; x < count; ++x) {
        const auto i = static_cast<size_t>(x);
        const double depth = start[2] + x * step[2];
        const double u = std::clamp((start[0] + x * step[0]) / depth, 0.0, width - 1.0);
        const double v = std::clamp((start[1] + x * step[1]) / depth, 0.0, height - 1.0);
        const int column = static_cast<int>(offsets[i] / 3) % width,
                  line = static_cast<int>(offsets[i] / 3) / width;
        right &= column <= std::max(0, width - 2) && line <= std::max(0, height - 2);
        right &= std::abs(column + across[i] / 2048.0 - u) <= 0.5 / 2048 + 1e-9;
        right &= std::abs(line + down[i] / 2048.0 - v) <= 0.5 / 2048 + 1e-9;
        right &= across[i] <= 2048 && down[i] <= 2048;
      }
      CHECK(right);
    }
  }
}

TEST_CASE("four pixels blend exactly up to rounding") {
  const int width = 40, height = 30;
  const Bytes in = noise(static_cast<size_t>(width) * height * 3, 6);
  for (const int count : kCounts) {
    hd::Random random(3, "test", 0, static_cast<uint64_t>(count));
    std::vector<uint32_t> offsets;
    std::vector<uint16_t> across, down;
    for (int x = 0; x < count; ++x) {
      offsets.push_back((random.below(height - 1) * width + random.below(width - 1)) * 3);
      across.push_back(static_cast<uint16_t>(x % 5 == 0 ? 2048 : random.below(2049)));
      down.push_back(static_cast<uint16_t>(x % 7 == 0 ? 2048 : random.below(2049)));
    }
    Bytes out(static_cast<size_t>(count) * 3 + 1, 9);
    blendAt(in.data(), offsets.data(), across.data(), down.data(), 3, width * 3, count, out.data());
    bool equal = out.back() == 9;
    for (size_t i = 0; i < static_cast<size_t>(count) * 3; ++i) {
      const uint8_t* at = &in[offsets[i / 3] + i % 3];
      const double x = across[i / 3] / 2048.0, y = down[i / 3] / 2048.0;
      const double exact =
          (at[0] * (1 - x) + at[3] * x) * (1 - y) + (at[width * 3] * (1 - x) + at[width * 3 + 3] * x) * y;
      equal &= out[i] == static_cast<uint8_t>(exact + 0.5);
    }
    CHECK(equal);
  }
}

namespace {

// HSV by its textbook definition, hue in turns, saturation and value of any size.
std::array<double, 3> turned(const std::array<double, 3>& rgb, double saturation, double hue) {
  const double value = std::max({rgb[0], rgb[1], rgb[2]}), least = std::min({rgb[0], rgb[1], rgb[2]});
  const double chroma = value - least;
  double h = 0;
  if (chroma > 0) {
    h = value == rgb[0]   ? (rgb[1] - rgb[2]) / chroma
        : value == rgb[1] ? 2 + (rgb[2] - rgb[0]) / chroma
                          : 4 + (rgb[0] - rgb[1]) / chroma;
  }
  h = std::fmod(h + hue * 6 + 12, 6);
  const double s = value > 0 ? chroma / value * saturation : 0;
  const int sector = static_cast<int>(h);
  const double f = h - sector;
  const double p = value * (1 - s), q = value * (1 - s * f), t = value * (1 - s * (1 - f));
  const std::array<double, 3> sectors[6] = {{value, t, p}, {q, value, p}, {p, value, t},
                                            {p, q, value}, {t, p, value}, {value, p, q}};
  return sectors[sector];
}

}  // namespace

TEST_CASE("colour turns agree with HSV to one rounding, for any count, and are clamped") {
  const float rows[12] = {1.2f, 0, 0, 20, 0, 1.2f, 0, 20, 0, 0, 1.2f, 20};
  for (const auto& [saturation, hue] : {std::pair{1.0f, 0.0f},
                                        {0.5f, 0.0f},
                                        {1.5f, 0.05f},
                                        {0.0f, 0.2f},
                                        {1.0f, 0.5f},
                                        {1.2f, -0.5f},
                                        {3.0f, -0.3f}}) {
    for (const int count : kCounts) {
      const auto size = static_cast<size_t>(count) * 3;
      const Bytes in = noise(size, 8);
      Bytes out = in;
      out.push_back(9);
      turnColours(rows, saturation, hue, count, out.data());
      CHECK(out[size] == 9);
      double largest = 0;
      for (size_t i = 0; i < size; i += 3) {
        const auto expected =
            turned({in[i] * 1.2 + 20, in[i + 1] * 1.2 + 20, in[i + 2] * 1.2 + 20}, saturation, hue);
        for (size_t c = 0; c < 3; ++c)
          largest = std::max(largest, std::abs(out[i + c] - std::clamp(expected[c], 0.0, 255.0)));
      }
      CHECK(largest <= 0.51);
    }
  }
}

TEST_CASE("colour turns keep greys, and a third of a turn moves the channels on") {
  const float same[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  Bytes pixels = {77, 77, 77, 200, 10, 60};
  turnColours(same, 1.5f, 0.3f, 1, pixels.data());
  CHECK(pixels == Bytes{77, 77, 77, 200, 10, 60});
  turnColours(same, 1, 1 / 3.0f, 1, pixels.data() + 3);
  CHECK(pixels == Bytes{77, 77, 77, 60, 200, 10});
  turnColours(same, 0, 0, 1, pixels.data() + 3);
  CHECK(pixels == Bytes{77, 77, 77, 200, 200, 200});
}

TEST_CASE("fine maps cut or round, for any count, and are clamped") {
  const float rows[12] = {1.3f, 0, 0, 0, 0.5f, 0.25f, 0.25f, -20, 0, 0, 1, 100.5f};
  for (const int count : kCounts) {
    for (const float rounding : {0.0f, 0.5f}) {
      const auto size = static_cast<size_t>(count) * 3;
      const Bytes in = noise(size, 9);
      Bytes out = in;
      out.push_back(9);
      mapFine(rows, rounding, count, out.data());
      CHECK(out[size] == 9);
      bool equal = true;
      for (size_t i = 0; i < size; i += 3) {
        const float expected[3] = {1.3f * in[i], 0.5f * in[i] + 0.25f * in[i + 1] + 0.25f * in[i + 2] - 20,
                                   in[i + 2] + 100.5f};
        for (size_t c = 0; c < 3; ++c)
          equal &= out[i + c] == static_cast<uint8_t>(std::clamp(expected[c] + rounding, 0.0f, 255.0f));
      }
      CHECK(equal);
    }
  }
}

TEST_CASE("sheets blend to the nearest level") {
  const Bytes upper = noise(500, 1), lower = noise(500, 2);
  for (const int weight : {0, 1, 128, 200, 256}) {
    Bytes out = lower;
    out.push_back(9);
    blendOver(upper.data(), weight, 500, out.data());
    bool equal = out[500] == 9;
    for (size_t i = 0; i < 500; ++i)
      equal &= out[i] == (lower[i] * weight + upper[i] * (256 - weight) + 128) / 256;
    CHECK(equal);
  }
}
