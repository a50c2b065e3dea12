// What is left of objects when another one is laid on them.
#pragma once

#include "core/batch.h"

namespace hd::data {

/// Lays `over`, one object with polygons, on the objects of `under` from number `first` on. Of an object with
/// polygons that it hides a part of, the rest stays: polygons become those of its visible pixels, and a side
/// of the box that is hidden moves to them (Ghiasi et al., Simple Copy-Paste, 2021). An object without
/// polygons keeps its box, as nobody knows what of it is hidden. One is dropped when less than `minVisible`
/// of its pixels is left (of its box, without polygons), or nothing.
void layOver(const ImageTargets& over, size_t first, float minVisible, ImageTargets& under);

/// Adds the objects of `more`; lists of keypoints and polygons stay empty or as long as the labels.
void append(ImageTargets& to, ImageTargets&& more);

}  // namespace hd::data
