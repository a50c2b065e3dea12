// What the addon keeps per Node environment (main thread or worker): nothing here is process-global, so that
// several trainers and worker_threads can live side by side.
#pragma once

#include <napi.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

namespace hd::addon {

/// Runs `task` on the JavaScript thread. Stays valid after the environment is gone, when posting does
/// nothing: Node frees its side of the function then, whoever still holds ours.
class JsThread {
 public:
  explicit JsThread(Napi::Env env);
  /// From any thread. False once the environment is shutting down: the task will never run.
  bool post(std::function<void(Napi::Env)> task);
  /// From then on nothing is posted. On the JavaScript thread, before Node takes the environment down.
  void close();
  // On the JavaScript thread: keep the event loop alive while something is under way.
  void retain(Napi::Env env);
  void release(Napi::Env env);

 private:
  Napi::ThreadSafeFunction function_;
  std::mutex mutex_;  // of closed_, and held while posting: close() waits for who is in the middle of it
  bool closed_ = false;
  int pending_ = 0;
};

/// Counts the native work of an environment, so that a process can end between two pieces of it: threads that
/// still work while the libraries' static objects are destroyed crash.
class Activity {
 public:
  /// False: the process is ending, do not start.
  bool enter() {
    const std::lock_guard lock(mutex_);
    if (!closing_) ++running_;
    return !closing_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) idle_.notify_all();
  }
  /// Lets nothing start any more and waits for what runs; false when that takes longer.
  bool finish(std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    closing_ = true;
    return idle_.wait_for(lock, longest, [&] { return running_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable idle_;
  int64_t running_ = 0;
  bool closing_ = false;
};

class Executor;
class LoaderObject;

struct Environment {
  explicit Environment(Napi::Env env) : js(std::make_shared<JsThread>(env)) {}
  std::shared_ptr<JsThread> js;
  std::shared_ptr<Activity> activity = std::make_shared<Activity>();
  /// What must not wait for JavaScript any more when the process ends.
  std::vector<std::function<void()>> beforeExit;
  /// Loaders that JavaScript has not closed: whoever waits for a batch goes on when they close.
  std::unordered_set<LoaderObject*> loaders;
  /// Destroys what must not be destroyed on the JavaScript thread. Ends, with all it was given, before the
  /// process runs its static destructors, unless a thread hangs in the system (a disk that is gone).
  std::shared_ptr<Executor> reaper;
  Napi::FunctionReference errorClass;  ///< lib/error.ts HdError, handed over by lib/native.ts
  Napi::FunctionReference dataset, loader, session, evaluator, lock;

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
};

}  // namespace hd::addon
