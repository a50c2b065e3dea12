// What the tests of operators share: seeded inputs, autograd of composite expressions, central differences.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "core/rng.h"

namespace reference {

using at::Tensor;

/// Seeded uniform values in [low, high).
inline Tensor uniform(hd::Random& random, at::IntArrayRef shape, double low, double high,
                      at::ScalarType type = at::kDouble) {
  Tensor out = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < out.numel(); ++i) {
    out.mutable_data_ptr<double>()[i] = low + (high - low) * static_cast<double>(random.uniform());
  }
  return out.to(type);
}

inline Tensor integers(hd::Random& random, int64_t count, int64_t low, int64_t high) {
  Tensor out = at::empty({count}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    out.mutable_data_ptr<int64_t>()[i] = low + random.below(static_cast<uint32_t>(high - low));
  }
  return out;
}

/// Weights in [0.2, 1.2), a share of them 0.
inline Tensor weights(hd::Random& random, int64_t count, double zeros, at::ScalarType type = at::kDouble) {
  Tensor out = uniform(random, {count}, 0.2, 1.2);
  for (int64_t i = 0; i < count; ++i) {
    if (random.chance(static_cast<float>(zeros))) out.mutable_data_ptr<double>()[i] = 0;
  }
  return out.to(type);
}

/// Valid boxes in [0, extent]².
inline Tensor boxes(hd::Random& random, int64_t count, double extent, at::ScalarType type = at::kDouble) {
  const Tensor corner = uniform(random, {count, 2}, 0, 0.6 * extent);
  const Tensor size = uniform(random, {count, 2}, 0.1 * extent, 0.4 * extent);
  return at::cat({corner, corner + size}, 1).to(type);
}

/// A leaf that wants a gradient.
inline Tensor leaf(const Tensor& tensor) {
  return tensor.detach().clone().requires_grad_();
}

/// ∂ output / ∂ inputs for a scalar output.
inline std::vector<Tensor> gradients(const Tensor& output, const std::vector<Tensor>& inputs) {
  return torch::autograd::grad({output}, inputs, {}, std::nullopt, false, true);
}
inline Tensor gradient(const Tensor& output, const Tensor& input) {
  return gradients(output, {input})[0];
}

/// |actual − expected| ≤ atol + rtol·|expected| everywhere; NaN equals NaN.
inline bool near(const Tensor& actual, const Tensor& expected, double rtol, double atol) {
  if (actual.sizes() != expected.sizes()) return false;
  const Tensor a = actual.detach().to(at::kDouble), b = expected.detach().to(at::kDouble);
  if (at::allclose(a, b, rtol, atol, true)) return true;
  MESSAGE("largest difference ", (a - b).abs().max().item<double>(), ", largest value ",
          b.abs().max().item<double>());
  return false;
}

inline bool sameBits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && at::equal(a, b);
}

/// Compares autograd's gradient with central differences of a scalar function of one float64 tensor.
inline bool gradientChecks(const std::function<Tensor(const Tensor&)>& function, const Tensor& at,
                           double tolerance = 1e-6, double step = 1e-6) {
  const Tensor x = leaf(at);
  const Tensor analytic = gradient(function(x), x);
  Tensor numeric = at::empty_like(at);
  const at::NoGradGuard guard;
  Tensor moved = at.clone();
  for (int64_t i = 0; i < at.numel(); ++i) {
    double& value = moved.mutable_data_ptr<double>()[i];
    const double kept = value;
    value = kept + step;
    const double above = function(moved).item<double>();
    value = kept - step;
    const double below = function(moved).item<double>();
    value = kept;
    numeric.mutable_data_ptr<double>()[i] = (above - below) / (2 * step);
  }
  return near(analytic, numeric, tolerance, tolerance);
}

/// Whether `compute` gives the same bits on one thread and on three.
inline bool sameOnAnyThreadCount(const std::function<std::vector<Tensor>()>& compute) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = compute();
  at::set_num_threads(3);
  const auto three = compute();
  at::set_num_threads(before);
  if (one.size() != three.size()) return false;
  for (size_t i = 0; i < one.size(); ++i) {
    if (!sameBits(one[i], three[i])) return false;
  }
  return true;
}

}  // namespace reference
