// LDHead on given maps: its plain GFL terms, its targets and its distillation terms as published.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "detectors/atss.h"
#include "distill/imitation_region.h"
#include "distill/transfer.h"
#include "gfl_case.h"

namespace {

using golden::Checker;
using hd::Value;
using torch::Tensor;

/// Positives, valid cells and the valuable region, level by level over the images of the batch.
void checkTargets(const Value& c, const hd::detectors::GflOptions& options, const hd::Batch& batch,
                  const hd::detectors::GflAssignment& assignment, Checker& check) {
  check.equal(assignment.positives, c.at("num_total_pos").asInt(), "positives");
  std::vector<std::vector<float>> regions;
  for (size_t i = 0; i < batch.images.size(); ++i) {
    const auto valid =
        assignment.grid.validCells(batch.images[i].height, batch.images[i].width, options.divisor);
    regions.push_back(valuableRegion(assignment.grid, valid, batch.images[i].boxes, assignment.thresholds[i],
                                     hd::detectors::RegionRule::released));
  }
  int64_t valid = 0;
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    const Value& expected = c.at("levels").asArray()[l];
    const auto& targets = assignment.levels[l];
    const auto& level = assignment.grid.levels()[l];
    const std::string what = hd::concat("level ", l);
    check.equal(targets.weights.sum().item<int64_t>(), expected.at("valid_count").asInt(),
                what + " valid cells");
    valid += expected.at("valid_count").asInt();
    const auto isPositive = targets.labels.ge(0).logical_and(targets.labels.lt(options.classes));
    check.equal(isPositive.sum().item<int64_t>(), expected.at("positives").asArray().size(),
                what + " positives");
    for (const Value& positive : expected.at("positives").asArray()) {
      const int64_t row = positive.at("image").asInt() * level.count() + positive.at("index").asInt();
      check.equal(targets.labels[row].item<int64_t>(), positive.at("label").asInt(),
                  hd::concat(what, " label of row ", row));
      const auto box = positive.numbers("box");
      for (size_t side = 0; side < 4; ++side) {
        const double actual =
            targets.boxes[row][static_cast<int64_t>(side)].item<double>() * static_cast<double>(level.stride);
        check.close(actual, box[side], {1e-6, 0}, hd::concat(what, " box of row ", row));
      }
    }
    size_t members = 0;
    for (const auto& region : regions) {
      for (int64_t cell = 0; cell < level.count(); ++cell) members += region[level.first + cell] > 0;
    }
    check.equal(members, expected.at("vlr").asArray().size(), what + " region");
    for (const Value& member : expected.at("vlr").asArray()) {
      const auto image = static_cast<size_t>(member.at("image").asInt());
      const double weight =
          regions.at(image).at(static_cast<size_t>(level.first + member.at("index").asInt()));
      check.close(weight, member.at("weight").asNumber(), {1e-5, 1e-6}, what + " region weight");
    }
  }
  check.equal(valid - assignment.positives, c.at("num_total_neg").asInt(), "negatives");
}

/// "head.cls.p3" → cls0, "head.reg.p4" → reg1, "neck.p7" → x4; of version 2 logit0 and "head.score.p3" →
/// joint0.
std::string inputOf(const std::string& tap, bool version2) {
  std::string kind = tap.rfind("neck.", 0) == 0 ? "x" : tap.substr(5, 3);
  if (kind == "cls" && version2) kind = "logit";
  if (kind == "sco") kind = "joint";
  return hd::concat(kind, tap.back() - '3');
}

/// All maps of the file by name; the student's with gradients.
struct Maps {
  std::map<std::string, Tensor> byName;
  bool version2;

  explicit Maps(const Value& inputs, bool second = false) : version2(second) {
    for (const auto& [name, value] : inputs.asObject()) {
      const bool teacher = name.rfind("teacher_", 0) == 0;
      byName[name] = golden::tensorOf(value).requires_grad_(!teacher);
    }
  }

  std::vector<Tensor> of(const std::vector<std::string>& taps, const std::string& prefix) const {
    std::vector<Tensor> maps;
    for (const std::string& tap : taps) maps.push_back(byName.at(prefix + inputOf(tap, version2)));
    return maps;
  }
};

/// One published distillation term, level by level; returns its weighted sum.
Tensor checkTransfer(Checker& check, const Value& file, const Maps& maps,
                     const hd::detectors::GflOptions& options, const hd::Batch& batch,
                     const hd::detectors::GflAssignment& assignment, const Value& expected,
                     const std::string& term, const char* name, const std::string& entry, double weight) {
  const Value section = hd::parseJson(entry);
  const auto transfer = hd::distill::transferRegistry().get(name)(section, {options, options.classes, {}});
  const hd::distill::TransferInput input{batch, assignment, maps.of(transfer->studentTaps(), ""),
                                         maps.of(transfer->teacherTaps(), "teacher_")};
  std::vector<double> values;
  Tensor sum = at::zeros({});
  for (const Tensor& level : transfer->levels(input, transfer->normalisers(batch, assignment))) {
    values.push_back(level.item<double>() * weight);
    sum = sum + level * weight;
  }
  check.close(values, expected.numbers(term), golden::toleranceOf(file.at("tolerance").at("losses")), term);
  return sum;
}

/// The cells that imitation looks at, in the file's order: for general instances by falling score.
void checkRegion(Checker& check, const std::string& method, const Maps& maps,
                 const hd::detectors::GflOptions& options, const hd::Batch& batch,
                 const hd::detectors::GflAssignment& assignment, const Value& expected) {
  std::vector<Tensor> masks;
  if (method == "finegrained") masks = hd::distill::nearBestAnchors(options, batch, assignment);
  if (method == "fitnet") masks = hd::distill::insideBoxes(options, batch, assignment);
  for (size_t l = 0; l < options.strides.size(); ++l) {
    std::vector<int64_t> rows;
    if (method == "gibox") {
      const auto map = [&](const char* kind) {
        return hd::detectors::anchorRows(maps.byName.at(hd::concat(kind, l)));
      };
      const auto scores = [&](const char* kind) { return map(kind).sigmoid(); };
      hd::distill::InstanceOptions instances;
      instances.flattened = true;
      // The list was recorded with the anchors of the whole canvas, the loss without those of the padding.
      rows = generalInstances(instances, scores("cls"), scores("teacher_cls"), map("reg"), map("teacher_reg"),
                              assignment.levels[l].labels.clamp_min(0), assignment.grid.levels()[l])
                 .at(0);
    } else {
      const Tensor marked = masks[l].nonzero().flatten();
      rows.assign(marked.data_ptr<int64_t>(), marked.data_ptr<int64_t>() + marked.numel());
    }
    std::vector<int64_t> wanted;
    for (const Value& row : expected.asArray()[l].asArray()) wanted.push_back(row.asInt());
    check.truth(rows == wanted, hd::concat(method, " region of level ", l));
  }
}

/// Gradients of the total with respect to the student's maps.
void checkGradients(Checker& check, const Value& file, const Value& c, const Maps& maps, const Tensor& total,
                    const std::string& what) {
  for (const auto& [name, levels] : c.at("grad").asObject()) {
    for (size_t l = 0; l < levels.asArray().size(); ++l) {
      const Tensor& input = maps.byName.at(hd::concat(name, l));
      const auto gradients = torch::autograd::grad({total}, {input}, {}, /*retain_graph=*/true,
                                                   /*create_graph=*/false, /*allow_unused=*/true);
      const Tensor gradient = gradients[0].defined() ? gradients[0] : at::zeros_like(input);
      const Value& expected = levels.asArray()[l];
      if (golden::shapeOf(expected) == std::vector<int64_t>{1}) {  // the total does not depend on this map
        check.truth(gradient.ne(0).sum().item<int64_t>() == 0, hd::concat(what, " no gradient of ", name, l));
        continue;
      }
      golden::checkTensor(check, gradient, expected, file.at("tolerance").at("gradients"),
                          hd::concat(what, " gradient of ", name, l));
    }
  }
}

/// All terms of one case of an LD head: the head's own, localization, classification and imitation.
void checkLosses(Checker& check, const Value& file, const Value& c, const hd::detectors::GflOptions& options,
                 const hd::Batch& batch, const hd::detectors::GflAssignment& assignment) {
  const Maps maps(file.at("inputs"), options.jointScores);
  const std::string method = c.at("imitation_method").asString();
  const double imitation = c.get("loss_im_weight", 2.0);
  std::vector<Tensor> cls, reg;
  for (size_t l = 0; l < options.strides.size(); ++l) {
    cls.push_back(maps.byName.at(hd::concat(options.jointScores ? "joint" : "cls", l)));
    reg.push_back(maps.byName.at(hd::concat("reg", l)));
  }
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance").at("losses"));
  const auto sums = gflSums(options, cls, reg, assignment);
  const auto scales = golden::scalesOf(options, cls, assignment);
  const Value& expected = c.at("losses_per_level");
  golden::checkLevelLosses(check, expected, sums, scales, tolerance, method);
  Tensor total = golden::totalLoss(sums, scales);
  const auto transfer = [&](const char* term, const char* kind, const std::string& entry, double weight) {
    if (expected.find(term) == nullptr) return;
    total = total +
            checkTransfer(check, file, maps, options, batch, assignment, expected, term, kind, entry, weight);
  };
  transfer("loss_ld", "localization", R"({"preset":"released","region":"main"})", 0.25);
  transfer("loss_ld_vlr", "localization", R"({"preset":"released","region":"valuable"})", 0.25);
  transfer("loss_kd", "classification", R"({"preset":"released","region":"main"})", 10);
  transfer("loss_kd_neg", "classification", R"({"preset":"released","region":"valuable"})", 0);
  // The released name of what its paper calls imitation inside a box.
  const std::string kind = method == "fitnet" ? "inside-box" : method;
  transfer("loss_im", "imitation", R"({"preset":"released","kind":")" + kind + R"("})", imitation);
  if (const Value* region = c.find("imitation_region_flat_index_per_level"); region != nullptr)
    checkRegion(check, method, maps, options, batch, assignment, *region);
  check.close(total.item<double>(), c.at("total").asNumber(), tolerance, method + " total");
  checkGradients(check, file, c, maps, total, method);
}

}  // namespace

GOLDEN("ld/ld_head", file, check) {
  const auto options = golden::gflOptions(file.at("config"));
  const auto size = golden::listOf<int64_t>(file, "image_hw");
  const hd::Batch batch = golden::batchOf(check, options, size[0], size[1], file.at("img_metas"),
                                          file.at("gt_bboxes"), file.at("gt_labels"));
  const auto assignment = assignGfl(options, batch);
  for (const Value& c : file.at("cases").asArray()) {
    if (c.find("levels") != nullptr) {
      checkTargets(c, options, batch, *assignment, check);
    } else {
      checkLosses(check, file, c, options, batch, *assignment);
    }
  }
}

GOLDEN("ld/gflv2_head", file, check) {
  auto options = golden::gflOptions(file.at("config"));
  options.jointScores = true;
  const auto size = golden::listOf<int64_t>(file, "image_hw");
  const hd::Batch batch = golden::batchOf(check, options, size[0], size[1], file.at("img_metas"),
                                          file.at("gt_bboxes"), file.at("gt_labels"));
  const auto assignment = assignGfl(options, batch);
  for (const Value& c : file.at("cases").asArray()) {
    if (c.at("case").asString().rfind("LDv2Head", 0) == 0)
      checkLosses(check, file, c, options, batch, *assignment);
  }
}
