// ATSS, FCOS and RetinaNet heads: their losses against the definition in plain ATen, cuts of a batch, images
// without objects, weights by name, detections with centerness.
#include "detectors/focal_head.h"

#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "core/error.h"
#include "core/rng.h"
#include "detectors/box_overlap.h"
#include "gfl_fixture.h"
#include "nn/networks.h"
#include "ops/losses.h"

namespace {

using namespace hd::detectors;
using hd::Batch;
using hd::Value;
using torch::Tensor;

struct Family {
  const char* name;
  FocalOptions (*options)(const Value&);
  std::unique_ptr<FocalAssignment> (*assign)(const FocalOptions&, const Batch&);
};
const std::vector<Family> families{{"atss", atssOptions, assignAtss},
                                   {"fcos", fcosOptions, assignFcos},
                                   {"retinanet", retinanetOptions, assignRetinanet}};

Value model(const char* detector, const char* preset = "robust") {
  return Value::Object{{"detector", detector},       {"backbone", "resnet18"},  {"classes", int64_t{3}},
                       {"preset", preset},           {"headConvs", int64_t{1}}, {"headChannels", int64_t{32}},
                       {"neckChannels", int64_t{32}}};
}

Batch batchOf(uint64_t seed, int64_t images) {
  hd::Random random(seed, "focal head batch", 0, 0);
  std::vector<hd::ImageTargets> targets;
  for (int64_t i = 0; i < images; ++i) {
    std::vector<float> boxes;
    std::vector<int32_t> labels;
    for (uint32_t n = i == 1 ? 0 : 1 + random.below(4); n > 0; --n) {
      const float x = random.uniform(0, 80), y = random.uniform(0, 70);
      boxes.insert(boxes.end(), {x, y, x + random.uniform(12, 48), y + random.uniform(12, 56)});
      labels.push_back(static_cast<int32_t>(random.below(3)));
    }
    targets.push_back(fixture::image(128 - 20 * static_cast<int>(i % 2), 128, boxes, labels));
    targets.back().image = i;
  }
  return fixture::batchOf(128, 128, std::move(targets));
}

struct Maps {
  std::vector<Tensor> cls, reg, centerness;
  std::vector<Tensor> all() const {
    std::vector<Tensor> out = cls;
    out.insert(out.end(), reg.begin(), reg.end());
    out.insert(out.end(), centerness.begin(), centerness.end());
    return out;
  }
};

Maps randomMaps(const FocalOptions& options, uint64_t seed, int64_t images) {
  hd::Random random(seed, "focal head maps", 0, 0);
  Maps maps;
  for (const int64_t stride : options.strides) {
    const int64_t side = 128 / stride, anchors = options.anchorsPerCell();
    const auto map = [&](int64_t channels, float low, float high) {
      return fixture::randomMap(random, {images, channels, side, side}, low, high);
    };
    maps.cls.push_back(map(anchors * options.classes, -4, 1));
    maps.reg.push_back(map(anchors * 4 * options.bins(), -2, 2));
    if (options.centerness) maps.centerness.push_back(map(anchors, -2, 2));
  }
  return maps;
}

/// The terms as their papers write them, row by row, in ATen and double.
std::vector<Tensor> reference(const FocalOptions& options, const Maps& maps,
                              const FocalAssignment& assignment) {
  Tensor cls = at::zeros({}, at::kDouble), box = cls.clone(), centerness = cls.clone();
  double assigned = 0, central = 0;
  std::map<int64_t, int64_t> perImage;
  for (size_t l = 0; l < options.strides.size(); ++l) {
    const auto& targets = assignment.levels[l];
    const int64_t anchors = options.anchorsPerCell();
    const Tensor logits = anchorRows(maps.cls[l], anchors).to(at::kDouble);
    const Tensor hot = targets.labels.unsqueeze(1).eq(at::arange(options.classes)).to(at::kDouble);
    const Tensor p = logits.sigmoid(), pt = p * hot + (1 - p) * (1 - hot);
    const Tensor alpha = 0.25 * hot + 0.75 * (1 - hot);
    cls = cls - (alpha * (1 - pt).pow(2) * pt.log() * targets.weights.unsqueeze(1)).sum();
    const Tensor rows =
        targets.labels.ge(0).logical_and(targets.labels.lt(options.classes)).nonzero().flatten();
    for (int64_t n = 0; n < rows.numel(); ++n)
      ++perImage[rows[n].item<int64_t>() / (targets.labels.numel() / assignment.images)];
    assigned += static_cast<double>(rows.numel());
    if (rows.numel() == 0) continue;
    const auto pick = [&](const Tensor& values) { return values.index_select(0, rows).to(at::kDouble); };
    const Tensor centres = pick(targets.centres), wanted = pick(targets.boxes);
    const Tensor distances = pick(anchorRows(maps.reg[l], anchors))
                                 .reshape({rows.numel(), 4, options.bins()})
                                 .softmax(2)
                                 .matmul(at::arange(options.bins(), at::kDouble));
    const Tensor decoded =
        at::cat({centres - distances.slice(1, 0, 2), centres + distances.slice(1, 2, 4)}, 1);
    const Tensor start = centres - wanted.slice(1, 0, 2), end = wanted.slice(1, 2, 4) - centres;
    const Tensor c = options.centerness ? (at::minimum(start, end) / at::maximum(start, end)).prod(1).sqrt()
                                        : at::ones({rows.numel()}, at::kDouble);
    central += c.sum().item<double>();
    box = box + (hd::ops::boxLossRows("giou", decoded, wanted) * c).sum();
    if (options.centerness) {
      const Tensor z = pick(anchorRows(maps.centerness[l], anchors)).flatten();
      centerness = centerness - (c * z.sigmoid().log() + (1 - c) * (1 - z.sigmoid()).log()).sum();
    }
  }
  if (options.atLeastOneAnImage) {
    for (int64_t i = 0; i < assignment.images; ++i) assigned += perImage[i] == 0 ? 1 : 0;
  }
  const double n = std::max(assigned, 1.0);
  std::vector<Tensor> out{cls / n, box / (options.centerness ? central : n)};
  if (options.centerness) out.push_back(centerness / n);
  return out;
}

std::vector<Tensor> terms(const FocalOptions& options, const Maps& maps, const FocalAssignment& assignment) {
  const FocalSums sums = focalSums(options, maps.cls, maps.reg, maps.centerness, assignment);
  const FocalScales scales = focalScales(options, assignment.normalisers[0], assignment.normalisers[1]);
  std::vector<Tensor> out{at::stack(sums.cls).sum() * scales.cls, at::stack(sums.box).sum() * scales.box};
  if (options.centerness) out.push_back(at::stack(sums.centerness).sum() * scales.centerness);
  return out;
}

bool near(const Tensor& a, const Tensor& b, double rtol) {
  return at::allclose(a.to(at::kDouble), b.to(at::kDouble), rtol, 1e-7);
}

}  // namespace

TEST_CASE("losses and gradients equal the definition") {
  for (const Family& family : families) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      CAPTURE(family.name);
      CAPTURE(seed);
      const FocalOptions options = family.options(model(family.name));
      const Batch batch = batchOf(seed, 3);
      const auto assignment = family.assign(options, batch);
      CHECK(assignment->positives > 0);
      const Maps ours = randomMaps(options, seed, 3), theirs = randomMaps(options, seed, 3);
      const auto actual = terms(options, ours, *assignment),
                 expected = reference(options, theirs, *assignment);
      REQUIRE(actual.size() == expected.size());
      Tensor total = at::zeros({}), wanted = at::zeros({}, at::kDouble);
      for (size_t t = 0; t < actual.size(); ++t) {
        CHECK(near(actual[t], expected[t], 1e-5));
        total = total + actual[t] * static_cast<double>(t + 1);
        wanted = wanted + expected[t] * static_cast<double>(t + 1);
      }
      const auto a = torch::autograd::grad({total}, ours.all()),
                 b = torch::autograd::grad({wanted}, theirs.all(), {}, {}, false, /*allow_unused=*/true);
      for (size_t i = 0; i < a.size(); ++i) {
        if (!b[i].defined())
          CHECK(a[i].abs().max().item<float>() == 0);
        else
          CHECK(at::allclose(a[i], b[i], 1e-4, 1e-8));
      }
    }
  }
}

TEST_CASE("a batch without objects costs class loss alone, and no gradient is NaN") {
  for (const Family& family : families) {
    CAPTURE(family.name);
    const FocalOptions options = family.options(model(family.name));
    const Batch batch = fixture::batchOf(128, 128, {fixture::image(128, 128, {}, {})});
    const auto assignment = family.assign(options, batch);
    CHECK(assignment->positives == 0);
    const Maps maps = randomMaps(options, 5, 1);
    const auto values = terms(options, maps, *assignment);
    CHECK(values[0].item<float>() > 0);
    Tensor total = values[0];
    for (size_t t = 1; t < values.size(); ++t) {
      CHECK(values[t].item<float>() == 0);
      total = total + values[t];
    }
    for (const Tensor& gradient : torch::autograd::grad({total}, maps.all()))
      CHECK(gradient.isfinite().all().item<bool>());
  }
}

TEST_CASE("robust terms do not depend on how a batch is cut; released ones are the mean of the cuts' own") {
  for (const Family& family : families) {
    for (const char* preset : {"robust", "released"}) {
      CAPTURE(family.name);
      CAPTURE(preset);
      const Value section = model(family.name, preset);
      const auto detector = detectorRegistry().get(family.name)(section, 1);
      const FocalOptions options = family.options(section);
      const Batch whole = batchOf(2, 4);
      const Maps maps = randomMaps(options, 2, 4);
      const auto run = [&](const std::vector<std::pair<int64_t, int64_t>>& cuts) {
        std::vector<std::unique_ptr<Assignment>> assignments;
        std::vector<double> sums;
        for (const auto& [first, count] : cuts) {
          Batch part = whole;
          part.count = count;
          part.images.assign(whole.images.begin() + first, whole.images.begin() + first + count);
          assignments.push_back(detector->assign(part));
          sums.resize(assignments.back()->normalisers.size());
          for (size_t i = 0; i < sums.size(); ++i) sums[i] += assignments.back()->normalisers[i];
        }
        std::map<std::string, double> out;
        for (size_t c = 0; c < cuts.size(); ++c) {
          hd::nn::Tensors outputs;
          for (const Tensor& map : maps.all())
            outputs.push_back(map.narrow(0, cuts[c].first, cuts[c].second));
          for (const LossTerm& term : detector->losses(outputs, *assignments[c], sums, {}))
            out[term.name] += term.value.item<double>();
        }
        return out;
      };
      const auto once = run({{0, 4}}), halves = run({{0, 2}, {2, 2}}), again = run({{0, 1}, {1, 3}});
      const auto first = run({{0, 2}}), second = run({{2, 2}});
      for (const auto& [name, value] : once) {
        CAPTURE(name);
        if (std::string(preset) == "robust") {
          CHECK(halves.at(name) == doctest::Approx(value).epsilon(1e-5));
          CHECK(again.at(name) == doctest::Approx(value).epsilon(1e-5));
        } else {
          CHECK(halves.at(name) == doctest::Approx((first.at(name) + second.at(name)) / 2).epsilon(1e-5));
        }
      }
    }
  }
}

TEST_CASE("centerness is 1 in the middle of a box, 0 outside objects, and falls towards the sides") {
  DenseTargets targets;
  targets.labels = at::tensor({0, 1, 2, 3, -1}, at::kLong);  // 3 is background
  targets.boxes = at::tensor({0.f, 0.f, 8.f, 8.f, 0.f, 0.f, 8.f, 8.f, 0.f, 0.f,
                              8.f, 4.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 8.f, 8.f})
                      .reshape({5, 4});
  targets.centres = at::tensor({4.f, 4.f, 2.f, 4.f, 2.f, 1.f, 3.f, 3.f, 4.f, 4.f}).reshape({5, 2});
  const Tensor values = centernessTargets(targets, 3);
  const std::vector<float> expected{1, std::sqrt(1.f / 3), std::sqrt(1.f / 9), 0, 0};
  for (int64_t i = 0; i < 5; ++i)
    CHECK(values[i].item<float>() == doctest::Approx(expected[static_cast<size_t>(i)]));
}

TEST_CASE("the networks have the originals' parameters") {
  const std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::string>>> expected{
      {"atss",
       {{"bbox_head.atss_cls.weight", "bbox_head.atss_reg.bias", "bbox_head.atss_centerness.weight",
         "bbox_head.cls_convs.0.gn.weight", "bbox_head.scales.4.scale"},
        {"bbox_head.cls_convs.0.conv.bias", "bbox_head.gfl_cls.weight"}}},
      {"fcos",
       {{"bbox_head.conv_cls.weight", "bbox_head.conv_reg.bias", "bbox_head.conv_centerness.bias",
         "bbox_head.cls_convs.0.conv.bias", "bbox_head.reg_convs.0.gn.bias", "bbox_head.scales.0.scale"},
        {"bbox_head.gfl_reg.weight"}}},
      {"retinanet",
       {{"bbox_head.atss_cls.weight", "bbox_head.atss_reg.weight", "bbox_head.cls_convs.0.conv.bias"},
        {"bbox_head.cls_convs.0.gn.weight", "bbox_head.scales.0.scale",
         "bbox_head.atss_centerness.weight"}}}};
  for (const Family& family : families) {
    CAPTURE(family.name);
    const auto graph = hd::nn::buildDense(model(family.name), 1);
    std::map<std::string, std::vector<int64_t>> shapes;
    for (const auto& parameter : graph->parameters().all())
      shapes[parameter.name] = parameter.master.sizes().vec();
    for (const auto& name : expected.at(family.name).first) CHECK_MESSAGE(shapes.count(name) == 1, name);
    for (const auto& name : expected.at(family.name).second) CHECK_MESSAGE(shapes.count(name) == 0, name);
  }
  const auto graph = hd::nn::buildDense(model("retinanet"), 1);
  for (const auto& parameter : graph->parameters().all()) {
    if (parameter.name == "bbox_head.atss_cls.weight") CHECK(parameter.master.size(0) == 9 * 3);
    if (parameter.name == "bbox_head.atss_reg.weight") CHECK(parameter.master.size(0) == 9 * 68);
  }
}

TEST_CASE("RetinaNet's anchors are mmdet's, in its order") {
  const FocalOptions options = retinanetOptions(model("retinanet"));
  const AnchorGrid grid = options.grid(128, 128);
  CHECK(grid.anchors() == 9 * 341);
  // Stride 8, cell (0, 0): ratio 0.5 first (wide), its three scales, then square, then tall.
  const std::vector<std::vector<float>> expected{{-22.627417f, -11.3137085f, 22.627417f, 11.3137085f},
                                                 {-28.508759f, -14.25438f, 28.508759f, 14.25438f},
                                                 {-35.918785f, -17.959393f, 35.918785f, 17.959393f},
                                                 {-16, -16, 16, 16}};
  for (size_t shape = 0; shape < expected.size(); ++shape) {
    const Box box = grid.box(grid.levels()[0], 0, 0, static_cast<int64_t>(shape));
    CHECK(box.x1 == doctest::Approx(expected[shape][0]));
    CHECK(box.y1 == doctest::Approx(expected[shape][1]));
    CHECK(box.x2 == doctest::Approx(expected[shape][2]));
    CHECK(box.y2 == doctest::Approx(expected[shape][3]));
  }
}

TEST_CASE("released FCOS trains on the padding of the canvas, robust does not") {
  Batch batch = fixture::batchOf(128, 128, {fixture::image(60, 60, {8, 8, 50, 50}, {1})});
  const auto valid = [&](const char* preset) {
    const FocalOptions options = fcosOptions(model("fcos", preset));
    return assignFcos(options, batch)->levels[0].weights.sum().item<double>();
  };
  CHECK(valid("released") == 256);
  CHECK(valid("robust") == 64);
}

TEST_CASE("the valuable region of FCOS is what lies inside objects and is not assigned") {
  const FocalOptions options = fcosOptions(model("fcos"));
  const Batch batch = batchOf(4, 3);
  const auto assignment = assignFcos(options, batch);
  for (size_t i = 0; i < 3; ++i) {
    const auto& image = batch.images[i];
    const auto valid = assignment->grid.validCells(image.height, image.width, options.divisor);
    const auto region = assignment->valuable(image, i, valid, RegionRule::distance, 0.25);
    for (size_t l = 0; l < options.strides.size(); ++l) {
      const GridLevel& level = assignment->grid.levels()[l];
      for (int64_t cell = 0; cell < level.count(); ++cell) {
        const auto x = static_cast<float>(assignment->grid.centre(level, cell % level.width)),
                   y = static_cast<float>(assignment->grid.centre(level, cell / level.width));
        bool inside = false;
        for (int64_t g = 0; g < std::ssize(image.labels); ++g) {
          const Box box = boxAt(image.boxes, g);
          inside |= x > box.x1 && x < box.x2 && y > box.y1 && y < box.y2;
        }
        const int64_t label =
            assignment->levels[l].labels[static_cast<int64_t>(i) * level.count() + cell].item<int64_t>();
        const bool wanted = inside && label == options.classes;
        CHECK((region[static_cast<size_t>(level.first + cell)] > 0) == wanted);
      }
    }
  }
}

TEST_CASE("labels beyond the classes and boxes that are not finite name the image") {
  for (const Family& family : families) {
    const FocalOptions options = family.options(model(family.name));
    Batch wrong = fixture::batchOf(64, 64, {fixture::image(64, 64, {1, 1, 9, 9}, {7})});
    wrong.images[0].image = 41;
    CHECK_THROWS_WITH_AS(family.assign(options, wrong), doctest::Contains("image 41"), hd::Error);
    wrong.images[0].labels = {1};
    wrong.images[0].boxes[2] = std::numeric_limits<float>::quiet_NaN();
    try {
      family.assign(options, wrong);
      CHECK(false);
    } catch (const hd::Error& error) {
      CHECK(std::string(error.code()) == "HD_DATA_BOX");
      CHECK(std::string(error.where()).find("image 41") != std::string::npos);
    }
  }
}
