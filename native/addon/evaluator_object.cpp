#include "addon/convert.h"
#include "addon/objects.h"
#include "data/external.h"

namespace hd::addon {
namespace {

eval::Instance instanceOf(const data::Annotation& annotation) {
  eval::Instance instance;
  instance.box = {annotation.x1, annotation.y1, double{annotation.x2} - annotation.x1,
                  double{annotation.y2} - annotation.y1};
  instance.area = annotation.area;
  instance.crowd = annotation.crowd;
  instance.ignore = annotation.crowd || annotation.difficult;
  return instance;
}

/// The truth of a data set as the evaluator wants it.
eval::CocoSet truthOf(const data::Dataset& dataset) {
  eval::CocoSet truth;
  truth.names = dataset.classes();
  truth.categories = dataset.categoryIds();
  const auto add = [&](int64_t image, const data::Annotation& annotation) {
    eval::Instance instance = instanceOf(annotation);
    instance.id = static_cast<int64_t>(truth.instances.size()) + 1;
    instance.image = dataset.imageId(image);
    instance.category = truth.categories[static_cast<size_t>(annotation.label)];
    truth.instances.push_back(std::move(instance));
  };
  for (int64_t image = 0; image < dataset.size(); ++image) {
    truth.images.push_back(dataset.imageId(image));
    for (const data::Annotation& annotation : dataset.annotations(image)) add(image, annotation);
  }
  for (const auto& [image, annotation] : dataset.unfit()) add(image, annotation);
  return truth;
}

std::optional<eval::FederatedTruth> federatedOf(const data::Dataset& dataset) {
  const data::Federation* federation = dataset.federation();
  if (federation == nullptr) return std::nullopt;
  eval::FederatedTruth out;
  out.frequency = federation->frequency;
  const auto ids = [&](std::span<const int32_t> labels) {
    std::vector<int64_t> categories;
    for (const int32_t label : labels)
      categories.push_back(dataset.categoryIds()[static_cast<size_t>(label)]);
    return categories;
  };
  for (int64_t image = 0; image < dataset.size(); ++image) {
    out.images[dataset.imageId(image)] = {ids(federation->negativeOf(image)),
                                          ids(federation->notExhaustiveOf(image))};
  }
  return out;
}

}  // namespace

void takeTruth(eval::Evaluator& evaluator, const data::Dataset& dataset, int64_t image) {
  const auto* external = dynamic_cast<const data::ExternalDataset*>(&dataset);
  if (external == nullptr) return;
  std::vector<eval::Instance> instances;
  std::vector<int32_t> labels;
  for (const data::Annotation& annotation : external->lastAnnotations(image)) {
    instances.push_back(instanceOf(annotation));
    labels.push_back(annotation.label);
  }
  evaluator.setTruth(image, std::move(instances), labels);
}

Napi::Function EvaluatorObject::define(Napi::Env env) {
  return DefineClass(env, "NativeEvaluator",
                     {InstanceMethod<&EvaluatorObject::summarize>("summarize"),
                      InstanceMethod<&EvaluatorObject::diagnose>("diagnose"),
                      InstanceMethod<&EvaluatorObject::detections>("detections"),
                      InstanceMethod<&EvaluatorObject::writeResults>("writeResults"),
                      InstanceMethod<&EvaluatorObject::clear>("clear")});
}

EvaluatorObject::EvaluatorObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  guarded(info.Env(), [&]() -> Napi::Value {
    const auto dataset =
        unwrap<DatasetObject>(info[0], Environment::of(info.Env()).dataset, "a data set").dataset;
    evaluator = std::make_shared<eval::Evaluator>(truthOf(*dataset), federatedOf(*dataset));
    return info.Env().Undefined();
  });
}

Napi::Value EvaluatorObject::summarize(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const hd::Value options = toValue(info[0]);
    return runAsync(info.Env(), nullptr, [evaluator = evaluator, options]() -> Conversion {
      const hd::Value summary = evaluator->summarize(options);
      return [summary](Napi::Env env) { return toNapi(env, summary); };
    });
  });
}

Napi::Value EvaluatorObject::diagnose(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const hd::Value options = toValue(info[0]);
    return runAsync(info.Env(), nullptr, [evaluator = evaluator, options]() -> Conversion {
      const hd::Value diagnosis = evaluator->diagnose(options);
      return [diagnosis](Napi::Env env) { return toNapi(env, diagnosis); };
    });
  });
}

Napi::Value EvaluatorObject::detections(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const Detections& found = evaluator->detections(info[0].As<Napi::Number>().Int64Value());
    auto out = Napi::Object::New(env);
    out.Set("boxes", toTyped<Napi::Float32Array>(env, found.boxes));
    out.Set("scores", toTyped<Napi::Float32Array>(env, found.scores));
    out.Set("labels", toTyped<Napi::Int32Array>(env, found.labels));
    return out;
  });
}

Napi::Value EvaluatorObject::writeResults(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    return runAsync(info.Env(), nullptr, [evaluator = evaluator, path]() -> Conversion {
      evaluator->writeResults(path);
      return {};
    });
  });
}

Napi::Value EvaluatorObject::clear(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    evaluator->clear();
    return info.Env().Undefined();
  });
}

}  // namespace hd::addon
