#include "detectors/detector.h"

#include "core/error.h"

namespace hd::detectors {

PostProcess PostProcess::from(const Value& options) {
  PostProcess out;
  out.scoreThreshold = options.get("scoreThreshold", out.scoreThreshold);
  out.candidates = options.get("candidates", out.candidates);
  out.iouThreshold = options.get("iouThreshold", out.iouThreshold);
  out.maxDetections = options.get("maxDetections", out.maxDetections);
  require(out.scoreThreshold >= 0 && out.scoreThreshold <= 1, "expected a number from 0 to 1 for eval.scoreThreshold but received ",
          out.scoreThreshold, ": mend the recipe");
  require(out.iouThreshold >= 0 && out.iouThreshold <= 1, "expected a number from 0 to 1 for eval.iouThreshold but received ",
          out.iouThreshold, ": mend the recipe");
  require(out.candidates >= 1, "expected at least 1 for eval.candidates but received ", out.candidates, ": mend the recipe");
  require(out.maxDetections >= 1, "expected at least 1 for eval.maxDetections but received ", out.maxDetections,
          ": mend the recipe");
  return out;
}

nn::Registry<DetectorFactory>& detectorRegistry() {
  static nn::Registry<DetectorFactory> registry("detector");
  return registry;
}

}  // namespace hd::detectors
