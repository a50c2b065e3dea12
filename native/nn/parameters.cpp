#include "nn/parameters.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace hd::nn {
namespace {

at::MemoryFormat formatFor(at::IntArrayRef shape) {
  return shape.size() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

/// Fills row-major element i from draw i of fixed-size blocks, each with its own random stream, so that blocks run in
/// parallel and the values depend neither on the thread count nor on the memory format.
template <class Draw>
void fillInBlocks(Tensor& tensor, Random& random, const Draw& draw) {
  constexpr int64_t block = 16384;
  const uint64_t seed = uint64_t{random.bits()} << 32 | random.bits();
  Tensor values = at::empty(tensor.sizes(), at::kFloat);
  float* data = values.data_ptr<float>();
  const int64_t count = values.numel();
  at::parallel_for(0, (count + block - 1) / block, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      Random own(seed, "init", 0, static_cast<uint64_t>(b));
      for (int64_t i = b * block; i < std::min(count, (b + 1) * block); ++i) data[i] = draw(own);
    }
  });
  tensor.copy_(values);
}

struct Fans {
  double in, out;
};

Fans fansOf(const Tensor& weight) {
  require(weight.dim() >= 2, "expected a weight of two or more dimensions for an initialiser by fan");
  const double window = static_cast<double>(weight.numel() / (weight.size(0) * weight.size(1)));
  return {static_cast<double>(weight.size(1)) * window, static_cast<double>(weight.size(0)) * window};
}

}  // namespace

Parameter& ParameterStore::parameter(const std::string& name, at::IntArrayRef shape, const Initializer& init) {
  require(byName_.find(name) == byName_.end(), "parameter '", name, "' is added twice");
  Parameter& added = parameters_.emplace_back();
  added.name = name;
  added.master = at::empty(shape, at::TensorOptions(at::kFloat).memory_format(formatFor(shape)));
  Random random(seed_, "init", 0, hashName(name));
  init(added.master, random);
  added.working = added.master;
  added.working.set_requires_grad(true);
  byName_[name] = &added;
  return added;
}

Parameter& ParameterStore::buffer(const std::string& name, Tensor value) {
  require(byName_.find(name) == byName_.end(), "buffer '", name, "' is added twice");
  Parameter& added = parameters_.emplace_back();
  added.name = name;
  added.master = added.working = std::move(value);
  added.buffer = true;
  added.trainable = added.decay = false;
  byName_[name] = &added;
  return added;
}

Parameter* ParameterStore::find(std::string_view name) {
  const auto found = byName_.find(std::string(name));
  return found == byName_.end() ? nullptr : found->second;
}

void ParameterStore::setWorking(torch::Dtype dtype) {
  const at::NoGradGuard guard;
  workingType_ = dtype;
  for (Parameter& parameter : parameters_) {
    if (parameter.buffer) continue;
    parameter.master.set_requires_grad(false);
    parameter.master.mutable_grad() = Tensor();
    parameter.working = dtype == at::kFloat ? parameter.master : parameter.master.to(dtype);
    parameter.working.set_requires_grad(parameter.trainable);
  }
  touch();
}

Initializer constant(double value) {
  return [value](Tensor& tensor, Random&) { tensor.fill_(value); };
}

Initializer normal(double mean, double deviation) {
  return [mean, deviation](Tensor& tensor, Random& random) {
    fillInBlocks(tensor, random, [mean, deviation](Random& own) {
      return static_cast<float>(mean + deviation * own.normal());
    });
  };
}

Initializer kaimingNormalFanOut() {
  return [](Tensor& tensor, Random& random) { normal(0, std::sqrt(2.0 / fansOf(tensor).out))(tensor, random); };
}

Initializer xavierUniform() {
  return [](Tensor& tensor, Random& random) {
    const Fans fans = fansOf(tensor);
    const auto bound = static_cast<float>(std::sqrt(6.0 / (fans.in + fans.out)));
    fillInBlocks(tensor, random, [bound](Random& own) { return own.uniform(-bound, bound); });
  };
}

}  // namespace hd::nn
