// ops/norms: normalisation layers of torchvision and torch by our operators.
#include <torch/csrc/autograd/autograd.h>

#include "ops/norm.h"
#include "tensors.h"

namespace {

using at::Tensor;
using golden::checkTensor;
using golden::tensorOf;
using hd::Value;

}  // namespace

GOLDEN("ops/norms", file, check) {
  const Value& tolerance = file.at("tolerance");
  const Value& inputs = file.at("inputs");
  const auto input = [&](const char* name) { return tensorOf(inputs.at(name)); };
  for (const Value& entry : file.at("cases").asArray()) {
    const std::string op = entry.at("op").asString();
    const double eps = entry.at("eps").asNumber();
    const std::string what = hd::concat(op, " eps ", eps);
    if (op == "FrozenBatchNorm2d") {
      const Tensor x = input("x").requires_grad_();
      const Tensor scale = input("weight") * (input("running_var") + eps).rsqrt();
      const Tensor y = hd::ops::scaleBiasRelu(x, scale, input("bias") - input("running_mean") * scale,
                                              std::nullopt, false);
      checkTensor(check, y, entry.at("output"), tolerance, what);
      checkTensor(check, torch::autograd::grad({y.sum()}, {x})[0], entry.at("grad_x_of_sum"), tolerance,
                  what + " gradient");
    } else if (op == "BatchNorm2d train") {
      // Batch statistics are group statistics of one image whose pixels are all pixels of the batch.
      const Tensor x = input("x").requires_grad_(), weight = input("weight").requires_grad_(),
                   bias = input("bias").requires_grad_();
      const int64_t channels = x.size(1), pixels = x.numel() / channels;
      const Tensor joined = x.permute({1, 0, 2, 3}).reshape({1, channels, x.size(0), -1});
      const Tensor y = hd::ops::groupNormRelu(joined, channels, weight, bias, eps, false)
                           .reshape({channels, x.size(0), x.size(2), x.size(3)})
                           .permute({1, 0, 2, 3});
      checkTensor(check, y, entry.at("output"), tolerance, what);
      const auto slopes = torch::autograd::grad({(y * input("gout")).sum()}, {x, weight, bias});
      checkTensor(check, slopes[0], entry.at("grad_x"), tolerance, what + " gradient x");
      checkTensor(check, slopes[1], entry.at("grad_weight"), tolerance, what + " gradient weight");
      checkTensor(check, slopes[2], entry.at("grad_bias"), tolerance, what + " gradient bias");
      const Tensor rows = joined.detach().reshape({channels, pixels});
      const double momentum = entry.at("momentum").asNumber();
      checkTensor(check, input("running_mean").lerp(rows.mean(1), momentum), entry.at("running_mean_after"),
                  tolerance, what + " mean");
      checkTensor(check, input("running_var").lerp(rows.var(1, true), momentum),
                  entry.at("running_var_after"), tolerance, what + " variance");
    } else if (op == "GroupNorm") {
      const Tensor z = input("z").requires_grad_(), weight = input("gn_weight").requires_grad_(),
                   bias = input("gn_bias").requires_grad_();
      const Tensor y = hd::ops::groupNormRelu(z, static_cast<int64_t>(entry.at("groups").asNumber()), weight,
                                              bias, eps, false);
      checkTensor(check, y, entry.at("output"), tolerance, what);
      const auto slopes = torch::autograd::grad({(y * input("gout_gn")).sum()}, {z, weight, bias});
      checkTensor(check, slopes[0], entry.at("grad_x"), tolerance, what + " gradient x");
      checkTensor(check, slopes[1], entry.at("grad_weight"), tolerance, what + " gradient weight");
      checkTensor(check, slopes[2], entry.at("grad_bias"), tolerance, what + " gradient bias");
    } else {
      check.skip(op + ": not an operator of this product");
    }
  }
}
