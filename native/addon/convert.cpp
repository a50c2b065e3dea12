#include "addon/convert.h"

namespace hd::addon {
namespace {

constexpr int kMaxDepth = 32;

Value convert(const Napi::Value& value, int depth) {
  if (depth > kMaxDepth) throw Error("HD_USAGE", "expected options nested at most 32 deep");
  switch (value.Type()) {
    case napi_undefined:
    case napi_null:
      return nullptr;
    case napi_boolean:
      return value.As<Napi::Boolean>().Value();
    case napi_number:
      return value.As<Napi::Number>().DoubleValue();
    case napi_string:
      return value.As<Napi::String>().Utf8Value();
    case napi_object:
      break;
    default:
      throw Error("HD_USAGE", "expected plain data in options (no functions, symbols or bigints)");
  }
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    Value::Array out;
    out.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) out.push_back(convert(array.Get(i), depth + 1));
    return out;
  }
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  Value::Object out;
  out.reserve(keys.Length());
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    out.emplace_back(key, convert(object.Get(key), depth + 1));
  }
  return out;
}

}  // namespace

Value toValue(const Napi::Value& value) {
  return convert(value, 0);
}

Napi::Value toNapi(Napi::Env env, const Value& value) {
  if (value.isNull()) return env.Null();
  if (value.isBool()) return Napi::Boolean::New(env, value.asBool());
  if (value.isNumber()) return Napi::Number::New(env, value.asNumber());
  if (value.isString()) return Napi::String::New(env, value.asString());
  if (value.isArray()) {
    const auto& array = value.asArray();
    auto out = Napi::Array::New(env, array.size());
    for (size_t i = 0; i < array.size(); ++i) out.Set(static_cast<uint32_t>(i), toNapi(env, array[i]));
    return out;
  }
  auto out = Napi::Object::New(env);
  for (const auto& [key, member] : value.asObject()) out.Set(key, toNapi(env, member));
  return out;
}

}  // namespace hd::addon
