// flip: mirrors left and right.
// - probability: share of pictures, 0–1, default 0.5.
// - keypointPairs: list of [left, right] keypoint numbers (0-based) that change places in a mirrored
//   picture, as a person's left and right eye; default none.
#include "core/error.h"
#include "data/transforms/transform.h"

namespace hd::data {
namespace {

class Flip : public Transform {
 public:
  explicit Flip(const Value& options) {
    checkMembers("flip", options, {"probability", "keypointPairs"});
    probability_ = static_cast<float>(numberWithin("flip", options, "probability", 0.5, 0, 1));
    const Value* pairs = options.find("keypointPairs");
    if (pairs == nullptr || pairs->isNull()) return;
    for (const Value& pair : pairs->asArray()) {
      const bool valid = pair.isArray() && pair.asArray().size() == 2 && pair.asArray()[0].asInt() >= 0 &&
                         pair.asArray()[1].asInt() >= 0;
      if (!valid) {
        throw Error(
            "HD_DATA_TRANSFORM",
            concat("expected pairs of keypoint numbers ≥ 0 for data.augment.flip.keypointPairs but received ",
                   printJson(pair), "; write for instance [[1, 2], [3, 4]]"),
            "data.augment.flip.keypointPairs");
      }
      pairs_.emplace_back(static_cast<int>(pair.asArray()[0].asInt()),
                          static_cast<int>(pair.asArray()[1].asInt()));
    }
  }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    plan.geometry.flip();
    plan.keypointPairs = &pairs_;
  }

 private:
  float probability_ = 0.5f;
  std::vector<std::pair<int, int>> pairs_;
};

HD_TRANSFORM("flip", Flip);

}  // namespace
}  // namespace hd::data
