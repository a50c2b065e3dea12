// ATSS assignment and the valuable localization region of the LD code base.
#include <algorithm>

#include "detectors/atss.h"
#include "golden.h"

namespace {

using namespace hd::detectors;

std::vector<float> boxesOf(const hd::Value& value) {
  if (value.isNull()) return {};
  const auto numbers = golden::dataOf(value);
  return {numbers.begin(), numbers.end()};
}

std::vector<int64_t> integers(const hd::Value& object, const char* key) {
  const auto numbers = object.numbers(key);
  return {numbers.begin(), numbers.end()};
}

void checkPositives(const hd::Value& expected, const AtssResult& actual, const std::vector<int64_t>& labels,
                    golden::Tolerance tolerance, const std::string& name, golden::Checker& check) {
  check.equal(actual.positives, expected.asArray().size(), name + " positives");
  for (const hd::Value& positive : expected.asArray()) {
    const int64_t anchor = positive.at("anchor").asInt();
    const std::string what = hd::concat(name, " anchor ", anchor);
    const int32_t object = actual.object.at(static_cast<size_t>(anchor));
    if (!check.equal(object, positive.at("gt").asInt(), what + " object")) continue;
    check.equal(labels.at(static_cast<size_t>(object)), positive.at("label").asInt(), what + " label");
    check.close(double{actual.overlap[anchor]}, positive.at("iou").asNumber(), tolerance, what + " iou");
  }
}

void checkRegion(const hd::Value& expected, const std::vector<float>& region, golden::Tolerance tolerance,
                 const std::string& name, golden::Checker& check) {
  std::vector<int64_t> anchors;
  std::vector<float> weights;
  for (size_t a = 0; a < region.size(); ++a) {
    if (region[a] <= 0) continue;
    anchors.push_back(static_cast<int64_t>(a));
    weights.push_back(region[a]);
  }
  if (check.close(anchors, integers(expected, "anchor"), {}, name + " region")) {
    check.close(weights, expected.numbers("weight"), tolerance, name + " region weight");
  }
}

}  // namespace

GOLDEN("ld/assigner", file, check) {
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance").at("iou, weight"));
  const hd::Value& anchors = file.at("anchors");
  const auto size = integers(anchors, "image_hw");
  const AnchorGrid grid(size[0], size[1], integers(anchors, "strides"));
  const auto valid = grid.validCells(size[0], size[1], 1);
  const auto counts = integers(anchors, "per_level");
  for (size_t l = 0; l < counts.size(); ++l)
    check.equal(grid.levels()[l].count(), counts[l], "anchors a level");

  for (const hd::Value& c : file.at("cases").asArray()) {
    const std::string name = c.at("name").asString();
    const auto objects = boxesOf(c.at("gt")), crowd = boxesOf(c.at("ignored"));
    const AtssOptions options{c.at("topk").asInt(), c.at("ignore_iof_thr").asNumber()};
    const AtssResult result = atss(grid, valid, objects, crowd, options);
    checkPositives(c.at("positives"), result, integers(c, "gt_labels"), tolerance, name, check);
    std::vector<int64_t> ignored;
    for (int64_t a = 0; a < grid.anchors(); ++a) {
      if (result.object[a] == hd::detectors::excluded) ignored.push_back(a);
    }
    check.close(ignored, integers(c, "ignored_anchors"), {}, name + " ignored anchors");
    const hd::Value* region = c.find("vlr_region");
    if (region == nullptr || region->isNull()) continue;
    checkRegion(*region, valuableRegion(grid, valid, objects, result.thresholds, RegionRule::released),
                tolerance, name, check);
  }
}
