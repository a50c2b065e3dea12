#include "addon/convert.h"
#include "addon/objects.h"
#include "data/draw.h"

namespace hd::addon {
namespace {

Napi::Object toNapi(Napi::Env env, const ImageTargets& targets) {
  auto out = Napi::Object::New(env);
  out.Set("image", static_cast<double>(targets.image));
  out.Set("position", static_cast<double>(targets.position));
  out.Set("width", targets.width);
  out.Set("height", targets.height);
  out.Set("boxes", toTyped<Napi::Float32Array>(env, targets.boxes));
  out.Set("labels", toTyped<Napi::Int32Array>(env, targets.labels));
  return out;
}

}  // namespace

Napi::Function LoaderObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeLoader",
      {InstanceAccessor<&LoaderObject::stepsPerEpoch>("stepsPerEpoch"),
       InstanceAccessor<&LoaderObject::slots>("slots"), InstanceAccessor<&LoaderObject::canvases>("canvases"),
       InstanceMethod<&LoaderObject::begin>("begin"), InstanceMethod<&LoaderObject::next>("next"),
       InstanceMethod<&LoaderObject::release>("release"), InstanceMethod<&LoaderObject::draw>("draw"),
       InstanceMethod<&LoaderObject::statistics>("statistics"),
       InstanceMethod<&LoaderObject::close>("close")});
}

LoaderObject::LoaderObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info), environment_(Environment::of(info.Env())) {
  guarded(info.Env(), [&]() -> Napi::Value {
    auto dataset = unwrap<DatasetObject>(info[0], environment_.dataset, "a data set").dataset;
    // Joining decode threads may have to wait for a JavaScript source to answer, and the last holder can be
    // the finalizer of a view: never on the JavaScript thread.
    loader_ = std::shared_ptr<data::Loader>(
        new data::Loader(std::move(dataset), toValue(info[1])),
        [reaper = environment_.reaper](data::Loader* dying) { reaper->submit([dying] { delete dying; }); });
    executor_ = std::make_shared<Executor>();
    environment_.loaders.insert(this);
    return info.Env().Undefined();
  });
}

LoaderObject::~LoaderObject() {
  held_.release();
  retire();
}

void LoaderObject::retire() {
  if (!loader_) return;
  environment_.loaders.erase(this);
  loader_->close();
  last_ = loader_->statistics();
  loader_.reset();
}

std::shared_ptr<data::Loader> LoaderObject::loader() const {
  if (!loader_) throw Error("HD_USAGE", "expected an open loader but this one was closed");
  return loader_;
}

Napi::Value LoaderObject::stepsPerEpoch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(loader()->stepsPerEpoch()));
  });
}

Napi::Value LoaderObject::slots(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return Napi::Number::New(info.Env(), loader()->slots()); });
}

Napi::Value LoaderObject::canvases(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    hd::Value out{hd::Value::Array{}};
    for (const auto& [height, width] : loader()->canvases()) out.push(hd::Value::Array{height, width});
    return addon::toNapi(info.Env(), out);
  });
}

Napi::Value LoaderObject::begin(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    releaseHeld(info.Env());
    loader()->begin(info[0].As<Napi::Number>().Int64Value(), info[1].As<Napi::Number>().Int64Value());
    return info.Env().Undefined();
  });
}

Napi::Value LoaderObject::next(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    releaseHeld(info.Env());
    auto slot = std::make_shared<data::Slot>();
    auto work = [this, loader = loader(), slot]() -> Conversion {
      *slot = loader->next();
      return [this, loader, slot](Napi::Env env) -> Napi::Value {
        if (!*slot) return env.Null();
        held_ = std::move(*slot);
        const Batch& batch = held_.batch();
        const size_t bytes = static_cast<size_t>(batch.count * batch.height * batch.width * 3);
        auto view = Napi::ArrayBuffer::New(env, const_cast<uint8_t*>(batch.pixels), bytes,
                                           [loader](Napi::Env, void*) {});
        view_ = Napi::Reference<Napi::ArrayBuffer>::New(view, 1);
        auto images = Napi::Array::New(env, batch.images.size());
        for (size_t i = 0; i < batch.images.size(); ++i)
          images.Set(static_cast<uint32_t>(i), toNapi(env, batch.images[i]));
        auto out = Napi::Object::New(env);
        out.Set("slot", held_.index());
        out.Set("epoch", static_cast<double>(held_.epoch()));
        out.Set("step", static_cast<double>(held_.step()));
        out.Set("count", static_cast<double>(batch.count));
        out.Set("height", static_cast<double>(batch.height));
        out.Set("width", static_cast<double>(batch.width));
        out.Set("pixels", view);
        out.Set("images", images);
        return out;
      };
    };
    return runAsync(info.Env(), executor_, std::move(work), info.This().As<Napi::Object>());
  });
}

void LoaderObject::releaseHeld(Napi::Env env) {
  if (!view_.IsEmpty()) {
    view_.Value().Detach();
    view_.Reset();
  }
  held_.release();
}

Napi::Value LoaderObject::release(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    releaseHeld(info.Env());
    return info.Env().Undefined();
  });
}

Napi::Value LoaderObject::draw(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!held_)
      throw Error("HD_USAGE_DRAW", "expected a batch that next() gave but none is held: call next()");
    const Batch& batch = held_.batch();
    const auto index = info[0].As<Napi::Number>().Int64Value();
    require(index >= 0 && index < batch.count, "expected a picture below ", batch.count, " but received ",
            index);
    data::drawTargets(batch, index, loader()->dataset(), info[1].As<Napi::String>().Utf8Value());
    return info.Env().Undefined();
  });
}

Napi::Value LoaderObject::statistics(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    // Of a closed loader the last: a picture that failed meanwhile is named all the same, and once.
    const data::LoaderStatistics statistics = loader_ ? loader_->statistics() : last_;
    last_.newBadSamples.clear();
    hd::Value bad{hd::Value::Array{}};
    for (const data::BadSample& sample : statistics.newBadSamples) {
      bad.push(hd::Value::Object{{"image", sample.image},
                                 {"file", sample.file},
                                 {"code", sample.code},
                                 {"message", sample.message}});
    }
    hd::Value cache = hd::Value::Object{{"hits", statistics.cache.hits},
                                        {"misses", statistics.cache.misses},
                                        {"bytes", statistics.cache.bytes},
                                        {"closed", statistics.cache.closed}};
    hd::Value reading{hd::Value::Array{}};
    for (const std::string& file : statistics.reading) reading.push(file);
    return addon::toNapi(info.Env(), hd::Value::Object{{"waiting", statistics.waiting},
                                                       {"cache", std::move(cache)},
                                                       {"reading", std::move(reading)},
                                                       {"waitSeconds", statistics.waitSeconds},
                                                       {"images", statistics.images},
                                                       {"copiedBytes", statistics.copiedBytes},
                                                       {"badSamples", statistics.badSamples},
                                                       {"newBadSamples", std::move(bad)}});
  });
}

Napi::Value LoaderObject::close(const Napi::CallbackInfo& info) {
  releaseHeld(info.Env());
  retire();
  return info.Env().Undefined();
}

}  // namespace hd::addon
