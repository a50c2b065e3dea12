#include "data/transforms/targets.h"

#include <algorithm>

namespace hd::data {
namespace {

struct Box {
  double x1, y1, x2, y2;
  double area() const { return std::max(0.0, x2 - x1) * std::max(0.0, y2 - y1); }
  // As float, which is what the targets are.
  bool empty() const {
    return static_cast<float>(x1) >= static_cast<float>(x2) ||
           static_cast<float>(y1) >= static_cast<float>(y2);
  }
};

Box mapBox(const Geometry& geometry, const Annotation& a) {
  const double left = geometry.mapX(geometry.flipped ? a.x2 : a.x1);
  const double right = geometry.mapX(geometry.flipped ? a.x1 : a.x2);
  return {left, geometry.mapY(a.y1), right, geometry.mapY(a.y2)};
}

Box clipBox(const Box& box, const Geometry& geometry) {
  const double width = geometry.width, height = geometry.height;
  return {std::clamp(box.x1, 0.0, width), std::clamp(box.y1, 0.0, height), std::clamp(box.x2, 0.0, width),
          std::clamp(box.y2, 0.0, height)};
}

// Share of the part inside the original picture: what an annotator drew beyond the border does not count as
// lost.
double visibleShare(const Plan& plan, const Annotation& a, const Box& clipped) {
  const double inside =
      Box{std::max(0.0, double{a.x1}), std::max(0.0, double{a.y1}),
          std::min<double>(plan.originalWidth, a.x2), std::min<double>(plan.originalHeight, a.y2)}
          .area() *
      plan.geometry.scaleX * plan.geometry.scaleY;
  return inside > 0 ? clipped.area() / inside : 0;
}

std::vector<float> mapKeypoints(const Plan& plan, std::span<const float> triples) {
  const Geometry& geometry = plan.geometry;
  std::vector<float> out(triples.size(), 0.0f);
  for (size_t i = 0; i + 2 < triples.size(); i += 3) {
    const double x = geometry.mapX(triples[i]), y = geometry.mapY(triples[i + 1]);
    const bool inside = x >= 0 && x <= geometry.width && y >= 0 && y <= geometry.height;
    if (triples[i + 2] <= 0 || !inside) continue;
    out[i] = static_cast<float>(x);
    out[i + 1] = static_cast<float>(y);
    out[i + 2] = triples[i + 2];
  }
  if (!geometry.flipped || plan.keypointPairs == nullptr) return out;
  const size_t count = out.size() / 3;
  for (const auto& [left, right] : *plan.keypointPairs) {
    if (static_cast<size_t>(std::max(left, right)) >= count) continue;
    std::swap_ranges(out.begin() + left * 3, out.begin() + left * 3 + 3, out.begin() + right * 3);
  }
  return out;
}

std::vector<std::vector<float>> mapPolygons(const Geometry& geometry,
                                            std::vector<std::vector<float>> polygons) {
  std::vector<std::vector<float>> out;
  for (std::vector<float>& polygon : polygons) {
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      polygon[i] = static_cast<float>(geometry.mapX(polygon[i]));
      polygon[i + 1] = static_cast<float>(geometry.mapY(polygon[i + 1]));
    }
    std::vector<float> inside =
        clipPolygon(polygon, static_cast<float>(geometry.width), static_cast<float>(geometry.height));
    if (!inside.empty()) out.push_back(std::move(inside));
  }
  return out;
}

// One side of the clipping window: points with sign · (coordinate − limit) ≥ 0 stay.
struct HalfPlane {
  int axis;
  float limit, sign;
  float distance(const float* point) const { return sign * (point[axis] - limit); }
};

std::vector<float> clipHalf(const std::vector<float>& polygon, const HalfPlane& half) {
  std::vector<float> out;
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    const float* here = &polygon[i];
    const float* previous = i == 0 ? &polygon[polygon.size() - 2] : here - 2;
    const float a = half.distance(previous), b = half.distance(here);
    if ((a < 0) != (b < 0)) {
      const float t = a / (a - b);
      float crossing[2] = {previous[0] + t * (here[0] - previous[0]),
                           previous[1] + t * (here[1] - previous[1])};
      crossing[half.axis] = half.limit;
      out.insert(out.end(), crossing, crossing + 2);
    }
    if (b >= 0) out.insert(out.end(), here, here + 2);
  }
  return out;
}

}  // namespace

std::vector<float> clipPolygon(const std::vector<float>& polygon, float width, float height) {
  std::vector<float> out(polygon.begin(), polygon.begin() + static_cast<int64_t>(polygon.size() / 2 * 2));
  for (const HalfPlane& half :
       {HalfPlane{0, 0, 1}, HalfPlane{0, width, -1}, HalfPlane{1, 0, 1}, HalfPlane{1, height, -1}}) {
    out = clipHalf(out, half);
  }
  double twiceArea = 0;
  for (size_t i = 0; i + 1 < out.size(); i += 2) {
    const size_t j = (i + 2) % out.size();
    twiceArea += static_cast<double>(out[i]) * out[j + 1] - static_cast<double>(out[j]) * out[i + 1];
  }
  if (out.size() < 6 || twiceArea == 0) out.clear();
  return out;
}

ImageTargets placeTargets(const Plan& plan, std::span<const Annotation> annotations,
                          const AnnotationTable& table) {
  const Geometry& geometry = plan.geometry;
  ImageTargets out;
  out.width = geometry.width;
  out.height = geometry.height;
  out.originalWidth = plan.originalWidth;
  out.originalHeight = plan.originalHeight;
  out.scaleX = static_cast<float>(geometry.scaleX);
  out.scaleY = static_cast<float>(geometry.scaleY);
  out.offsetX = static_cast<float>(geometry.offsetX);
  out.offsetY = static_cast<float>(geometry.offsetY);
  out.flipped = geometry.flipped;
  bool anyKeypoints = false, anyPolygons = false;
  for (const Annotation& a : annotations) {
    const Box box = clipBox(mapBox(geometry, a), geometry);
    if (box.empty()) continue;
    const bool ignored = a.crowd || a.difficult;
    if (!ignored && visibleShare(plan, a, box) < plan.minVisible) continue;
    std::vector<float>& boxes = ignored ? out.crowd : out.boxes;
    for (const double edge : {box.x1, box.y1, box.x2, box.y2}) boxes.push_back(static_cast<float>(edge));
    if (ignored) continue;
    out.labels.push_back(a.label);
    out.keypoints.push_back(mapKeypoints(plan, table.keypoints(a)));
    out.polygons.push_back(mapPolygons(geometry, table.polygons(a)));
    anyKeypoints |= !out.keypoints.back().empty();
    anyPolygons |= a.polygons >= 0;
  }
  if (!anyKeypoints) out.keypoints.clear();
  if (!anyPolygons) out.polygons.clear();
  return out;
}

}  // namespace hd::data
