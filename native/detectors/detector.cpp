#include "detectors/detector.h"

#include "core/error.h"

namespace hd::detectors {

PostProcess PostProcess::from(const Value& options) {
  PostProcess out;
  out.scoreThreshold = options.get("scoreThreshold", out.scoreThreshold);
  out.candidates = options.get("candidates", out.candidates);
  out.iouThreshold = options.get("iouThreshold", out.iouThreshold);
  out.maxDetections = options.get("maxDetections", out.maxDetections);
  const auto expect = [](bool holds, const char* what, const char* key, auto received) {
    if (holds) return;
    throw Error("HD_RECIPE_VALUE",
                concat("expected ", what, " for eval.", key, " but received ", received, ": mend the recipe"),
                concat("eval.", key));
  };
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  expect(share(out.scoreThreshold), "a number from 0 to 1", "scoreThreshold", out.scoreThreshold);
  expect(share(out.iouThreshold), "a number from 0 to 1", "iouThreshold", out.iouThreshold);
  expect(out.candidates >= 1, "an integer of at least 1", "candidates", out.candidates);
  expect(out.maxDetections >= 1, "an integer of at least 1", "maxDetections", out.maxDetections);
  return out;
}

nn::Registry<DetectorFactory>& detectorRegistry() {
  static nn::Registry<DetectorFactory> registry("detector");
  return registry;
}

}  // namespace hd::detectors
