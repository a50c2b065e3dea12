// The student of the LD repository's whole detector: feature maps, GFL losses, detections, on images as they
// are.
#include <ATen/ATen.h>

#include <set>

#include "gfl_case.h"
#include "golden/nn/network.h"
#include "nn/heads/gfl_head.h"
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

/// ResNet-18, pyramid and head without the normalising first node: the fixture's images are normalised
/// already.
struct Student {
  Graph graph{1};
  std::vector<std::string> pyramid, cls, reg;

  Student(const Value& file, int64_t classes) {
    const Value model = Value::Object{{"norm", "eval"}, {"frozenStages", 1}};
    const auto features = hd::nn::backboneRegistry().get("resnet18")(graph, "image", model);
    const auto levels = hd::nn::addFpn(graph, features, {});
    hd::nn::GflHeadOptions head;
    head.classes = classes;
    hd::nn::addGflHead(graph, levels, head);
    pyramid = levels.taps;
    for (const std::string& tap : pyramid) {
      cls.push_back("head.cls" + tap.substr(tap.rfind('.')));
      reg.push_back("head.reg" + tap.substr(tap.rfind('.')));
    }
    golden::fillByFormula(graph, file.at("student_formula"), sameName);
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

void checkTraining(const Value& file, const Value& c, const hd::detectors::GflOptions& options,
                   Student& student, const Tensor& images, Checker& check) {
  const auto pyramid = student.run(images, student.pyramid, Mode::train);
  const auto cls = student.run(images, student.cls, Mode::train),
             reg = student.run(images, student.reg, Mode::train);
  const Value& tolerance = file.at("tolerance").at("tensors");
  for (size_t l = 0; l < cls.size(); ++l) {
    checkTensor(check, pyramid[l], c.at("student_fpn").asArray()[l], tolerance,
                hd::concat("student pyramid ", l));
    checkTensor(check, cls[l], c.at("student_cls").asArray()[l], tolerance, hd::concat("student cls ", l));
    checkTensor(check, reg[l], c.at("student_reg").asArray()[l], tolerance, hd::concat("student reg ", l));
  }
  const hd::Batch batch = golden::batchOf(check, options, images.size(2), images.size(3),
                                          file.at("img_metas"), file.at("gt_bboxes"), file.at("gt_labels"));
  const auto assignment = assignGfl(options, batch);
  golden::checkLevelLosses(check, c.at("losses_per_level"), gflSums(options, cls, reg, *assignment),
                           golden::scalesOf(cls, *assignment),
                           golden::toleranceOf(file.at("tolerance").at("losses")), "training step");
  std::set<std::string> still;
  for (const auto& parameter : student.graph.parameters().all()) {
    if (!parameter.buffer && !parameter.trainable) still.insert(parameter.name);
  }
  const auto expected = c.strings("no_gradient");
  check.equal(still, std::set<std::string>(expected.begin(), expected.end()), "parameters without gradient");
  for (const auto& [term, levels] : c.at("losses_per_level").asObject()) {
    if (term != "loss_cls" && term != "loss_bbox" && term != "loss_dfl")
      check.skip(term + ": a distillation term");
  }
  check.skip("teacher maps and gradients of the total: come with localization distillation");
}

void checkTest(const Value& file, const Value& c, const hd::detectors::GflOptions& options, Student& student,
               const Tensor& images, Checker& check) {
  const Tensor first = images.slice(0, 0, 1);
  const auto cls = student.run(first, student.cls, Mode::plan),
             reg = student.run(first, student.reg, Mode::plan);
  const Value empty = Value::Array{Value::Object{{"data", Value::Array{}}}},
              none = Value::Array{Value::Array{}};
  const hd::Batch batch = golden::batchOf(check, options, images.size(2), images.size(3),
                                          Value::Array{file.at("img_metas").asArray()[0]}, empty, none);
  // The fixture keeps the configuration's nms_pre, which its small maps never reach.
  const auto detections = detectGfl(
      options, cls, reg, batch,
      {c.at("score_thr").asNumber(), 1000, c.at("nms_iou").asNumber(), c.at("max_per_img").asInt()});
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
  Student student(file, options.classes);
  golden::checkStateDict(check, student.graph, file.at("student_state_dict"), sameName, /*counters=*/true);
  check.equal(golden::countElements(student.graph, [](const auto& p) { return !p.buffer; }),
              file.at("student_parameters").asInt(), "parameters");
  const Tensor images = golden::tensorOf(file.at("inputs").at("images"));
  for (const Value& c : file.at("cases").asArray()) {
    if (c.find("losses_per_level") != nullptr) {
      checkTraining(file, c, options, student, images, check);
    } else {
      checkTest(file, c, options, student, images, check);
    }
  }
}
