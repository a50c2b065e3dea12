// A small scene, heads of every family and random maps by tap, for tests of transfers.
#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "detectors/focal_head.h"
#include "detectors/gfl.h"
#include "distill/transfer.h"
#include "native/detectors/gfl_fixture.h"

namespace transfer_fixture {

using hd::Batch;
using hd::detectors::DenseAssignment;
using hd::detectors::DenseHead;
using torch::Tensor;

constexpr int64_t kClasses = 3;

struct Family {
  std::string name;
  DenseHead head;
  std::function<std::unique_ptr<DenseAssignment>(const Batch&)> assign;
};

inline Family family(const std::string& name) {
  const hd::Value model = hd::Value::Object{{"detector", name}, {"classes", kClasses}};
  if (name == "gfl" || name == "gflv2") {
    const auto options = hd::detectors::GflOptions::from(model);
    return {name, options, [options](const Batch& batch) { return assignGfl(options, batch); }};
  }
  const bool atss = name == "atss", fcos = name == "fcos";
  const auto options = atss   ? hd::detectors::atssOptions(model)
                       : fcos ? hd::detectors::fcosOptions(model)
                              : hd::detectors::retinanetOptions(model);
  return {name, options, [options, atss, fcos](const Batch& batch) -> std::unique_ptr<DenseAssignment> {
            if (atss) return assignAtss(options, batch);
            if (fcos) return assignFcos(options, batch);
            return assignRetinanet(options, batch);
          }};
}

/// Two pictures of different sizes in one canvas; `copies` of both.
inline Batch scene(bool empty = false, int copies = 1) {
  std::vector<hd::ImageTargets> images;
  for (int i = 0; i < copies; ++i) {
    images.push_back(empty ? fixture::image(128, 128, {}, {})
                           : fixture::image(128, 128, {20, 24, 86, 70, 61, 38, 124, 119}, {1, 0}));
    images.push_back(empty ? fixture::image(96, 128, {}, {})
                           : fixture::image(96, 128, {10, 10, 60, 74}, {2}));
  }
  return fixture::batchOf(128, 128, std::move(images));
}

struct Case {
  Batch batch;
  std::unique_ptr<DenseAssignment> assignment;
  std::vector<Tensor> student, teacher;

  Case(const Family& family, const hd::distill::Transfer& transfer, bool empty = false, int copies = 1,
       double spread = 1)
      : batch(scene(empty, copies)), assignment(family.assign(batch)) {
    at::manual_seed(4);
    const auto map = [&](const std::string& tap) {
      const auto& level = assignment->grid.levels()[static_cast<size_t>(tap.back() - '3')];
      const bool reg = tap.rfind("head.reg", 0) == 0, score = tap.rfind("head.score", 0) == 0;
      const int64_t channels = level.perCell * (reg ? 4 * family.head.bins() : kClasses);
      // The same pair of pictures again and again.
      Tensor values = at::randn({2, channels, level.height, level.width}) * spread;
      if (score) values = values.sigmoid();
      return values.repeat({copies, 1, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
    };
    for (const std::string& tap : transfer.studentTaps()) student.push_back(map(tap).requires_grad_());
    for (const std::string& tap : transfer.teacherTaps()) teacher.push_back(map(tap));
  }

  std::vector<Tensor> levels(const hd::distill::Transfer& transfer) const {
    return transfer.levels({batch, *assignment, student, teacher}, transfer.normalisers(batch, *assignment));
  }
  Tensor total(const hd::distill::Transfer& transfer) const { return at::stack(levels(transfer)).sum(); }
};

inline std::unique_ptr<hd::distill::Transfer> transfer(const Family& family, const char* kind,
                                                       const std::string& members = "",
                                                       std::vector<int64_t> classMap = {}) {
  const auto entry = hd::parseJson("{\"transfer\":\"" + std::string(kind) + "\"" +
                                   (members.empty() ? "" : "," + members) + "}");
  return hd::distill::transferRegistry().get(kind)(entry, {family.head, kClasses, std::move(classMap)});
}

const std::vector<std::string> kFamilies{"gfl", "gflv2", "atss", "fcos", "retinanet"};

}  // namespace transfer_fixture
