// Annotations of a picture → targets in its place of the canvas. Boxes, polygons, keypoints and regions to
// ignore follow the same map as the pixels.
#pragma once

#include <array>

#include "core/batch.h"
#include "data/dataset.h"
#include "data/transforms/transform.h"

namespace hd::data {

/// A warped box is the one around its warped corners (with plan.tightBoxes: around the object's polygons).
/// Boxes are clipped to the picture's window and the valid part; an object is dropped, with its polygons and
/// keypoints, when nothing of its box is left, less than plan.minVisible of its area, or a side below
/// plan.minSide. Crowd and difficult annotations go to
/// `crowd`; they are dropped only when nothing is left. Keypoints outside the valid part become (0, 0, 0).
/// Polygons are clipped; those without area vanish. `keypoints` and `polygons` are either empty or have an
/// entry for each object. The map back to the picture is only told of plans that do not warp; of others the
/// targets give the mean scale.
ImageTargets placeTargets(const Plan& plan, std::span<const Annotation> annotations,
                          const AnnotationTable& table);

/// The box around the four mapped corners; all 0 when one of them is behind the viewer.
std::array<double, 4> projectBox(const Projection& projection, const std::array<double, 4>& box);

/// The part of a polygon (x, y pairs, closed) inside [0, width] × [0, height]; empty when less than a
/// triangle is left (Sutherland & Hodgman 1974).
std::vector<float> clipPolygon(const std::vector<float>& polygon, float width, float height);

}  // namespace hd::data
