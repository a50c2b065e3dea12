// Shared by the tests of nn/.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <string>

#include "core/error.h"
#include "nn/graph.h"

namespace support {

/// doctest cannot print a ScalarType (its toString finds torch's), so types are compared out of its sight.
inline bool hasType(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.scalar_type() == type;
}

/// Largest difference relative to the largest magnitude of `expected`.
inline double relativeError(const at::Tensor& actual, const at::Tensor& expected) {
  REQUIRE(actual.sizes() == expected.sizes());
  const at::NoGradGuard guard;
  const auto a = actual.to(at::kDouble), b = expected.to(at::kDouble);
  if (b.numel() == 0) return 0;
  return ((a - b).abs().max() / b.abs().max().clamp_min(1e-12)).item<double>();
}

template <class Call>
std::string codeOf(const Call& call) {
  try {
    call();
  } catch (const hd::Error& error) {
    return error.code();
  }
  return "";
}

template <class Call>
std::string messageOf(const Call& call) {
  try {
    call();
  } catch (const hd::Error& error) {
    return error.what();
  }
  return "";
}

/// Every floating tensor away from its initial value, repeatably: as after some training.
inline void scramble(hd::nn::ParameterStore& store) {
  const at::NoGradGuard guard;
  at::manual_seed(11);
  for (hd::nn::Parameter& parameter : store.all()) {
    if (!parameter.master.is_floating_point()) continue;
    const bool scale = parameter.isNorm && parameter.name.find("weight") != std::string::npos;
    if (parameter.name.find("running_var") != std::string::npos || scale) {
      parameter.master.uniform_(0.6, 1.4);
    } else if (parameter.master.dim() <= 1 && parameter.name.find("scale") == std::string::npos) {
      parameter.master.uniform_(-0.3, 0.3);
    }
  }
  store.setWorking(store.workingType());
}

inline at::Tensor channelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace support
