#include "ops/nms_bench.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/rng.h"
#include "ops/cpu/suppression.h"

namespace hd::ops {

Value benchNms(const Value& options) {
  const int64_t count = options.get("candidates", int64_t{5000});
  const int classes = options.get("classes", 80), repeats = std::max(1, options.get("repeats", 5));
  SuppressionOptions suppression;
  suppression.threshold = options.get("threshold", 0.6);
  const bool voting = options.get("voting", false);
  suppression.overlap.distance = voting;
  if (voting) suppression.voting = SuppressionOptions::Voting::score;
  Random random(static_cast<uint64_t>(options.get("seed", int64_t{0})), "synthetic", 0, 0);
  std::vector<float> boxes, scores;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    // Clusters around a few objects of each class: what a detector gives.
    const float x = 32.f * static_cast<float>(random.below(20)),
                y = 32.f * static_cast<float>(random.below(15));
    const float side = random.uniform(24.f, 96.f);
    const float dx = 6.f * random.normal(), dy = 6.f * random.normal();
    for (const float value : {x + dx, y + dy, x + dx + side, y + dy + side}) boxes.push_back(value);
    scores.push_back(random.uniform());
    labels.push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(classes))));
  }
  std::vector<double> milliseconds;
  size_t kept = 0;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    kept = suppress(boxes.data(), scores.data(), labels.data(), count, suppression).index.size();
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return Value::Object{{"candidates", count},
                       {"classes", classes},
                       {"suppression", voting ? "cluster-diou, score voting" : "greedy"},
                       {"milliseconds", milliseconds[milliseconds.size() / 2]},
                       {"kept", static_cast<int64_t>(kept)}};
}

}  // namespace hd::ops
