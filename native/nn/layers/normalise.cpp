#include "nn/layers/normalise.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"

namespace hd::nn {
namespace {

/// One image row: `valid` pixels through the tables of the three output channels, zeros after them.
template <class T>
void normaliseRow(const uint8_t* pixels, int64_t width, int64_t valid, const T* table,
                  const std::array<int, 3>& source, T* out) {
  for (int64_t x = 0; x < valid; ++x, pixels += 3, out += 3) {
    out[0] = table[pixels[source[0]]];
    out[1] = table[256 + pixels[source[1]]];
    out[2] = table[512 + pixels[source[2]]];
  }
  std::fill(out, out + 3 * (width - valid), static_cast<T>(0));
}

}  // namespace

Normalise::Normalise(const ParameterStore& store, const NormaliseOptions& options)
    : store_(store), bgr_(options.bgr), table_(at::empty({3, 256}, at::kDouble)) {
  double* table = table_.data_ptr<double>();
  for (size_t c = 0; c < 3; ++c) {
    require(options.deviation[c] > 0, "expected positive numbers for model.std but received ",
            options.deviation[c]);
    for (int value = 0; value < 256; ++value) *table++ = (value - options.mean[c]) / options.deviation[c];
  }
}

Tensors Normalise::forward(const Tensors& inputs, Mode) {
  const Tensor& image = inputs.at(0);
  require(image.dim() == 4 && image.size(3) == 3 && image.scalar_type() == at::kByte,
          "expected uint8 N×H×W×3 for the image but received ", image.scalar_type(), " ", image.sizes());
  const int64_t count = image.size(0), height = image.size(1), width = image.size(2);
  Tensor valid = inputs.size() > 1 ? inputs[1] : Tensor();
  if (valid.defined()) {
    require(valid.sizes() == at::IntArrayRef({count, 2}), "expected N×2 for the valid sizes but received ",
            valid.sizes());
    valid = valid.to(at::kLong).contiguous();
  }
  const int64_t* sizes = valid.defined() ? valid.const_data_ptr<int64_t>() : nullptr;
  const Tensor pixels = image.contiguous();
  const uint8_t* from = pixels.const_data_ptr<uint8_t>();
  Tensor out =
      at::empty({count, 3, height, width},
                at::TensorOptions(store_.workingType()).memory_format(at::MemoryFormat::ChannelsLast));
  const std::array<int, 3> source = bgr_ ? std::array{2, 1, 0} : std::array{0, 1, 2};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, out.scalar_type(), "normalise", [&] {
    const Tensor table = table_.to(out.scalar_type());
    const auto* values = table.const_data_ptr<scalar_t>();
    auto* to = out.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, count * height, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t n = row / height, y = row % height;
        int64_t across = width;
        if (sizes != nullptr) across = y < sizes[2 * n] ? std::clamp<int64_t>(sizes[2 * n + 1], 0, width) : 0;
        normaliseRow(from + row * width * 3, width, across, values, source, to + row * width * 3);
      }
    });
  });
  return {out};
}

}  // namespace hd::nn
