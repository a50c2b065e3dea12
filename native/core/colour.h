// Maps of colours: what augmentation decides on, decode threads do to bytes, and networks to floating point.
#pragma once

#include <array>
#include <cstdint>

namespace hd {

/// An affine map of colours, values 0…255: row c gives channel c as three weights (red, green, blue) and a
/// shift.
struct ColourMap {
  std::array<float, 12> rows = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  bool identity() const { return *this == ColourMap{}; }
  bool operator==(const ColourMap&) const = default;
  /// First this, then `next`.
  ColourMap then(const ColourMap& next) const;
  /// The distance of every value from `mean` times `factor`.
  static ColourMap contrast(float factor, float mean);
};

/// Weights of red, green and blue in a pixel's luma (ITU-R BT.601).
constexpr std::array<float, 3> kLuma = {0.299f, 0.587f, 0.114f};

/// First `map`, then the distance of all values from their mean over the picture times `contrast`, then the
/// distance of each channel from the pixel's largest one (HSV's saturation, its value kept) times
/// `saturation`, then HSV's hue turned.
struct ColourTurn {
  ColourMap map = {};
  float saturation = 1, hue = 0;  ///< hue in turns
  float contrast = 1;
  float meanGrey =
      0;  ///< share of the picture's mean luma before all of this that `map` adds to every channel
  bool truncates = false;  ///< as bytes: fractions are cut off rather than rounded; of turns without HSV
  bool usesHsv() const { return saturation != 1 || hue != 0; }
  bool operator==(const ColourTurn&) const = default;
};

/// A turn whose contrast and mean have become part of its map, in place; nothing is rounded or clamped.
/// `values`: red, green, blue, 0…255 and beyond.
void recolourValues(const ColourTurn& turn, int64_t count, float* values);

}  // namespace hd
