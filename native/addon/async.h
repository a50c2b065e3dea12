// Promises whose work runs on an executor thread, and the one place where C++ exceptions become HdError.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "addon/environment.h"

namespace hd::addon {

/// One native thread that runs its tasks in order. The engine has one of its own: libuv's pool is left alone.
/// Destruction runs what is queued and joins, except from one of its own tasks, when the thread ends by
/// itself, and except when that would take longer than `patience`: then the thread is left behind.
class Executor {
 public:
  /// `start` runs first on the new thread (thread count, denormals).
  explicit Executor(std::function<void()> start = {},
                    std::chrono::milliseconds patience = std::chrono::milliseconds::max());
  ~Executor();
  void submit(std::function<void()> task);
  /// Waits until all that was submitted has run; false when that takes longer.
  bool finish(std::chrono::milliseconds longest);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable wake, idle;
    std::deque<std::function<void()>> tasks;
    bool busy = false, stop = false;
  };
  std::shared_ptr<Queue> queue_;  ///< shared with the thread, which may outlive this object
  std::thread thread_;
  std::chrono::milliseconds patience_;
};

/// Turns the result of work into a JavaScript value, on the JavaScript thread.
using Conversion = std::function<Napi::Value(Napi::Env)>;

/// Runs `work` on `executor`; resolves with what the returned conversion makes, or rejects with an HdError
/// that carries the JavaScript stack of this call. `executor` may be null: a thread of its own for this one
/// call. `keep` is not collected before the promise settles. `work` must hold no JavaScript reference: it
/// dies on the executor's thread.
Napi::Promise runAsync(Napi::Env env, const std::shared_ptr<Executor>& executor,
                       std::function<Conversion()> work, Napi::Object keep = {});

/// Calls `body`; C++ exceptions become thrown HdErrors.
Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& body);

}  // namespace hd::addon
