#include "engine/session.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <new>

#include "core/error.h"
#include "engine/memory.h"
#include "engine/names.h"
#include "engine/statistics_guard.h"
#include "nn/run_batch.h"
#include "ops/optimizer.h"

namespace hd::engine {
namespace {

/// Adds the time of a scope to one entry of the profile.
class Timed {
 public:
  Timed(std::map<std::string, double>& profile, const char* part) : seconds_(profile[part]) {}
  ~Timed() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A rank's batch as `parts` equal micro-batches over the same pixels.
std::vector<Batch> cut(const Batch& batch, int64_t parts) {
  require(parts >= 1 && batch.count % parts == 0, "expected a batch that divides into ", parts,
          " micro-batches but received ", batch.count, " images");
  const int64_t size = batch.count / parts;
  std::vector<Batch> out;
  for (int64_t part = 0; part < parts; ++part) out.push_back(batch.part(part * size, size));
  return out;
}

std::string imageList(const Batch& batch) {
  std::string out;
  for (const ImageTargets& image : batch.images)
    out += (out.empty() ? "" : ", ") + std::to_string(image.image);
  return out;
}

void addTo(std::vector<double>& sums, const std::vector<double>& values) {
  sums.resize(std::max(sums.size(), values.size()));
  for (size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
}

/// ‖∂ value / ∂ maps‖²; the graph stays for the backward pass.
double squaredGradient(const torch::Tensor& value, const std::map<std::string, torch::Tensor>& maps) {
  if (!value.requires_grad()) return 0;
  std::vector<torch::Tensor> inputs;
  for (const auto& [name, map] : maps) {
    if (map.requires_grad()) inputs.push_back(map);
  }
  if (inputs.empty()) return 0;
  double sum = 0;
  for (const torch::Tensor& gradient : torch::autograd::grad({value}, inputs, {}, true, false, true)) {
    if (!gradient.defined()) continue;
    const double norm = gradient.norm().item<double>();
    sum += norm * norm;
  }
  return sum;
}

bool isAverageable(const nn::Parameter& parameter) {
  return parameter.master.is_floating_point();
}

}  // namespace

SessionOptions SessionOptions::from(const Value& options) {
  SessionOptions out;
  out.model = options.at("model");
  out.seed = static_cast<uint64_t>(options.get("seed", 0));
  out.threads = options.get("threads", 0);
  out.bf16 = options.get("precision", "fp32") == "bf16";
  out.accumulate = options.get("accumulate", int64_t{1});
  out.training = options.find("optimizer") != nullptr && !options.at("optimizer").isNull();
  if (out.training) out.optimizer = OptimizerOptions::from(options.at("optimizer"), options.find("groups"));
  out.freeze = options.strings("freeze");
  out.lossWeights = options.strings("lossWeights");
  out.ema = options.get("ema", false);
  if (const Value* teachers = options.find("teachers"); teachers != nullptr) out.teachers = *teachers;
  if (const Value* distill = options.find("distill"); distill != nullptr) out.distill = *distill;
  return out;
}

StepInput StepInput::from(const Value& input) {
  StepInput out;
  out.step = input.get("step", int64_t{0});
  out.learningRates = input.numbers("learningRates");
  out.emaDecay = input.get("emaDecay", 0.0);
  out.clipNorm = input.get("clipNorm", 0.0);
  out.diagnostics = input.get("diagnostics", false);
  out.accumulate = input.get("accumulate", int64_t{0});
  out.fault = input.get("fault", "");
  if (const Value* weights = input.find("lossWeights")) {
    for (const auto& [name, weight] : weights->asObject()) out.lossWeights[name] = weight.asNumber();
  }
  return out;
}

Session::Session(const SessionOptions& options) : options_(options) {
  const auto& factory = detectors::detectorRegistry().get(options.model.at("detector").asString());
  detector_ = factory(options.model, options.seed);
  auto& store = graph().parameters();
  for (nn::Parameter& parameter : store.all()) {
    for (const std::string& pattern : options.freeze) {
      if (matchesGlob(pattern, parameter.name)) parameter.trainable = false;
    }
    if (!options.training) parameter.trainable = false;
  }
  store.setWorking(options.bf16 ? torch::kBFloat16 : torch::kFloat32);
  if (!options.training) return;
  keptMemory_.emplace();
  if (options.distill.isArray() && !options.distill.asArray().empty()) {
    const detectors::DenseHead* head = detector_->denseHead();
    if (head == nullptr) {
      throw Error(
          "HD_RECIPE_TEACHER",
          concat("expected a dense head with box-side distributions to distil into but received detector ",
                 options.model.get("detector", "gfl")),
          "model.detector");
    }
    distillation_ = std::make_unique<distill::Distillation>(options.teachers, options.distill, *head,
                                                            options.model.get("neckChannels", int64_t{256}),
                                                            options.seed);
    distillation_->parameters().setWorking(store.workingType());
  }
  checkNames();
  auto learned = graph().reached(lossTaps());
  if (distillation_) {
    for (nn::Parameter& parameter : distillation_->parameters().all()) learned.push_back(&parameter);
  }
  optimizer_ = std::make_unique<Optimizer>(options.optimizer, learned);
  if (options.ema) {
    for (const nn::Parameter* parameter : parameters()) ema_.push_back(parameter->master.detach().clone());
  }
}

std::vector<nn::Parameter*> Session::parameters() {
  std::vector<nn::Parameter*> all;
  for (nn::Parameter& parameter : graph().parameters().all()) all.push_back(&parameter);
  if (distillation_) {
    for (nn::Parameter& parameter : distillation_->parameters().all()) all.push_back(&parameter);
  }
  return all;
}

std::vector<std::string> Session::lossTerms() const {
  auto terms = detector_->lossTerms();
  if (distillation_) {
    for (std::string& name : distillation_->lossTerms()) terms.push_back(std::move(name));
  }
  return terms;
}

void Session::checkNames() {
  checkLossWeights(options_.lossWeights, lossTerms());
  std::vector<std::string> names;
  for (const nn::Parameter& parameter : graph().parameters().all()) {
    if (!parameter.buffer) names.push_back(parameter.name);
  }
  for (size_t i = 0; i < options_.freeze.size(); ++i)
    checkPattern(options_.freeze[i], concat("train.freeze.", i), names);
  if (distillation_) {
    for (const nn::Parameter& parameter : distillation_->parameters().all()) names.push_back(parameter.name);
  }
  for (size_t i = 0; i < options_.optimizer.groups.size(); ++i)
    checkPattern(options_.optimizer.groups[i].match, concat("train.groups.", i, ".match"), names);
}

std::vector<std::string> Session::lossTaps() const {
  auto taps = detector_->lossTaps();
  if (distillation_) {
    for (const std::string& tap : distillation_->studentTaps()) {
      if (std::find(taps.begin(), taps.end(), tap) == taps.end()) taps.push_back(tap);
    }
  }
  return taps;
}

std::vector<double> Session::globalPredictionNormalisers(
    const std::vector<Batch>& micros,
    const std::vector<std::unique_ptr<detectors::Assignment>>& assignments) {
  // The real forward of the step follows and must be the only one that moves statistics.
  const StatisticsGuard statistics(graph().parameters());
  torch::NoGradGuard guard;
  std::vector<double> sums;
  for (size_t i = 0; i < micros.size(); ++i) {
    const auto outputs = nn::runBatch(graph(), micros[i], detector_->lossTaps(), nn::Mode::train);
    addTo(sums, detector_->predictionNormalisers(outputs, *assignments[i]));
  }
  return sums;
}

Session::Forward Session::forward(const Batch& micro, const detectors::Assignment& assignment,
                                  const std::vector<double>& assignmentSums,
                                  std::vector<double>& predictionSums,
                                  const std::vector<double>& transferSums, bool single) {
  Forward out;
  if (distillation_) {
    Timed timed(profile_, "teacher");
    out.teachers = distillation_->runTeachers(micro, assignment);
  }
  const auto taps = lossTaps();
  nn::Tensors outputs;
  {
    Timed timed(profile_, "forward");
    outputs = nn::runBatch(graph(), micro, taps, nn::Mode::train);
  }
  for (size_t i = 0; i < taps.size(); ++i) out.student[taps[i]] = outputs[i];
  outputs.resize(detector_->lossTaps().size());
  Timed timed(profile_, "losses");
  if (single) predictionSums = detector_->predictionNormalisers(outputs, assignment);
  out.terms = detector_->losses(outputs, assignment, assignmentSums, predictionSums);
  if (distillation_) {
    for (auto& term : distillation_->losses(micro, assignment, out.student, out.teachers, transferSums))
      out.terms.push_back(std::move(term));
  }
  return out;
}

StepResult Session::step(const Batch& batch, const StepInput& input) {
  require(optimizer_ != nullptr, "expected a session made for training");
  useEma(false);
  preparedForDetect_ = false;
  StatisticsGuard statistics(graph().parameters());
  StepResult result;
  const auto micros = cut(batch, microBatches(input));
  std::vector<std::unique_ptr<detectors::Assignment>> assignments;
  std::vector<double> assignmentSums, predictionSums, transferSums;
  if (input.fault == "memory") throw std::bad_alloc();
  {
    Timed timed(profile_, "assign");
    for (const Batch& micro : micros) {
      assignments.push_back(detector_->assign(micro));
      addTo(assignmentSums, assignments.back()->normalisers);
      result.positives += assignments.back()->positives;
      if (distillation_) addTo(transferSums, distillation_->normalisers(micro, *assignments.back()));
    }
  }
  const bool single = micros.size() == 1;
  if (!single && detector_->hasPredictionNormalisers()) {
    Timed timed(profile_, "normalisers");
    predictionSums = globalPredictionNormalisers(micros, assignments);
  }
  for (size_t i = 0; i < micros.size(); ++i) {
    torch::Tensor total;
    const Forward pass =
        forward(micros[i], *assignments[i], assignmentSums, predictionSums, transferSums, single);
    for (const auto& term : pass.terms) {
      const auto chosen = input.lossWeights.find(term.name);
      const double weight = chosen == input.lossWeights.end() ? term.weight : chosen->second;
      const double value =
          input.fault == "nan" ? std::numeric_limits<double>::quiet_NaN() : term.value.item<double>();
      if (!std::isfinite(value)) {
        optimizer_->clearGradients();
        throw Error(
            "HD_DIVERGED",
            concat("the loss term '", term.name, "' is ", value, " at step ", input.step,
                   ": lower train.lr, lengthen train.warmup or set train.clip; the weights were not changed"),
            concat("images ", imageList(micros[i])));
      }
      result.losses[term.name] += value;
      result.losses["total"] += weight * value;
      auto weighted = term.value * weight;
      if (input.diagnostics) {
        result.weighted[term.name] += weight * value;
        result.termGradients[term.name] += squaredGradient(weighted, pass.student);
      }
      total = total.defined() ? total + weighted : weighted;
    }
    if (input.diagnostics && distillation_) {
      const auto measured = distillation_->agreement(*assignments[i], pass.student, pass.teachers);
      result.agreement.resize(measured.size());
      for (size_t t = 0; t < measured.size(); ++t) result.agreement[t].add(measured[t]);
      result.caches.clear();
      for (const auto& teacher : distillation_->teachers()) {
        result.caches.push_back(teacher->cache() == nullptr ? distill::CacheStatistics{}
                                                            : teacher->cache()->statistics());
      }
    }
    Timed timed(profile_, "backward");
    if (total.requires_grad()) torch::autograd::backward({total}, {});
  }
  for (auto& [name, squared] : result.termGradients) squared = std::sqrt(squared);
  Timed timed(profile_, "optimizer");
  const auto gradients = optimizer_->gradients();
  result.gradientNorm = ops::gradientNorm(gradients);
  if (!std::isfinite(result.gradientNorm)) {
    const int64_t bad = ops::firstNonfinite(gradients);
    const std::string name =
        bad < 0 ? "the norm of all" : optimizer_->parameters()[static_cast<size_t>(bad)]->name;
    optimizer_->clearGradients();
    throw Error(
        "HD_DIVERGED",
        concat("the gradient of '", name, "' is not finite at step ", input.step,
               ": lower train.lr, lengthen train.warmup or set train.clip; the weights were not changed"),
        concat("images ", imageList(batch)));
  }
  const double scale = input.clipNorm > 0 && result.gradientNorm > input.clipNorm
                           ? input.clipNorm / (result.gradientNorm + 1e-6)
                           : 1;
  std::vector<torch::Tensor> ema;
  if (!ema_.empty()) {
    torch::NoGradGuard guard;
    std::map<const nn::Parameter*, size_t> position;
    size_t index = 0;
    for (const nn::Parameter* parameter : parameters()) {
      position[parameter] = index;
      if (parameter->buffer && isAverageable(*parameter))
        ema_[index].lerp_(parameter->master, 1 - input.emaDecay);
      if (parameter->buffer && !isAverageable(*parameter)) ema_[index].copy_(parameter->master);
      ++index;
    }
    for (const nn::Parameter* parameter : optimizer_->parameters())
      ema.push_back(ema_[position.at(parameter)]);
  }
  optimizer_->update(gradients, input.learningRates, input.step, scale, ema, input.emaDecay);
  optimizer_->clearGradients();
  statistics.keep();
  return result;
}

void Session::dropGradients() {
  if (optimizer_) optimizer_->clearGradients();
}

std::vector<Detections> Session::detect(const Batch& batch, const detectors::PostProcess& options) {
  torch::NoGradGuard guard;
  useEma(true);
  if (!preparedForDetect_) {
    graph().parameters().touch();
    preparedForDetect_ = true;
  }
  nn::Tensors outputs;
  {
    Timed timed(profile_, "detectForward");
    outputs = nn::runBatch(graph(), batch, detector_->detectTaps(), nn::Mode::plan);
  }
  Timed timed(profile_, "detectPost");
  return detector_->detect(outputs, batch, options);
}

std::vector<Detections> Session::detectTeacher(size_t teacher, const Batch& batch,
                                               const detectors::PostProcess& options) {
  if (!distillation_ || teacher >= distillation_->teachers().size())
    throw Error("HD_USAGE", concat("expected a session with more than ", teacher, " teachers"));
  return distillation_->teachers()[teacher]->detect(batch, options);
}

void Session::useEma(bool use) {
  if (ema_.empty() || use == emaInUse_) return;
  torch::NoGradGuard guard;
  // All of them first: memory can run out on the way, and then nothing has changed.
  std::vector<torch::Tensor> standIns;
  size_t index = 0;
  if (use) {
    for (const nn::Parameter& parameter : graph().parameters().all())
      standIns.push_back(ema_[index++].to(parameter.working.scalar_type()));
  } else {
    standIns = std::move(current_);
  }
  index = 0;
  for (nn::Parameter& parameter : graph().parameters().all()) std::swap(parameter.working, standIns[index++]);
  current_ = use ? std::move(standIns) : std::vector<torch::Tensor>{};
  emaInUse_ = use;
  graph().parameters().touch();
}

}  // namespace hd::engine
