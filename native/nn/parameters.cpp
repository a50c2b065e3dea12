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

/// Fills a tensor in row-major order by blocks of fixed size, each from its own random stream, so that blocks
/// run in parallel and the values depend neither on the thread count nor on the memory format. `fill` gets
/// the stream and an even number of elements to write.
template <class Fill>
void fillInBlocks(Tensor& tensor, Random& random, const Fill& fill) {
  constexpr int64_t block = 16384;
  const uint64_t seed = uint64_t{random.bits()} << 32 | random.bits();
  const int64_t count = tensor.numel();
  Tensor values = at::empty({count + count % 2}, at::kFloat);
  float* data = values.data_ptr<float>();
  at::parallel_for(0, (count + block - 1) / block, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      Random own(seed, "init", 0, static_cast<uint64_t>(b));
      fill(own, data + b * block, std::min(values.numel() - b * block, block));
    }
  });
  tensor.copy_(values.slice(0, 0, count).view(tensor.sizes()));
}

/// Box–Muller, both values of each pair: networks have tens of millions of weights to draw before their first
/// step.
void fillNormal(Random& random, float* out, int64_t count, float mean, float deviation) {
  for (int64_t i = 0; i < count; i += 2) {
    const float u = (static_cast<float>(random.bits() >> 8) + 1) * 0x1p-24f;  // in (0, 1]
    const float radius = deviation * std::sqrt(-2 * std::log(u)), angle = 6.2831853f * random.uniform();
    out[i] = mean + radius * std::cos(angle);
    out[i + 1] = mean + radius * std::sin(angle);
  }
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

Parameter& ParameterStore::parameter(const std::string& name, at::IntArrayRef shape,
                                     const Initializer& init) {
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
    fillInBlocks(tensor, random, [&](Random& own, float* out, int64_t count) {
      fillNormal(own, out, count, static_cast<float>(mean), static_cast<float>(deviation));
    });
  };
}

Initializer kaimingNormalFanOut() {
  return
      [](Tensor& tensor, Random& random) { normal(0, std::sqrt(2.0 / fansOf(tensor).out))(tensor, random); };
}

Initializer xavierUniform() {
  return [](Tensor& tensor, Random& random) {
    const Fans fans = fansOf(tensor);
    const auto bound = static_cast<float>(std::sqrt(6.0 / (fans.in + fans.out)));
    fillInBlocks(tensor, random, [bound](Random& own, float* out, int64_t count) {
      for (int64_t i = 0; i < count; ++i) out[i] = own.uniform(-bound, bound);
    });
  };
}

}  // namespace hd::nn
