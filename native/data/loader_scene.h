// Pictures of a scene onto a canvas, with their targets.
#pragma once

#include <functional>

#include "core/batch.h"
#include "data/picture_cache.h"
#include "data/transforms/render.h"
#include "data/transforms/scene.h"

namespace hd::data {

/// Reads a layer's picture no larger than its plan needs; `cache` may be null.
Sample readFor(const Dataset& dataset, const Layer& layer, PictureCache* cache);

/// One picture, whether its plan warps or not, and the padding. Returns what renderPicture() does.
int64_t paintPicture(const Picture& picture, const Plan& plan, const Canvas& canvas,
                     const std::array<uint8_t, 3>& fill, RenderScratch& scratch);

/// All layers from back to front, each read by `read` once, and the targets of all. The size of the picture
/// and the way back to it are those of the first layer.
ImageTargets paintScene(const Scene& scene, const std::function<Sample(const Layer&)>& read,
                        const Canvas& canvas, const std::array<uint8_t, 3>& fill, RenderScratch& scratch);

}  // namespace hd::data
