// LDRetinaHead, LDATSSHead and LDFCOSHead on given maps: their own terms and their distillation terms as
// published, and the gradients of the total.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "detectors/focal_head.h"
#include "distill/transfer.h"
#include "gfl_case.h"

namespace {

using golden::Checker;
using hd::Value;
using hd::detectors::FocalOptions;
using torch::Tensor;

/// How the published configuration of a head reads here: its detector and the weights of its transfers. The
/// divisor of the valuable region is 16 here and 4 there, times a factor of the head in its source.
struct Published {
  const char* detector;
  FocalOptions (*options)(const Value&);
  std::unique_ptr<hd::detectors::FocalAssignment> (*assign)(const FocalOptions&, const hd::Batch&);
  double ld, valuable;
  const char* valuableTerm;
  int kdTemperature;
};

const std::map<std::string, Published> kHeads{
    {"LDRetinaHead",
     {"retinanet", hd::detectors::retinanetOptions, hd::detectors::assignRetinanet, 5, 5 * 0.03 * 4,
      "loss_ld_vlr", 8}},
    {"LDATSSHead",
     {"atss", hd::detectors::atssOptions, hd::detectors::assignAtss, 0.25, 0.25 * 0.15 * 4, "loss_ld_neg",
      2}},
    {"LDFCOSHead",
     {"fcos", hd::detectors::fcosOptions, hd::detectors::assignFcos, 0.25, 0.25 * 0.25 * 4, "loss_ld_neg",
      2}},
};

struct Case {
  const Value &file, &entry;
  Checker& check;
  std::string head;
  const Published& published;
  FocalOptions options;
  hd::Batch batch;
  std::unique_ptr<hd::detectors::FocalAssignment> assignment;
  std::map<std::string, Tensor> maps;  // by the file's names, without the head's
  golden::Tolerance tolerance;

  /// "head.cls.p3" → cls0.
  Tensor map(const std::string& tap, const std::string& prefix) const {
    const std::string kind = tap.substr(5, tap.rfind('.') - 5);
    return maps.at(hd::concat(prefix, kind, tap.back() - '3'));
  }
  std::vector<Tensor> of(const std::string& kind) const {
    std::vector<Tensor> out;
    for (const std::string& tap : hd::detectors::levelTaps("head." + kind, options.strides.size()))
      out.push_back(map(tap, ""));
    return out;
  }

  /// Compares a term level by level; returns its sum.
  Tensor term(const char* name, const std::vector<Tensor>& levels, double factor) const {
    std::vector<double> values;
    for (const Tensor& level : levels) values.push_back(level.item<double>() * factor);
    check.close(values, entry.at("losses").numbers(name), tolerance, hd::concat(head, " ", name));
    return at::stack(levels).sum() * factor;
  }

  Tensor transfer(const char* name, const char* kind, const std::string& section, double weight) const {
    const auto transfer =
        hd::distill::transferRegistry().get(kind)(hd::parseJson(section), {options, options.classes, {}});
    hd::distill::TransferInput input{batch, *assignment, {}, {}};
    for (const auto& tap : transfer->studentTaps()) input.student.push_back(map(tap, ""));
    for (const auto& tap : transfer->teacherTaps()) input.teacher.push_back(map(tap, "teacher_"));
    const auto sums = transfer->normalisers(batch, *assignment);
    check.equal(sums.size(), transfer->normaliserCount(), hd::concat(head, " ", name, " normalisers"));
    return term(name, transfer->levels(input, sums), weight);
  }
};

void run(const Case& c) {
  const auto sums =
      focalSums(c.options, c.of("cls"), c.of("reg"),
                c.options.centerness ? c.of("centerness") : std::vector<Tensor>{}, *c.assignment);
  const auto scales =
      focalScales(c.options, c.assignment->normalisers.at(0), c.assignment->normalisers.at(1));
  Tensor total = c.term("loss_cls", sums.cls, scales.cls);
  total = total + c.term("loss_bbox", sums.box, scales.box * c.options.boxWeight);
  if (c.options.centerness) total = total + c.term("loss_centerness", sums.centerness, scales.centerness);
  total = total +
          c.transfer("loss_ld", "localization", R"({"preset":"released","region":"main"})", c.published.ld);
  total = total + c.transfer(c.published.valuableTerm, "localization",
                             R"({"preset":"released","region":"valuable"})", c.published.valuable);
  total = total + c.transfer("loss_cls_kd", "classification",
                             hd::concat(R"({"preset":"released","region":"main","temperature":)",
                                        c.published.kdTemperature, "}"),
                             10);
  c.check.close(total.item<double>(), c.entry.at("total").asNumber(), c.tolerance, c.head + " total");
  for (const auto& [kind, levels] : c.entry.at("grad").asObject()) {
    for (size_t l = 0; l < levels.asArray().size(); ++l) {
      const Tensor& input = c.maps.at(hd::concat(kind, l));
      const Tensor gradient = torch::autograd::grad({total}, {input}, {}, /*retain_graph=*/true,
                                                    /*create_graph=*/false, /*allow_unused=*/true)[0];
      const std::string what = hd::concat(c.head, " gradient of ", kind, l);
      const Value& expected = levels.asArray()[l];
      if (golden::shapeOf(expected) == std::vector<int64_t>{1}) {
        c.check.truth(!gradient.defined() || gradient.ne(0).sum().item<int64_t>() == 0, what + ": none");
      } else {
        golden::checkTensor(c.check, gradient.defined() ? gradient : at::zeros_like(input), expected,
                            c.file.at("tolerance").at("gradients"), what);
      }
    }
  }
}

}  // namespace

GOLDEN("ld/other_heads", file, check) {
  const auto size = golden::listOf<int64_t>(file, "image_hw");
  for (const Value& entry : file.at("cases").asArray()) {
    const std::string head = entry.at("head").asString();
    const Published& published = kHeads.at(head);
    const Value model = Value::Object{{"detector", published.detector},
                                      {"classes", entry.at("num_classes").asInt()},
                                      {"regMax", entry.at("reg_max").asInt()},
                                      {"preset", "released"}};
    Case c{file,      entry,
           check,     head,
           published, published.options(model),
           {},        nullptr,
           {},        golden::toleranceOf(file.at("tolerance").at("losses"))};
    check.equal(c.options.anchorsPerCell(), entry.at("anchors_per_position").asInt(), head + " anchors");
    check.truth(c.options.strides == golden::listOf<int64_t>(file, "strides"), head + " strides");
    golden::GflOptions sizes;
    c.batch = golden::batchOf(check, sizes, size[0], size[1], file.at("img_metas"), entry.at("gt_bboxes"),
                              entry.at("gt_labels"));
    c.assignment = published.assign(c.options, c.batch);
    for (const auto& [name, value] : file.at("inputs").asObject()) {
      if (name.rfind(head + "_", 0) != 0) continue;
      const std::string rest = name.substr(head.size() + 1);
      c.maps[rest] = golden::tensorOf(value).requires_grad_(rest.rfind("teacher_", 0) != 0);
    }
    run(c);
  }
}
