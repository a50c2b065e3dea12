// Running statistics of a network put back as they were.
#pragma once

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/types.h>

#include <utility>
#include <vector>

#include "nn/parameters.h"

namespace hd::engine {

/// Puts running statistics back at the end of its scope unless they are kept: a forward in train mode moves
/// them, also one that is only for normalisers, and one of a step that fails.
class StatisticsGuard {
 public:
  explicit StatisticsGuard(nn::ParameterStore& store) {
    torch::NoGradGuard guard;
    for (nn::Parameter& parameter : store.all()) {
      if (parameter.buffer) before_.emplace_back(parameter.master, parameter.master.clone());
    }
  }
  ~StatisticsGuard() {
    torch::NoGradGuard guard;
    for (auto& [tensor, value] : before_) tensor.copy_(value);
  }
  StatisticsGuard(const StatisticsGuard&) = delete;
  StatisticsGuard& operator=(const StatisticsGuard&) = delete;
  void keep() { before_.clear(); }

 private:
  std::vector<std::pair<torch::Tensor, torch::Tensor>> before_;
};

}  // namespace hd::engine
