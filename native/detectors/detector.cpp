#include "detectors/detector.h"

#include "core/error.h"

namespace hd::detectors {
namespace {

ops::SuppressionOptions suppressionFrom(const Value& given) {
  using Options = ops::SuppressionOptions;
  Options out;
  const std::string kind = given.get("kind", "greedy"), voting = given.get("voting", "none");
  const auto refuse = [](const char* words, const char* key, const std::string& received) {
    throw Error("HD_RECIPE_VALUE",
                concat("expected ", words, " for eval.suppression.", key, " but received '", received,
                       "': mend the recipe"),
                concat("eval.suppression.", key));
  };
  if (kind == "cluster-diou") {
    out.overlap.distance = true;
  } else if (kind == "soft-linear") {
    out.kind = Options::Kind::softLinear;
  } else if (kind == "soft-gaussian") {
    out.kind = Options::Kind::softGaussian;
  } else if (kind != "greedy" && kind != "cluster") {
    refuse("greedy, cluster, cluster-diou, soft-linear or soft-gaussian", "kind", kind);
  }
  if (voting == "score") {
    out.voting = Options::Voting::score;
  } else if (voting == "paa") {
    out.voting = Options::Voting::paa;
  } else if (voting != "none") {
    refuse("none, score or paa", "voting", voting);
  }
  out.overlap.beta = given.get("beta", out.overlap.beta);
  out.sigma = given.get("sigma", out.sigma);
  out.minScore = given.get("minScore", out.minScore);
  return out;
}

}  // namespace

PostProcess PostProcess::from(const Value& options) {
  PostProcess out;
  out.scoreThreshold = options.get("scoreThreshold", out.scoreThreshold);
  out.candidates = options.get("candidates", out.candidates);
  out.iouThreshold = options.get("iouThreshold", out.iouThreshold);
  out.maxDetections = options.get("maxDetections", out.maxDetections);
  if (const Value* given = options.find("suppression"); given != nullptr && !given->isNull())
    out.suppression = suppressionFrom(*given);
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
