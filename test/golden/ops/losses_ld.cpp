// ld/losses: values and gradients of the loss classes of the LD code base.
//
// Every case prints the loss with reduction "mean": Σ weight · loss / avg_factor, or the mean over rows
// without one, times loss_weight. Ours are sums, so the reader divides.
#include <torch/csrc/autograd/autograd.h>

#include "ops/losses.h"
#include "tensors.h"

namespace {

using at::Tensor;
using golden::Checker;
using golden::checkTensor;
using golden::tensorOf;
using hd::Value;

/// Rows' weights (1 when the case has none) and the factor from our sum to the printed loss.
struct Reduction {
  Tensor weight;
  double factor;

  Reduction(const Value& entry, int64_t rows, double terms) {
    const Value* given = entry.find("weight");
    weight = given == nullptr || given->isNull() ? at::ones({rows}) : tensorOf(*given);
    const Value* average = entry.find("avg_factor");
    const double divisor = average == nullptr || average->isNull() ? terms : average->asNumber();
    factor = entry.get("loss_weight", 1.0) / divisor;
  }
};

/// One-hot weights select a row: the loss of row i alone.
template <class Loss>
Tensor rowByRow(int64_t rows, const Loss& loss) {
  Tensor out = at::empty({rows});
  for (int64_t i = 0; i < rows; ++i) {
    Tensor only = at::zeros({rows});
    only[i] = 1;
    out[i] = loss(only);
  }
  return out;
}

/// Value, gradient and single rows of `loss(pred, weight)`, a sum.
template <class Loss>
void checkSum(const Value& entry, const Value& tolerance, Checker& check, const std::string& what,
              const char* rowsKey, double rowFactor, double termsPerRow, const Loss& loss) {
  const Tensor pred = tensorOf(entry.at("pred")).requires_grad_();
  const Reduction reduction(entry, pred.size(0), static_cast<double>(pred.size(0)) * termsPerRow);
  const Tensor value = loss(pred, reduction.weight) * reduction.factor;
  check.close(value.item<double>(), entry.at("loss").asNumber(), golden::toleranceOf(tolerance),
              what + " loss");
  const Tensor gradient = torch::autograd::grad({value}, {pred})[0];
  checkTensor(check, gradient, entry.at("grad_pred"), tolerance, what + " gradient");
  const Tensor rows =
      rowByRow(pred.size(0), [&](const Tensor& only) { return loss(pred.detach(), only); }) * rowFactor;
  const Value& expected = entry.at(rowsKey);
  if (expected.numbers("shape").size() == 1) {
    checkTensor(check, rows, expected, tolerance, what + " rows");
  } else {  // costs of single coordinates; ours are added up
    const auto sums = tensorOf(expected).sum(1);
    check.truth(
        at::allclose(rows, sums.to(rows.dtype()), tolerance.get("rtol", 0.0), tolerance.get("atol", 0.0)),
        what + " rows");
  }
}

std::string boxKind(const std::string& op) {
  if (op == "IoULoss") return "iou";
  if (op == "GIoULoss") return "giou";
  if (op == "DIoULoss") return "diou";
  if (op == "CIoULoss") return "ciou";
  return op == "BoundedIoULoss" ? "bounded_iou" : "";
}

}  // namespace

GOLDEN("ld/losses", file, check) {
  const Value& tolerance = file.at("tolerance");
  size_t index = 0;
  for (const Value& entry : file.at("cases").asArray()) {
    const std::string op = entry.at("op").asString();
    const std::string what = hd::concat("case ", index++, " ", op);
    const double lossWeight = entry.get("loss_weight", 1.0);
    if (op == "QualityFocalLoss") {
      const Tensor labels = at::tensor(entry.numbers("label"), at::kDouble).to(at::kLong);
      const Tensor score = tensorOf(entry.at("score"));
      const bool probabilities = !entry.at("use_sigmoid").asBool();
      checkSum(entry, tolerance, check, what, "per_row", 1, 1, [&](const Tensor& pred, const Tensor& weight) {
        return hd::ops::qualityFocalLoss(pred, labels, score, weight, entry.at("beta").asNumber(),
                                         probabilities);
      });
    } else if (op == "DistributionFocalLoss") {
      const Tensor target = tensorOf(entry.at("target"));
      checkSum(entry, tolerance, check, what, "per_row_unweighted", lossWeight, 1,
               [&](const Tensor& pred, const Tensor& weight) {
                 return hd::ops::distributionFocalLoss(pred, target, weight);
               });
    } else if (const std::string kind = boxKind(op); !kind.empty()) {
      const Tensor target = tensorOf(entry.at("target"));
      const double terms = kind == "bounded_iou" ? 4 : 1;
      checkSum(entry, tolerance, check, what, "per_box_times_loss_weight", lossWeight, terms,
               [&](const Tensor& pred, const Tensor& weight) {
                 return hd::ops::boxLoss(kind, pred, target, weight, entry.at("eps").asNumber());
               });
    } else if (op == "KnowledgeDistillationKLDivLoss") {
      const Tensor teacher = tensorOf(entry.at("soft_label"));
      checkSum(entry, tolerance, check, what, "per_row_times_loss_weight", lossWeight, 1,
               [&](const Tensor& pred, const Tensor& weight) {
                 return hd::ops::klDistillation(pred, teacher, weight, entry.at("T").asNumber());
               });
    } else if (op == "Integral") {
      const Tensor logits = tensorOf(entry.at("x")).requires_grad_();
      const Tensor distances = hd::ops::integral(logits);
      checkTensor(check, distances, entry.at("out"), tolerance, what + " out");
      checkTensor(check, torch::autograd::grad({distances.sum()}, {logits})[0], entry.at("grad_x_of_sum"),
                  tolerance, what + " gradient");
    } else if (op == "IMLoss") {
      const Tensor features = tensorOf(entry.at("x")).requires_grad_();
      const double rows = static_cast<double>(features.size(0) * features.size(1));
      const Tensor loss = hd::ops::squaredDifference(features, tensorOf(entry.at("soft_target")),
                                                     at::full({features.size(0)}, lossWeight / rows));
      check.close(loss.item<double>(), entry.at("loss").asNumber(), golden::toleranceOf(tolerance),
                  what + " loss");
      checkTensor(check, torch::autograd::grad({loss}, {features})[0], entry.at("grad_x"), tolerance,
                  what + " gradient");
    } else {
      check.truth(false, what + ": an operation that this reader does not know");
    }
  }
}
