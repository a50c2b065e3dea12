#include "distill/teacher.h"

#include <ATen/core/grad_mode.h>

#include "core/content_hash.h"
#include "core/error.h"
#include "io/safetensors.h"
#include "io/whole_file.h"
#include "nn/run_batch.h"

namespace hd::distill {

namespace {

/// What decides a teacher's outputs besides the picture: its file, how the file is read, the arithmetic, and
/// the program that does it.
std::string identityOf(const std::string& weights, const Value& model, bool bf16, const std::string& build) {
  const io::FileImage file = io::readWholeFile(weights);
  ContentHash hash;
  hash.add(file.data, file.size).add(printJson(model)).add(build);
  if (bf16) hash.add("bf16");
  return hash.hex();
}

}  // namespace

Teacher::Teacher(const Value& section) : weights_(section.at("weights").asString()) {
  const Value& model = section.at("model");
  detector_ = detectors::detectorRegistry().get(model.at("detector").asString())(model, 0);
  const detectors::DenseHead* head = detector_->denseHead();
  if (head == nullptr) {
    throw Error("HD_RECIPE_TEACHER",
                concat("expected a dense head with box-side distributions for teacher ", weights_,
                       " but received detector ", model.at("detector").asString(),
                       ": choose gfl, gflv2, atss, fcos or retinanet"),
                "teachers");
  }
  head_ = *head;
  neckChannels_ = model.get("neckChannels", int64_t{256});
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
  const bool bf16 = section.get("precision", "fp32") == "bf16";
  report_ = nn::loadWeights(store, io::readWeights(weights_), nn::MatchMode::strict, weights_);
  store.keepPlansOnly(bf16 ? at::kBFloat16 : at::kFloat);
  if (const Value* cache = section.find("cache"); cache != nullptr && !cache->isNull()) {
    cache_ = std::make_unique<OutputCache>(cache->at("folder").asString(),
                                           identityOf(weights_, model, bf16, cache->get("build", "")),
                                           cache->at("limit").asInt());
  }
}

nn::Tensors Teacher::run(const Batch& batch, const std::vector<std::string>& taps) {
  const at::NoGradGuard guard;
  nn::Tensors maps = nn::runBatch(detector_->graph(), batch, taps, nn::Mode::plan);
  for (size_t i = 0; i < maps.size(); ++i) {
    torch::Tensor& kept = outputs_[taps[i]];
    if (!kept.defined() || kept.sizes() != maps[i].sizes() || kept.storage().use_count() > 1)
      kept = at::empty_like(maps[i], at::kFloat);
    maps[i] = kept.copy_(maps[i]);
  }
  return maps;
}

std::vector<Detections> Teacher::detect(const Batch& batch, const detectors::PostProcess& options) {
  auto found = detector_->detect(run(batch, detector_->detectTaps()), batch, options);
  if (classMap_.empty()) return found;
  std::vector<std::vector<int32_t>> own(static_cast<size_t>(head_.classes));  // student's classes of each
  for (size_t c = 0; c < classMap_.size(); ++c)
    own[static_cast<size_t>(classMap_[c])].push_back(static_cast<int32_t>(c));
  for (Detections& detections : found) {
    Detections mapped;
    for (int64_t d = 0; d < detections.size(); ++d) {
      for (const int32_t label : own[static_cast<size_t>(detections.labels[d])]) {
        mapped.boxes.insert(mapped.boxes.end(), detections.boxes.begin() + 4 * d,
                            detections.boxes.begin() + 4 * (d + 1));
        mapped.scores.push_back(detections.scores[d]);
        mapped.labels.push_back(label);
      }
    }
    detections = std::move(mapped);
  }
  return found;
}

}  // namespace hd::distill
