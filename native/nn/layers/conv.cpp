#include "nn/layers/conv.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "nn/layers/fold.h"
#include "ops/deform_conv.h"
#include "ops/norm.h"
#include "ops/winograd.h"

namespace hd::nn {
namespace {

constexpr double batchNormMomentum = 0.1;
constexpr int64_t normGroups = 32;
constexpr double groupNormEpsilon = 1e-5;
constexpr size_t packedCanvases = 4;

/// Whether all levels go through ops::conv3x3 together.
bool takesWinograd(const Tensors& levels, const Tensor& weight, const ConvGeometry& g) {
  return g.kernel == 3 && g.stride == 1 && g.padding == 1 && g.dilation == 1 && g.groups == 1 &&
         ops::prefersWinograd(levels, weight);
}

/// oneDNN's bf16 gradient of the weights leaves taps unwritten that see padding alone, on maps of one column
/// with a stride (seen with AVX512-BF16): such a map is a handful of values and goes in fp32.
bool bf16LosesTaps(const Tensor& x, const ConvGeometry& g) {
  return x.scalar_type() == at::kBFloat16 && g.kernel > 1 && x.size(3) == 1;
}

/// How a convolution is executed where gradients may be wanted: the one place to change it.
Tensors convolve(const Tensors& levels, const Tensor& weight, const Tensor& bias,
                 const ConvGeometry& geometry) {
  if (takesWinograd(levels, weight, geometry)) {
    return ops::conv3x3(levels, weight, bias.defined() ? std::optional<Tensor>(bias) : std::nullopt);
  }
  Tensors out;
  for (const Tensor& x : levels) {
    if (bf16LosesTaps(x, geometry)) {
      const Tensor wideBias = bias.defined() ? bias.to(at::kFloat) : bias;
      out.push_back(
          convolution(x.to(at::kFloat), weight.to(at::kFloat), wideBias, geometry).to(at::kBFloat16));
    } else {
      out.push_back(convolution(x, weight, bias, geometry));
    }
  }
  return out;
}

/// bf16 norms compute in fp32.
Tensor forStatistics(const Tensor& tensor) {
  return tensor.scalar_type() == at::kBFloat16 ? tensor.to(at::kFloat) : tensor;
}

}  // namespace

Norm batchNormFrom(const std::string& name) {
  if (name == "train") return Norm::batchTrain;
  if (name == "eval") return Norm::batchEval;
  if (name == "frozen") return Norm::batchFrozen;
  throw Error("HD_RECIPE_VALUE",
              concat("expected train, eval or frozen for model.norm but received '", name, "'"),
              "model.norm");
}

ConvUnit::ConvUnit(ParameterStore& store, ConvOptions options) : store_(store), options_(std::move(options)) {
  const ConvGeometry& g = options_.geometry;
  require(options_.in % g.groups == 0 && options_.out % g.groups == 0, "convolution '", options_.conv,
          "' has ", g.groups, " groups for ", options_.in, " and ", options_.out, " channels");
  require(!(options_.bias && batchNorm()), "convolution '", options_.conv,
          "' has a bias before a batch norm");
  require(options_.normKind != Norm::group || options_.out % normGroups == 0, "expected a multiple of ",
          normGroups, " channels for group norm '", options_.norm, "' but received ", options_.out);
  weight_ = &store.parameter(options_.conv + ".weight",
                             {options_.out, options_.in / g.groups, g.kernel, g.kernel}, options_.initial);
  if (options_.bias) {
    bias_ = &store.parameter(options_.conv + ".bias", {options_.out}, constant(options_.initialBias));
    bias_->isBias = true;
  }
  if (options_.normKind != Norm::none) {
    gamma_ =
        &store.parameter(options_.norm + ".weight", {options_.out}, constant(options_.initialNormWeight));
    beta_ = &store.parameter(options_.norm + ".bias", {options_.out}, constant(0));
    gamma_->isNorm = beta_->isNorm = true;
  }
  if (batchNorm()) {
    mean_ = &store.buffer(options_.norm + ".running_mean", at::zeros({options_.out}, at::kFloat));
    variance_ = &store.buffer(options_.norm + ".running_var", at::ones({options_.out}, at::kFloat));
    tracked_ = &store.buffer(options_.norm + ".num_batches_tracked", at::zeros({}, at::kLong));
  }
  if (options_.deformable != 0) {
    require(options_.deformable == 1 || options_.deformable == 2,
            "expected version 1 or 2 of deformable convolution but received ", options_.deformable);
    ConvOptions offsets;
    offsets.conv = options_.conv + ".conv_offset";
    offsets.in = options_.in;
    offsets.out = (options_.deformable == 1 ? 2 : 3) * g.kernel * g.kernel;
    offsets.geometry = g;
    offsets.geometry.groups = 1;
    offsets.bias = true;
    offsets.trainable = options_.trainable;
    offsets.initial = constant(0);
    offsets_ = std::make_unique<ConvUnit>(store, offsets);
  }
  const bool normTrainable = options_.trainable && options_.normKind != Norm::batchFrozen;
  for (Parameter* parameter : {weight_, bias_}) {
    if (parameter != nullptr) parameter->trainable = options_.trainable;
  }
  for (Parameter* parameter : {gamma_, beta_}) {
    if (parameter != nullptr) parameter->trainable = normTrainable;
  }
  for (Parameter* parameter : parameters()) {
    if (!parameter->buffer) parameter->working.set_requires_grad(parameter->trainable);
  }
}

std::vector<Parameter*> ConvUnit::parameters() const {
  std::vector<Parameter*> all = {weight_, bias_, gamma_, beta_, mean_, variance_, tracked_};
  all.erase(std::remove(all.begin(), all.end(), nullptr), all.end());
  if (offsets_) {
    for (Parameter* parameter : offsets_->parameters()) all.push_back(parameter);
  }
  return all;
}

std::vector<int64_t> ConvUnit::outputShape(const std::vector<int64_t>& input) const {
  return {input[0], options_.out, options_.geometry.outputOf(input[2]), options_.geometry.outputOf(input[3])};
}

int64_t ConvUnit::multiplyAdds(const std::vector<std::vector<int64_t>>& inputShapes) const {
  const ConvGeometry& g = options_.geometry;
  int64_t total = offsets_ ? offsets_->multiplyAdds(inputShapes) : 0;
  for (const auto& shape : inputShapes) {
    const auto out = outputShape(shape);
    total += out[0] * out[1] * out[2] * out[3] * (options_.in / g.groups) * g.kernel * g.kernel;
  }
  return total;
}

void ConvUnit::requireMode(Mode mode) const {
  require(mode == Mode::plan || !store_.plansOnly(), "convolution '", options_.conv,
          "' keeps what a plan needs and nothing else: run it as a plan");
}

Tensors ConvUnit::forward(const Tensors& levels, Mode mode) {
  requireMode(mode);
  return mode == Mode::train ? train(levels, {}) : fixed(levels, {}, mode);
}

Tensor ConvUnit::forward(const Tensor& x, Mode mode, const Tensor& residual) {
  requireMode(mode);
  return mode == Mode::train ? train({x}, residual)[0] : fixed({x}, residual, mode)[0];
}

Tensors ConvUnit::train(const Tensors& levels, const Tensor& residual) {
  Tensor weight = weight_->working, bias = bias_ != nullptr ? bias_->working : Tensor();
  const bool runningStatistics = batchNorm() && !updatesStatistics();
  if (runningStatistics) {
    std::tie(weight, bias) =
        foldBatchNorm(weight, gamma_->working, beta_->working, mean_->working, variance_->working);
  }
  Tensors out = offsets_ ? deform(levels, weight, bias, Mode::train)
                         : convolve(levels, weight, bias, options_.geometry);
  for (Tensor& y : out) {
    if (batchNorm() && !runningStatistics) y = batchStatistics(y);
    y = finish(std::move(y), residual);
  }
  return out;
}

Tensors ConvUnit::deform(const Tensors& levels, const Tensor& weight, const Tensor& bias, Mode mode) {
  const ConvGeometry& g = options_.geometry;
  const int64_t taps = g.kernel * g.kernel;
  Tensors out;
  for (const Tensor& x : levels) {
    const Tensor predicted = offsets_->forward(x, mode);
    std::optional<Tensor> mask;
    if (options_.deformable == 2) mask = predicted.slice(1, 2 * taps, 3 * taps).sigmoid();
    out.push_back(ops::deformConv2d(
        x, weight, predicted.slice(1, 0, 2 * taps), mask,
        bias.defined() ? std::optional<Tensor>(bias) : std::nullopt,
        {{g.stride, g.stride}, {g.padding, g.padding}, {g.dilation, g.dilation}, g.groups}));
  }
  return out;
}

Tensor ConvUnit::batchStatistics(const Tensor& y) {
  const Tensor gamma = forStatistics(gamma_->working), beta = forStatistics(beta_->working);
  if (!at::GradMode::is_enabled()) {
    return at::batch_norm(y, gamma, beta, std::nullopt, std::nullopt, /*training=*/true, batchNormMomentum,
                          batchNormEpsilon,
                          /*cudnn_enabled=*/false);
  }
  // The buffers are fp32; a network that works in fp64 needs them in its type for the call.
  Tensor mean = mean_->working.to(gamma.scalar_type()), variance = variance_->working.to(gamma.scalar_type());
  Tensor out =
      at::batch_norm(y, gamma, beta, mean, variance, /*training=*/true, batchNormMomentum, batchNormEpsilon,
                     /*cudnn_enabled=*/false);
  const at::NoGradGuard guard;
  if (!mean.is_same(mean_->working)) {
    mean_->working.copy_(mean);
    variance_->working.copy_(variance);
  }
  tracked_->working.add_(1);
  store_.touchTrainable();
  return out;
}

Tensor ConvUnit::finish(Tensor y, const Tensor& residual) const {
  if (options_.normKind == Norm::group) {
    require(!residual.defined(), "convolution '", options_.conv, "' has both a group norm and a residual");
    return ops::groupNormRelu(y, normGroups, gamma_->working, beta_->working, groupNormEpsilon,
                              options_.relu);
  }
  if (residual.defined()) y.add_(residual);
  return options_.relu ? y.relu_() : y;
}

void ConvUnit::prepare() {
  if (store_.plansOnly() && prepared_.first != 0) return;  // what it was made from is gone
  const auto all = parameters();
  const bool changes =
      updatesStatistics() || std::any_of(all.begin(), all.end(), [](Parameter* p) { return p->trainable; });
  const std::pair<uint64_t, bool> present = {changes ? store_.version() : store_.frozenVersion(), changes};
  if (prepared_ == present) return;
  const at::NoGradGuard guard;
  preparedWeight_ = weight_->working.detach();
  preparedBias_ = bias_ != nullptr ? bias_->working.detach() : Tensor();
  if (batchNorm()) {
    std::tie(preparedWeight_, preparedBias_) =
        foldBatchNorm(preparedWeight_, gamma_->working, beta_->working, mean_->working, variance_->working);
  }
  if (store_.plansOnly()) {
    preparedWeight_ = preparedWeight_.to(store_.workingType());
    if (preparedBias_.defined()) preparedBias_ = preparedBias_.to(store_.workingType());
    weight_->master = weight_->working = preparedWeight_;
  }
  packed_.reset();
  prepared_ = present;
}

Tensors ConvUnit::plan(const Tensors& levels, const Tensor& residual, bool relu) {
  const at::NoGradGuard guard;
  for (const Tensor& x : levels) {
    require(!x.requires_grad(), "convolution '", options_.conv,
            "' runs as a plan, but its input needs a gradient");
  }
  if (takesWinograd(levels, preparedWeight_, options_.geometry)) {
    const auto bias = preparedBias_.defined() ? std::optional<Tensor>(preparedBias_) : std::nullopt;
    return ops::conv3x3Plan(levels, preparedWeight_, bias, relu, residual);
  }
  if (!packed_) {
    packed_.emplace(packedCanvases * levels.size());
    packed_->reset(preparedWeight_, preparedBias_);
  }
  Tensors out;
  for (const Tensor& x : levels) out.push_back(packed_->run(x, options_.geometry, relu, residual));
  return out;
}

Tensors ConvUnit::fixed(const Tensors& levels, const Tensor& residual, Mode mode) {
  prepare();
  const bool group = options_.normKind == Norm::group;
  if (mode == Mode::plan && !group && !offsets_) return plan(levels, residual, options_.relu);
  Tensors out;
  if (offsets_) {
    for (Tensor& y : deform(levels, preparedWeight_, preparedBias_, mode))
      out.push_back(group ? std::move(y) : finish(std::move(y), residual));
  } else if (mode == Mode::plan) {
    out = plan(levels, residual, false);
  } else {
    for (const Tensor& x : levels) {
      Tensor y = convolution(x, preparedWeight_, preparedBias_, options_.geometry);
      out.push_back(group ? std::move(y) : finish(std::move(y), residual));
    }
  }
  if (!group) return out;
  for (Tensor& y : out) {
    y = ops::groupNormRelu(y, normGroups, gamma_->working.detach(), beta_->working.detach(), groupNormEpsilon,
                           options_.relu);
  }
  return out;
}

}  // namespace hd::nn
