// Stages, blocks and gradient of the Winograd convolution (ops/winograd.h).
#include "ops/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "ops/cpu/winograd_multiply.h"
#include "ops/cpu/winograd_transform.h"

namespace hd::ops {
namespace {

using at::Tensor;
using Tensors = std::vector<Tensor>;
using namespace kernel;

/// Bytes that V and M (or V and dM) of one block of tiles may take together: they should stay in the
/// last-level cache.
constexpr int64_t blockBytes = 12 << 20;
constexpr int64_t tilesPerTask = 36;     ///< of one channel panel; a multiple of rowGroup
constexpr int64_t channelsPerTask = 32;  ///< of one channel panel of a weight
constexpr int64_t panelsPerTask = 4;     ///< of the product at one point

int64_t ceilDivide(int64_t value, int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

/// Owns the memory of PointMatrices.
struct Scratch {
  Tensor memory;
  PointMatrices matrices;
  Scratch(int64_t rows, int64_t channels)
      : memory(at::empty({PointMatrices::elements(rows, channels)}, at::kFloat)),
        matrices{memory.mutable_data_ptr<float>(), rows, channels} {}
};

/// Calls body(panel, begin, end) for pieces of [0, count) of every panel, in parallel.
template <class Body>
void forEachPiece(int64_t panels, int64_t count, int64_t piece, const Body& body) {
  const int64_t pieces = ceilDivide(count, piece);
  at::parallel_for(0, panels * pieces, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t begin = task % pieces * piece;
      body(task / pieces, begin, std::min(count, begin + piece));
    }
  });
}

/// Calls body(point, panelBegin, panelEnd) for all parts of the 36 products, in parallel.
template <class Body>
void forEachProduct(int64_t panels, const Body& body) {
  const int64_t pieces = ceilDivide(panels, panelsPerTask);
  at::parallel_for(0, tilePoints * pieces, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t begin = task % pieces * panelsPerTask;
      body(task / pieces, begin, std::min(panels, begin + panelsPerTask));
    }
  });
}

/// Dense N×C×H×W tensors in channels_last memory as levels of tiles; those without elements are left out.
template <class Pixel>
struct Pyramid {
  std::vector<TiledLevel<Pixel>> levels;
  int64_t tiles = 0;

  explicit Pyramid(const Tensors& tensors) {
    for (const Tensor& tensor : tensors) {
      if (tensor.numel() == 0) continue;
      Pixel* pixels = nullptr;
      if constexpr (std::is_const_v<Pixel>) {
        pixels = tensor.const_data_ptr<float>();
      } else {
        pixels = tensor.mutable_data_ptr<float>();
      }
      levels.push_back({pixels, tensor.size(0), tensor.size(2), tensor.size(3), tiles});
      tiles += levels.back().tiles();
    }
  }
};

/// Cuts all tiles into blocks of equal size that keep to `blockBytes`. Depends on the shapes alone.
template <class Body>
void forEachBlock(int64_t tiles, int64_t channels, const Body& body) {
  const int64_t most =
      std::max<int64_t>(rowGroup, blockBytes / (tilePoints * channels * static_cast<int64_t>(sizeof(float))));
  const int64_t blocks = ceilDivide(tiles, most);
  const int64_t rows = roundUp(ceilDivide(tiles, std::max<int64_t>(1, blocks)), rowGroup);
  for (int64_t first = 0; first < tiles; first += rows) body(TileBlock{first, std::min(rows, tiles - first)});
}

template <class Element>
WeightView<Element> viewOf(const Tensor& weight, Element* data) {
  return {data, weight.stride(0), weight.stride(1), weight.stride(2), weight.stride(3)};
}

/// U of the weight in `view`, C to K channels.
Scratch transformed(const WeightView<const float>& view, int64_t inChannels, int64_t outChannels) {
  Scratch weight(inChannels, outChannels);
  forEachPiece(weight.matrices.panels(), inChannels, channelsPerTask,
               [&](int64_t panel, int64_t begin, int64_t end) {
                 transformWeight(view, begin, end, panel, weight.matrices);
               });
  return weight;
}

/// Convolution of `inputs` (channels_last) with a transformed weight.
Tensors convolve(const Tensors& inputs, const PointMatrices& weight, const Epilogue& epilogue = {}) {
  const int64_t inChannels = weight.rows, outChannels = weight.channels;
  Tensors outputs;
  for (const Tensor& x : inputs) {
    outputs.push_back(at::empty({x.size(0), outChannels, x.size(2), x.size(3)},
                                x.options().memory_format(at::MemoryFormat::ChannelsLast)));
  }
  const Pyramid<const float> from(inputs);
  const Pyramid<float> to(outputs);
  forEachBlock(from.tiles, inChannels + outChannels, [&](TileBlock block) {
    const int64_t rows = roundUp(block.count, rowGroup);
    const Scratch patches(rows, inChannels), products(rows, outChannels);
    forEachPiece(patches.matrices.panels(), rows, tilesPerTask,
                 [&](int64_t panel, int64_t begin, int64_t end) {
                   transformInput(from.levels, block, begin, end, panel, patches.matrices);
                 });
    forEachProduct(products.matrices.panels(), [&](int64_t point, int64_t begin, int64_t end) {
      multiplyTiles(patches.matrices, weight, products.matrices, point, begin, end);
    });
    forEachPiece(products.matrices.panels(), block.count, tilesPerTask,
                 [&](int64_t panel, int64_t begin, int64_t end) {
                   transformOutput(products.matrices, block, begin, end, panel, epilogue, to.levels);
                 });
  });
  return outputs;
}

/// Sum over images and cells of the weight's gradient; blocks are added in their order.
Tensor weightGradient(const Tensors& inputs, const Tensors& gradients, const Tensor& weight) {
  const int64_t outChannels = weight.size(0), inChannels = weight.size(1);
  const Pyramid<const float> input(inputs), gradient(gradients);
  const Scratch sums(roundUp(inChannels, panelWidth), outChannels);
  forEachBlock(input.tiles, inChannels + outChannels, [&](TileBlock block) {
    const Scratch patches(block.count, inChannels), tiles(block.count, outChannels);
    forEachPiece(patches.matrices.panels(), block.count, tilesPerTask,
                 [&](int64_t panel, int64_t begin, int64_t end) {
                   transformInput(input.levels, block, begin, end, panel, patches.matrices);
                 });
    forEachPiece(tiles.matrices.panels(), block.count, tilesPerTask,
                 [&](int64_t panel, int64_t begin, int64_t end) {
                   transformGradient(gradient.levels, block, begin, end, panel, tiles.matrices);
                 });
    forEachProduct(tiles.matrices.panels(), [&](int64_t point, int64_t begin, int64_t end) {
      multiplyTransposed(patches.matrices, tiles.matrices, sums.matrices, point, block.count, block.first > 0,
                         begin, end);
    });
  });
  Tensor out = at::empty_like(weight);
  if (input.tiles == 0) return out.zero_();
  const auto view = viewOf(out, out.mutable_data_ptr<float>());
  forEachPiece(sums.matrices.panels(), inChannels, channelsPerTask,
               [&](int64_t panel, int64_t begin, int64_t end) {
                 transformWeightGradient(sums.matrices, begin, end, panel, view);
               });
  return out;
}

Tensors channelsLast(at::TensorList tensors) {
  Tensors out;
  for (const Tensor& tensor : tensors) out.push_back(tensor.contiguous(at::MemoryFormat::ChannelsLast));
  return out;
}

using namespace torch::autograd;

struct Conv3x3Function : Function<Conv3x3Function> {
  /// Gradients come in the order of the arguments. A TensorList: of a std::vector Function::apply would not
  /// see that it holds variables.
  static variable_list forward(AutogradContext* context, const Tensor& weight,
                               const std::optional<Tensor>& bias, at::TensorList inputs) {
    const Tensors levels = channelsLast(inputs);
    variable_list kept = {weight};
    kept.insert(kept.end(), levels.begin(), levels.end());
    context->save_for_backward(std::move(kept));
    context->set_materialize_grads(false);
    context->saved_data["hasBias"] = bias.has_value();
    const Tensor added = bias ? bias->contiguous() : Tensor();
    const Scratch matrices =
        transformed(viewOf(weight, weight.const_data_ptr<float>()), weight.size(1), weight.size(0));
    return convolve(levels, matrices.matrices, {.bias = bias ? added.const_data_ptr<float>() : nullptr});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(),
            "expected a first derivative of conv3x3 but received create_graph: use at::convolution");
    const auto saved = context->get_saved_variables();
    const Tensor& weight = saved[0];
    const int64_t outChannels = weight.size(0), inChannels = weight.size(1);
    // Results have a place for an absent bias, the list of what needs a gradient has none.
    const bool hasBias = context->saved_data["hasBias"].toBool();
    const size_t firstInput = hasBias ? 2 : 1;
    variable_list results(2 + gradients.size());
    // Levels that the loss does not reach have no gradient and take no part.
    Tensors inputs, present, wanted;
    std::vector<size_t> wantedAt;
    for (size_t level = 0; level < gradients.size(); ++level) {
      if (!gradients[level].defined()) continue;
      inputs.push_back(saved[1 + level]);
      present.push_back(gradients[level].contiguous(at::MemoryFormat::ChannelsLast));
      if (!context->needs_input_grad(firstInput + level)) continue;
      wanted.push_back(present.back());
      wantedAt.push_back(2 + level);
    }
    if (context->needs_input_grad(0)) results[0] = weightGradient(inputs, present, weight);
    if (hasBias && context->needs_input_grad(1)) {
      for (const Tensor& gradient : present) {
        const Tensor sum = gradient.sum({0, 2, 3});
        results[1] = results[1].defined() ? results[1].add_(sum) : sum;
      }
    }
    if (!wanted.empty()) {
      const auto view = viewOf(weight, weight.const_data_ptr<float>()).transposed();
      Tensors out = convolve(wanted, transformed(view, outChannels, inChannels).matrices);
      for (size_t i = 0; i < out.size(); ++i) results[wantedAt[i]] = std::move(out[i]);
    }
    return results;
  }
};

bool isPlainFloat(const Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat && tensor.device().is_cpu();
}

void checkArguments(const Tensors& inputs, const Tensor& weight, const std::optional<Tensor>& bias) {
  require(!inputs.empty(),
          "expected at least one input for conv3x3 but received none: pass the levels to convolve");
  require(isPlainFloat(weight) && weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3,
          "expected a float32 weight of shape K×C×3×3 on the CPU but received ", weight.dtype(), " ",
          weight.sizes(), ": use at::convolution for other kernels");
  for (const Tensor& x : inputs) {
    require(isPlainFloat(x) && x.dim() == 4 && x.size(1) == weight.size(1), "expected a float32 input with ",
            weight.size(1), " channels on the CPU but received ", x.dtype(), " ", x.sizes(),
            ": pass N×C×H×W with the channels of the weight");
  }
  require(!(bias && bias->defined()) ||
              (isPlainFloat(*bias) && bias->dim() == 1 && bias->size(0) == weight.size(0)),
          "expected a float32 bias with ", weight.size(0),
          " elements but received another: pass one for each output channel");
}

}  // namespace

std::vector<Tensor> conv3x3(const std::vector<Tensor>& inputs, const Tensor& weight,
                            const std::optional<Tensor>& bias) {
  checkArguments(inputs, weight, bias);
  const bool hasBias = bias && bias->defined();
  return Conv3x3Function::apply(weight, hasBias ? bias : std::nullopt, at::TensorList(inputs));
}

std::vector<Tensor> conv3x3Plan(const std::vector<Tensor>& inputs, const Tensor& weight,
                                const std::optional<Tensor>& bias, bool relu, const Tensor& residual) {
  checkArguments(inputs, weight, bias);
  const Tensors levels = channelsLast(inputs);
  for (const Tensor& x : levels) require(!x.requires_grad(), "expected inputs that need no gradient");
  require(
      !residual.defined() || (levels.size() == 1 && isPlainFloat(residual) && residual.dim() == 4 &&
                              residual.size(0) == levels[0].size(0) && residual.size(1) == weight.size(0) &&
                              residual.size(2) == levels[0].size(2) && residual.size(3) == levels[0].size(3)),
      "expected a residual of the shape of the one result");
  const Tensor added = bias && bias->defined() ? bias->contiguous() : Tensor();
  const Tensor sum = residual.defined() ? residual.contiguous(at::MemoryFormat::ChannelsLast) : Tensor();
  const float* residuals[] = {sum.defined() ? sum.const_data_ptr<float>() : nullptr};
  const Scratch matrices =
      transformed(viewOf(weight, weight.const_data_ptr<float>()), weight.size(1), weight.size(0));
  return convolve(levels, matrices.matrices,
                  {.bias = added.defined() ? added.const_data_ptr<float>() : nullptr,
                   .residuals = sum.defined() ? residuals : nullptr,
                   .relu = relu});
}

bool prefersWinograd(const std::vector<Tensor>& inputs, const Tensor& weight) {
  // The transformed weight costs as much as some tens of tiles, and far more when it does not fit the cache.
  constexpr int64_t fewestChannels = 64, fewestTiles = 32, fewestTilesForLargeWeights = 256;
  constexpr int64_t largeWeight = 400 * 400;
  if (!isPlainFloat(weight) || weight.dim() != 4 || weight.size(2) != 3 || weight.size(3) != 3) return false;
  if (std::min(weight.size(0), weight.size(1)) < fewestChannels) return false;
  int64_t tiles = 0;
  for (const Tensor& x : inputs) {
    if (!isPlainFloat(x) || x.dim() != 4 || x.size(1) != weight.size(1)) return false;
    tiles += x.size(0) * ceilDivide(x.size(2), tileSide) * ceilDivide(x.size(3), tileSide);
  }
  const bool large = weight.size(0) * weight.size(1) > largeWeight;
  return tiles >= (large ? fewestTilesForLargeWeights : fewestTiles);
}

}  // namespace hd::ops
