#include <ATen/CPUFunctions.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "addon/convert.h"
#include "addon/objects.h"
#include "engine/landscape.h"
#include "engine/memory.h"

namespace hd::addon {
namespace {

hd::Value shapeValue(at::IntArrayRef shape) {
  hd::Value out{hd::Value::Array{}};
  for (const int64_t side : shape) out.push(side);
  return out;
}

hd::Value namesValue(const std::vector<std::string>& names) {
  hd::Value out{hd::Value::Array{}};
  for (const std::string& name : names) out.push(name);
  return out;
}

hd::Value reportValue(const nn::MatchReport& report) {
  hd::Value wrong{hd::Value::Array{}};
  for (const auto& entry : report.wrongShape) {
    wrong.push(hd::Value::Object{
        {"name", entry.name}, {"file", shapeValue(entry.file)}, {"model", shapeValue(entry.model)}});
  }
  return hd::Value::Object{{"matched", namesValue(report.matched)},
                           {"missing", namesValue(report.missing)},
                           {"unexpected", namesValue(report.unexpected)},
                           {"wrongShape", std::move(wrong)}};
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeSession",
      {InstanceAccessor<&SessionObject::parameterInfo>("parameterInfo"),
       InstanceAccessor<&SessionObject::divisor>("divisor"),
       InstanceMethod<&SessionObject::describe>("describe"),
       InstanceMethod<&SessionObject::loadWeights>("loadWeights"),
       InstanceMethod<&SessionObject::step>("step"), InstanceMethod<&SessionObject::probe>("probe"),
       InstanceMethod<&SessionObject::detect>("detect"),
       InstanceMethod<&SessionObject::detectMixed>("detectMixed"),
       InstanceMethod<&SessionObject::save>("save"), InstanceMethod<&SessionObject::restore>("restore"),
       InstanceMethod<&SessionObject::exportWeights>("exportWeights"),
       InstanceMethod<&SessionObject::profile>("profile"), InstanceMethod<&SessionObject::close>("close")});
}

Napi::Value SessionObject::create(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto options = engine::SessionOptions::from(toValue(info[0]));
    // Denormals are flushed before the thread's first parallel region: its OpenMP workers inherit the
    // setting.
    auto executor = std::make_shared<Executor>([threads = options.threads] {
      at::globalContext().setFlushDenormal(true);
      // oneDNN and our own kernels do the convolutions; on processors that it does not know NNPACK warns, and
      // no more.
      at::globalContext().setUserEnabledNNPACK(false);
      if (threads > 0) at::set_num_threads(threads);
    });
    return runAsync(info.Env(), executor, [options, executor]() -> Conversion {
      // The session must die on its own thread as well as be born there.
      std::shared_ptr<engine::Session> session(
          new engine::Session(options),
          [executor](engine::Session* dying) { executor->submit([dying] { delete dying; }); });
      return [session, executor](Napi::Env env) {
        Napi::Object object = Environment::of(env).session.New({});
        SessionObject* wrapper = Unwrap(object);
        wrapper->session_ = session;
        wrapper->executor_ = executor;
        return object;
      };
    });
  });
}

std::shared_ptr<engine::Session> SessionObject::session() const {
  if (!session_) throw Error("HD_USAGE", "expected an open session but this one was closed");
  return session_;
}

Napi::Value SessionObject::parameterInfo(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    hd::Value out{hd::Value::Array{}};
    for (const nn::Parameter& parameter : session()->graph().parameters().all()) {
      out.push(hd::Value::Object{{"name", parameter.name},
                                 {"shape", shapeValue(parameter.master.sizes())},
                                 {"buffer", parameter.buffer},
                                 {"trainable", parameter.trainable && !parameter.buffer}});
    }
    return toNapi(info.Env(), out);
  });
}

Napi::Value SessionObject::divisor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(session()->detector().divisor()));
  });
}

Napi::Value SessionObject::describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t height = info[0].As<Napi::Number>().Int64Value(),
                  width = info[1].As<Napi::Number>().Int64Value();
    return runAsync(info.Env(), executor_, [session = session(), height, width]() -> Conversion {
      int64_t multiplyAdds = 0;
      hd::Value taps{hd::Value::Array{}};
      for (const nn::TapInfo& tap : session->graph().describe(height, width, &multiplyAdds)) {
        taps.push(hd::Value::Object{{"name", tap.name},
                                    {"shape", shapeValue(tap.shape)},
                                    {"stride", tap.stride},
                                    {"describes", tap.describes}});
      }
      const hd::Value out = hd::Value::Object{{"taps", std::move(taps)}, {"multiplyAdds", multiplyAdds}};
      return [out](Napi::Env env) { return toNapi(env, out); };
    });
  });
}

Napi::Value SessionObject::loadWeights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    const bool strict = info[1].As<Napi::String>().Utf8Value() != "backbone";
    return runAsync(info.Env(), executor_, [session = session(), path, strict]() -> Conversion {
      const hd::Value out =
          reportValue(session->loadWeights(path, strict ? nn::MatchMode::strict : nn::MatchMode::backbone));
      return [out](Napi::Env env) { return toNapi(env, out); };
    });
  });
}

Napi::Value SessionObject::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto loader = unwrap<LoaderObject>(info[0], Environment::of(info.Env()).loader, "a loader").loader();
    const hd::Value given = toValue(info[1]);
    return runAsync(info.Env(), executor_, [session = session(), loader, given]() -> Conversion {
      const double start = now();
      data::Slot slot = loader->next();
      const double waited = now() - start;
      if (!slot) return [](Napi::Env env) { return toNapi(env, hd::Value::Object{{"done", false}}); };
      const Batch& batch = slot.batch();
      auto input = engine::StepInput::from(given);
      const engine::StepResult result = engine::stepWithinMemory(*session, batch, input);
      hd::Value images{hd::Value::Array{}};
      for (const ImageTargets& image : batch.images) images.push(image.image);
      hd::Value out = hd::Value::Object{{"done", true},
                                        {"epoch", slot.epoch()},
                                        {"step", slot.step()},
                                        {"images", batch.count},
                                        {"imageIds", std::move(images)},
                                        {"positives", result.positives},
                                        {"gradientNorm", result.gradientNorm},
                                        {"accumulate", session->microBatches(input)},
                                        {"waitSeconds", waited},
                                        {"seconds", now() - start}};
      if (given.get("readLosses", false)) {
        hd::Value losses{hd::Value::Object{}};
        for (const auto& [name, value] : result.losses) losses.set(name, value);
        out.set("losses", std::move(losses));
      }
      if (!result.termGradients.empty()) {
        hd::Value norms{hd::Value::Object{}}, weighted{hd::Value::Object{}}, agreement{hd::Value::Array{}};
        for (const auto& [name, value] : result.weighted) weighted.set(name, value);
        for (const auto& [name, value] : result.termGradients) norms.set(name, value);
        for (size_t t = 0; t < result.agreement.size(); ++t) {
          hd::Value teacher = result.agreement[t].toValue();
          if (const auto& cache = result.caches[t]; cache.hits + cache.misses > 0) {
            teacher.set("cache", hd::Value::Object{{"hits", cache.hits},
                                                   {"misses", cache.misses},
                                                   {"bytes", cache.bytes},
                                                   {"full", cache.full}});
          }
          agreement.push(std::move(teacher));
        }
        out.set("weighted", std::move(weighted));
        out.set("termGradients", std::move(norms));
        out.set("agreement", std::move(agreement));
      }
      return [out](Napi::Env env) { return toNapi(env, out); };
    });
  });
}

Napi::Value SessionObject::probe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto loader = unwrap<LoaderObject>(info[0], Environment::of(info.Env()).loader, "a loader").loader();
    const hd::Value given = toValue(info[1]);
    return runAsync(info.Env(), executor_, [session = session(), loader, given]() -> Conversion {
      const data::Slot slot = loader->next();
      require(static_cast<bool>(slot), "expected a loader with a batch left");
      hd::Value out = session->probe(slot.batch(), engine::StepInput::from(given));
      out.set("epoch", slot.epoch());
      out.set("step", slot.step());
      return [out](Napi::Env env) { return toNapi(env, out); };
    });
  });
}

Napi::Value SessionObject::detect(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto& environment = Environment::of(info.Env());
    auto loader = unwrap<LoaderObject>(info[0], environment.loader, "a loader").loader();
    auto evaluator = unwrap<EvaluatorObject>(info[1], environment.evaluator, "an evaluator").evaluator;
    const hd::Value given = toValue(info[2]);
    const auto options = detectors::PostProcess::from(given);
    const int64_t teacher = given.get("teacher", int64_t{-1});
    const bool fault = given.get("fault", "") == "memory", flip = given.get("flip", false);
    return runAsync(info.Env(), executor_,
                    [session = session(), loader, evaluator, options, teacher, fault, flip]() -> Conversion {
                      data::Slot slot = loader->next();
                      hd::Value out = hd::Value::Object{{"images", 0}};
                      if (slot) {
                        const Batch& batch = slot.batch();
                        const int64_t before = session->detectAtOnce();
                        auto found =
                            engine::detectWithinMemory(*session, batch, options, teacher, fault, flip);
                        for (int64_t i = 0; i < batch.count; ++i) {
                          const int64_t image = batch.images[i].image;
                          takeTruth(*evaluator, loader->dataset(), image);
                          evaluator->add(image, std::move(found[i]));
                        }
                        out.set("images", batch.count);
                        if (session->detectAtOnce() != before) out.set("atOnce", session->detectAtOnce());
                      }
                      return [out](Napi::Env env) { return toNapi(env, out); };
                    });
  });
}

// Both networks run on this session's thread: the other session is idle meanwhile, and its thread only
// matters to what it creates and destroys.
Napi::Value SessionObject::detectMixed(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto& environment = Environment::of(info.Env());
    auto other = unwrap<SessionObject>(info[0], environment.session, "a session").session();
    auto loader = unwrap<LoaderObject>(info[1], environment.loader, "a loader").loader();
    std::vector<std::shared_ptr<eval::Evaluator>> evaluators;
    const auto given = info[2].As<Napi::Array>();
    for (uint32_t i = 0; i < given.Length(); ++i)
      evaluators.push_back(
          unwrap<EvaluatorObject>(given.Get(i), environment.evaluator, "an evaluator").evaluator);
    std::vector<engine::MixPoint> points;
    const hd::Value places = toValue(info[3]);
    for (const hd::Value& point : places.asArray())
      points.push_back({point.at("own").asNumber(), point.at("other").asNumber()});
    require(points.size() == evaluators.size(), "expected one evaluator for each point");
    const hd::Value asked = toValue(info[4]);
    const auto options = detectors::PostProcess::from(asked);
    const bool fault = asked.get("fault", "") == "memory";
    return runAsync(
        info.Env(), executor_,
        [session = session(), other, loader, evaluators, points, options, fault]() -> Conversion {
          data::Slot slot = loader->next();
          hd::Value out = hd::Value::Object{{"images", 0}};
          if (!slot) return [out](Napi::Env env) { return toNapi(env, out); };
          const Batch& batch = slot.batch();
          const int64_t before = session->detectAtOnce();
          engine::Mixed mixed =
              engine::detectMixedWithinMemory(*session, other->detector(), batch, points, options, fault);
          for (size_t p = 0; p < points.size(); ++p) {
            for (int64_t i = 0; i < batch.count; ++i) {
              const int64_t image = batch.images[i].image;
              takeTruth(*evaluators[p], loader->dataset(), image);
              evaluators[p]->add(image, std::move(mixed.detections[p][i]));
            }
          }
          hd::Value levels{hd::Value::Array{}};
          for (const engine::LevelError& level : mixed.errors)
            levels.push(hd::Value::Object{
                {"level", level.name}, {"cells", level.cells}, {"cls", level.cls}, {"reg", level.reg}});
          out.set("images", batch.count);
          out.set("levels", std::move(levels));
          if (session->detectAtOnce() != before) out.set("atOnce", session->detectAtOnce());
          return [out](Napi::Env env) { return toNapi(env, out); };
        });
  });
}

Napi::Value SessionObject::save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return runAsync(info.Env(), executor_,
                    [session = session(), folder = info[0].As<Napi::String>().Utf8Value()]() -> Conversion {
                      session->save(folder);
                      return {};
                    });
  });
}

Napi::Value SessionObject::restore(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return runAsync(info.Env(), executor_,
                    [session = session(), folder = info[0].As<Napi::String>().Utf8Value()]() -> Conversion {
                      session->restore(folder);
                      return {};
                    });
  });
}

Napi::Value SessionObject::exportWeights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::map<std::string, std::string> metadata;
    const hd::Value given = toValue(info[1]);
    for (const auto& [key, value] : given.asObject()) metadata[key] = value.asString();
    return runAsync(
        info.Env(), executor_,
        [session = session(), path = info[0].As<Napi::String>().Utf8Value(), metadata]() -> Conversion {
          session->exportWeights(path, metadata);
          return {};
        });
  });
}

Napi::Value SessionObject::profile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return runAsync(info.Env(), executor_, [session = session()]() -> Conversion {
      return [profile = session->profile()](Napi::Env env) {
        auto out = Napi::Object::New(env);
        for (const auto& [part, seconds] : profile) out.Set(part, seconds);
        return out;
      };
    });
  });
}

Napi::Value SessionObject::close(const Napi::CallbackInfo& info) {
  session_.reset();
  executor_.reset();
  return info.Env().Undefined();
}

}  // namespace hd::addon
