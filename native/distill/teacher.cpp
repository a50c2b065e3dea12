#include "distill/teacher.h"

#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "io/safetensors.h"
#include "nn/run_batch.h"

namespace hd::distill {

Teacher::Teacher(const Value& section) : weights_(section.at("weights").asString()) {
  const Value& model = section.at("model");
  detector_ = detectors::detectorRegistry().get(model.at("detector").asString())(model, 0);
  head_ = detectors::GflOptions::from(model);
  if (const Value* map = section.find("classMap"); map != nullptr && !map->isNull()) {
    for (const Value& entry : map->asArray()) classMap_.push_back(entry.asInt());
    for (const int64_t index : classMap_) {
      if (index >= 0 && index < head_.classes) continue;
      throw Error("HD_RECIPE_TEACHER",
                  concat("expected classes below ", head_.classes, " in the class map of teacher ", weights_,
                         " but received ", index),
                  "teachers");
    }
  }
  auto& store = detector_->graph().parameters();
  for (nn::Parameter& parameter : store.all()) parameter.trainable = false;
  store.setWorking(at::kFloat);
  report_ = nn::loadWeights(store, io::readWeights(weights_), nn::MatchMode::strict, weights_);
}

nn::Tensors Teacher::run(const Batch& batch, const std::vector<std::string>& taps) {
  const at::NoGradGuard guard;
  return nn::runBatch(detector_->graph(), batch, taps, nn::Mode::plan);
}

}  // namespace hd::distill
