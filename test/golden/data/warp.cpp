// Boxes through a projective map, from NanoDet: around the four corners, cut at the border.
#include <algorithm>

#include "data/transforms/targets.h"
#include "golden.h"

GOLDEN("nanodet/misc", file, check) {
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance"));
  for (const hd::Value& c : file.at("cases").asArray()) {
    if (c.at("op").asString() != "warp_boxes") continue;  // the others are read elsewhere
    const std::vector<double> boxes = c.at("boxes").numbers("data"), matrix = c.at("matrix").numbers("data"),
                              expected = c.at("out").numbers("data");
    const double width = c.at("width").asNumber(), height = c.at("height").asNumber();
    hd::data::Projection projection;
    std::copy_n(matrix.begin(), 9, projection.m.begin());
    std::vector<double> out;
    for (size_t i = 0; i + 3 < boxes.size(); i += 4) {
      const auto box = hd::data::projectBox(projection, {boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]});
      for (size_t edge = 0; edge < 4; ++edge)
        out.push_back(std::clamp(box[edge], 0.0, edge % 2 == 0 ? width : height));
    }
    check.close(out, expected, tolerance, "warped boxes");
  }
}
