#include "nn/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "core/error.h"

namespace hd::nn {
namespace {

constexpr size_t listed = 5;  // names in a message

bool startsWith(std::string_view text, std::string_view head) {
  return text.substr(0, head.size()) == head;
}
bool endsWith(std::string_view text, std::string_view tail) {
  return text.size() >= tail.size() && text.substr(text.size() - tail.size()) == tail;
}

torch::Dtype typeOf(io::DType type) {
  switch (type) {
    case io::DType::f64:
      return at::kDouble;
    case io::DType::f32:
      return at::kFloat;
    case io::DType::f16:
      return at::kHalf;
    case io::DType::bf16:
      return at::kBFloat16;
    case io::DType::i64:
      return at::kLong;
    case io::DType::i32:
      return at::kInt;
    case io::DType::i16:
      return at::kShort;
    case io::DType::i8:
      return at::kChar;
    case io::DType::u8:
      return at::kByte;
    case io::DType::boolean:
      return at::kBool;
  }
  throw Error("HD_INTERNAL", "unknown tensor type in a weight file");
}

/// A tensor over the file's own memory; read only.
Tensor wrap(const io::TensorView& view) {
  return at::from_blob(const_cast<uint8_t*>(view.data), view.shape, typeOf(view.dtype));
}

std::string listOf(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), listed); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > listed ? concat(text, ", … (", names.size(), " in all)") : text;
}

void append(std::string& text, const char* what, const std::vector<std::string>& names) {
  if (!names.empty()) text += concat(text.empty() ? "" : "; ", names.size(), " ", what, ": ", listOf(names));
}

/// Of a deformable convolution: they begin as zeros, a regular grid.
bool isOffset(const std::string& name) {
  return name.find(".conv_offset.") != std::string::npos;
}

/// Throws when the values cannot be weights that somebody trained.
void checkValues(const io::TensorView& view, const Parameter& parameter, const std::string& path) {
  const Tensor values = wrap(view);
  if (!values.is_floating_point() || values.numel() == 0) return;
  // A sum over all values is NaN or infinite when one of them is; finite values cannot overflow a double.
  if (!std::isfinite(values.sum(at::kDouble).item<double>()) && !at::isfinite(values).all().item<bool>()) {
    throw Error("HD_WEIGHTS_NONFINITE",
                concat("expected finite numbers for tensor '", view.name,
                       "' but received NaN or infinity; the run that made ",
                       "this file diverged: take an earlier checkpoint"),
                path);
  }
  // Offsets stay zeros where they do not learn.
  const bool mayBeZero = parameter.master.dim() < 2 || isOffset(view.name);
  if (!mayBeZero && !values.any().item<bool>()) {
    throw Error("HD_WEIGHTS_ZERO",
                concat("expected trained weights for tensor '", view.name,
                       "' but received only zeros; the file is incomplete: ", "export or download it again"),
                path);
  }
}

[[noreturn]] void refuse(const MatchReport& report, const std::string& path) {
  std::string wrong;
  std::vector<std::string> shapes;
  for (const auto& entry : report.wrongShape) {
    shapes.push_back(
        concat(entry.name, " ", at::IntArrayRef(entry.file), " instead of ", at::IntArrayRef(entry.model)));
  }
  append(wrong, "of another shape", shapes);
  append(wrong, "missing", report.missing);
  append(wrong, "unexpected", report.unexpected);
  if (wrong.empty()) wrong = "none of them";
  throw Error(
      "HD_WEIGHTS_MISMATCH",
      concat("expected exactly the tensors of this network (of its backbone, for init 'backbone') in the "
             "weight file but received ",
             wrong,
             " (set model.backbone and model.classes to those of the file, or model.init to backbone)"),
      path);
}

}  // namespace

std::string usualName(const std::string& name) {
  std::string_view rest = name;
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string_view wrapper : {"state_dict.", "module."}) {
      if (startsWith(rest, wrapper)) rest.remove_prefix(wrapper.size()), stripped = true;
    }
  }
  if (startsWith(rest, "fc.")) return "";
  for (const std::string_view part :
       {"conv1.", "bn1.", "stem.", "layer1.", "layer2.", "layer3.", "layer4."}) {
    if (startsWith(rest, part)) return "backbone." + std::string(rest);
  }
  return std::string(rest);
}

MatchReport loadWeights(ParameterStore& store, const io::TensorFile& file, MatchMode mode,
                        const std::string& path, const NameMap& nameMap) {
  MatchReport report;
  const bool onlyBackbone = mode == MatchMode::backbone;
  const auto concerned = [&](std::string_view name) {
    return !onlyBackbone || startsWith(name, "backbone.");
  };
  std::map<std::string, const io::TensorView*> given;
  for (const io::TensorView& view : file.tensors) {
    const std::string name = nameMap(view.name);
    if (name.empty() || !concerned(name)) continue;
    if (store.find(name) == nullptr) {
      report.unexpected.push_back(view.name);
      continue;
    }
    if (!given.emplace(name, &view).second) {
      throw Error("HD_WEIGHTS_MISMATCH",
                  concat("expected one tensor for '", name, "' but received two, the second as '", view.name,
                         "'; remove one from the file"),
                  path);
    }
  }
  std::vector<std::pair<Parameter*, const io::TensorView*>> copies;
  for (Parameter& parameter : store.all()) {
    if (!concerned(parameter.name)) continue;
    const auto found = given.find(parameter.name);
    if (found == given.end()) {
      // torch before 0.4.1 did not write the counter, and frozen batch norms have none. A plain backbone is
      // what deformable ones start from.
      const bool optional =
          endsWith(parameter.name, ".num_batches_tracked") || (onlyBackbone && isOffset(parameter.name));
      if (!optional) report.missing.push_back(parameter.name);
      continue;
    }
    if (parameter.master.sizes() != at::IntArrayRef(found->second->shape)) {
      report.wrongShape.push_back({parameter.name, found->second->shape, parameter.master.sizes().vec()});
      continue;
    }
    copies.emplace_back(&parameter, found->second);
    report.matched.push_back(parameter.name);
  }
  // A backbone that fits only in part (ResNet-34's blocks in a ResNet-18) would train, badly and silently.
  if (!report.wrongShape.empty() || !report.missing.empty() || !report.unexpected.empty() ||
      report.matched.empty()) {
    refuse(report, path);
  }

  for (const auto& [parameter, view] : copies) checkValues(*view, *parameter, path);
  const at::NoGradGuard guard;
  for (const auto& [parameter, view] : copies) {
    parameter->master.copy_(wrap(*view));
    if (!parameter->working.is_same(parameter->master)) parameter->working.copy_(parameter->master);
  }
  store.touch();
  return report;
}

}  // namespace hd::nn
