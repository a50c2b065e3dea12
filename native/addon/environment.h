// What the addon keeps per Node environment (main thread or worker): nothing here is process-global, so that
// several trainers and worker_threads can live side by side.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

namespace hd::addon {

/// Runs `task` on the JavaScript thread. Stays valid after the environment is gone, when posting does
/// nothing.
class JsThread {
 public:
  explicit JsThread(Napi::Env env);
  /// From any thread. False once the environment is shutting down: the task will never run.
  bool post(std::function<void(Napi::Env)> task);
  // On the JavaScript thread: keep the event loop alive while something is under way.
  void retain(Napi::Env env);
  void release(Napi::Env env);

 private:
  Napi::ThreadSafeFunction function_;
  int pending_ = 0;
};

class Executor;

struct Environment {
  explicit Environment(Napi::Env env) : js(std::make_shared<JsThread>(env)) {}
  std::shared_ptr<JsThread> js;
  /// Destroys what must not be destroyed on the JavaScript thread. Ends, with all it was given, before the
  /// process runs its static destructors.
  std::shared_ptr<Executor> reaper;
  Napi::FunctionReference errorClass;  ///< lib/error.ts HdError, handed over by lib/native.ts
  Napi::FunctionReference dataset, loader, session, evaluator, lock;

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
};

}  // namespace hd::addon
