// The declared list of transforms: what a recipe's `augment` says, as one object that all threads share.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "data/transforms/transform.h"

namespace hd::data {

class Pipeline {
 public:
  /// `steps`: list of maps with one key, the name of a transform, whose value holds its options, as
  /// [{resize: {sizes: [[640, 640]]}}, {flip: {probability: 0.5}}]; null is the empty list. Their files under
  /// transforms/ document the options. Throws HD_DATA_TRANSFORM.
  explicit Pipeline(const Value& steps);

  /// What happens to a picture of this size with these draws (stream "augment").
  Plan plan(int width, int height, Random random) const;
  /// The largest that can happen to a picture of this size.
  Plan largestPlan(int width, int height) const;
  /// Sides that no picture exceeds, whatever its size; nothing without a step that bounds them.
  std::optional<Extent> bound() const;

 private:
  std::vector<std::unique_ptr<const Transform>> transforms_;
};

/// Scales the plan down, ratio kept, when its picture is larger than `extent`.
void shrinkToFit(Plan& plan, Extent extent);

}  // namespace hd::data
