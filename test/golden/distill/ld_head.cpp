// LDHead on given maps: its plain GFL terms, its targets and its distillation terms as published.
#include <ATen/ATen.h>

#include <set>

#include "detectors/atss.h"
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

/// The maps of a tap list, "head.cls.p3" → inputs cls0, with this prefix.
std::vector<Tensor> mapsOf(const Value& inputs, const std::vector<std::string>& taps,
                           const std::string& prefix) {
  std::vector<Tensor> maps;
  for (const std::string& tap : taps) {
    const std::string kind = tap.substr(5, 3);
    maps.push_back(golden::tensorOf(inputs.at(hd::concat(prefix, kind, tap.back() - '3'))));
  }
  return maps;
}

/// One published distillation term, level by level.
void checkTransfer(Checker& check, const Value& file, const hd::detectors::GflOptions& options,
                   const hd::Batch& batch, const hd::detectors::GflAssignment& assignment,
                   const Value& expected, const std::string& term, const char* name, const char* entry,
                   double weight) {
  const Value section = hd::parseJson(entry);
  const auto transfer = hd::distill::transferRegistry().get(name)(section, {options, options.classes, {}});
  const hd::distill::TransferInput input{batch, assignment,
                                         mapsOf(file.at("inputs"), transfer->studentTaps(), ""),
                                         mapsOf(file.at("inputs"), transfer->teacherTaps(), "teacher_")};
  std::vector<double> values;
  for (const Tensor& level : transfer->levels(input, transfer->normalisers(batch, assignment)))
    values.push_back(level.item<double>() * weight);
  check.close(values, expected.numbers(term), golden::toleranceOf(file.at("tolerance").at("losses")), term);
}

}  // namespace

GOLDEN("ld/ld_head", file, check) {
  const auto options = golden::gflOptions(file.at("config"));
  const auto size = golden::listOf<int64_t>(file, "image_hw");
  const hd::Batch batch = golden::batchOf(check, options, size[0], size[1], file.at("img_metas"),
                                          file.at("gt_bboxes"), file.at("gt_labels"));
  const auto assignment = assignGfl(options, batch);
  std::vector<Tensor> cls, reg;
  for (size_t l = 0; l < options.strides.size(); ++l) {
    cls.push_back(golden::tensorOf(file.at("inputs").at(hd::concat("cls", l))));
    reg.push_back(golden::tensorOf(file.at("inputs").at(hd::concat("reg", l))));
  }
  const auto sums = gflSums(options, cls, reg, *assignment);
  const auto scales = golden::scalesOf(cls, *assignment);
  std::set<std::string> skipped;
  for (const Value& c : file.at("cases").asArray()) {
    if (c.find("levels") != nullptr) {
      checkTargets(c, options, batch, *assignment, check);
      continue;
    }
    const std::string name =
        hd::concat(c.at("imitation_method").asString(), " ", c.at("loss_im_weight").asNumber());
    golden::checkLevelLosses(check, c.at("losses_per_level"), sums, scales,
                             golden::toleranceOf(file.at("tolerance").at("losses")), name);
    const auto transfer = [&](const char* term, const char* kind, const char* entry, double weight) {
      checkTransfer(check, file, options, batch, *assignment, c.at("losses_per_level"), term, kind, entry,
                    weight);
    };
    transfer("loss_ld", "localization", R"({"preset":"released","region":"main"})", 0.25);
    transfer("loss_ld_vlr", "localization", R"({"preset":"released","region":"valuable"})", 0.25);
    transfer("loss_kd", "classification", R"({"preset":"released","region":"main"})", 10);
    transfer("loss_kd_neg", "classification", R"({"preset":"released","region":"valuable"})", 0);
    if (c.at("loss_im_weight").asNumber() != 0) skipped.insert("loss_im");
  }
  for (const std::string& term : skipped)
    check.skip(term + ", and gradients of the total with it: a transfer of its own");
}
