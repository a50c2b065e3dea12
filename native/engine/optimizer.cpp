#include "engine/optimizer.h"

#include "core/error.h"
#include "engine/names.h"
#include "ops/optimizer.h"

namespace hd::engine {

OptimizerOptions OptimizerOptions::from(const Value& optimizer, const Value* groups) {
  OptimizerOptions out;
  const std::string kind = optimizer.get("kind", "sgd");
  if (kind != "sgd" && kind != "adamw")
    throw Error("HD_INTERNAL", concat("expected sgd or adamw but received '", kind, "'"));
  out.kind = kind == "sgd" ? Kind::sgd : Kind::adamw;
  out.momentum = optimizer.get("momentum", out.momentum);
  out.nesterov = optimizer.get("nesterov", out.nesterov);
  out.weightDecay = optimizer.get("weightDecay", out.weightDecay);
  if (const auto betas = optimizer.numbers("betas"); betas.size() == 2) {
    out.beta1 = betas[0];
    out.beta2 = betas[1];
  }
  out.epsilon = optimizer.get("eps", out.epsilon);
  for (const std::string& kept : optimizer.strings("noDecay")) {
    if (kept == "norm") out.decayNorms = false;
    if (kept == "bias") out.decayBiases = false;
  }
  if (groups != nullptr && !groups->isNull()) {
    for (const Value& group : groups->asArray()) {
      out.groups.push_back({group.at("match").asString(), group.get("lr", 1.0), group.get("decay", 1.0)});
    }
  }
  return out;
}

Optimizer::Optimizer(const OptimizerOptions& options, const std::vector<nn::Parameter*>& reached)
    : options_(options) {
  options_.groups.push_back({"*", 1, 1});
  for (nn::Parameter* parameter : reached) {
    if (!parameter->trainable || parameter->buffer) continue;
    size_t group = 0;
    while (!matchesGlob(options_.groups[group].match, parameter->name)) ++group;
    const bool exempt =
        (parameter->isNorm && !options_.decayNorms) || (parameter->isBias && !options_.decayBiases);
    parameters_.push_back(parameter);
    group_.push_back(group);
    decay_.push_back(exempt ? 0.0 : options_.weightDecay * options_.groups[group].decay);
    if (options_.kind == OptimizerOptions::Kind::adamw || options_.momentum != 0) {
      momentum_.push_back(torch::zeros_like(parameter->master));
    }
    if (options_.kind == OptimizerOptions::Kind::adamw)
      square_.push_back(torch::zeros_like(parameter->master));
  }
}

std::vector<torch::Tensor> Optimizer::gradients() const {
  std::vector<torch::Tensor> out;
  out.reserve(parameters_.size());
  for (const nn::Parameter* parameter : parameters_) {
    const auto& gradient = parameter->working.grad();
    out.push_back(gradient.defined() ? gradient : torch::zeros_like(parameter->working));
  }
  return out;
}

void Optimizer::clearGradients() {
  for (nn::Parameter* parameter : parameters_) parameter->working.mutable_grad() = torch::Tensor();
}

void Optimizer::update(const std::vector<torch::Tensor>& gradients, const std::vector<double>& learningRates,
                       int64_t step, double scale, const std::vector<torch::Tensor>& ema, double emaDecay) {
  require(learningRates.size() == options_.groups.size(), "expected ", options_.groups.size(),
          " learning rates, one a parameter group, but received ", learningRates.size());
  ops::StepTensors tensors;
  ops::StepOptions call;
  call.gradientScale = scale;
  call.averageDecay = emaDecay;
  tensors.gradient = gradients;
  tensors.momentum = momentum_;
  tensors.secondMoment = square_;
  tensors.average = ema;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const nn::Parameter& parameter = *parameters_[i];
    tensors.master.push_back(parameter.master);
    if (!parameter.working.is_same(parameter.master)) tensors.working.push_back(parameter.working);
    call.lr.push_back(learningRates[group_[i]]);
    call.weightDecay.push_back(decay_[i]);
  }
  if (options_.kind == OptimizerOptions::Kind::sgd) {
    ops::sgdStep(tensors, call, options_.momentum, options_.nesterov);
  } else {
    ops::adamwStep(tensors, call, options_.beta1, options_.beta2, options_.epsilon, step + 1);
  }
}

std::vector<std::pair<std::string, torch::Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, torch::Tensor>> out;
  for (size_t i = 0; i < momentum_.size(); ++i)
    out.emplace_back("momentum/" + parameters_[i]->name, momentum_[i]);
  for (size_t i = 0; i < square_.size(); ++i) out.emplace_back("square/" + parameters_[i]->name, square_[i]);
  return out;
}

}  // namespace hd::engine
