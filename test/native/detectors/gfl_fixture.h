// Maps and batches for GFL tests: the formula scene of the published code's golden checks, and random ones.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "core/batch.h"
#include "core/rng.h"
#include "detectors/gfl.h"

namespace fixture {

using torch::Tensor;

struct Maps {
  std::vector<Tensor> cls, reg;
};

/// The toy objects on 128 × 128 with their labels.
inline const std::vector<float> toyBoxes{21, 25, 86, 73, 61, 38, 124, 119, 7, 91, 28, 107};
inline const std::vector<int32_t> toyLabels{1, 0, 2};

inline hd::ImageTargets image(int width, int height, std::vector<float> boxes, std::vector<int32_t> labels) {
  hd::ImageTargets out;
  out.width = out.originalWidth = width;
  out.height = out.originalHeight = height;
  out.boxes = std::move(boxes);
  out.labels = std::move(labels);
  return out;
}

inline hd::Batch batchOf(int64_t height, int64_t width, std::vector<hd::ImageTargets> images) {
  hd::Batch batch;
  batch.count = static_cast<int64_t>(images.size());
  batch.height = height;
  batch.width = width;
  batch.images = std::move(images);
  return batch;
}

inline hd::detectors::GflOptions options(int64_t classes) {
  hd::detectors::GflOptions out;
  out.classes = classes;
  return out;
}

/// value(channel, row, column) on one square map of the scene, `images` times.
template <class Formula>
Tensor formulaMap(int64_t level, int64_t channels, int64_t images, const Formula& value) {
  const int64_t side = 16 >> level;
  Tensor map = at::empty({1, channels, side, side});
  auto at = map.accessor<float, 4>();
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < side; ++i) {
      for (int64_t j = 0; j < side; ++j)
        at[0][c][i][j] =
            static_cast<float>(value(static_cast<double>(c), static_cast<double>(i), static_cast<double>(j)));
    }
  }
  return map.repeat({images, 1, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
}

/// Level l, channel c, row i, column j: class logits −2 + 1.5 sin(.7c + .11i + .23j + .5l), side logits
/// 1.2 cos(.37k + .19i − .13j + .9l); one image of 128 × 128, repeated.
inline Maps formulaMaps(int64_t classes, int64_t images) {
  Maps maps;
  for (int64_t level = 0; level < 5; ++level) {
    const auto l = static_cast<double>(level);
    maps.cls.push_back(formulaMap(level, classes, images, [&](double c, double i, double j) {
                         return -2 + 1.5 * std::sin(.7 * c + .11 * i + .23 * j + .5 * l);
                       }).requires_grad_());
    maps.reg.push_back(formulaMap(level, 68, images, [&](double k, double i, double j) {
                         return 1.2 * std::cos(.37 * k + .19 * i - .13 * j + .9 * l);
                       }).requires_grad_());
  }
  return maps;
}

inline Tensor randomMap(hd::Random& random, at::IntArrayRef shape, float low, float high) {
  Tensor map = at::empty(shape);
  float* values = map.data_ptr<float>();
  for (int64_t i = 0; i < map.numel(); ++i) values[i] = random.uniform(low, high);
  return map.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
}

inline Maps randomMaps(uint64_t seed, int64_t images, int64_t height, int64_t width, int64_t classes) {
  hd::Random random(seed, "gfl test", 0, 0);
  Maps maps;
  for (const int64_t stride : {8, 16, 32, 64, 128}) {
    const int64_t rows = (height + stride - 1) / stride, columns = (width + stride - 1) / stride;
    maps.cls.push_back(randomMap(random, {images, classes, rows, columns}, -4, 1));
    maps.reg.push_back(randomMap(random, {images, 68, rows, columns}, -2, 2));
  }
  return maps;
}

/// The images `order` of the maps, as leaves of their own.
inline Maps select(const Maps& maps, const std::vector<int64_t>& order) {
  const Tensor index = at::tensor(order, at::kLong);
  const auto pick = [&](const Tensor& map) {
    return map.detach().index_select(0, index).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  };
  Maps out;
  for (const Tensor& map : maps.cls) out.cls.push_back(pick(map));
  for (const Tensor& map : maps.reg) out.reg.push_back(pick(map));
  return out;
}

inline Tensor total(const std::vector<Tensor>& levels) {
  return at::stack(levels).sum();
}

}  // namespace fixture
