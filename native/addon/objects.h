// The objects that JavaScript holds. Each wraps one shared native object; methods that take long return
// promises.
#pragma once

#include <napi.h>

#include <map>
#include <memory>
#include <vector>

#include "addon/async.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "engine/session.h"
#include "eval/evaluator.h"

namespace hd::addon {

class DatasetObject : public Napi::ObjectWrap<DatasetObject> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<const data::Dataset> dataset);
  explicit DatasetObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

  std::shared_ptr<const data::Dataset> dataset;

 private:
  Napi::Value findings(const Napi::CallbackInfo&);
  Napi::Value image(const Napi::CallbackInfo&);
  Napi::Value report(const Napi::CallbackInfo&);
  Napi::Value leakage(const Napi::CallbackInfo&);
};

class LoaderObject : public Napi::ObjectWrap<LoaderObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit LoaderObject(const Napi::CallbackInfo& info);
  ~LoaderObject() override;

  /// Throws HD_USAGE once closed.
  std::shared_ptr<data::Loader> loader() const;
  /// Closes the loader; what waits for it goes on without a batch.
  void retire();

 private:
  Napi::Value stepsPerEpoch(const Napi::CallbackInfo&);
  Napi::Value slots(const Napi::CallbackInfo&);
  Napi::Value canvases(const Napi::CallbackInfo&);
  Napi::Value begin(const Napi::CallbackInfo&);
  Napi::Value next(const Napi::CallbackInfo&);
  Napi::Value release(const Napi::CallbackInfo&);
  Napi::Value draw(const Napi::CallbackInfo&);
  Napi::Value statistics(const Napi::CallbackInfo&);
  Napi::Value close(const Napi::CallbackInfo&);
  /// Detaches the view of the slot that JavaScript holds and gives the slot back.
  void releaseHeld(Napi::Env env);

  Environment& environment_;
  std::shared_ptr<data::Loader> loader_;
  data::LoaderStatistics last_;  ///< what the loader said when it was closed
  std::shared_ptr<Executor> executor_;
  data::Slot held_;
  Napi::Reference<Napi::ArrayBuffer> view_;
};

class EvaluatorObject : public Napi::ObjectWrap<EvaluatorObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EvaluatorObject(const Napi::CallbackInfo& info);

  std::shared_ptr<eval::Evaluator> evaluator;

 private:
  Napi::Value summarize(const Napi::CallbackInfo&);
  Napi::Value diagnose(const Napi::CallbackInfo&);
  Napi::Value detections(const Napi::CallbackInfo&);
  Napi::Value writeResults(const Napi::CallbackInfo&);
  Napi::Value clear(const Napi::CallbackInfo&);
};

/// Hands on the truth that came with a picture of a program's own source; others are known from the start.
void takeTruth(eval::Evaluator& evaluator, const data::Dataset& dataset, int64_t image);

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// createSession(options): the session is made on its own engine thread.
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit SessionObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  Napi::Value parameterInfo(const Napi::CallbackInfo&);
  Napi::Value divisor(const Napi::CallbackInfo&);
  Napi::Value describe(const Napi::CallbackInfo&);
  Napi::Value loadWeights(const Napi::CallbackInfo&);
  Napi::Value step(const Napi::CallbackInfo&);
  Napi::Value probe(const Napi::CallbackInfo&);
  Napi::Value detect(const Napi::CallbackInfo&);
  Napi::Value detectMixed(const Napi::CallbackInfo&);
  Napi::Value save(const Napi::CallbackInfo&);
  Napi::Value restore(const Napi::CallbackInfo&);
  Napi::Value exportWeights(const Napi::CallbackInfo&);
  Napi::Value profile(const Napi::CallbackInfo&);
  Napi::Value close(const Napi::CallbackInfo&);
  /// The session, or HD_USAGE once closed.
  std::shared_ptr<engine::Session> session() const;

  std::shared_ptr<engine::Session> session_;
  std::shared_ptr<Executor> executor_;
};

/// A JavaScript data source as a data set; see lib/trainer/source.ts.
std::shared_ptr<const data::Dataset> openSource(const Napi::CallbackInfo& info);

}  // namespace hd::addon
