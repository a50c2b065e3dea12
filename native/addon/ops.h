// Operators on typed arrays, for programs: nothing of a network is needed.
#pragma once

#include <napi.h>

namespace hd::addon {

/// suppress(boxes Float32Array, scores Float32Array, labels Int32Array, options) → { keep Int32Array, boxes,
/// scores Float32Array }. The arrays are read where they lie. Lengths are checked by lib/ops.ts.
Napi::Value suppress(const Napi::CallbackInfo& info);

/// boxIou(kind, a Float32Array, b Float32Array) → Float32Array [a, b] row-major.
Napi::Value boxIou(const Napi::CallbackInfo& info);

}  // namespace hd::addon
