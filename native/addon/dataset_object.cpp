#include "addon/convert.h"
#include "addon/objects.h"
#include "data/report.h"

namespace hd::addon {

Napi::Function DatasetObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeDataset",
      {InstanceMethod<&DatasetObject::image>("image"), InstanceMethod<&DatasetObject::findings>("findings"),
       InstanceMethod<&DatasetObject::report>("report"), InstanceMethod<&DatasetObject::leakage>("leakage")});
}

Napi::Object DatasetObject::wrap(Napi::Env env, std::shared_ptr<const data::Dataset> dataset) {
  Napi::Object object = Environment::of(env).dataset.New({});
  // Plain properties: they never change, and show when a user prints the object.
  object.Set("length", Napi::Number::New(env, static_cast<double>(dataset->size())));
  Napi::Array classes = Napi::Array::New(env);
  for (const std::string& name : dataset->classes()) classes.Set(classes.Length(), name);
  object.Set("classes", classes);
  object.Set("digest", dataset->digest());
  Unwrap(object)->dataset = std::move(dataset);
  return object;
}

Napi::Value DatasetObject::image(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const int64_t index = info[0].As<Napi::Number>().Int64Value();
    if (index < 0 || index >= dataset->size()) {
      throw Error("HD_USAGE",
                  concat("expected an image index below ", dataset->size(), " but received ", index));
    }
    const auto annotations = dataset->annotations(index);
    auto boxes = Napi::Float32Array::New(env, annotations.size() * 4);
    auto labels = Napi::Int32Array::New(env, annotations.size());
    auto ignore = Napi::Uint8Array::New(env, annotations.size());
    for (size_t i = 0; i < annotations.size(); ++i) {
      const data::Annotation& annotation = annotations[i];
      const float box[4] = {annotation.x1, annotation.y1, annotation.x2, annotation.y2};
      std::copy(box, box + 4, boxes.Data() + 4 * i);
      labels[i] = annotation.label;
      ignore[i] = annotation.crowd || annotation.difficult;
    }
    auto out = Napi::Object::New(env);
    out.Set("id", static_cast<double>(dataset->imageId(index)));
    out.Set("file", std::string(dataset->file(index)));
    out.Set("width", dataset->width(index));
    out.Set("height", dataset->height(index));
    out.Set("boxes", boxes);
    out.Set("labels", labels);
    out.Set("ignore", ignore);
    return out;
  });
}

Napi::Value DatasetObject::findings(const Napi::CallbackInfo& info) {
  hd::Value counts{hd::Value::Object{}}, first{hd::Value::Array{}};
  for (const auto& [code, count] : dataset->findingCounts()) counts.set(code, count);
  for (const data::Finding& finding : dataset->findings()) {
    if (first.asArray().size() == 20) break;
    first.push(
        hd::Value::Object{{"code", finding.code}, {"where", finding.where}, {"message", finding.message}});
  }
  return toNapi(info.Env(), hd::Value::Object{{"counts", std::move(counts)}, {"first", std::move(first)}});
}

Napi::Value DatasetObject::report(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const hd::Value options = toValue(info[0]);
    return runAsync(info.Env(), nullptr, [dataset = dataset, options]() -> Conversion {
      const hd::Value report = data::report(*dataset, options.get("decode", true), options.get("threads", 0));
      return [report](Napi::Env env) { return toNapi(env, report); };
    });
  });
}

Napi::Value DatasetObject::leakage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto other = unwrap<DatasetObject>(info[0], Environment::of(info.Env()).dataset, "a data set").dataset;
    const int threads = info[1].IsNumber() ? info[1].As<Napi::Number>().Int32Value() : 0;
    return runAsync(info.Env(), nullptr, [dataset = dataset, other, threads]() -> Conversion {
      const hd::Value pairs = data::leakage(*dataset, *other, threads);
      return [pairs](Napi::Env env) { return toNapi(env, pairs); };
    });
  });
}

}  // namespace hd::addon
