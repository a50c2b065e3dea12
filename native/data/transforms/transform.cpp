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
  if (warped) {
    projection = projection.then(Projection::scaled(factorX, factorY));
  } else {
    scaleX *= factorX;
    offsetX *= factorX;
    scaleY *= factorY;
    offsetY *= factorY;
  }
  width = newWidth;
  height = newHeight;
}

void Geometry::crop(int x, int y, int newWidth, int newHeight) {
  if (warped) {
    projection = projection.then(Projection::moved(-x, -y));
  } else {
    offsetX -= flipped ? width - x - newWidth : x;
    offsetY -= y;
  }
  width = newWidth;
  height = newHeight;
  if (warped) return;
  window = {std::max(window.left, -offsetX / scaleX), std::max(window.top, -offsetY / scaleY),
            std::min(window.right, (newWidth - offsetX) / scaleX),
            std::min(window.bottom, (newHeight - offsetY) / scaleY)};
}

void Geometry::flip() {
  flipped = !flipped;
  if (warped) projection = projection.then(Projection::scaled(-1, 1)).then(Projection::moved(width, 0));
}

void Geometry::warp(const Projection& next, int newWidth, int newHeight) {
  projection = toCanvas().then(next);
  warped = true;
  width = newWidth;
  height = newHeight;
}

Projection Geometry::toCanvas() const {
  if (warped) return projection;
  if (flipped) return {{-scaleX, 0, width - offsetX, 0, scaleY, offsetY, 0, 0, 1}};
  return {{scaleX, 0, offsetX, 0, scaleY, offsetY, 0, 0, 1}};
}

bool Geometry::keepsPixels() const {
  return !warped && scaleX == 1 && scaleY == 1 && offsetX == std::floor(offsetX) &&
         offsetY == std::floor(offsetY);
}

void Plan::recolour(const ColourMap& map) {
  if (!beyond.empty()) return recolourBeyond({map});
  colour = colour.then(map);
}

void Plan::recolour(ColourTurn turn) {
  if (!beyond.empty()) return recolourBeyond(turn);
  if (!turn.truncates || colour.identity()) {
    turn.map = colour.then(turn.map);
  } else {
    turns.push_back({colour});
  }
  turns.push_back(turn);
  colour = {};
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

std::array<float, 2> rangeWithin(const char* name, const Value& options, std::string_view key,
                                 std::array<float, 2> fallback, double low, double high) {
  const Value* given = options.find(key);
  if (given == nullptr || given->isNull()) return fallback;
  if (given->isArray() && given->asArray().size() == 2) {
    const Value &least = given->asArray()[0], &largest = given->asArray()[1];
    if (least.isNumber() && largest.isNumber() && least.asNumber() >= low &&
        least.asNumber() <= largest.asNumber() && largest.asNumber() <= high) {
      return {static_cast<float>(least.asNumber()), static_cast<float>(largest.asNumber())};
    }
  }
  throw Error("HD_DATA_TRANSFORM",
              concat("expected [least, largest] within ", low, "–", high, " for data.augment.", name, ".",
                     key, " but received ", printJson(*given), "; write for instance [", fallback[0], ", ",
                     fallback[1], "]"),
              concat("data.augment.", name, ".", key));
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

std::optional<std::array<uint8_t, 3>> fillOf(const char* name, const Value& options) {
  const Value* fill = options.find("fill");
  if (fill == nullptr || fill->isNull()) return std::nullopt;
  std::array<uint8_t, 3> out{};
  const std::vector<double> values = fill->isArray() ? options.numbers("fill") : std::vector<double>{};
  const auto valid = [](double value) { return value >= 0 && value <= 255; };
  if (values.size() != out.size() || !std::all_of(values.begin(), values.end(), valid))
    throw Error("HD_DATA_TRANSFORM",
                concat("expected [red, green, blue] from 0 to 255 for data.augment.", name,
                       ".fill but received ", printJson(*fill), "; [0, 0, 0] is black"),
                concat("data.augment.", name, ".fill"));
  std::transform(values.begin(), values.end(), out.begin(),
                 [](double value) { return static_cast<uint8_t>(value + 0.5); });
  return out;
}

}  // namespace hd::data
