#include "nn/layers/normalise.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"

namespace hd::nn {
namespace {

/// The results of bytes, by output channel.
template <class T>
struct ByTable {
  using Pixel = uint8_t;
  const T* table;
  T operator()(size_t channel, uint8_t value) const { return table[256 * channel + value]; }
};

template <class T>
struct ByFormula {
  using Pixel = float;
  const NormaliseOptions& options;
  T operator()(size_t channel, float value) const {
    return static_cast<T>(static_cast<float>((value - options.mean[channel]) / options.deviation[channel]));
  }
};

/// One image row: `valid` pixels, zeros after them.
template <class T, class Norm>
void normaliseRow(const typename Norm::Pixel* pixels, int64_t width, int64_t valid, const Norm& norm,
                  const std::array<int, 3>& source, T* out) {
  for (int64_t x = 0; x < valid; ++x, pixels += 3, out += 3) {
    out[0] = norm(0, pixels[source[0]]);
    out[1] = norm(1, pixels[source[1]]);
    out[2] = norm(2, pixels[source[2]]);
  }
  std::fill(out, out + 3 * (width - valid), static_cast<T>(0));
}

}  // namespace

Normalise::Normalise(const ParameterStore& store, const NormaliseOptions& options)
    : store_(store), options_(options), table_(at::empty({3, 256}, at::kDouble)) {
  double* table = table_.data_ptr<double>();
  for (size_t c = 0; c < 3; ++c) {
    require(options.deviation[c] > 0, "expected positive numbers for model.std but received ",
            options.deviation[c]);
    for (int value = 0; value < 256; ++value) *table++ = (value - options.mean[c]) / options.deviation[c];
  }
}

Tensors Normalise::forward(const Tensors& inputs, Mode) {
  const Tensor& image = inputs.at(0);
  require(image.dim() == 4 && image.size(3) == 3 &&
              (image.scalar_type() == at::kByte || image.scalar_type() == at::kFloat),
          "expected uint8 or float N×H×W×3 for the image but received ", image.scalar_type(), " ",
          image.sizes());
  const int64_t count = image.size(0), height = image.size(1), width = image.size(2);
  Tensor valid = inputs.size() > 1 ? inputs[1] : Tensor();
  if (valid.defined()) {
    require(valid.sizes() == at::IntArrayRef({count, 2}), "expected N×2 for the valid sizes but received ",
            valid.sizes());
    valid = valid.to(at::kLong).contiguous();
  }
  const int64_t* sizes = valid.defined() ? valid.const_data_ptr<int64_t>() : nullptr;
  const Tensor pixels = image.contiguous();
  Tensor out =
      at::empty({count, 3, height, width},
                at::TensorOptions(store_.workingType()).memory_format(at::MemoryFormat::ChannelsLast));
  const std::array<int, 3> source = options_.bgr ? std::array{2, 1, 0} : std::array{0, 1, 2};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, out.scalar_type(), "normalise", [&] {
    const Tensor table = table_.to(out.scalar_type());
    const auto* values = table.const_data_ptr<scalar_t>();
    auto* to = out.mutable_data_ptr<scalar_t>();
    const auto through = [&]<class Norm>(const Norm& norm) {
      const auto* from = pixels.const_data_ptr<typename Norm::Pixel>();
      at::parallel_for(0, count * height, 16, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const int64_t n = row / height, y = row % height;
          int64_t across = width;
          if (sizes != nullptr)
            across = y < sizes[2 * n] ? std::clamp<int64_t>(sizes[2 * n + 1], 0, width) : 0;
          normaliseRow(from + row * width * 3, width, across, norm, source, to + row * width * 3);
        }
      });
    };
    if (pixels.scalar_type() == at::kByte) {
      through(ByTable<scalar_t>{values});
    } else {
      through(ByFormula<scalar_t>{options_});
    }
  });
  return {out};
}

}  // namespace hd::nn
