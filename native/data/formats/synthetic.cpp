// Generated scenes: spec { count, size: side or [width, height], seed, split: 'train' | 'val', classes?,
// objects?: [least, most], scale?: [least, most], overlap? }. See synthetic.h.
#include "data/synthetic.h"

#include "core/error.h"
#include "data/formats/format.h"

namespace hd::data {
namespace {

/// The two numbers of an optional pair.
template <class T>
void readPair(const Value& spec, const char* key, T& first, T& second) {
  const std::vector<double> pair =
      spec.find(key) != nullptr && spec.at(key).isArray() ? spec.numbers(key) : std::vector<double>{};
  if (pair.empty()) return;
  if (pair.size() != 2) {
    throw Error("HD_DATA_SYNTHETIC", concat("expected two numbers for data.", key, " but received ",
                                            pair.size(), ": give the least and the most"));
  }
  first = static_cast<T>(pair[0]);
  second = static_cast<T>(pair[1]);
}

std::shared_ptr<const Dataset> readSynthetic(const Value& spec) {
  SyntheticOptions options;
  options.count = spec.get("count", options.count);
  if (const Value* size = spec.find("size"); size != nullptr && size->isNumber()) {
    options.width = options.height = static_cast<int>(size->asInt());
  }
  readPair(spec, "size", options.width, options.height);
  options.seed = static_cast<uint64_t>(spec.get("seed", int64_t{0}));
  options.split = spec.get("split", "train");
  if (const auto classes = spec.strings("classes"); !classes.empty()) options.classes = classes;
  readPair(spec, "objects", options.minObjects, options.maxObjects);
  readPair(spec, "scale", options.minScale, options.maxScale);
  options.maxOverlap = spec.get("overlap", options.maxOverlap);
  return makeSynthetic(options);
}

HD_REGISTER_FORMAT(synthetic, readSynthetic);

}  // namespace
}  // namespace hd::data
