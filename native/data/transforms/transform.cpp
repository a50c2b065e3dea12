#include "data/transforms/transform.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"

namespace hd::data {
namespace {

// Filled before main by the HD_TRANSFORM lines, read-only after.
std::map<std::string, TransformFactory>& factories() {
  static std::map<std::string, TransformFactory> map;
  return map;
}

template <class Range>
std::string listed(const Range& names) {
  std::string out;
  for (const auto& name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

}  // namespace

void Geometry::resize(int newWidth, int newHeight) {
  const double factorX = static_cast<double>(newWidth) / width,
               factorY = static_cast<double>(newHeight) / height;
  scaleX *= factorX;
  offsetX *= factorX;
  scaleY *= factorY;
  offsetY *= factorY;
  width = newWidth;
  height = newHeight;
}

void Geometry::crop(int x, int y, int newWidth, int newHeight) {
  offsetX -= flipped ? width - x - newWidth : x;
  offsetY -= y;
  width = newWidth;
  height = newHeight;
}

bool Geometry::keepsPixels() const {
  return scaleX == 1 && scaleY == 1 && offsetX == std::floor(offsetX) && offsetY == std::floor(offsetY);
}

ColourMap ColourMap::then(const ColourMap& next) const {
  ColourMap out;
  for (int row = 0; row < 3; ++row) {
    const float* weights = &next.rows[static_cast<size_t>(row) * 4];
    for (int column = 0; column < 4; ++column) {
      float sum = column == 3 ? weights[3] : 0;
      for (int k = 0; k < 3; ++k) sum += weights[k] * rows[static_cast<size_t>(k * 4 + column)];
      out.rows[static_cast<size_t>(row * 4 + column)] = sum;
    }
  }
  return out;
}

bool registerTransform(const char* name, TransformFactory factory) {
  return factories().emplace(name, factory).second;
}

TransformFactory transformFactory(const std::string& name) {
  const auto found = factories().find(name);
  if (found != factories().end()) return found->second;
  std::vector<std::string> names;
  for (const auto& entry : factories()) names.push_back(entry.first);
  throw Error("HD_DATA_TRANSFORM",
              concat("expected one of ", listed(names), " for data.augment but received '", name,
                     "'; correct the name"),
              "data.augment");
}

void checkMembers(const char* name, const Value& options, std::initializer_list<std::string_view> known) {
  if (options.isNull()) return;
  for (const auto& [key, value] : options.asObject()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error("HD_DATA_TRANSFORM",
                concat("expected ", listed(known), " for data.augment.", name, " but received '", key,
                       "'; correct or remove it"),
                concat("data.augment.", name));
  }
}

double numberWithin(const char* name, const Value& options, std::string_view key, double fallback, double low,
                    double high) {
  const double value = options.get(key, fallback);
  if (value >= low && value <= high) return value;
  throw Error("HD_DATA_TRANSFORM",
              concat("expected a number from ", low, " to ", high, " for data.augment.", name, ".", key,
                     " but received ", value, "; change it"),
              concat("data.augment.", name, ".", key));
}

}  // namespace hd::data
