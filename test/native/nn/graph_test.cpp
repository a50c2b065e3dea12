#include "nn/graph.h"

#include <functional>

#include "native/nn/support.h"
#include "nn/layers/conv.h"

using namespace hd::nn;
using support::codeOf;
using support::messageOf;

namespace {

/// Calls back, counts its runs and remembers how it was run.
struct Probe final : Layer {
  explicit Probe(std::function<Tensors(const Tensors&)> call) : body(std::move(call)) {}
  Tensors forward(const Tensors& inputs, Mode mode) override {
    ++runs;
    lastMode = mode;
    recorded = at::GradMode::is_enabled();
    return body(inputs);
  }
  std::vector<Parameter*> parameters() const override { return owned; }
  bool updatesStatistics() const override { return statistics; }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    return shapes[0].back();
  }

  std::function<Tensors(const Tensors&)> body;
  std::vector<Parameter*> owned;
  bool statistics = false, recorded = false;
  int runs = 0;
  Mode lastMode = Mode::train;
};

Probe* addProbe(Graph& graph, std::vector<std::string> outputs, std::vector<std::string> inputs,
                std::function<Tensors(const Tensors&)> body) {
  auto probe = std::make_unique<Probe>(std::move(body));
  Probe* raw = probe.get();
  graph.add(std::move(outputs), std::move(probe), std::move(inputs));
  return raw;
}

Tensors plusOne(const Tensors& inputs) {
  return {inputs[0] + 1};
}

}  // namespace

TEST_CASE("given tensors stand in for their taps, and what only they needed does not run") {
  Graph graph(1);
  Probe* a = addProbe(graph, {"a", "side"}, {"image"}, [](const Tensors& in) {
    return Tensors{in[0] + 1, in[0] + 2};
  });
  Probe* b = addProbe(graph, {"b"}, {"a"}, plusOne);
  Probe* last =
      addProbe(graph, {"last"}, {"b", "side"}, [](const Tensors& in) { return Tensors{in[0] * 10 + in[1]}; });
  graph.alias("beta", "b");
  const auto image = at::zeros({1});
  const auto number = [&](const std::string& tap, const std::map<std::string, Tensor>& given) {
    return graph.run(image, {tap}, Mode::plan, {}, given)[0].item<double>();
  };
  CHECK(number("last", {}) == 22);
  CHECK(number("last", {{"b", at::full({1}, 5.)}}) == 52);
  CHECK((a->runs == 2 && b->runs == 1 && last->runs == 2));
  CHECK(number("last", {{"b", at::full({1}, 5.)}, {"side", at::full({1}, 3.)}}) == 53);
  CHECK(a->runs == 2);
  CHECK(number("last", {{"beta", at::full({1}, 6.)}, {"image", at::full({1}, 100.)}}) == 162);
  CHECK(number("b", {{"b", at::full({1}, 7.)}}) == 7);
  CHECK(b->runs == 1);
  const Tensor ones = at::ones({1});
  CHECK(graph.run({}, {"b"}, Mode::plan, {}, {{"a", ones}})[0].item<double>() == 2);
  CHECK(codeOf([&] { number("last", {{"c", ones}}); }) == "HD_UNKNOWN_TAP");
}

TEST_CASE("only the ancestors of the wanted taps run") {
  Graph graph(1);
  Probe* a = addProbe(graph, {"a"}, {"image"}, plusOne);
  Probe* left = addProbe(graph, {"left"}, {"a"}, plusOne);
  Probe* right = addProbe(graph, {"right"}, {"a"}, plusOne);
  Probe* joined = addProbe(graph, {"joined"}, {"left", "right"},
                           [](const Tensors& in) { return Tensors{in[0] + in[1]}; });
  const auto image = at::zeros({2});

  CHECK(graph.run(image, {"left"}, Mode::train)[0].eq(2).all().item<bool>());
  CHECK((a->runs == 1 && left->runs == 1 && right->runs == 0 && joined->runs == 0));
  const auto both = graph.run(image, {"joined", "a"}, Mode::train);
  CHECK(both[0].eq(4).all().item<bool>());
  CHECK(both[1].eq(1).all().item<bool>());
  CHECK((a->runs == 2 && left->runs == 2 && right->runs == 1 && joined->runs == 1));
  CHECK(graph.run(image, {}, Mode::train).empty());
  CHECK(a->runs == 2);
}

TEST_CASE("a tap may be wanted twice, by an alias, and the inputs are taps too") {
  Graph graph(1);
  addProbe(graph, {"a", "b"}, {"image"}, [](const Tensors& in) { return Tensors{in[0] + 1, in[0] + 2}; });
  graph.alias("last", "b");
  CHECK(graph.has("last"));
  CHECK_FALSE(graph.has("lost"));
  CHECK(graph.taps() == std::vector<std::string>{"a", "b"});
  const auto out = graph.run(at::zeros({1}), {"last", "b", "a", "image"}, Mode::train);
  CHECK(out[0].item<double>() == 2);
  CHECK(out[1].item<double>() == 2);
  CHECK(out[2].item<double>() == 1);
  CHECK(out[3].item<double>() == 0);
}

TEST_CASE("the valid sizes reach the nodes that ask for them") {
  Graph graph(1);
  bool defined = true;
  addProbe(graph, {"a"}, {"image", "valid"}, [&](const Tensors& in) {
    defined = in[1].defined();
    return Tensors{in[0]};
  });
  graph.run(at::zeros({1}), {"a"}, Mode::plan);
  CHECK_FALSE(defined);
  graph.run(at::zeros({1}), {"a"}, Mode::plan, at::ones({1, 2}));
  CHECK(defined);
}

TEST_CASE("an output is dropped as soon as no wanted node needs it") {
  Graph graph(1);
  at::Tensor watched;
  addProbe(graph, {"big", "unused"}, {"image"}, [&](const Tensors& in) {
    watched = in[0] + 1;
    return Tensors{watched, in[0] + 2};
  });
  addProbe(graph, {"next"}, {"big"}, plusOne);
  int64_t owners = -1;
  addProbe(graph, {"end"}, {"next"}, [&](const Tensors& in) {
    owners = static_cast<int64_t>(watched.use_count());
    return Tensors{in[0]};
  });
  graph.run(at::zeros({1}), {"end"}, Mode::plan);
  CHECK(owners == 1);  // only the test's own reference is left
}

TEST_CASE("unknown taps are refused with the nearest name") {
  Graph graph(1);
  addProbe(graph, {"backbone.layer1"}, {"image"}, plusOne);
  addProbe(graph, {"neck.p3"}, {"backbone.layer1"}, plusOne);
  const auto run = [&] { graph.run(at::zeros({1}), {"backbone.layr1"}, Mode::plan); };
  CHECK(codeOf(run) == "HD_UNKNOWN_TAP");
  CHECK(messageOf(run).find("'backbone.layer1'") != std::string::npos);
  CHECK(codeOf([&] { graph.reached({"neck.p4"}); }) == "HD_UNKNOWN_TAP");
  CHECK(codeOf([&] { graph.alias("x", "neck.p9"); }) == "HD_UNKNOWN_TAP");
  CHECK(codeOf([&] { addProbe(graph, {"y"}, {"nothing"}, plusOne); }) == "HD_UNKNOWN_TAP");
}

TEST_CASE("duplicate taps and layers with the wrong number of outputs are refused") {
  Graph graph(1);
  addProbe(graph, {"a"}, {"image"}, plusOne);
  CHECK(codeOf([&] { addProbe(graph, {"a"}, {"image"}, plusOne); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { graph.alias("a", "a"); }) == "HD_INTERNAL");
  addProbe(graph, {"b", "c"}, {"image"}, plusOne);
  CHECK(codeOf([&] { graph.run(at::zeros({1}), {"b"}, Mode::train); }) == "HD_INTERNAL");
}

TEST_CASE("a plan refuses an input that needs a gradient and records none") {
  Graph graph(1);
  Probe* a = addProbe(graph, {"a"}, {"image"}, plusOne);
  CHECK(codeOf([&] { graph.run(at::zeros({1}).requires_grad_(), {"a"}, Mode::plan); }) == "HD_INTERNAL");
  graph.run(at::zeros({1}), {"a"}, Mode::plan);
  CHECK(a->lastMode == Mode::plan);
  CHECK_FALSE(a->recorded);
}

TEST_CASE("in training, a frozen prefix runs as a plan; everything after the first trained node does not") {
  Graph graph(1);
  Parameter& fixed = graph.parameters().parameter("fixed", {1}, constant(0));
  Parameter& trained = graph.parameters().parameter("trained", {1}, constant(0));
  fixed.trainable = false;
  Probe* first = addProbe(graph, {"first"}, {"image"}, plusOne);
  Probe* second = addProbe(graph, {"second"}, {"first"}, plusOne);
  Probe* third = addProbe(graph, {"third"}, {"second"}, plusOne);
  Probe* fourth = addProbe(graph, {"fourth"}, {"third"}, plusOne);
  second->owned = {&fixed};
  third->owned = {&trained};
  const auto image = at::zeros({1});
  graph.run(image, {"fourth"}, Mode::train);
  CHECK(first->lastMode == Mode::plan);
  CHECK(second->lastMode == Mode::plan);
  CHECK_FALSE(second->recorded);
  CHECK(third->lastMode == Mode::train);
  CHECK(fourth->lastMode == Mode::train);

  first->statistics = true;  // a batch norm that still counts
  graph.run(image, {"fourth"}, Mode::train);
  CHECK(first->lastMode == Mode::train);
  CHECK(second->lastMode == Mode::train);

  first->statistics = false;
  graph.run(at::zeros({1}).requires_grad_(), {"fourth"}, Mode::train);
  CHECK(first->lastMode == Mode::train);
  graph.run(image, {"fourth"}, Mode::frozen);
  CHECK(first->lastMode == Mode::frozen);
}

TEST_CASE("reached lists the parameters of the ancestors in the order of the store") {
  Graph graph(1);
  Parameter& p = graph.parameters().parameter("p", {1}, constant(0));
  Parameter& q = graph.parameters().parameter("q", {1}, constant(0));
  Parameter& r = graph.parameters().parameter("r", {1}, constant(0));
  addProbe(graph, {"a"}, {"image"}, plusOne)->owned = {&q};
  addProbe(graph, {"b"}, {"a"}, plusOne)->owned = {&p, &q};
  addProbe(graph, {"c"}, {"a"}, plusOne)->owned = {&r};
  CHECK(graph.reached({"b"}) == std::vector<Parameter*>{&p, &q});
  CHECK(graph.reached({"a", "c"}) == std::vector<Parameter*>{&q, &r});
  CHECK(graph.reached({"image"}).empty());
}

TEST_CASE("describe gives shapes, strides, descriptions and multiply-adds") {
  Graph graph(1);
  graph.add({"map"}, std::make_unique<Probe>([](const Tensors&) {
              return Tensors{at::zeros({1, 8, 13, 10})};
            }),
            {"image"}, {"before activation"});
  addProbe(graph, {"vector"}, {"map"}, [](const Tensors&) { return Tensors{at::zeros({1, 5})}; });
  int64_t work = 0;
  const auto taps = graph.describe(100, 80, &work);
  REQUIRE(taps.size() == 2);
  CHECK(taps[0].name == "map");
  CHECK(taps[0].stride == 8);  // 13 = ⌈100/8⌉, 10 = 80/8
  CHECK(taps[0].describes == "before activation");
  CHECK(taps[1].stride == 0);
  CHECK(taps[1].shape == std::vector<int64_t>{1, 5});
  CHECK(work == 3 + 10);  // the probes count their last input side
}
