// The LD repository's whole detector on images as they are: feature maps of student and teacher, all losses
// of a distillation step, gradients of parameters, detections of the student.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <set>

#include "distill/transfer.h"
#include "gfl_case.h"
#include "golden/nn/network.h"
#include "nn/heads/dense_head.h"
#include "nn/necks/fpn.h"

namespace {

using golden::Checker;
using golden::Graph;
using golden::Mode;
using hd::Value;
using torch::Tensor;

std::string sameName(const std::string& name) {
  return name;
}

/// Backbone, pyramid and head without the normalising first node: the fixture's images are normalised
/// already.
struct Network {
  Graph graph{1};
  std::vector<std::string> pyramid, cls, reg;

  Network(const Value& formula, const char* backbone, int64_t classes) {
    const Value model = Value::Object{{"norm", "eval"}, {"frozenStages", 1}};
    const auto features = hd::nn::backboneRegistry().get(backbone)(graph, "image", model);
    const auto levels = hd::nn::addFpn(graph, features, {});
    hd::nn::DenseHeadOptions head;
    head.classes = classes;
    hd::nn::addDenseHead(graph, levels, head);
    pyramid = levels.taps;
    for (const std::string& tap : pyramid) {
      cls.push_back("head.cls" + tap.substr(tap.rfind('.')));
      reg.push_back("head.reg" + tap.substr(tap.rfind('.')));
    }
    golden::fillByFormula(graph, formula, sameName);
    graph.parameters().setWorking(at::kFloat);
  }

  std::vector<Tensor> run(const Tensor& images, const std::vector<std::string>& taps, Mode mode) {
    return graph.run(images, taps, mode);
  }
};

int64_t classesOf(const Value& file) {
  for (const Value& entry : file.at("student_state_dict").asArray()) {
    if (entry.asArray()[0].asString() == "bbox_head.gfl_cls.bias")
      return entry.asArray()[1].asArray()[0].asInt();
  }
  throw hd::Error("HD_INTERNAL", "the fixture names no class layer");
}

/// Sum over levels of one published term, compared level by level.
Tensor transferLoss(const Value& file, const Value& c, const char* term, const char* kind, const char* entry,
                    double weight, const hd::distill::HeadShape& shape,
                    const hd::distill::TransferInput& input, Checker& check) {
  const Value* expected = c.at("losses_per_level").find(term);
  if (expected == nullptr) return at::zeros({});
  const auto transfer = hd::distill::transferRegistry().get(kind)(hd::parseJson(entry), shape);
  hd::distill::TransferInput own = input;
  if (transfer->studentTaps().front().rfind("head.cls", 0) == 0) {  // the class maps come second in `input`
    const auto levels = static_cast<std::ptrdiff_t>(shape.options.strides.size());
    for (auto* maps : {&own.student, &own.teacher})
      std::rotate(maps->begin(), maps->begin() + levels, maps->end());
  }
  const auto levels = transfer->levels(own, transfer->normalisers(input.batch, input.assignment));
  std::vector<double> values;
  for (const Tensor& level : levels) values.push_back(level.item<double>() * weight);
  check.close(values, c.at("losses_per_level").numbers(term),
              golden::toleranceOf(file.at("tolerance").at("losses")), term);
  return at::stack(levels).sum() * weight;
}

void checkTraining(const Value& file, const Value& c, const hd::detectors::GflOptions& options,
                   Network& student, Network& teacher, const Tensor& images, Checker& check) {
  std::vector<std::string> taps = student.pyramid;
  for (const auto* more : {&student.cls, &student.reg}) taps.insert(taps.end(), more->begin(), more->end());
  const auto maps = student.run(images, taps, Mode::train);
  const auto levels = static_cast<std::ptrdiff_t>(student.cls.size());
  const auto part = [&](std::ptrdiff_t number) {
    return std::vector<Tensor>(maps.begin() + number * levels, maps.begin() + (number + 1) * levels);
  };
  const std::vector<Tensor> pyramid = part(0), cls = part(1), reg = part(2);
  const auto teacherCls = teacher.run(images, teacher.cls, Mode::plan);
  const auto teacherReg = teacher.run(images, teacher.reg, Mode::plan);
  const auto compare = [&](const char* key, const std::vector<Tensor>& actual) {
    for (size_t l = 0; l < actual.size(); ++l)
      checkTensor(check, actual[l], c.at(key).asArray()[l], file.at("tolerance").at("tensors"),
                  hd::concat(key, l));
  };
  compare("student_fpn", pyramid);
  compare("student_cls", cls);
  compare("student_reg", reg);
  compare("teacher_cls", teacherCls);
  compare("teacher_reg", teacherReg);

  const hd::Batch batch = golden::batchOf(check, options, images.size(2), images.size(3),
                                          file.at("img_metas"), file.at("gt_bboxes"), file.at("gt_labels"));
  const auto assignment = assignGfl(options, batch);
  const auto sums = gflSums(options, cls, reg, *assignment);
  const auto scales = golden::scalesOf(options, cls, *assignment);
  golden::checkLevelLosses(check, c.at("losses_per_level"), sums, scales,
                           golden::toleranceOf(file.at("tolerance").at("losses")), "training step");
  const auto joined = [](std::vector<Tensor> first, const std::vector<Tensor>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  const hd::distill::TransferInput input{batch, *assignment, joined(reg, cls),
                                         joined(teacherReg, teacherCls)};
  const hd::distill::HeadShape shape{options, options.classes, {}};
  const auto term = [&](const char* name, const char* kind, const char* entry, double weight) {
    return transferLoss(file, c, name, kind, entry, weight, shape, input, check);
  };
  const Tensor total =
      golden::totalLoss(sums, scales) +
      term("loss_ld", "localization", R"({"preset":"released","region":"main"})", 0.25) +
      term("loss_ld_vlr", "localization", R"({"preset":"released","region":"valuable"})", 0.25) +
      term("loss_kd", "classification", R"({"preset":"released","region":"main"})", 10) +
      term("loss_kd_neg", "classification", R"({"preset":"released","region":"valuable"})", 0);
  check.close(total.item<double>(), c.at("total").asNumber(),
              golden::toleranceOf(file.at("tolerance").at("losses")), "total");
  torch::autograd::backward({total}, {});
  for (const auto& [name, norm] : c.at("grad_l2").asObject()) {
    const auto* parameter = student.graph.parameters().find(name);
    if (!check.truth(parameter != nullptr && parameter->working.grad().defined(), "a gradient of " + name))
      continue;
    check.close(parameter->working.grad().norm().item<double>(), norm.asNumber(),
                golden::toleranceOf(file.at("tolerance").at("gradients")), "gradient of " + name);
  }
  std::set<std::string> still;
  for (const auto& parameter : student.graph.parameters().all()) {
    if (!parameter.buffer && !parameter.trainable) still.insert(parameter.name);
  }
  const auto expected = c.strings("no_gradient");
  check.equal(still, std::set<std::string>(expected.begin(), expected.end()), "parameters without gradient");
}

void checkTest(const Value& file, const Value& c, const hd::detectors::GflOptions& options, Network& student,
               const Tensor& images, Checker& check) {
  const Tensor first = images.slice(0, 0, 1);
  const auto cls = student.run(first, student.cls, Mode::plan),
             reg = student.run(first, student.reg, Mode::plan);
  const Value empty = Value::Array{Value::Object{{"data", Value::Array{}}}},
              none = Value::Array{Value::Array{}};
  const hd::Batch batch = golden::batchOf(check, options, images.size(2), images.size(3),
                                          Value::Array{file.at("img_metas").asArray()[0]}, empty, none);
  // The fixture keeps the configuration's nms_pre, which its small maps never reach.
  const auto detections = hd::detectors::detectDense(
      options, cls, reg, {}, batch,
      {c.at("score_thr").asNumber(), 1000, c.at("nms_iou").asNumber(), c.at("max_per_img").asInt(), {}});
  const auto& classes = c.at("per_class").asArray();
  for (size_t label = 0; label < classes.size(); ++label) {
    hd::Detections ofClass;
    for (int64_t d = 0; d < detections[0].size(); ++d) {
      if (detections[0].labels[d] != static_cast<int32_t>(label)) continue;
      const auto box = detections[0].boxes.begin() + 4 * d;
      ofClass.boxes.insert(ofClass.boxes.end(), box, box + 4);
      ofClass.scores.push_back(detections[0].scores[d]);
      ofClass.labels.push_back(detections[0].labels[d]);
    }
    const auto rows = golden::dataOf(classes[label]);
    std::vector<golden::Found> found;
    for (size_t row = 0; row < rows.size(); row += 5) {
      const auto begin = rows.begin() + static_cast<int64_t>(row);
      found.push_back({{begin, begin + 4}, rows[row + 4], static_cast<int64_t>(label)});
    }
    golden::checkDetections(check, ofClass, found, c.at("stable_order").asBool(),
                            golden::toleranceOf(file.at("tolerance").at("boxes")),
                            golden::toleranceOf(file.at("tolerance").at("scores")),
                            hd::concat("test, class ", label));
  }
}

}  // namespace

GOLDEN("ld/detector", file, check) {
  hd::detectors::GflOptions options;
  options.classes = classesOf(file);
  Network student(file.at("student_formula"), "resnet18", options.classes);
  Network teacher(file.at("teacher_formula"), "resnet50", options.classes);
  check.equal(golden::countElements(teacher.graph, [](const auto& p) { return !p.buffer; }),
              file.at("teacher_parameters").asInt(), "teacher's parameters");
  golden::checkStateDict(check, student.graph, file.at("student_state_dict"), sameName, /*counters=*/true);
  check.equal(golden::countElements(student.graph, [](const auto& p) { return !p.buffer; }),
              file.at("student_parameters").asInt(), "parameters");
  const Tensor images = golden::tensorOf(file.at("inputs").at("images"));
  for (const Value& c : file.at("cases").asArray()) {
    if (c.find("losses_per_level") != nullptr) {
      checkTraining(file, c, options, student, teacher, images, check);
    } else {
      checkTest(file, c, options, student, images, check);
    }
  }
}
