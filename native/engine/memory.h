// What does not fit into memory is cut finer: a step into more micro-batches, detection into fewer images at
// once.
#pragma once

#include <exception>

#include "engine/landscape.h"
#include "engine/session.h"

namespace hd::engine {

/// Whether an error says that memory ran out, on the processor or on a device.
bool isOutOfMemory(const std::exception& error);

/// The smallest number of equal micro-batches above `parts` that `images` can be cut into, at least twice as
/// many where that is possible; 0 when every micro-batch is a single image already.
int64_t finerCut(int64_t images, int64_t parts);

/// session.step(). When memory runs out nothing has changed, and the step is taken again with the batch cut
/// finer, until it succeeds. `input.accumulate` holds the cut that was used. Throws HD_MEMORY when a single
/// image is too much.
StepResult stepWithinMemory(Session& session, const Batch& batch, StepInput& input);

/// session.detect(), with `teacher` from 0 on detectTeacher(), of at most session.detectAtOnce() images at
/// once. When memory runs out that number is halved, and what is left of the batch goes on with it. `fault`:
/// pretend so once. `flip`: each image together with its mirror image, for twice the time and memory. Throws
/// HD_MEMORY when a single image is too much.
std::vector<Detections> detectWithinMemory(Session& session, const Batch& batch,
                                           const detectors::PostProcess& options, int64_t teacher = -1,
                                           bool fault = false, bool flip = false);

/// detectMixed() of the network of `own`, with as many images at once and as patiently. The differences of
/// the parts are joined to those of the batch.
Mixed detectMixedWithinMemory(Session& own, detectors::Detector& other, const Batch& batch,
                              const std::vector<MixPoint>& points, const detectors::PostProcess& options,
                              bool fault = false);

}  // namespace hd::engine
