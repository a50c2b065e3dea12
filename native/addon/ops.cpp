#include "addon/ops.h"

#include <ATen/ops/from_blob.h>

#include "addon/async.h"
#include "addon/convert.h"
#include "detectors/post_process.h"
#include "ops/losses.h"

namespace hd::addon {

Napi::Value suppress(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto boxes = info[0].As<Napi::Float32Array>(), scores = info[1].As<Napi::Float32Array>();
    const auto labels = info[2].As<Napi::Int32Array>();
    const Value options = toValue(info[3]);
    auto chosen = detectors::PostProcess::from(Value::Object{{"suppression", options}}).suppression;
    chosen.threshold = options.get("iouThreshold", chosen.threshold);
    chosen.limit = options.get("limit", int64_t{-1});
    const auto survivors = hd::ops::suppress(boxes.Data(), scores.Data(), labels.Data(),
                                             static_cast<int64_t>(scores.ElementLength()), chosen);
    auto out = Napi::Object::New(info.Env());
    const std::vector<int32_t> keep(survivors.index.begin(), survivors.index.end());
    out.Set("keep", toTyped<Napi::Int32Array>(info.Env(), keep));
    out.Set("boxes", toTyped<Napi::Float32Array>(info.Env(), survivors.boxes));
    out.Set("scores", toTyped<Napi::Float32Array>(info.Env(), survivors.scores));
    return out;
  });
}

Napi::Value boxIou(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto tensorOf = [&](size_t argument) {
      auto array = info[argument].As<Napi::Float32Array>();
      return at::from_blob(array.Data(), {static_cast<int64_t>(array.ElementLength()) / 4, 4}, at::kFloat);
    };
    const at::Tensor result =
        hd::ops::boxIouMatrix(info[0].As<Napi::String>().Utf8Value(), tensorOf(1), tensorOf(2)).contiguous();
    const float* values = result.const_data_ptr<float>();
    return toTyped<Napi::Float32Array>(info.Env(), std::vector<float>(values, values + result.numel()));
  });
}

}  // namespace hd::addon
