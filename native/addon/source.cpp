// A user's JavaScript source as a data set. Decode threads ask, the JavaScript thread answers, pixels are
// read where they lie: lib/trainer/source.ts hands over memory that nobody else can touch until `done` is
// called. A source that fills slots gets a view of the memory to write instead, which is detached before the
// decode thread goes on.
//
// Invariant: an asking thread never waits longer than the environment lives: a cleanup hook fails whatever is
// open.
#include <condition_variable>
#include <mutex>
#include <unordered_set>

#include "addon/convert.h"
#include "addon/objects.h"
#include "data/external.h"

namespace hd::addon {
namespace {

/// One question of a decode thread and its answer.
struct Request {
  std::mutex mutex;
  std::condition_variable answered;
  bool ready = false;
  data::ExternalSample sample;  // of a source that fills, only the table
  uint8_t* memory = nullptr;    // what a source that fills writes, else null
  size_t bytes = 0, pitch = 0;
  std::string failure;

  void answer(std::function<void(Request&)> fill) {
    {
      std::lock_guard lock(mutex);
      if (ready) return;
      fill(*this);
      ready = true;
    }
    answered.notify_all();
  }
};

using Info = const Napi::CallbackInfo&;

class Bridge : public std::enable_shared_from_this<Bridge> {
 public:
  Bridge(Napi::Env env, Napi::Function get)
      : js_(Environment::of(env).js),
        get_(std::make_shared<Napi::FunctionReference>(Napi::Persistent(get))) {}

  data::ExternalSample ask(int64_t image, uint8_t* memory = nullptr, size_t bytes = 0, size_t pitch = 0) {
    auto request = std::make_shared<Request>();
    request->memory = memory;
    request->bytes = bytes;
    request->pitch = pitch;
    {
      std::lock_guard lock(mutex_);
      if (closed_) throw Error("HD_DATA_SOURCE", "the JavaScript environment of the data source is gone");
      open_.insert(request);
    }
    auto self = shared_from_this();
    if (!js_->post([self, request, image](Napi::Env env) { self->call(env, request, image); })) close();
    std::unique_lock lock(request->mutex);
    request->answered.wait(lock, [&] { return request->ready; });
    lock.unlock();
    {
      std::lock_guard guard(mutex_);
      open_.erase(request);
    }
    if (!request->failure.empty()) throw Error("HD_DATA_SOURCE", request->failure, concat("sample ", image));
    return std::move(request->sample);
  }

  /// Fails every open question and all later ones.
  void close() {
    std::unordered_set<std::shared_ptr<Request>> open;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      open.swap(open_);
    }
    for (const auto& request : open) {
      request->answer(
          [](Request& it) { it.failure = "the JavaScript environment of the data source is gone"; });
    }
  }

 private:
  void call(Napi::Env env, const std::shared_ptr<Request>& request, int64_t image) {
    auto fail = [request](const std::string& message) {
      request->answer([&](Request& it) { it.failure = message; });
    };
    try {
      std::shared_ptr<Napi::Reference<Napi::ArrayBuffer>> view;
      std::vector<napi_value> arguments{Napi::Number::New(env, static_cast<double>(image))};
      if (request->memory != nullptr) {
        auto buffer = Napi::ArrayBuffer::New(env, request->memory, request->bytes);
        view = std::make_shared<Napi::Reference<Napi::ArrayBuffer>>(Napi::Persistent(buffer));
        arguments.push_back(buffer);
        arguments.push_back(Napi::Number::New(env, static_cast<double>(request->pitch)));
      }
      // After this nobody writes the memory any more, whatever the program keeps.
      const auto detach = [view] {
        if (view && !view->Value().IsDetached()) view->Value().Detach();
      };
      Napi::Value result;
      try {
        result = get_->Call(arguments);
      } catch (...) {
        detach();
        throw;
      }
      auto self = shared_from_this();
      auto accept = Napi::Function::New(env, [self, request, fail, detach](Info info) {
        detach();
        try {
          const auto given = info[0].As<Napi::Object>();
          data::ExternalSample sample;
          if (request->memory == nullptr) sample.picture = self->readPicture(given);
          sample.table = readTruth(given);
          request->answer([&](Request& it) { it.sample = std::move(sample); });
        } catch (const std::exception& error) {
          fail(error.what());
        }
      });
      auto refuse = Napi::Function::New(env, [fail, detach](Info info) {
        detach();
        fail(info[0].ToString().Utf8Value());
      });
      auto promise = result.As<Napi::Object>();
      promise.Get("then").As<Napi::Function>().Call(promise, {accept, refuse});
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }

  /// { image: Uint8Array, width, height, done() }, validated in lib/trainer/source.ts.
  data::Picture readPicture(Napi::Object given) {
    data::Picture out;
    const auto pixels = given.Get("image").As<Napi::Uint8Array>();
    out.width = given.Get("width").As<Napi::Number>().Int32Value();
    out.height = given.Get("height").As<Napi::Number>().Int32Value();
    const uint64_t needed =
        uint64_t{3} * static_cast<uint64_t>(out.width) * static_cast<uint64_t>(out.height);
    if (out.width < 1 || out.height < 1 || pixels.ElementLength() != needed) {
      throw Error("HD_DATA_SOURCE",
                  concat("expected ", needed, " bytes of RGB but received ", pixels.ElementLength()));
    }
    out.pixels = pixels.Data();
    // The reference keeps the memory alive; it must die on the JavaScript thread, which then tells the
    // source.
    auto* reference = new Napi::ObjectReference(Napi::Persistent(given));
    out.owner = std::shared_ptr<const void>(reference, [js = js_](Napi::ObjectReference* held) {
      const bool posted = js->post([held](Napi::Env env) {
        std::unique_ptr<Napi::ObjectReference> owned(held);
        owned->Value().Get("done").As<Napi::Function>().Call({});
      });
      if (!posted) held->SuppressDestruct();
    });
    return out;
  }

  /// { boxes: Float32Array, labels: Int32Array, ignore: Uint8Array }, validated in lib/trainer/source.ts.
  static data::AnnotationTable readTruth(Napi::Object given) {
    data::AnnotationTable out;
    const auto boxes = given.Get("boxes").As<Napi::Float32Array>();
    const auto labels = given.Get("labels").As<Napi::Int32Array>();
    const auto ignore = given.Get("ignore").As<Napi::Uint8Array>();
    for (size_t i = 0; i < labels.ElementLength(); ++i) {
      const float* box = boxes.Data() + 4 * i;
      const double area = (double{box[2]} - box[0]) * (double{box[3]} - box[1]);
      out.annotations.push_back({box[0], box[1], box[2], box[3], area, labels[i], ignore[i] != 0, false,
                                 static_cast<int64_t>(i), -1, -1, -1});
    }
    return out;
  }

  std::shared_ptr<JsThread> js_;
  std::shared_ptr<Napi::FunctionReference> get_;
  std::mutex mutex_;
  bool closed_ = false;
  std::unordered_set<std::shared_ptr<Request>> open_;
};

}  // namespace

std::shared_ptr<const data::Dataset> openSource(const Napi::CallbackInfo& info) {
  const Value options = toValue(info[0]);
  // The function reference must be destroyed on the JavaScript thread; decode threads may hold the bridge
  // last.
  auto js = Environment::of(info.Env()).js;
  std::shared_ptr<Bridge> bridge(new Bridge(info.Env(), info[1].As<Napi::Function>()),
                                 [js](Bridge* dying) { js->post([dying](Napi::Env) { delete dying; }); });
  info.Env().AddCleanupHook([weak = std::weak_ptr<Bridge>(bridge)] {
    if (auto alive = weak.lock()) alive->close();
  });
  Environment::of(info.Env()).beforeExit.push_back([weak = std::weak_ptr<Bridge>(bridge)] {
    if (auto alive = weak.lock()) alive->close();
  });
  std::vector<std::pair<int, int>> sizes;
  if (const Value* given = options.find("sizes"); given != nullptr && !given->isNull()) {
    for (const Value& size : given->asArray()) {
      sizes.emplace_back(static_cast<int>(size.asArray()[0].asInt()),
                         static_cast<int>(size.asArray()[1].asInt()));
    }
  }
  if (options.get("fill", false)) {
    const auto fill = [bridge, sizes](int64_t image, uint8_t* pixels, size_t pitch) {
      const auto [width, height] = sizes[static_cast<size_t>(image)];
      const size_t bytes = pitch * static_cast<size_t>(height - 1) + static_cast<size_t>(width) * 3;
      return std::move(bridge->ask(image, pixels, bytes, pitch).table);
    };
    return std::make_shared<data::ExternalDataset>(options.at("length").asInt(), options.strings("classes"),
                                                   data::ExternalFiller(fill), sizes);
  }
  return std::make_shared<data::ExternalDataset>(
      options.at("length").asInt(), options.strings("classes"),
      data::ExternalSource([bridge](int64_t image) { return bridge->ask(image); }), sizes);
}

}  // namespace hd::addon
