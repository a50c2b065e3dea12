// ops/losses: those of torchvision's and torch's losses that our operators contain as special cases.
//  - focal loss and binary cross entropy of 0/1 targets: quality focal loss of one class with quality 1
//    (exponent gamma, or 0 for plain cross entropy); alpha becomes the row's weight
//  - cross entropy: distribution focal loss at whole numbers
//  - KL divergence of a softened student: distillation with the teacher's logits multiplied by the
//  temperature
#include <torch/csrc/autograd/autograd.h>

#include "ops/losses.h"
#include "tensors.h"

namespace {

using at::Tensor;
using golden::Checker;
using golden::checkTensor;
using golden::tensorOf;
using hd::Value;

/// Each element is a row of one class: label 0 where the target is 1, else background.
Tensor binaryLoss(const Tensor& logits, const Tensor& targets, const Tensor& weight, double exponent) {
  const Tensor labels = 1 - targets.flatten().to(at::kLong);
  return hd::ops::qualityFocalLoss(logits.reshape({-1, 1}), labels, targets.flatten(), weight.flatten(),
                                   exponent);
}

double reduced(double sum, const std::string& reduction, const Tensor& input) {
  if (reduction == "mean") return sum / static_cast<double>(input.numel());
  return reduction == "batchmean" ? sum / static_cast<double>(input.size(0)) : sum;
}

/// Value and gradient of a sum against {"value", "grad"} under the case's reduction.
void checkReduced(const Tensor& sum, const Tensor& input, double elements, const Value& entry,
                  const Value& tolerance, Checker& check, const std::string& what) {
  const Tensor value = sum / elements;
  check.close(value.item<double>(), entry.at("value").asNumber(), golden::toleranceOf(tolerance),
              what + " value");
  checkTensor(check, torch::autograd::grad({value}, {input})[0], entry.at("grad"), tolerance,
              what + " gradient");
}

}  // namespace

GOLDEN("ops/losses", file, check) {
  const Value& tolerance = file.at("tolerance");
  size_t index = 0;
  for (const Value& entry : file.at("cases").asArray()) {
    const std::string op = entry.at("op").asString(), reduction = entry.get("reduction", "sum");
    const std::string what = hd::concat("case ", index++, " ", op, " ", reduction);
    if (op == "sigmoid_focal_loss" && entry.at("targets_kind").asString() == "binary") {
      const Tensor logits = tensorOf(entry.at("inputs")).requires_grad_(),
                   targets = tensorOf(entry.at("targets"));
      const double alpha = entry.at("alpha").asNumber(), gamma = entry.at("gamma").asNumber();
      const Tensor weight =
          alpha < 0 ? at::ones_like(targets) : alpha * targets + (1 - alpha) * (1 - targets);
      const Tensor sum = binaryLoss(logits, targets, weight, gamma);
      check.close(sum.item<double>(), entry.at("sum").asNumber(), golden::toleranceOf(tolerance), what);
      check.close(reduced(sum.item<double>(), "mean", logits), entry.at("mean").asNumber(),
                  golden::toleranceOf(tolerance), what);
      checkTensor(check, torch::autograd::grad({sum}, {logits})[0], entry.at("grad_of_sum"), tolerance,
                  what + " gradient");
      const auto each = golden::dataOf(entry.at("none"));
      for (int64_t i = 0; i < logits.numel(); ++i) {
        const Tensor one =
            binaryLoss(logits.detach().flatten().slice(0, i, i + 1), targets.flatten().slice(0, i, i + 1),
                       weight.flatten().slice(0, i, i + 1), gamma);
        check.close(one.item<double>(), each[static_cast<size_t>(i)], golden::toleranceOf(tolerance),
                    hd::concat(what, "[", i, "]"));
      }
    } else if (op == "binary_cross_entropy_with_logits") {
      const Tensor input = tensorOf(entry.at("input")).requires_grad_(),
                   target = tensorOf(entry.at("target"));
      const Tensor sum = binaryLoss(input, target, at::ones_like(target), 0);
      checkReduced(sum, input, reduction == "mean" ? static_cast<double>(input.numel()) : 1, entry, tolerance,
                   check, what);
    } else if (op == "cross_entropy") {
      const Tensor input = tensorOf(entry.at("input")).requires_grad_();
      const Tensor target = at::tensor(entry.numbers("target"), at::kFloat);
      const Tensor sum = hd::ops::distributionFocalLoss(input, target, at::ones({input.size(0)}));
      checkReduced(sum, input, reduction == "mean" ? static_cast<double>(input.size(0)) : 1, entry, tolerance,
                   check, what);
    } else if (op == "kl_div(log_softmax(input/3), softmax(target))") {
      constexpr double temperature = 3;  // in the operation's name
      const Tensor input = tensorOf(entry.at("input")).requires_grad_(),
                   target = tensorOf(entry.at("target"));
      const double bins = static_cast<double>(input.size(1)), rows = static_cast<double>(input.size(0));
      // Ours is T²/bins times the sum over bins.
      const Tensor sum =
          hd::ops::klDistillation(input, target * temperature, at::ones({input.size(0)}), temperature) *
          (bins / (temperature * temperature));
      checkReduced(sum, input,
                   reduction == "mean"        ? rows * bins
                   : reduction == "batchmean" ? rows
                                              : 1,
                   entry, tolerance, check, what);
    } else {
      check.skip(what + ": not an operator of this product");
    }
  }
}
