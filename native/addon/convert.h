// Plain JavaScript data ↔ hd::Value, and typed arrays.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/value.h"

namespace hd::addon {

/// null and undefined become null; functions and symbols are refused (HD_USAGE). Depth ≤ 32.
Value toValue(const Napi::Value& value);
Napi::Value toNapi(Napi::Env env, const Value& value);

/// Copies small results into fresh typed arrays. Pictures never pass here: they are views (loader.cpp).
template <class Array, class T>
Array toTyped(Napi::Env env, const std::vector<T>& values) {
  auto out = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

/// The native object inside `value`; HD_USAGE saying what was expected otherwise.
template <class Wrapper>
Wrapper& unwrap(const Napi::Value& value, const Napi::FunctionReference& constructor, const char* expected) {
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(constructor.Value())) {
    throw Error("HD_USAGE", concat("expected ", expected, " made by the same addon"));
  }
  return *Wrapper::Unwrap(value.As<Napi::Object>());
}

}  // namespace hd::addon
