// Boxes with names and scores drawn on pictures: one panel a set, side by side (truth left, prediction
// right).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/batch.h"
#include "data/dataset.h"

namespace hd::data {

struct DrawSet {
  std::vector<float> boxes;     ///< x1, y1, x2, y2 in original pixels; 4 × objects
  std::vector<int32_t> labels;  ///< classes of the data set; below 0: a region to ignore
  std::vector<float> scores;    ///< per object, or empty: names without scores
  std::string colour;           ///< "#rrggbb" for all boxes; "": one colour a class
  std::string title;            ///< above the panel; "": none
};

/// An RGB8 picture that can be written on. Invariant: drawing outside it is cut off, so any coordinates are
/// safe.
class Drawing {
 public:
  Drawing(int width, int height, uint32_t background);
  int width() const { return width_; }
  int height() const { return height_; }
  const uint8_t* pixels() const { return pixels_.data(); }

  /// Enlarges (`factor` > 0: bilinear) or shrinks (`factor` < 0: mean of −factor² pixels) a picture into the
  /// place at x, y.
  void place(const Picture& picture, int x, int y, int factor);
  /// Pixels left ≤ x < right, top ≤ y < bottom, blended with `opacity`.
  void fill(int left, int top, int right, int bottom, uint32_t colour, float opacity = 1);
  /// A rim of `thickness` pixels inside the rectangle.
  void frame(int left, int top, int right, int bottom, int thickness, uint32_t colour);
  /// Printable ASCII in the 5 × 7 font; other bytes show as '?' (once for each UTF-8 character). Cut at
  /// `limit`.
  void text(std::string_view text, int x, int y, int scale, uint32_t colour, int limit);

 private:
  int width_, height_;
  std::vector<uint8_t> pixels_;
};

/// Width in pixels of what Drawing::text writes.
int textWidth(std::string_view text, int scale);
/// Well separated colours as 0xrrggbb, repeating after a dozen; grey below 0.
uint32_t classColour(int32_t label);

/// Writes `out` (.jpg, .jpeg or .png). Small pictures are enlarged and huge ones shrunk so that labels are
/// legible. Throws HD_DATA_IMAGE when the picture cannot be decoded, HD_USAGE_DRAW for sets whose lists
/// differ in length or bad colours, and what writePicture throws.
void drawSets(const Dataset& dataset, int64_t image, const std::string& out,
              const std::vector<DrawSet>& sets);

/// Picture `index` of a batch as the network gets it, padding included, with the boxes of its targets: what
/// augmentation made of a sample. Writes and throws as drawSets().
void drawTargets(const Batch& batch, int64_t index, const Dataset& dataset, const std::string& out);

}  // namespace hd::data
