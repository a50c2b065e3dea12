// Overlap of two boxes x1, y1, x2, y2, the losses made of it, and their gradient with respect to the first
// box. Definitions stand in ops/losses.h. The gradients equal autograd's on the expressions that the GFL and
// LD code bases release, halves at ties included: max(a, b) and min(a, b) give each of two equal arguments
// half the gradient.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "core/kernel.h"

namespace hd::ops::kernel {

enum class BoxLossKind { iou, giou, diou, ciou, ciouDetached, boundedIou };
enum class BoxIouKind { iou, iof, giou, diou, diouReleased, ciou };

template <class T>
struct ValueAndGradient {
  T value;
  T gradient[4];  ///< with respect to x1, y1, x2, y2 of the first box
};

/// Derivative of max(a, b) with respect to a.
template <class T>
HD_INLINE T slopeOfMaximum(T a, T b) {
  return a > b ? T(1) : a == b ? T(0.5) : T(0);
}

/// Larger and smaller of two, NaN when either is NaN (as torch.max; std::max depends on the order).
template <class T>
HD_INLINE T larger(T a, T b) {
  return a != a || a > b ? a : b;
}
template <class T>
HD_INLINE T smaller(T a, T b) {
  return a != a || a < b ? a : b;
}

/// Both boxes along one axis: lengths of the intersection and of the enclosing interval, with their
/// derivatives by the first box's low and high end. Lengths are clamped at 0; at 0 itself the derivative
/// passes (as torch.clamp).
template <class T>
struct AxisOverlap {
  T common, commonByLow, commonByHigh;
  T enclosing, enclosingByLow, enclosingByHigh;
};

template <class T>
HD_INLINE AxisOverlap<T> overlapAlong(T low, T high, T otherLow, T otherHigh) {
  AxisOverlap<T> out;
  const T common = smaller(high, otherHigh) - larger(low, otherLow);
  const T passes = common >= 0 ? T(1) : T(0);
  out.common = common < 0 ? T(0) : common;
  out.commonByLow = -passes * slopeOfMaximum(low, otherLow);
  out.commonByHigh = passes * slopeOfMaximum(otherHigh, high);
  const T enclosing = larger(high, otherHigh) - smaller(low, otherLow);
  const T encloses = enclosing >= 0 ? T(1) : T(0);
  out.enclosing = enclosing < 0 ? T(0) : enclosing;
  out.enclosingByLow = -encloses * slopeOfMaximum(otherLow, low);
  out.enclosingByHigh = encloses * slopeOfMaximum(high, otherHigh);
  return out;
}

/// Intersection, union and squared terms of a pair, values only.
template <class T>
struct PairMeasures {
  T areaA, areaB, intersection, unionArea;
  T enclosingArea, diagonal;  ///< of the enclosing box; `diagonal` is squared
  T distance;                 ///< squared, between centres
};

template <class T>
HD_INLINE PairMeasures<T> measuresOf(const T* a, const T* b) {
  PairMeasures<T> out;
  const T width = smaller(a[2], b[2]) - larger(a[0], b[0]), height = smaller(a[3], b[3]) - larger(a[1], b[1]);
  out.intersection = (width < 0 ? T(0) : width) * (height < 0 ? T(0) : height);
  out.areaA = (a[2] - a[0]) * (a[3] - a[1]);
  out.areaB = (b[2] - b[0]) * (b[3] - b[1]);
  out.unionArea = out.areaA + out.areaB - out.intersection;
  const T wide = larger(a[2], b[2]) - smaller(a[0], b[0]), high = larger(a[3], b[3]) - smaller(a[1], b[1]);
  out.enclosingArea = (wide < 0 ? T(0) : wide) * (high < 0 ? T(0) : high);
  out.diagonal = wide * wide + high * high;
  const T dx = (b[0] + b[2]) - (a[0] + a[2]), dy = (b[1] + b[3]) - (a[1] + a[3]);
  out.distance = (dx * dx + dy * dy) / 4;
  return out;
}

template <class T>
constexpr T kAspectFactor = T(4 / (std::numbers::pi * std::numbers::pi));

/// CIoU's aspect term v.
template <class T>
HD_INLINE T aspectDifference(T widthA, T heightA, T widthB, T heightB) {
  const T angle = std::atan(widthB / heightB) - std::atan(widthA / heightA);
  return kAspectFactor<T> * (angle * angle);
}

/// v times its trade-off factor; 0 where the factor's denominator is (identical boxes).
template <class T>
HD_INLINE T aspectPenalty(T v, T iou) {
  const T denominator = 1 - iou + v;
  return denominator == 0 ? T(0) : v * v / denominator;
}

template <class T>
HD_INLINE T boxIou(BoxIouKind kind, const T* a, const T* b, T eps) {
  const PairMeasures<T> m = measuresOf(a, b);
  const bool overFirst = kind == BoxIouKind::iof || kind == BoxIouKind::diouReleased;
  const T ratio = m.intersection / larger(overFirst ? m.areaA : m.unionArea, eps);
  if (kind == BoxIouKind::iou || kind == BoxIouKind::iof) return ratio;
  if (kind == BoxIouKind::giou) {
    const T enclosing = larger(m.enclosingArea, eps);
    return ratio - (enclosing - larger(m.unionArea, eps)) / enclosing;
  }
  const T distance = ratio - m.distance / larger(m.diagonal, eps);
  if (kind != BoxIouKind::ciou) return distance;
  const T v = aspectDifference(a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]);
  return distance - aspectPenalty(v, ratio);
}

/// Box of a centre and its distances to the left, top, right and bottom side.
template <class T>
HD_INLINE void boxOfDistances(const T* centre, const T* distances, T* box) {
  box[0] = centre[0] - distances[0];
  box[1] = centre[1] - distances[1];
  box[2] = centre[0] + distances[2];
  box[3] = centre[1] + distances[3];
}

/// Distances from a centre to the sides of a box; negative where the centre lies outside.
template <class T>
HD_INLINE void distancesOfBox(const T* centre, const T* box, T* distances) {
  distances[0] = centre[0] - box[0];
  distances[1] = centre[1] - box[1];
  distances[2] = box[2] - centre[0];
  distances[3] = box[3] - centre[1];
}

/// Smooth L1 with threshold 0.2, for non-negative costs.
template <class T>
HD_INLINE T smoothCost(T cost) {
  return cost < T(0.2) ? cost * cost / T(0.4) : cost - T(0.1);
}
template <class T>
HD_INLINE T smoothCostSlope(T cost) {
  return cost < T(0.2) ? cost / T(0.2) : T(1);
}

/// Bounded IoU along one axis; adds to value and the two coordinates' gradients.
template <class T>
HD_INLINE void addBoundedIou(T low, T high, T targetLow, T targetHigh, T eps, T& value, T& byLow, T& byHigh) {
  const T length = high - low, target = targetHigh - targetLow;
  const T shift = (targetLow + targetHigh) / 2 - (low + high) / 2;
  const T distance = 2 * std::abs(shift);
  const T near = target - distance, far = target + distance + eps;
  const T closeness = near / far;
  const T centreCost = 1 - larger(closeness, T(0));
  value += smoothCost(centreCost);
  // d closeness / d distance = −(far + near) / far², and d distance / d low = d distance / d high =
  // −sign(shift).
  const T sign = shift > 0 ? T(1) : shift < 0 ? T(-1) : T(0);
  const T byCentre =
      -smoothCostSlope(centreCost) * slopeOfMaximum(closeness, T(0)) * (far + near) / (far * far) * sign;
  const T shrink = target / (length + eps), grow = length / (target + eps);
  const T sizeCost = 1 - smaller(shrink, grow);
  value += smoothCost(sizeCost);
  const T growShare = slopeOfMaximum(shrink, grow);  // of the smaller one
  const T bySize =
      -smoothCostSlope(sizeCost) * (growShare / (target + eps) - (1 - growShare) * shrink / (length + eps));
  byLow += byCentre - bySize;
  byHigh += byCentre + bySize;
}

template <class T>
HD_INLINE ValueAndGradient<T> boundedIouLoss(const T* p, const T* t, T eps) {
  ValueAndGradient<T> out{};
  addBoundedIou(p[0], p[2], t[0], t[2], eps, out.value, out.gradient[0], out.gradient[2]);
  addBoundedIou(p[1], p[3], t[1], t[3], eps, out.value, out.gradient[1], out.gradient[3]);
  return out;
}

/// Loss of predicted box `p` against target `t`.
template <class T>
HD_INLINE ValueAndGradient<T> boxLoss(BoxLossKind kind, const T* p, const T* t, T eps) {
  if (kind == BoxLossKind::boundedIou) return boundedIouLoss(p, t, eps);
  const AxisOverlap<T> x = overlapAlong(p[0], p[2], t[0], t[2]), y = overlapAlong(p[1], p[3], t[1], t[3]);
  const T width = p[2] - p[0], height = p[3] - p[1], targetWidth = t[2] - t[0], targetHeight = t[3] - t[1];
  const T intersection = x.common * y.common;
  const T areas = width * height + targetWidth * targetHeight - intersection;
  const bool bounds = kind == BoxLossKind::iou || kind == BoxLossKind::giou;  // the others add eps
  const T unionArea = bounds ? larger(areas, eps) : areas + eps;
  const T unionMoves = bounds && !(areas > eps) && areas == areas ? T(0) : T(1);
  const T iou = intersection / unionArea;

  const T byIntersection[4] = {x.commonByLow * y.common, y.commonByLow * x.common, x.commonByHigh * y.common,
                               y.commonByHigh * x.common};
  const T byArea[4] = {-height, -width, height, width};
  T unionSlope[4], iouSlope[4];
  for (int k = 0; k < 4; ++k) {
    unionSlope[k] = unionMoves * (byArea[k] - byIntersection[k]);
    iouSlope[k] = (byIntersection[k] - iou * unionSlope[k]) / unionArea;
  }
  ValueAndGradient<T> out;
  if (kind == BoxLossKind::iou) {
    const T slope = iou < eps ? T(0) : -1 / iou;
    out.value = -std::log(larger(iou, eps));
    for (int k = 0; k < 4; ++k) out.gradient[k] = slope * iouSlope[k];
    return out;
  }
  const T byEnclosing[4] = {x.enclosingByLow, y.enclosingByLow, x.enclosingByHigh, y.enclosingByHigh};
  if (kind == BoxLossKind::giou) {
    const T area = x.enclosing * y.enclosing, enclosing = larger(area, eps);
    const T moves = area > eps || area != area ? T(1) : T(0);
    out.value = 1 - (iou - (enclosing - unionArea) / enclosing);
    for (int k = 0; k < 4; ++k) {
      const T enclosingSlope = moves * byEnclosing[k] * (k % 2 == 0 ? y.enclosing : x.enclosing);
      out.gradient[k] = -iouSlope[k] - (unionSlope[k] - unionArea * enclosingSlope / enclosing) / enclosing;
    }
    return out;
  }
  const T dx = (t[0] + t[2]) - (p[0] + p[2]), dy = (t[1] + t[3]) - (p[1] + p[3]);
  const T distance = dx * dx / 4 + dy * dy / 4;
  const T diagonal = x.enclosing * x.enclosing + y.enclosing * y.enclosing + eps;
  out.value = 1 - (iou - distance / diagonal);
  for (int k = 0; k < 4; ++k) {
    const T distanceSlope = -(k % 2 == 0 ? dx : dy) / 2;
    const T diagonalSlope = 2 * (k % 2 == 0 ? x.enclosing : y.enclosing) * byEnclosing[k];
    out.gradient[k] = -iouSlope[k] + (distanceSlope - distance / diagonal * diagonalSlope) / diagonal;
  }
  if (kind == BoxLossKind::diou) return out;

  const T tall = height + eps, targetTall = targetHeight + eps;
  const T angle = std::atan(targetWidth / targetTall) - std::atan(width / tall);
  const T v = kAspectFactor<T> * (angle * angle);
  const T denominator = 1 - iou + v;
  if (denominator == 0) return out;
  // d atan(w/h) = (h·dw − w·dh) / (w² + h²)
  const T square = width * width + tall * tall;
  const T byAngle = -2 * kAspectFactor<T> * angle / square;
  const T aspectSlope[4] = {-byAngle * tall, byAngle * width, byAngle * tall, -byAngle * width};
  const T tradeOff = v / denominator;
  out.value += v * tradeOff;
  for (int k = 0; k < 4; ++k) {
    out.gradient[k] += kind == BoxLossKind::ciouDetached
                           ? tradeOff * aspectSlope[k]
                           : tradeOff * ((2 - tradeOff) * aspectSlope[k] + tradeOff * iouSlope[k]);
  }
  return out;
}

}  // namespace hd::ops::kernel
