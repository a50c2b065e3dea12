// The declared list of transforms: what a recipe's `augment` says, as one object that all threads share.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "data/transforms/scene.h"
#include "data/transforms/transform.h"

namespace hd::data {

/// Where a pipeline finds the pictures that its steps join: those that training uses, of known sizes.
struct PictureSource {
  const Dataset* dataset = nullptr;
  std::function<bool(int64_t image)> usable = nullptr;  ///< null: all are
};

class Pipeline {
 public:
  /// Of a run whose end is unknown: no step is closed.
  static constexpr int64_t openEnd = std::numeric_limits<int64_t>::max();

  /// `steps`: list of maps with one key, the name of a transform, whose value holds its options, as
  /// [{resize: {sizes: [[640, 640]]}}, {flip: {probability: 0.5}}]; null is the empty list. Their files under
  /// transforms/ document the options; `close: n` leaves a step out of the last n epochs. Steps that join
  /// pictures stand at most once each, mosaic before anything that turns, mixup behind the others. Throws
  /// HD_DATA_TRANSFORM.
  explicit Pipeline(const Value& steps);

  /// What happens to a picture of this size with these draws (stream "augment"), `left` epochs before the
  /// end, this one included. Of pictures that are joined: their size, and the first one's share in them.
  Plan plan(int width, int height, Random random, int64_t left = openEnd) const;
  /// The same with the pictures that are joined: of the size that plan() says.
  Scene scene(int64_t image, Random random, const PictureSource& source, int64_t left = openEnd) const;
  /// The largest that can happen to a picture of this size.
  Plan largestPlan(int width, int height, int64_t left = openEnd) const;
  /// Sides that no picture exceeds, whatever its size; nothing without a step that bounds them.
  std::optional<Extent> bound() const;
  /// What its steps ask for together; those that every pipeline may ask for.
  Needs needs() const;
  /// True when the pipeline does something else at the end of a run.
  bool closes() const;

 private:
  friend class StepPartners;
  struct Step {
    std::unique_ptr<const Transform> transform;
    int64_t close = 0;
    bool open(int64_t left) const { return left > close; }
  };
  Scene compose(size_t steps, int64_t image, Random& random, const PictureSource& source, int64_t left) const;

  std::vector<Step> steps_;
};

/// Scales the plan down, ratio kept, when its picture is larger than `extent`.
void shrinkToFit(Plan& plan, Extent extent);

}  // namespace hd::data
