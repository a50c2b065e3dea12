// Mask codecs, areas, boxes, overlaps and set operations, against pycocotools.
#include "eval/mask.h"
#include "golden.h"

namespace {

using hd::Value;
using namespace hd::eval;

uint32_t sideOf(const Value& value) {
  return static_cast<uint32_t>(value.asInt());
}

/// {"size": [h, w], "counts": "…" | […]}
Mask maskOf(const Value& rle) {
  const auto& size = rle.at("size").asArray();
  const Value& counts = rle.at("counts");
  if (counts.isString()) return maskFromCompressed(counts.asString(), sideOf(size[0]), sideOf(size[1]));
  std::vector<uint32_t> runs;
  for (const Value& run : counts.asArray()) runs.push_back(sideOf(run));
  return maskFromCounts(runs, sideOf(size[0]), sideOf(size[1]));
}

std::vector<Mask> masksOf(const Value& list) {
  std::vector<Mask> masks;
  for (const Value& rle : list.asArray()) masks.push_back(maskOf(rle));
  return masks;
}

std::vector<double> numbersOf(const Value& list) {
  std::vector<double> numbers;
  for (const Value& number : list.asArray()) numbers.push_back(number.asNumber());
  return numbers;
}

std::array<double, 4> boxOf(const Value& list) {
  const std::vector<double> numbers = numbersOf(list);
  return {numbers.at(0), numbers.at(1), numbers.at(2), numbers.at(3)};
}

void checkMask(const Mask& mask, const Value& rle, golden::Checker& check, const std::string& what) {
  check.equal(mask.height, sideOf(rle.at("size").asArray()[0]), what + " height");
  check.equal(mask.width, sideOf(rle.at("size").asArray()[1]), what + " width");
  check.equal(compressCounts(mask), rle.at("counts").asString(), what + " counts");
  check.truth(maskFromPixels(maskToPixels(mask), mask.height, mask.width).counts == mask.counts,
              what + " through pixels");
}

/// The members that a case may give beside its mask.
void checkMeasures(const Mask& mask, const Value& c, golden::Checker& check, const std::string& what) {
  if (c.find("area")) check.equal(static_cast<int64_t>(maskArea(mask)), c.at("area").asInt(), what + " area");
  if (c.find("bbox")) check.truth(maskBox(mask) == boxOf(c.at("bbox")), what + " bbox");
  if (c.find("uncompressed_counts")) {
    const std::vector<double> counts(mask.counts.begin(), mask.counts.end());
    check.truth(counts == numbersOf(c.at("uncompressed_counts")), what + " uncompressed counts");
  }
}

void checkOverlaps(const Value& c, golden::Tolerance tolerance, golden::Checker& check,
                   const std::string& what) {
  const std::vector<double> crowd = numbersOf(c.at("iscrowd"));
  std::vector<double> overlaps;
  if (c.at("op").asString() == "rle_iou") {
    const std::vector<Mask> detections = masksOf(c.at("dt")), truths = masksOf(c.at("gt"));
    for (const Mask& d : detections) {
      for (size_t g = 0; g < truths.size(); ++g) overlaps.push_back(maskOverlap(d, truths[g], crowd[g] != 0));
    }
  } else {
    for (const Value& d : c.at("dt").asArray()) {
      const auto& truths = c.at("gt").asArray();
      for (size_t g = 0; g < truths.size(); ++g) {
        overlaps.push_back(boxOverlap(boxOf(d), boxOf(truths[g]), crowd[g] != 0));
      }
    }
  }
  check.close(overlaps, golden::dataOf(c.at("iou_dt_by_gt")), tolerance, what);
}

}  // namespace

GOLDEN("coco_eval/masks", file, check) {
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance").at("iou"));
  for (const Value& c : file.at("cases").asArray()) {
    const std::string op = c.at("op").asString();
    const std::string what = op + " " + c.get("name", "");
    if (op == "polygons_to_rle") {
      std::vector<std::vector<double>> polygons;
      for (const Value& polygon : c.at("polygons").asArray()) polygons.push_back(numbersOf(polygon));
      const uint32_t height = sideOf(c.at("height")), width = sideOf(c.at("width"));
      const auto& parts = c.at("parts").asArray();
      for (size_t i = 0; i < parts.size(); ++i) {
        checkMask(maskFromPolygon(polygons.at(i), height, width), parts[i], check,
                  hd::concat(what, " part ", i));
      }
      const Mask merged = maskFromPolygons(polygons, height, width);
      checkMask(merged, c.at("merged"), check, what + " merged");
      checkMeasures(merged, c, check, what);
    } else if (op == "box_to_rle") {
      const Mask mask = maskFromBox(boxOf(c.at("box_xywh")), sideOf(c.at("height")), sideOf(c.at("width")));
      checkMask(mask, c.at("rle"), check, what);
      checkMeasures(mask, c, check, what);
    } else if (op == "uncompressed_to_rle") {
      const auto& size = c.at("size").asArray();
      const std::vector<double> counts = numbersOf(c.at("counts_list"));
      const Mask mask = maskFromCounts({counts.begin(), counts.end()}, sideOf(size[0]), sideOf(size[1]));
      checkMask(mask, c.at("rle"), check, what);
      check.truth(maskOf(c.at("rle")).counts == mask.counts, what + " read back");
      checkMeasures(mask, c, check, what);
    } else if (op == "rle_iou" || op == "box_iou_xywh") {
      checkOverlaps(c, tolerance, check, what);
    } else if (op == "merge") {
      const std::vector<Mask> masks = masksOf(c.at("rles"));
      checkMask(mergeMasks(masks, false), c.at("union"), check, what + " union");
      checkMask(mergeMasks(masks, true), c.at("intersection"), check, what + " intersection");
    } else {
      check.fail("no check for the operation " + op);
    }
  }
}
