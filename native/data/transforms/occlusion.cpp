#include "data/transforms/occlusion.h"

#include <iterator>

#include "data/transforms/polygon_mask.h"

namespace hd::data {
namespace {

using Polygons = std::vector<std::vector<float>>;

bool meet(const float* a, const float* b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

Polygons outlineOf(const float* box) {
  return {{box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3]}};
}

std::array<float, 4> extentOf(const Polygons& polygons) {
  std::array<float, 4> out = {polygons[0][0], polygons[0][1], 0, 0};
  for (const auto& polygon : polygons) {
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      out = {std::min(out[0], polygon[i]), std::min(out[1], polygon[i + 1]), std::max(out[2], polygon[i]),
             std::max(out[3], polygon[i + 1])};
    }
  }
  return out;
}

// False when the object is to be dropped.
bool hide(const Polygons& over, float minVisible, float* box, Polygons* polygons) {
  const bool outlined = polygons != nullptr && !polygons->empty();
  const Polygons shape = outlined ? *polygons : outlineOf(box);
  PolygonMask mask(extentOf(shape));
  for (const auto& polygon : shape) mask.add(polygon);
  const int64_t whole = mask.count();
  const std::array<int, 4> before = mask.box();
  for (const auto& polygon : over) mask.cut(polygon);
  const int64_t left = mask.count();
  if (left == whole) return true;  // as well for what is thinner than a pixel
  if (left == 0 || static_cast<float>(left) < minVisible * static_cast<float>(whole)) return false;
  if (!outlined) return true;
  const std::array<int, 4> after = mask.box();
  for (size_t side = 0; side < 4; ++side) {  // those that are not hidden keep their fractions of a pixel
    const auto moved = static_cast<float>(after[side]);
    if (after[side] != before[side])
      box[side] = side < 2 ? std::max(box[side], moved) : std::min(box[side], moved);
  }
  *polygons = mask.rectangles();
  return box[0] < box[2] && box[1] < box[3];
}

template <class List>
void erase(List& list, size_t at, size_t count) {
  const auto from = list.begin() + static_cast<int64_t>(at);
  list.erase(from, from + static_cast<int64_t>(count));
}

void drop(ImageTargets& from, size_t object) {
  erase(from.boxes, 4 * object, 4);
  erase(from.labels, object, 1);
  if (!from.keypoints.empty()) erase(from.keypoints, object, 1);
  if (!from.polygons.empty()) erase(from.polygons, object, 1);
}

}  // namespace

void layOver(const ImageTargets& over, size_t first, float minVisible, ImageTargets& under) {
  for (size_t i = under.labels.size(); i-- > first;) {
    float* box = &under.boxes[4 * i];
    if (!meet(box, over.boxes.data())) continue;
    Polygons* polygons = under.polygons.empty() ? nullptr : &under.polygons[i];
    if (!hide(over.polygons.front(), minVisible, box, polygons)) drop(under, i);
  }
}

void append(ImageTargets& to, ImageTargets&& more) {
  const size_t before = to.labels.size(), added = more.labels.size();
  const auto join = [&](auto& list, auto& other) {
    if (list.empty() && other.empty()) return;
    list.resize(before);
    other.resize(added);
    std::move(other.begin(), other.end(), std::back_inserter(list));
  };
  join(to.keypoints, more.keypoints);
  join(to.polygons, more.polygons);
  to.boxes.insert(to.boxes.end(), more.boxes.begin(), more.boxes.end());
  to.labels.insert(to.labels.end(), more.labels.begin(), more.labels.end());
  to.crowd.insert(to.crowd.end(), more.crowd.begin(), more.crowd.end());
}

}  // namespace hd::data
