#include "io/selection.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"

namespace hd::io {

Selection Selection::from(const Value& options) {
  Selection out;
  if (!options.isObject()) return out;
  out.prefix = options.get("prefix", "");
  out.drop = options.strings("drop");
  out.dropBelow = options.strings("dropBelow");
  return out;
}

void select(TensorFile& file, const Selection& selection, const std::string& path) {
  const auto& [prefix, drop, dropBelow] = selection;
  const auto unwanted = [&](std::string_view name) {
    return std::any_of(drop.begin(), drop.end(), [&](const auto& end) { return name.ends_with(end); }) ||
           std::any_of(dropBelow.begin(), dropBelow.end(),
                       [&](const auto& start) { return name.starts_with(start); });
  };
  std::erase_if(file.tensors, [&](const TensorView& view) {
    return !view.name.starts_with(prefix) || view.name.size() == prefix.size() ||
           unwanted(std::string_view(view.name).substr(prefix.size()));
  });
  if (file.tensors.empty()) {
    throw Error("HD_WEIGHTS_MISMATCH",
                concat("expected tensors named '", prefix,
                       "…' in the weight file but found none: name the "
                       "weights of a run or checkpoint"),
                path);
  }
  for (TensorView& view : file.tensors) view.name.erase(0, prefix.size());
}

}  // namespace hd::io
