#include "data/similarity.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "data/parallel.h"

namespace hd::data {
namespace {

constexpr int maxHashBits = 4;
constexpr int maxCellDifference = 14;  // grey levels; JPEG at quality 50 changes a cell mean by less
constexpr int decodeSide = 96;  // enough for the thumbnail, and scaled JPEG decoding is several times faster

/// Calls `add(i, weight)` for each of `count` pixels that overlap cell `cell` of `cells`; the weights add up
/// to 1.
template <class Add>
void overlaps(int cell, int cells, int count, const Add& add) {
  const double size = static_cast<double>(count) / cells;
  const double start = cell * size, end = std::min((cell + 1) * size, static_cast<double>(count));
  for (int i = static_cast<int>(start); i < end; ++i) {
    add(i, static_cast<float>((std::min(end, i + 1.0) - std::max(start, double(i))) / size));
  }
}

/// Mean grey of each cell of a columns × rows grid. Pixels that lie across a border count in both cells by
/// their share, so that a resized copy gives the same means.
std::vector<float> greyGrid(const Picture& picture, int columns, int rows) {
  std::vector<float> grid(static_cast<size_t>(columns) * rows);
  std::vector<float> grey(static_cast<size_t>(picture.width));
  for (int row = 0; row < rows; ++row) {
    std::fill(grey.begin(), grey.end(), 0.0f);
    overlaps(row, rows, picture.height, [&](int y, float weight) {
      const uint8_t* pixel = picture.pixels + static_cast<size_t>(y) * picture.width * 3;
      for (float& sum : grey) {
        sum += weight * static_cast<float>(77 * pixel[0] + 150 * pixel[1] + 29 * pixel[2]);
        pixel += 3;
      }
    });
    for (int column = 0; column < columns; ++column) {
      float& cell = grid[static_cast<size_t>(row) * columns + column];
      overlaps(column, columns, picture.width,
               [&](int x, float weight) { cell += weight * grey[static_cast<size_t>(x)]; });
      cell /= 256;
    }
  }
  return grid;
}

}  // namespace

uint64_t pixelHash(const Picture& picture) {
  uint64_t hash = 14695981039346656037ull ^
                  (static_cast<uint64_t>(picture.width) << 32 | static_cast<uint32_t>(picture.height));
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 32;
  };
  const size_t bytes = static_cast<size_t>(picture.width) * picture.height * 3;
  size_t i = 0;
  for (uint64_t word; i + sizeof word <= bytes; i += sizeof word) {
    std::memcpy(&word, picture.pixels + i, sizeof word);
    mix(word);
  }
  for (; i < bytes; ++i) mix(picture.pixels[i]);
  return hash == 0 ? 1 : hash;
}

Fingerprint fingerprint(const Picture& picture) {
  Fingerprint out;
  out.valid = true;
  const std::vector<float> coarse = greyGrid(picture, 9, 8);
  for (size_t y = 0; y < 8; ++y) {
    for (size_t x = 0; x < 8; ++x) {
      if (coarse[9 * y + x + 1] > coarse[9 * y + x]) out.hash |= uint64_t{1} << (8 * y + x);
    }
  }
  const std::vector<float> fine = greyGrid(picture, Fingerprint::side, Fingerprint::side);
  std::transform(fine.begin(), fine.end(), out.thumbnail.begin(),
                 [](float grey) { return static_cast<uint8_t>(grey + 0.5f); });
  return out;
}

std::vector<Fingerprint> fingerprints(const Dataset& dataset, int threads, std::stop_token stop) {
  std::vector<Fingerprint> out(static_cast<size_t>(dataset.size()));
  parallelFor(
      dataset.size(), threads,
      [&](int64_t image) {
        try {
          out[static_cast<size_t>(image)] = fingerprint(dataset.load(image, decodeSide, decodeSide));
        } catch (const Error&) {
          out[static_cast<size_t>(image)].valid = false;  // report() tells which pictures are corrupt
        }
      },
      stop);
  return out;
}

int nearDuplicate(const Fingerprint& a, const Fingerprint& b) {
  if (!a.valid || !b.valid) return -1;
  const int bits = std::popcount(a.hash ^ b.hash);
  if (bits > maxHashBits) return -1;
  for (size_t i = 0; i < a.thumbnail.size(); ++i) {
    if (std::abs(int{a.thumbnail[i]} - int{b.thumbnail[i]}) > maxCellDifference) return -1;
  }
  return bits;
}

}  // namespace hd::data
