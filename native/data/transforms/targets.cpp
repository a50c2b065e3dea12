#include "data/transforms/targets.h"

#include <algorithm>
#include <limits>

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

Box clipBox(const Box& box, const Window& to) {
  return {std::clamp(box.x1, to.left, to.right), std::clamp(box.y1, to.top, to.bottom),
          std::clamp(box.x2, to.left, to.right), std::clamp(box.y2, to.top, to.bottom)};
}

Window frameOf(const Geometry& geometry) {
  return {0, 0, static_cast<double>(geometry.width), static_cast<double>(geometry.height)};
}

// The box around points of the canvas.
class Hull {
 public:
  void add(double x, double y) {
    box_ = {std::min(box_.x1, x), std::min(box_.y1, y), std::max(box_.x2, x), std::max(box_.y2, y)};
  }
  Box box() const { return box_; }

 private:
  static constexpr double kFar = std::numeric_limits<double>::infinity();
  Box box_{kFar, kFar, -kFar, -kFar};
};

// The way of one plan for all shapes of a picture.
class Mapper {
 public:
  explicit Mapper(const Plan& plan)
      : geometry_(plan.geometry), all_(plan.geometry.toCanvas()), frame_(frameOf(plan.geometry)) {}

  const Window& frame() const { return frame_; }

  // Empty for what is behind the viewer.
  Box box(const Box& from) const {
    if (!geometry_.warped) {
      const double left = geometry_.mapX(geometry_.flipped ? from.x2 : from.x1);
      const double right = geometry_.mapX(geometry_.flipped ? from.x1 : from.x2);
      return {left, geometry_.mapY(from.y1), right, geometry_.mapY(from.y2)};
    }
    return projectBox(all_, from);
  }

  static Box projectBox(const Projection& projection, const Box& from) {
    Hull hull;
    for (const double x : {from.x1, from.x2}) {
      for (const double y : {from.y1, from.y2}) {
        if (!(projection.depth(x, y) > kNearest)) return {};
        hull.add(projection.mapX(x, y), projection.mapY(x, y));
      }
    }
    return hull.box();
  }

  // False for what is not shown.
  bool point(double x, double y, double* outX, double* outY) const {
    if (!geometry_.warped) {
      *outX = geometry_.mapX(x);
      *outY = geometry_.mapY(y);
    } else {
      if (!geometry_.window.contains(x, y) || !(all_.depth(x, y) > kNearest)) return false;
      *outX = all_.mapX(x, y);
      *outY = all_.mapY(x, y);
    }
    return frame_.contains(*outX, *outY);
  }

  // The part of the annotation that can be seen at all: a warped picture may be part of a larger one.
  Box shown(const Annotation& a) const {
    const Box box{a.x1, a.y1, a.x2, a.y2};
    return geometry_.warped ? clipBox(box, geometry_.window) : box;
  }

  std::vector<std::vector<float>> polygons(std::vector<std::vector<float>> from) const {
    std::vector<std::vector<float>> out;
    for (std::vector<float>& polygon : from) {
      if (geometry_.warped) polygon = clipToWindow(polygon);
      bool visible = true;
      for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
        const double x = polygon[i], y = polygon[i + 1];
        visible &= !geometry_.warped || all_.depth(x, y) > kNearest;
        polygon[i] = static_cast<float>(geometry_.warped ? all_.mapX(x, y) : geometry_.mapX(x));
        polygon[i + 1] = static_cast<float>(geometry_.warped ? all_.mapY(x, y) : geometry_.mapY(y));
      }
      if (!visible) continue;
      std::vector<float> inside =
          clipPolygon(polygon, static_cast<float>(geometry_.width), static_cast<float>(geometry_.height));
      if (!inside.empty()) out.push_back(std::move(inside));
    }
    return out;
  }

 private:
  static constexpr double kNearest = 1e-6;

  std::vector<float> clipToWindow(std::vector<float> polygon) const {
    const Window& window = geometry_.window;
    const auto left = static_cast<float>(window.left), top = static_cast<float>(window.top);
    const auto move = [&](float x, float y) {
      for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
        polygon[i] += x;
        polygon[i + 1] += y;
      }
    };
    move(-left, -top);
    polygon = clipPolygon(polygon, static_cast<float>(window.right) - left,
                          static_cast<float>(window.bottom) - top);
    move(left, top);
    return polygon;
  }

  const Geometry& geometry_;
  const Projection all_;
  const Window frame_;
};

// Share of the part inside the original picture: what an annotator drew beyond the border does not count as
// lost.
double visibleShare(const Plan& plan, const Mapper& mapper, const Annotation& a, const Box& clipped) {
  const Box whole{0, 0, static_cast<double>(plan.originalWidth), static_cast<double>(plan.originalHeight)};
  const Box inside{std::max(whole.x1, double{a.x1}), std::max(whole.y1, double{a.y1}),
                   std::min(whole.x2, double{a.x2}), std::min(whole.y2, double{a.y2})};
  const double area = plan.geometry.warped ? mapper.box(inside).area()
                                           : inside.area() * plan.geometry.scaleX * plan.geometry.scaleY;
  return area > 0 ? clipped.area() / area : 0;
}

std::vector<float> mapKeypoints(const Plan& plan, const Mapper& mapper, std::span<const float> triples) {
  std::vector<float> out(triples.size(), 0.0f);
  for (size_t i = 0; i + 2 < triples.size(); i += 3) {
    double x = 0, y = 0;
    if (triples[i + 2] <= 0 || !mapper.point(triples[i], triples[i + 1], &x, &y)) continue;
    out[i] = static_cast<float>(x);
    out[i + 1] = static_cast<float>(y);
    out[i + 2] = triples[i + 2];
  }
  if (!plan.geometry.flipped || plan.keypointPairs == nullptr) return out;
  const size_t count = out.size() / 3;
  for (const auto& [left, right] : *plan.keypointPairs) {
    if (static_cast<size_t>(std::max(left, right)) >= count) continue;
    std::swap_ranges(out.begin() + left * 3, out.begin() + left * 3 + 3, out.begin() + right * 3);
  }
  return out;
}

Box around(const std::vector<std::vector<float>>& polygons) {
  Hull hull;
  for (const std::vector<float>& polygon : polygons) {
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) hull.add(polygon[i], polygon[i + 1]);
  }
  return hull.box();
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

std::array<double, 4> projectBox(const Projection& projection, const std::array<double, 4>& box) {
  const Box out = Mapper::projectBox(projection, {box[0], box[1], box[2], box[3]});
  return {out.x1, out.y1, out.x2, out.y2};
}

ImageTargets placeTargets(const Plan& plan, std::span<const Annotation> annotations,
                          const AnnotationTable& table) {
  const Geometry& geometry = plan.geometry;
  const Mapper mapper(plan);
  ImageTargets out;
  out.width = geometry.width;
  out.height = geometry.height;
  out.originalWidth = plan.originalWidth;
  out.originalHeight = plan.originalHeight;
  if (geometry.warped) {
    const double x = plan.originalWidth / 2.0, y = plan.originalHeight / 2.0;
    const Projection all = geometry.toCanvas();
    out.scaleX = static_cast<float>(all.stretchX(x, y));
    out.scaleY = static_cast<float>(all.stretchY(x, y));
  } else {
    out.scaleX = static_cast<float>(geometry.scaleX);
    out.scaleY = static_cast<float>(geometry.scaleY);
    out.offsetX = static_cast<float>(geometry.offsetX);
    out.offsetY = static_cast<float>(geometry.offsetY);
  }
  out.flipped = geometry.flipped;
  bool anyKeypoints = false, anyPolygons = false;
  for (const Annotation& a : annotations) {
    const Box shown = mapper.shown(a);
    if (shown.empty()) continue;
    Box box = clipBox(mapper.box(shown), mapper.frame());
    if (box.empty()) continue;
    const bool ignored = a.crowd || a.difficult;
    if (!ignored && visibleShare(plan, mapper, a, box) < plan.minVisible) continue;
    std::vector<std::vector<float>> polygons;
    if (!ignored && a.polygons >= 0) {
      polygons = mapper.polygons(table.polygons(a));
      if (plan.tightBoxes && geometry.warped && !polygons.empty()) box = around(polygons);
    }
    const bool thin = std::min(box.x2 - box.x1, box.y2 - box.y1) < plan.minSide;
    if (!ignored && (thin || box.empty())) continue;
    std::vector<float>& boxes = ignored ? out.crowd : out.boxes;
    for (const double edge : {box.x1, box.y1, box.x2, box.y2}) boxes.push_back(static_cast<float>(edge));
    if (ignored) continue;
    out.labels.push_back(a.label);
    out.keypoints.push_back(mapKeypoints(plan, mapper, table.keypoints(a)));
    out.polygons.push_back(std::move(polygons));
    anyKeypoints |= !out.keypoints.back().empty();
    anyPolygons |= a.polygons >= 0;
  }
  if (!anyKeypoints) out.keypoints.clear();
  if (!anyPolygons) out.polygons.clear();
  return out;
}

}  // namespace hd::data
