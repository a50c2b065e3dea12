#include "engine/landscape.h"

#include <ATen/ATen.h>

#include <map>

#include "core/error.h"
#include "detectors/dense_head.h"
#include "nn/run_batch.h"

namespace hd::engine {
namespace {

std::vector<std::string> levelsOf(const nn::Graph& graph) {
  const std::string head = "neck.p";
  std::vector<std::string> levels;
  for (const std::string& tap : graph.taps()) {
    if (tap.starts_with(head)) levels.push_back(tap.substr(head.size() - 1));
  }
  return levels;
}

std::vector<std::string> named(const std::string& part, const std::vector<std::string>& levels) {
  std::vector<std::string> taps;
  for (const std::string& level : levels) taps.push_back(part + level);
  return taps;
}

void append(std::vector<std::string>& taps, const std::vector<std::string>& more) {
  taps.insert(taps.end(), more.begin(), more.end());
}

void requireAlike(const nn::Tensors& own, const nn::Tensors& other, const std::vector<std::string>& taps) {
  for (size_t i = 0; i < taps.size(); ++i) {
    if (own[i].sizes() == other[i].sizes()) continue;
    throw Error("HD_USAGE",
                concat("expected two networks with equal necks, classes and bins but '", taps[i], "' is ",
                       own[i].sizes(), " in one and ", other[i].sizes(),
                       " in the other: compare detectors of one family on the same classes"),
                taps[i]);
  }
}

double meanDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().mean(at::kDouble).item<double>();
}

/// Softmax over the bins of each side of each anchor, N × anchors · 4 · bins × H × W.
at::Tensor distributions(const at::Tensor& logits, int64_t bins) {
  return logits.unflatten(1, {logits.size(1) / bins, bins}).softmax(2);
}

}  // namespace

Mixed detectMixed(detectors::Detector& own, detectors::Detector& other, const Batch& batch,
                  const std::vector<MixPoint>& points, const detectors::PostProcess& options) {
  const at::NoGradGuard guard;
  const auto levels = levelsOf(own.graph());
  const auto otherLevels = levelsOf(other.graph());
  if (levels.empty() || levels != otherLevels) {
    throw Error("HD_USAGE",
                concat("expected two networks with equal feature pyramids but they have ", levels.size(),
                       " and ", otherLevels.size(), " levels: compare detectors of one family"));
  }
  const auto neck = named("neck.", levels);
  auto taps = neck;
  append(taps, named("head.cls.", levels));
  append(taps, named("head.reg.", levels));
  const auto mine = nn::runBatch(own.graph(), batch, taps, nn::Mode::plan);
  const auto theirs = nn::runBatch(other.graph(), batch, taps, nn::Mode::plan);
  requireAlike(mine, theirs, taps);

  Mixed out;
  const size_t count = levels.size();
  const detectors::DenseHead* head = own.denseHead();
  require(head != nullptr, "expected a head with box-side distributions");
  for (size_t l = 0; l < count; ++l) {
    const at::Tensor &cls = mine[count + l], &reg = mine[2 * count + l];
    out.errors.push_back({levels[l], cls.size(0) * cls.size(2) * cls.size(3),
                          meanDifference(cls.sigmoid(), theirs[count + l].sigmoid()),
                          meanDifference(distributions(reg, head->bins()),
                                         distributions(theirs[2 * count + l], head->bins()))});
  }
  for (const MixPoint& point : points) {
    std::map<std::string, at::Tensor> given;
    for (size_t l = 0; l < count; ++l)
      given[neck[l]] =
          (mine[l] * point.own + theirs[l] * point.other).contiguous(at::MemoryFormat::ChannelsLast);
    const auto outputs = own.graph().run({}, own.detectTaps(), nn::Mode::plan, {}, given);
    out.detections.push_back(own.detect(outputs, batch, options));
  }
  return out;
}

}  // namespace hd::engine
