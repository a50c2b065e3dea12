#include "nn/heads/dense_head.h"

#include <cmath>

#include "native/nn/support.h"
#include "nn/layers/packed.h"

using namespace hd::nn;
using support::relativeError;

namespace {

struct Feed final : Layer {
  explicit Feed(Tensors given) : tensors(std::move(given)) {}
  Tensors forward(const Tensors&, Mode) override { return tensors; }
  std::vector<Parameter*> parameters() const override { return {}; }
  Tensors tensors;
};

const DenseHeadOptions small{.classes = 3, .convs = 2, .channels = 32, .regMax = 4};

struct Head {
  explicit Head(const DenseHeadOptions& options, at::ScalarType type = at::kFloat) {
    at::manual_seed(1);
    Features levels;
    for (int l = 0; l < 3; ++l) {
      inputs.push_back(support::channelsLast(at::randn({2, 16, 12 >> l, 10 >> l})).to(type));
      levels.taps.push_back("neck.p" + std::to_string(3 + l));
      levels.channels.push_back(16);
      levels.strides.push_back(int64_t{8} << l);
    }
    graph.add(levels.taps, std::make_unique<Feed>(inputs), {});
    addDenseHead(graph, levels, options);
    graph.parameters().setWorking(type);
  }
  Tensor get(const std::string& name) { return graph.parameters().find("bbox_head." + name)->working; }
  Tensor tower(const std::string& name, Tensor x) {
    for (int i = 0; i < 2; ++i) {
      const std::string unit = name + "." + std::to_string(i);
      x = convolution(x, get(unit + ".conv.weight"), {}, {.kernel = 3, .padding = 1});
      x = at::group_norm(x, 32, get(unit + ".gn.weight"), get(unit + ".gn.bias"), 1e-5).relu();
    }
    return x;
  }
  Graph graph{5};
  Tensors inputs;
};

const std::vector<std::string> outputs = {"head.cls.p3", "head.cls.p4", "head.cls.p5",
                                          "head.reg.p3", "head.reg.p4", "head.reg.p5"};

}  // namespace

TEST_CASE("the head equals the written-out towers in all modes") {
  Head head(small);
  support::scramble(head.graph.parameters());
  {
    const at::NoGradGuard guard;
    for (int l = 0; l < 3; ++l)
      head.graph.parameters().find("bbox_head.scales." + std::to_string(l) + ".scale")->master.fill_(0.5 + l);
  }
  head.graph.parameters().touch();
  for (const Mode mode : {Mode::train, Mode::frozen, Mode::plan}) {
    const Tensors out = head.graph.run(at::zeros({1}), outputs, mode);
    for (size_t l = 0; l < 3; ++l) {
      const ConvGeometry g{.kernel = 3, .padding = 1};
      const Tensor cls = convolution(head.tower("cls_convs", head.inputs[l]), head.get("gfl_cls.weight"),
                                     head.get("gfl_cls.bias"), g);
      const Tensor reg = convolution(head.tower("reg_convs", head.inputs[l]), head.get("gfl_reg.weight"),
                                     head.get("gfl_reg.bias"), g);
      CHECK(relativeError(out[l], cls) < 1e-5);
      CHECK(relativeError(out[3 + l], reg * (0.5 + static_cast<double>(l))) < 1e-5);
    }
  }
}

TEST_CASE("logits are fp32 and their rows are a view of the map") {
  Head head(small);
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    Head typed(small, type);
    for (const Mode mode : {Mode::train, Mode::plan}) {
      const Tensors out = typed.graph.run(at::zeros({1}), outputs, mode);
      for (const Tensor& map : out) {
        CHECK(support::hasType(map, at::kFloat));
        CHECK(map.permute({0, 2, 3, 1}).is_contiguous());
        CHECK(map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)}).data_ptr() == map.data_ptr());
      }
      CHECK(out[0].size(1) == 3);
      CHECK(out[3].size(1) == 4 * 5);
    }
  }
}

TEST_CASE("fresh heads predict about one per cent everywhere, with scales 1 and the bins 0…regMax") {
  Head head(small);
  const Tensors out = head.graph.run(at::zeros({1}), outputs, Mode::plan);
  CHECK(out[0].sigmoid().mean().item<double>() == doctest::Approx(0.01).epsilon(0.1));
  CHECK(head.get("gfl_cls.bias")[0].item<double>() == doctest::Approx(-std::log(99.0)));
  CHECK(head.get("gfl_reg.bias").eq(0).all().item<bool>());
  CHECK(head.get("cls_convs.0.conv.weight").std().item<double>() == doctest::Approx(0.01).epsilon(0.05));
  CHECK(head.get("scales.2.scale").dim() == 0);
  CHECK(head.get("scales.2.scale").item<double>() == 1);
  CHECK(at::equal(head.get("integral.project"), at::arange(5).to(at::kFloat)));
  CHECK(head.graph.parameters().find("bbox_head.integral.project")->buffer);
}

TEST_CASE("each scale gets the gradient of its own level") {
  Head head(small, at::kDouble);
  const Tensors out = head.graph.run(at::zeros({1}), {"head.reg.p4"}, Mode::train);
  CHECK(support::hasType(out[0], at::kDouble));
  out[0].square().sum().backward();
  const double expected = 2 * out[0].square().sum().item<double>();  // scale is 1
  CHECK(head.get("scales.1.scale").grad().item<double>() == doctest::Approx(expected).epsilon(1e-10));
  CHECK(head.get("gfl_reg.weight").grad().defined());
  CHECK_FALSE(head.get("gfl_cls.weight").grad().defined());
  CHECK_FALSE(head.get("scales.0.scale").grad().defined());
}

TEST_CASE("towers may be empty, and the taps of every layer exist") {
  Head bare({.classes = 2, .convs = 0, .channels = 16, .regMax = 4});
  CHECK(bare.graph.run(at::zeros({1}), {"head.cls.p5"}, Mode::plan)[0].size(1) == 2);
  Head head(small);
  CHECK(head.graph.has("head.reg_convs.1.p4"));
  CHECK(head.graph.reached({"head.cls.p3"}).size() == 2 * 3 + 2);
  CHECK(head.graph.reached({"head.reg.p3"}).size() == 2 * 3 + 2 + 3);
}
