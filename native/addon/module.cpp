// Registration of everything that lib/native.ts declares.
#include <ATen/Version.h>
#include <signal.h>
#include <torch/version.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "addon/convert.h"
#include "addon/objects.h"
#include "addon/ops.h"
#include "data/decode.h"
#include "data/draw.h"
#include "data/formats/braces.h"
#include "data/formats/detect.h"
#include "data/picture_library.h"
#include "distill/teacher_bench.h"
#include "eval/score.h"
#include "eval/synthetic_bench.h"
#include "io/atomic_file.h"
#include "io/file_lock.h"
#include "io/fsync.h"
#include "io/safetensors.h"
#include "io/selection.h"
#include "ops/distillation_bench.h"
#include "ops/nms_bench.h"

#ifndef HD_BUILD_DIGEST
#define HD_BUILD_DIGEST "unknown"
#endif

namespace hd::addon {
namespace {

using Info = const Napi::CallbackInfo&;

/// That a step may take while its environment waits to end.
constexpr std::chrono::milliseconds kLongestStep{20'000};
/// ExitCode.interrupted of lib/error.ts.
constexpr int kInterrupted = 75;

std::string text(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Error("HD_USAGE", concat("expected ", what, " as a string"));
  return value.As<Napi::String>().Utf8Value();
}

/// A promise of what `work` makes of plain options, on a thread of its own.
Napi::Value plain(Info info, std::function<Value(const Value&)> work) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return runAsync(info.Env(), nullptr,
                    [work = std::move(work), options = toValue(info[0])]() -> Conversion {
                      const Value result = work(options);
                      return [result](Napi::Env env) { return toNapi(env, result); };
                    });
  });
}

/// Whether a convolution in bf16 takes about half the time of one in fp32: with matrix units, or where the
/// dot product of AVX512-BF16 is as fast as the fp32 multiply-add (AMD; on Intel's cores it has half the
/// rate).
bool bf16Pays() {
  return __builtin_cpu_supports("amx-bf16") != 0 ||
         (__builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_is("amd") != 0);
}

Napi::Value info(Info call) {
  return guarded(call.Env(), [&]() -> Napi::Value {
    return toNapi(call.Env(),
                  Value::Object{{"torch", TORCH_VERSION},
                                {"capability", at::get_cpu_capability()},
                                {"avx2", __builtin_cpu_supports("avx2") != 0},
                                {"avx512", __builtin_cpu_supports("avx512f") != 0},
                                {"amx", __builtin_cpu_supports("amx-bf16") != 0},
                                {"bf16", __builtin_cpu_supports("avx512bf16") != 0},
                                {"bf16Pays", bf16Pays()},
                                {"cuda", nullptr},
                                {"decoders", data::decoderVersions()},
                                {"threads", static_cast<int>(std::thread::hardware_concurrency())},
                                {"build", HD_BUILD_DIGEST}});
  });
}

Napi::Value openDataset(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return runAsync(info.Env(), nullptr, [spec = toValue(info[0])]() -> Conversion {
      auto dataset = data::Dataset::open(spec);
      return [dataset](Napi::Env env) { return DatasetObject::wrap(env, dataset); };
    });
  });
}

Napi::Value openSourceDataset(Info info) {
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return DatasetObject::wrap(info.Env(), openSource(info)); });
}

Napi::Value expandBraces(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Value names(Value::Array{});
    for (const std::string& name : data::expandBraces(text(info[0], "a pattern"))) names.push(name);
    return toNapi(info.Env(), names);
  });
}

Napi::Value draw(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto options = info[0].As<Napi::Object>();
    auto dataset =
        unwrap<DatasetObject>(options.Get("dataset"), Environment::of(info.Env()).dataset, "a data set")
            .dataset;
    const int64_t image = options.Get("image").As<Napi::Number>().Int64Value();
    const std::string out = text(options.Get("out"), "the path of the picture");
    std::vector<data::DrawSet> sets;
    const auto given = options.Get("sets").As<Napi::Array>();
    for (uint32_t i = 0; i < given.Length(); ++i) {
      const auto entry = given.Get(i).As<Napi::Object>();
      data::DrawSet set;
      set.title = text(entry.Get("title"), "a title");
      set.colour = text(entry.Get("colour"), "a colour");
      const auto boxes = entry.Get("boxes").As<Napi::Float32Array>();
      const auto labels = entry.Get("labels").As<Napi::Int32Array>();
      set.boxes.assign(boxes.Data(), boxes.Data() + boxes.ElementLength());
      set.labels.assign(labels.Data(), labels.Data() + labels.ElementLength());
      if (entry.Get("scores").IsTypedArray()) {
        const auto scores = entry.Get("scores").As<Napi::Float32Array>();
        set.scores.assign(scores.Data(), scores.Data() + scores.ElementLength());
      }
      sets.push_back(std::move(set));
    }
    return runAsync(info.Env(), nullptr, [dataset, image, out, sets = std::move(sets)]() -> Conversion {
      data::drawSets(*dataset, image, out, sets);
      return {};
    });
  });
}

Napi::Value classColour(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    char colour[8];
    std::snprintf(colour, sizeof colour, "#%06x",
                  data::classColour(info[0].As<Napi::Number>().Int32Value()) & 0xffffff);
    return Napi::String::New(info.Env(), colour);
  });
}

Value describeWeights(const io::TensorFile& file) {
  Value tensors{Value::Array{}}, metadata{Value::Object{}};
  for (const io::TensorView& tensor : file.tensors) {
    Value shape{Value::Array{}};
    for (const int64_t side : tensor.shape) shape.push(side);
    tensors.push(Value::Object{
        {"name", tensor.name}, {"shape", std::move(shape)}, {"dtype", io::nameOf(tensor.dtype)}});
  }
  for (const auto& [key, value] : file.metadata) metadata.set(key, value);
  return Value::Object{{"metadata", std::move(metadata)}, {"tensors", std::move(tensors)}};
}

Napi::Value weightsInfo(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return runAsync(info.Env(), nullptr, [path = text(info[0], "a path")]() -> Conversion {
      const Value described = describeWeights(io::readWeights(path));
      return [described](Napi::Env env) { return toNapi(env, described); };
    });
  });
}

Napi::Value importWeights(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::map<std::string, std::string> metadata;
    const hd::Value given = toValue(info[2]);
    for (const auto& [key, value] : given.asObject()) metadata[key] = value.asString();
    const io::Selection selection = io::Selection::from(toValue(info[3]));
    return runAsync(
        info.Env(), nullptr,
        [from = text(info[0], "a path"), to = text(info[1], "a path"), metadata, selection]() -> Conversion {
          io::TensorFile file = io::readWeights(from);
          io::select(file, selection, from);
          io::writeSafetensors(to, file.tensors, metadata);
          file.metadata = metadata;
          const Value described = describeWeights(file);
          return [described](Napi::Env env) { return toNapi(env, described); };
        });
  });
}

/// Holds an flock until released or collected.
class LockObject : public Napi::ObjectWrap<LockObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeLock", {InstanceMethod<&LockObject::release>("release")});
  }
  explicit LockObject(Info info) : ObjectWrap(info) {}
  std::unique_ptr<io::FileLock> lock;

 private:
  Napi::Value release(Info info) {
    lock.reset();
    return info.Env().Undefined();
  }
};

Napi::Value lockFile(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto lock = std::make_unique<io::FileLock>(text(info[0], "the path of the lock"));
    if (!lock->tryLock()) return Napi::Boolean::New(info.Env(), false);
    Napi::Object object = Environment::of(info.Env()).lock.New({});
    LockObject::Unwrap(object)->lock = std::move(lock);
    return object;
  });
}

Napi::Value fsyncPath(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    io::fsyncPath(text(info[0], "a path"));
    return info.Env().Undefined();
  });
}

Napi::Value writeFile(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    io::writeFileAtomically(text(info[0], "a path"), text(info[1], "the content"));
    return info.Env().Undefined();
  });
}

Napi::Value removeTemporaries(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(),
                             static_cast<double>(io::removeTemporaries(text(info[0], "a folder"))));
  });
}

/// Lets nothing start any more and waits for what runs; false when something still does then.
bool finishAll(Environment& environment, std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  for (const auto& close : environment.beforeExit) close();
  while (!environment.loaders.empty()) (*environment.loaders.begin())->retire();
  if (!environment.activity->finish(longest)) return false;
  // Decode threads that are still in a read end with it: how long that takes, the disk decides.
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return environment.reaper->finish(std::max(left, std::chrono::milliseconds(0)));
}

/// finishWork(milliseconds): false when something still ran then. For the end of the process only.
Napi::Value finishWork(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::chrono::milliseconds longest(info[0].As<Napi::Number>().Int64Value());
    return Napi::Boolean::New(info.Env(), finishAll(Environment::of(info.Env()), longest));
  });
}

/// endProcess(code): at once, whatever its threads hang in; nothing of C++ or JavaScript runs any more.
Napi::Value endProcess(Info info) {
  _exit(info[0].As<Napi::Number>().Int32Value());
}

/// What a signal handler can read. Of the process, as the signals are.
std::atomic<int64_t> signalsEndAt{0};
static_assert(std::atomic<int64_t>::is_always_lock_free);

int64_t monotonicMilliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1000} * now.tv_sec + now.tv_nsec / 1'000'000;
}

/// endOnSignals(milliseconds): from then on SIGINT and SIGTERM end the process as interrupted, also while its
/// JavaScript thread is blocked; until then they do nothing.
Napi::Value endOnSignals(Info info) {
  signalsEndAt = monotonicMilliseconds() + info[0].As<Napi::Number>().Int64Value();
  struct sigaction action {};
  action.sa_handler = [](int) {
    if (monotonicMilliseconds() >= signalsEndAt) _exit(kInterrupted);
  };
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
  return info.Env().Undefined();
}

/// A worker thread that is terminated runs no JavaScript at its end: what lib/native.ts does at the exit of a
/// process happens here, before Node frees what native threads post to.
void endEnvironment(Environment* environment) {
  finishAll(*environment, kLongestStep);
  environment->js->close();
}

Napi::Value setErrorClass(Info info) {
  Environment::of(info.Env()).errorClass = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value setPictureLibrary(Info info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    data::setPictureLibrary(info[0].As<Napi::String>().Utf8Value());
    return info.Env().Undefined();
  });
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  env.AddCleanupHook(endEnvironment, environment);
  environment->reaper = std::make_shared<Executor>(std::function<void()>(), kLongestStep);
  environment->dataset = Napi::Persistent(DatasetObject::define(env));
  environment->loader = Napi::Persistent(LoaderObject::define(env));
  environment->evaluator = Napi::Persistent(EvaluatorObject::define(env));
  environment->session = Napi::Persistent(SessionObject::define(env));
  environment->lock = Napi::Persistent(LockObject::define(env));

  exports.Set("info", Napi::Function::New<info>(env));
  exports.Set("openDataset", Napi::Function::New<openDataset>(env));
  exports.Set("openSource", Napi::Function::New<openSourceDataset>(env));
  exports.Set("createSession", Napi::Function::New<&SessionObject::create>(env));
  exports.Set("draw", Napi::Function::New<draw>(env));
  exports.Set("classColour", Napi::Function::New<classColour>(env));
  exports.Set("importWeights", Napi::Function::New<importWeights>(env));
  exports.Set("weightsInfo", Napi::Function::New<weightsInfo>(env));
  exports.Set("lockFile", Napi::Function::New<lockFile>(env));
  exports.Set("fsyncPath", Napi::Function::New<fsyncPath>(env));
  exports.Set("writeFile", Napi::Function::New<writeFile>(env));
  exports.Set("removeTemporaries", Napi::Function::New<removeTemporaries>(env));
  exports.Set("finishWork", Napi::Function::New<finishWork>(env));
  exports.Set("endProcess", Napi::Function::New<endProcess>(env));
  exports.Set("endOnSignals", Napi::Function::New<endOnSignals>(env));
  exports.Set("setErrorClass", Napi::Function::New<setErrorClass>(env));
  exports.Set("setPictureLibrary", Napi::Function::New<setPictureLibrary>(env));
  exports.Set("Loader", environment->loader.Value());
  exports.Set("Evaluator", environment->evaluator.Value());
  exports.Set("score", Napi::Function::New(env, [](Info call) { return plain(call, eval::score); }));
  exports.Set("benchEval", Napi::Function::New(env, [](Info call) { return plain(call, eval::benchEval); }));
  exports.Set("benchNms", Napi::Function::New(env, [](Info call) { return plain(call, ops::benchNms); }));
  exports.Set("benchDistillation",
              Napi::Function::New(env, [](Info call) { return plain(call, ops::benchDistillation); }));
  exports.Set("benchTeacher",
              Napi::Function::New(env, [](Info call) { return plain(call, distill::benchTeacher); }));
  exports.Set("suppress", Napi::Function::New<suppress>(env));
  exports.Set("boxIou", Napi::Function::New<boxIou>(env));
  exports.Set("expandBraces", Napi::Function::New<expandBraces>(env));
  exports.Set("detectDataset", Napi::Function::New(env, [](Info call) {
                return plain(call, [](const Value& options) {
                  return data::detectDataset(options.at("folder").asString());
                });
              }));
  return exports;
}

}  // namespace
}  // namespace hd::addon

static Napi::Object startAddon(Napi::Env env, Napi::Object exports) {
  return hd::addon::start(env, exports);
}
NODE_API_MODULE(hdtrain, startAddon)
