#include "addon/async.h"

#include <exception>
#include <new>

#include "core/error.h"

namespace hd::addon {

namespace {

/// A program's function threw with nobody to catch it: as any uncaught exception of JavaScript. While the
/// environment closes every call into it fails, this one too, and there is nobody left to tell.
void raise(Napi::Env env, const Napi::Error& error) {
  try {
    napi_fatal_exception(env, error.Value());
  } catch (const Napi::Error&) {
  }
}

}  // namespace

JsThread::JsThread(Napi::Env env)
    : function_(Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                              "hdtrain", 0, 1)) {
  function_.Unref(env);
}

bool JsThread::post(std::function<void(Napi::Env)> task) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  auto* boxed = new std::function<void(Napi::Env)>(std::move(task));
  const napi_status status = function_.NonBlockingCall(
      boxed, [](Napi::Env env, Napi::Function, std::function<void(Napi::Env)>* call) {
        std::unique_ptr<std::function<void(Napi::Env)>> owned(call);
        if (static_cast<napi_env>(env) == nullptr) return;  // shutting down
        try {
          Napi::HandleScope scope(env);
          (*owned)(env);
        } catch (const Napi::Error& error) {
          raise(env, error);
        }
      });
  if (status == napi_ok) return true;
  delete boxed;
  return false;
}

void JsThread::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void JsThread::retain(Napi::Env env) {
  if (pending_++ == 0) function_.Ref(env);
}

void JsThread::release(Napi::Env env) {
  if (--pending_ == 0) function_.Unref(env);
}

Executor::Executor(std::function<void()> start, std::chrono::milliseconds patience)
    : queue_(std::make_shared<Queue>()), patience_(patience) {
  thread_ = std::thread([queue = queue_, start = std::move(start)] {
    if (start) start();
    std::unique_lock lock(queue->mutex);
    while (true) {
      queue->wake.wait(lock, [&] { return queue->stop || !queue->tasks.empty(); });
      if (queue->tasks.empty()) return;
      auto task = std::move(queue->tasks.front());
      queue->tasks.pop_front();
      queue->busy = true;
      lock.unlock();
      task();
      task = nullptr;  // what the task captured dies here, outside the lock; this may be the executor itself
      lock.lock();
      queue->busy = false;
      if (queue->tasks.empty()) queue->idle.notify_all();
    }
  });
}

Executor::~Executor() {
  {
    std::lock_guard lock(queue_->mutex);
    queue_->stop = true;
  }
  queue_->wake.notify_all();
  if (thread_.get_id() == std::this_thread::get_id() || !finish(patience_)) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

bool Executor::finish(std::chrono::milliseconds longest) {
  std::unique_lock lock(queue_->mutex);
  const auto idle = [this] { return queue_->tasks.empty() && !queue_->busy; };
  if (longest != std::chrono::milliseconds::max()) return queue_->idle.wait_for(lock, longest, idle);
  queue_->idle.wait(lock, idle);
  return true;
}

void Executor::submit(std::function<void()> task) {
  {
    std::lock_guard lock(queue_->mutex);
    queue_->tasks.push_back(std::move(task));
  }
  queue_->wake.notify_one();
}

namespace {

struct Failure {
  std::string code, message, where;
};

Failure describe(const std::exception_ptr& pointer) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    return {error.code(), error.what(), error.where()};
  } catch (const std::bad_alloc&) {
    return {"HD_OUT_OF_MEMORY", "out of memory: lower train.batch, data.size or data.slots", ""};
  } catch (const std::exception& error) {
    // libtorch appends its own C++ stack after the first line.
    std::string text = error.what();
    const size_t end = text.find("\nException raised from");
    if (end != std::string::npos) text.resize(end);
    return {"HD_INTERNAL", text, ""};
  } catch (...) {
    return {"HD_INTERNAL", "an unknown native exception", ""};
  }
}

/// An empty HdError whose stack is the current JavaScript one; `fill` completes it later.
Napi::Object blankError(Napi::Env env) {
  auto& errorClass = Environment::of(env).errorClass;
  if (errorClass.IsEmpty()) return Napi::Error::New(env, "").Value();
  return errorClass.New({Napi::String::New(env, ""), Napi::String::New(env, "")}).As<Napi::Object>();
}

Napi::Value fill(Napi::Env env, Napi::Object error, const Failure& failure) {
  const std::string stack =
      error.Get("stack").IsString() ? error.Get("stack").As<Napi::String>().Utf8Value() : "";
  const size_t frames = stack.find("\n    at ");
  error.Set("code", failure.code);
  error.Set("where", failure.where);
  error.DefineProperty(Napi::PropertyDescriptor::Value(
      "message", Napi::String::New(env, failure.message),
      static_cast<napi_property_attributes>(napi_writable | napi_configurable)));
  error.DefineProperty(Napi::PropertyDescriptor::Value(
      "stack",
      Napi::String::New(
          env, "HdError: " + failure.message + (frames == std::string::npos ? "" : stack.substr(frames))),
      static_cast<napi_property_attributes>(napi_writable | napi_configurable)));
  return error;
}

}  // namespace

namespace {

struct Call {
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference error, keep;
};

/// The environment is gone or going: its references must not be touched any more, so they are leaked.
void abandon(std::unique_ptr<std::shared_ptr<Call>> call) {
  (*call)->error.SuppressDestruct();
  (*call)->keep.SuppressDestruct();
  call.release();
}

}  // namespace

Napi::Promise runAsync(Napi::Env env, const std::shared_ptr<Executor>& executor,
                       std::function<Conversion()> work, Napi::Object keep) {
  auto call =
      std::make_shared<Call>(Call{Napi::Promise::Deferred::New(env), Napi::Persistent(blankError(env)), {}});
  if (!keep.IsEmpty()) call->keep = Napi::Persistent(keep);
  const Napi::Promise promise = call->deferred.Promise();
  auto js = Environment::of(env).js;
  js->retain(env);
  auto run = [call = std::move(call), js, activity = Environment::of(env).activity,
              work = std::move(work)]() mutable {
    if (!activity->enter()) return abandon(std::make_unique<std::shared_ptr<Call>>(std::move(call)));
    const std::unique_ptr<Activity, void (*)(Activity*)> working(activity.get(),
                                                                 [](Activity* it) { it->leave(); });
    Conversion conversion;
    std::exception_ptr failure;
    try {
      conversion = work();
    } catch (...) {
      failure = std::current_exception();
    }
    work = nullptr;  // release what it holds on the worker thread
    auto* shared = new std::shared_ptr<Call>(std::move(call));
    const bool posted = js->post([shared, js, conversion = std::move(conversion), failure](Napi::Env env) {
      std::unique_ptr<std::shared_ptr<Call>> owned(shared);
      js->release(env);
      Call& call = **owned;
      std::exception_ptr problem = failure;
      if (!problem) {
        try {
          call.deferred.Resolve(conversion ? conversion(env) : env.Undefined());
          return;
        } catch (...) {
          problem = std::current_exception();
        }
      }
      call.deferred.Reject(fill(env, call.error.Value(), describe(problem)));
    });
    if (!posted) abandon(std::unique_ptr<std::shared_ptr<Call>>(shared));
  };
  if (executor) {
    executor->submit(std::move(run));
  } else {
    std::thread(std::move(run)).detach();
  }
  return promise;
}

Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = describe(std::current_exception());
    throw Napi::Error(env, fill(env, blankError(env), failure));
  }
}

}  // namespace hd::addon
