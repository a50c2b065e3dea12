// Deformable convolution as sampled columns times a weight, picture by picture (ops/deform_conv.h).
#include "ops/deform_conv.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "ops/cpu/deform_conv_kernel.h"

namespace hd::ops {
namespace {

using at::Tensor;
using namespace torch::autograd;

constexpr int64_t cellsPerTask = 64, channelsPerTask = 32;

/// [N, H, W, C] contiguous.
Tensor cellsFirst(const Tensor& map) {
  return map.permute({0, 2, 3, 1}).contiguous();
}

template <class Body>
void inPieces(int64_t count, int64_t piece, const Body& body) {
  at::parallel_for(0, (count + piece - 1) / piece, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) body(task * piece, std::min(count, (task + 1) * piece));
  });
}

/// The arguments in the layout of the kernels.
struct Problem {
  Tensor x, offset, mask;  ///< [N, cells…, channels]
  Tensor weight;           ///< [groups, K/groups, taps · C/groups]
  kernel::DeformShape shape;
  int64_t images, groups, outChannels;

  Problem(const Tensor& input, const Tensor& weightIn, const Tensor& offsetIn, const Tensor& maskIn,
          const DeformGeometry& g)
      : images(input.size(0)), groups(g.groups), outChannels(weightIn.size(0)) {
    shape.channels = input.size(1);
    shape.height = input.size(2);
    shape.width = input.size(3);
    shape.outHeight = offsetIn.size(2);
    shape.outWidth = offsetIn.size(3);
    shape.kernelHeight = weightIn.size(2);
    shape.kernelWidth = weightIn.size(3);
    shape.strideY = g.stride[0];
    shape.strideX = g.stride[1];
    shape.paddingY = g.padding[0];
    shape.paddingX = g.padding[1];
    shape.dilationY = g.dilation[0];
    shape.dilationX = g.dilation[1];
    shape.offsetGroups = offsetIn.size(1) / (2 * shape.taps());
    x = cellsFirst(input);
    offset = cellsFirst(offsetIn);
    if (maskIn.defined()) mask = cellsFirst(maskIn);
    weight = weightIn.permute({0, 2, 3, 1}).reshape({groups, outChannels / groups, -1}).contiguous();
  }

  template <class T>
  kernel::DeformInput<T> input(int64_t image) const {
    const auto at = [&](const Tensor& tensor) {
      return tensor.defined() ? tensor.const_data_ptr<T>() + image * (tensor.numel() / images) : nullptr;
    };
    return {at(x), at(offset), at(mask)};
  }

  template <class T>
  Tensor columns(int64_t image) const {
    const Tensor out = at::empty({shape.cells(), shape.taps(), shape.channels}, x.options());
    inPieces(shape.cells(), cellsPerTask, [&](int64_t begin, int64_t end) {
      kernel::deformColumns(shape, input<T>(image), begin, end, out.template mutable_data_ptr<T>());
    });
    return out;
  }
  /// [cells, taps, C] → [groups, cells, taps · C/groups], and back.
  Tensor byGroup(const Tensor& columns) const {
    return columns.reshape({shape.cells(), shape.taps(), groups, -1})
        .permute({2, 0, 1, 3})
        .reshape({groups, shape.cells(), -1});
  }
  Tensor fromGroups(const Tensor& columns) const {
    return columns.reshape({groups, shape.cells(), shape.taps(), -1})
        .permute({1, 2, 0, 3})
        .reshape({shape.cells(), shape.taps(), -1})
        .contiguous();
  }
};

template <class Body>
void withType(const Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == at::kDouble) return body(double{});
  body(float{});
}

Tensor convolve(const Problem& p) {
  const Tensor out = at::empty({p.images, p.shape.outHeight, p.shape.outWidth, p.outChannels}, p.x.options());
  withType(p.x, [&]<class T>(T) {
    for (int64_t i = 0; i < p.images; ++i) {
      const Tensor product =
          at::bmm(p.byGroup(p.columns<T>(i)), p.weight.transpose(1, 2));  // [g, cells, K/g]
      out[i].copy_(product.permute({1, 0, 2}).reshape(out[i].sizes()));
    }
  });
  return out.permute({0, 3, 1, 2});
}

struct DeformFunction : Function<DeformFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& offset,
                        const std::optional<Tensor>& given, const DeformGeometry& geometry) {
    const Tensor mask = given ? *given : Tensor();
    context->save_for_backward({x, weight, offset, mask});
    context->saved_data["geometry"] = std::vector<int64_t>{
        geometry.stride[0],   geometry.stride[1],   geometry.padding[0], geometry.padding[1],
        geometry.dilation[0], geometry.dilation[1], geometry.groups};
    return convolve(Problem(x, weight, offset, mask, geometry));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto g = context->saved_data["geometry"].toIntVector();
    const Tensor &x = saved[0], &weight = saved[1], &offset = saved[2], &mask = saved[3];
    const Problem p(x, weight, offset, mask, {{g[0], g[1]}, {g[2], g[3]}, {g[4], g[5]}, g[6]});
    const Tensor incoming = cellsFirst(gradients[0]);
    const Tensor weightSum = at::zeros_like(p.weight), inputSum = at::zeros_like(p.x);
    const Tensor offsetSum = at::empty_like(p.offset),
                 maskSum = mask.defined() ? at::empty_like(p.mask) : Tensor();
    withType(p.x, [&]<class T>(T) {
      for (int64_t i = 0; i < p.images; ++i) {
        const Tensor rows = incoming[i].reshape({p.shape.cells(), p.groups, -1}).permute({1, 0, 2});
        weightSum.baddbmm_(rows.transpose(1, 2), p.byGroup(p.columns<T>(i)));
        const Tensor columns = p.fromGroups(at::bmm(rows, p.weight));
        const auto in = p.input<T>(i);
        const T* slopes = columns.template const_data_ptr<T>();
        T* offsets = offsetSum[i].template mutable_data_ptr<T>();
        T* masks = mask.defined() ? maskSum[i].template mutable_data_ptr<T>() : nullptr;
        inPieces(p.shape.cells(), cellsPerTask, [&](int64_t begin, int64_t end) {
          kernel::deformOffsetGradient(p.shape, in, slopes, begin, end, offsets, masks);
        });
        T* inputs = inputSum[i].template mutable_data_ptr<T>();
        inPieces(p.shape.channels, channelsPerTask, [&](int64_t begin, int64_t end) {
          kernel::deformInputGradient(p.shape, in, slopes, begin, end, inputs);
        });
      }
    });
    const auto back = [](const Tensor& cells) { return cells.permute({0, 3, 1, 2}); };
    const Tensor weights =
        weightSum.reshape({weight.size(0), weight.size(2), weight.size(3), weight.size(1)});
    return {back(inputSum), back(weights), back(offsetSum), mask.defined() ? back(maskSum) : Tensor(),
            Tensor()};
  }
};

/// Computed in float32 or float64.
Tensor wide(const Tensor& tensor) {
  return tensor.defined() && tensor.scalar_type() != at::kDouble ? tensor.to(at::kFloat) : tensor;
}

}  // namespace

Tensor deformConv2d(const Tensor& x, const Tensor& weight, const Tensor& offset,
                    const std::optional<Tensor>& mask, const std::optional<Tensor>& bias,
                    const DeformGeometry& g) {
  require(x.dim() == 4 && weight.dim() == 4 && offset.dim() == 4,
          "expected maps and a weight of four dimensions");
  require(g.groups >= 1 && x.size(1) == weight.size(1) * g.groups && weight.size(0) % g.groups == 0,
          "expected a weight for ", x.size(1), " channels in ", g.groups, " groups but received ",
          weight.sizes());
  const int64_t taps = weight.size(2) * weight.size(3), groups = offset.size(1) / (2 * taps);
  require(groups >= 1 && offset.size(1) == 2 * groups * taps && x.size(1) % groups == 0,
          "expected two offsets for each of ", taps, " taps and group of channels but received ",
          offset.sizes());
  const auto outputOf = [&](int side) {
    return (x.size(2 + side) + 2 * g.padding[side] - g.dilation[side] * (weight.size(2 + side) - 1) - 1) /
               g.stride[side] +
           1;
  };
  require(offset.size(0) == x.size(0) && offset.size(2) == outputOf(0) && offset.size(3) == outputOf(1),
          "expected offsets for ", x.size(0), " pictures of ", outputOf(0), " by ", outputOf(1),
          " cells but received ", offset.sizes());
  const auto factors = mask && mask->defined() ? std::optional<Tensor>(wide(*mask)) : std::nullopt;
  require(!factors ||
              factors->sizes() == at::IntArrayRef({x.size(0), groups * taps, offset.size(2), offset.size(3)}),
          "expected a mask for each tap and group of channels");
  Tensor y = DeformFunction::apply(wide(x), wide(weight), wide(offset), factors, g);
  if (bias && bias->defined()) {
    require(bias->sizes() == at::IntArrayRef({weight.size(0)}), "expected a bias for each of ",
            weight.size(0), " channels");
    y = y + wide(*bias).view({1, -1, 1, 1});
  }
  return y.to(x.scalar_type());
}

}  // namespace hd::ops
