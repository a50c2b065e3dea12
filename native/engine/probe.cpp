// One batch under the glass: what a step would see, member by member.
//   total, gradientNorm, positives, images: [index]
//   terms: [{name, value, weight, weighted, gradientNorm}], gradientNorm over everything that learns
//   tensors: [{name, shape, nonFinite, zeros, mean, deviation, largest}] in the order of the network; zeros
//   is
//     a share, largest the greatest magnitude of what is finite
//   parameters: [{name, shape, weightNorm, gradientNorm, nonFiniteWeights, nonFiniteGradients}]
// Numbers that are not finite stand as they are: they are what one looks for.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <cmath>
#include <set>

#include "engine/session.h"
#include "engine/statistics_guard.h"
#include "nn/run_batch.h"

namespace hd::engine {
namespace {

Value shapeOf(const torch::Tensor& tensor) {
  Value out{Value::Array{}};
  for (const int64_t side : tensor.sizes()) out.push(side);
  return out;
}

int64_t nonFinite(const torch::Tensor& tensor) {
  if (!tensor.is_floating_point()) return 0;
  return tensor.numel() - tensor.isfinite().sum().item<int64_t>();
}

double normOf(const torch::Tensor& tensor) {
  return tensor.defined() ? tensor.to(torch::kFloat32).norm().item<double>() : 0.0;
}

Value statisticsOf(const std::string& name, const torch::Tensor& given) {
  const torch::Tensor tensor = given.detach().to(torch::kFloat32);
  const torch::Tensor finite = torch::nan_to_num(tensor, 0, 0, 0);
  return Value::Object{
      {"name", name},
      {"shape", shapeOf(given)},
      {"nonFinite", nonFinite(tensor)},
      {"zeros", tensor.numel() > 0 ? (tensor == 0).sum().item<double>() / tensor.numel() : 0.0},
      {"mean", tensor.numel() > 0 ? finite.mean().item<double>() : 0.0},
      {"deviation", tensor.numel() > 1 ? finite.std().item<double>() : 0.0},
      {"largest", tensor.numel() > 0 ? finite.abs().max().item<double>() : 0.0}};
}

}  // namespace

Value Session::probe(const Batch& batch, const StepInput& input) {
  require(optimizer_ != nullptr, "expected a session made for training");
  useEma(false);
  preparedForDetect_ = false;
  const StatisticsGuard statistics(graph().parameters());
  const auto assignment = detector_->assign(batch);
  std::vector<double> predictionSums, transferSums;
  if (distillation_) transferSums = distillation_->normalisers(batch, *assignment);
  const Forward pass =
      forward(batch, *assignment, assignment->normalisers, predictionSums, transferSums, true);

  const auto& learned = optimizer_->parameters();
  std::vector<torch::Tensor> inputs, sums(learned.size());
  for (const nn::Parameter* parameter : learned) inputs.push_back(parameter->working);
  Value terms{Value::Array{}};
  double total = 0;
  for (const auto& term : pass.terms) {
    const auto chosen = input.lossWeights.find(term.name);
    const double weight = chosen == input.lossWeights.end() ? term.weight : chosen->second;
    const double value = input.fault == "nan" ? std::nan("") : term.value.item<double>();
    double squared = 0;
    if (term.value.requires_grad()) {
      const auto gradients =
          torch::autograd::grad({term.value * weight}, inputs, {}, /*retain_graph=*/true, false, true);
      for (size_t i = 0; i < gradients.size(); ++i) {
        if (!gradients[i].defined()) continue;
        const double norm = normOf(gradients[i]);
        squared += norm * norm;
        sums[i] = sums[i].defined() ? sums[i] + gradients[i] : gradients[i];
      }
    }
    total += weight * value;
    terms.push(Value::Object{{"name", term.name},
                             {"value", value},
                             {"weight", weight},
                             {"weighted", weight * value},
                             {"gradientNorm", std::sqrt(squared)}});
  }
  Value parameters{Value::Array{}};
  double squared = 0;
  for (size_t i = 0; i < learned.size(); ++i) {
    const double norm = normOf(sums[i]);
    squared += norm * norm;
    parameters.push(Value::Object{{"name", learned[i]->name},
                                  {"shape", shapeOf(learned[i]->master)},
                                  {"weightNorm", normOf(learned[i]->master)},
                                  {"gradientNorm", norm},
                                  {"nonFiniteWeights", nonFinite(learned[i]->master)},
                                  {"nonFiniteGradients", sums[i].defined() ? nonFinite(sums[i]) : 0}});
  }
  Value tensors{Value::Array{}};
  {
    torch::NoGradGuard guard;
    const auto taps = graph().taps();
    const auto outputs = nn::runBatch(graph(), batch, taps, nn::Mode::train);
    std::set<const void*> seen;  // an alias is the tensor that it names
    for (size_t i = 0; i < taps.size(); ++i) {
      if (seen.insert(outputs[i].data_ptr()).second) tensors.push(statisticsOf(taps[i], outputs[i]));
    }
  }
  Value images{Value::Array{}};
  for (const ImageTargets& image : batch.images) images.push(image.image);
  return Value::Object{{"total", total},
                       {"gradientNorm", std::sqrt(squared)},
                       {"positives", assignment->positives},
                       {"images", std::move(images)},
                       {"terms", std::move(terms)},
                       {"tensors", std::move(tensors)},
                       {"parameters", std::move(parameters)}};
}

}  // namespace hd::engine
