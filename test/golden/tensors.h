// Golden tensors for the torch side: full arrays, statistics, formula inputs and formula parameters
// (goldens/README.md, "Formula").
#pragma once

#include <torch/types.h>

#include "core/rng.h"
#include "formula.h"
#include "golden.h"

namespace golden {

/// An input: either {"dtype","shape","data"} or {"dtype","shape","formula"}. Float tensors come as float32 or
/// float64, integers as int64, bool as bool.
inline torch::Tensor tensorOf(const hd::Value& value) {
  const auto shape = shapeOf(value);
  if (const hd::Value* formula = value.find("formula")) {
    auto out = torch::empty(shape, torch::kFloat32);
    const uint64_t hash = hd::hashName(formula->at("name").asString());
    const double lo = formula->at("lo").asNumber(), hi = formula->at("hi").asNumber();
    float* data = out.data_ptr<float>();
    for (int64_t i = 0; i < out.numel(); ++i)
      data[i] = static_cast<float>(lo + (hi - lo) * formulaUniform(hash, i));
    return out;
  }
  const auto data = dataOf(value);
  const std::string dtype = value.get("dtype", "f32");
  auto out = torch::tensor(data, torch::kFloat64).reshape(shape);
  return out.to(dtype == "f32"    ? torch::kFloat32
                : dtype == "i64"  ? torch::kInt64
                : dtype == "bool" ? torch::kBool
                                  : torch::kFloat64);
}

/// Fills one parameter or buffer by the formula of {"namespace", "gains": [{"prefix", "factor"}], "fills":
/// [{"name", "value"}], "kept_as_constructed"}; of the gains the first whose prefix starts the name counts.
inline void fillParameter(torch::Tensor tensor, const std::string& name, const hd::Value& formula) {
  if (const hd::Value* kept = formula.find("kept_as_constructed"); kept != nullptr && !kept->isNull()) {
    for (const hd::Value& tail : kept->asArray()) {
      if (endsWith(name, tail.asString())) return;
    }
  }
  torch::NoGradGuard guard;
  if (const hd::Value* fills = formula.find("fills"); fills != nullptr && !fills->isNull()) {
    for (const hd::Value& fill : fills->asArray()) {
      if (fill.at("name").asString() != name) continue;
      tensor.fill_(fill.at("value").asNumber());
      return;
    }
  }
  if (!tensor.is_floating_point()) {
    tensor.zero_();
    return;
  }
  double gain = 1;
  if (const hd::Value* gains = formula.find("gains"); gains != nullptr && !gains->isNull()) {
    for (const hd::Value& entry : gains->asArray()) {
      if (name.compare(0, entry.at("prefix").asString().size(), entry.at("prefix").asString()) != 0) continue;
      gain = entry.at("factor").asNumber();
      break;
    }
  }
  const uint64_t hash = hd::hashName(formula.at("namespace").asString() + name);
  auto values = torch::empty(tensor.sizes(), torch::kFloat64);
  double* data = values.data_ptr<double>();
  const std::vector<int64_t> shape = tensor.sizes().vec();
  for (int64_t i = 0; i < values.numel(); ++i)
    data[i] = gain * formulaParameter(name, shape, formulaUniform(hash, i));
  tensor.copy_(values);
}

/// Compares with a full array, or with statistics {"shape","l2","index","value"}: rtol on l2, rtol and
/// atol·rms (or atol) on the sampled values.
inline bool checkTensor(Checker& check, const torch::Tensor& actual, const hd::Value& expected,
                        const hd::Value& tolerance, const std::string& what) {
  const auto flat = actual.detach().to(torch::kFloat64).contiguous().flatten();
  const auto shape = shapeOf(expected);
  if (!check.truth(actual.sizes() == at::IntArrayRef(shape),
                   hd::concat(what, ": shape ", actual.sizes(), " but expected ", at::IntArrayRef(shape)))) {
    return false;
  }
  const double rtol = tolerance.get("rtol", 0.0);
  if (expected.find("data") != nullptr) {
    const auto data = dataOf(expected);
    double squares = 0;
    for (const double value : data) squares += value * value;
    const double rms = data.empty() ? 0 : std::sqrt(squares / static_cast<double>(data.size()));
    const double atol = tolerance.get("atol", 0.0) + tolerance.get("atol_times_rms", 0.0) * rms;
    const double* values = flat.data_ptr<double>();
    return check.close(std::vector<double>(values, values + flat.numel()), data, {rtol, atol}, what);
  }
  const double l2 = expected.at("l2").asNumber();
  const double rms = flat.numel() == 0 ? 0 : l2 / std::sqrt(static_cast<double>(flat.numel()));
  const double atol = tolerance.get("atol", 0.0) + tolerance.get("atol_times_rms", 0.0) * rms;
  bool good = check.close(flat.norm().item<double>(), l2, {rtol, tolerance.get("atol", 0.0)}, what + " l2");
  const auto indices = expected.numbers("index");
  const auto values = expected.numbers("value");
  for (size_t i = 0; i < indices.size(); ++i) {
    good &= check.close(flat[static_cast<int64_t>(indices[i])].item<double>(), values[i], {rtol, atol},
                        hd::concat(what, "[", static_cast<int64_t>(indices[i]), "]"));
  }
  return good;
}

}  // namespace golden
