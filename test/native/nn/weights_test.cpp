#include "nn/weights.h"

#include <cmath>
#include <limits>

#include "native/nn/support.h"
#include "nn/layers/conv.h"

using namespace hd::nn;
using support::codeOf;
using support::messageOf;

namespace {

/// A weight file in memory.
struct File {
  void add(const std::string& name, at::Tensor tensor) {
    tensor = tensor.contiguous();
    hd::io::TensorView view;
    view.name = name;
    view.dtype = tensor.scalar_type() == at::kLong       ? hd::io::DType::i64
                 : tensor.scalar_type() == at::kBFloat16 ? hd::io::DType::bf16
                 : tensor.scalar_type() == at::kHalf     ? hd::io::DType::f16
                 : tensor.scalar_type() == at::kDouble   ? hd::io::DType::f64
                                                         : hd::io::DType::f32;
    view.shape = tensor.sizes().vec();
    view.data = static_cast<const uint8_t*>(tensor.const_data_ptr());
    view.bytes = tensor.nbytes();
    content.tensors.push_back(view);
    holder.push_back(tensor);
  }
  at::Tensor& at(const std::string& name) {
    for (size_t i = 0; i < holder.size(); ++i) {
      if (content.tensors[i].name == name) return holder[i];
    }
    FAIL("no tensor " << name);
    return holder[0];
  }
  void remove(const std::string& name) {
    for (size_t i = 0; i < holder.size(); ++i) {
      if (content.tensors[i].name != name) continue;
      content.tensors.erase(content.tensors.begin() + static_cast<std::ptrdiff_t>(i));
      holder.erase(holder.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
  hd::io::TensorFile content;
  std::vector<at::Tensor> holder;
};

/// A detector in miniature with the names of a real one.
std::unique_ptr<Graph> network(uint64_t seed, int64_t classes = 2, int blocks = 1) {
  auto graph = std::make_unique<Graph>(seed);
  std::string tap = "image";
  const auto add = [&](const std::string& conv, const std::string& norm, int64_t in, int64_t out) {
    ConvOptions options;
    options.conv = conv;
    options.norm = norm;
    options.in = in;
    options.out = out;
    options.geometry = {.kernel = 3, .padding = 1};
    options.normKind = norm.empty() ? Norm::none : Norm::batchEval;
    options.bias = norm.empty();
    graph->add({conv}, std::make_unique<ConvUnit>(graph->parameters(), options), {tap});
    tap = conv;
  };
  add("backbone.conv1", "backbone.bn1", 3, 8);
  for (int i = 0; i < blocks; ++i) {
    const std::string block = "backbone.layer1." + std::to_string(i);
    add(block + ".conv1", block + ".bn1", 8, 8);
  }
  add("neck.fpn_convs.0.conv", "", 8, 8);
  add("bbox_head.gfl_cls", "", 8, classes);
  support::scramble(graph->parameters());
  return graph;
}
constexpr size_t backboneTensors = 2 * 6;

/// All tensors of a network, each name through `rename` ("" leaves it out).
File fileOf(Graph& graph, const std::function<std::string(const std::string&)>& rename) {
  File file;
  for (const Parameter& p : graph.parameters().all()) {
    if (const std::string name = rename(p.name); !name.empty()) file.add(name, p.master.detach().clone());
  }
  return file;
}

std::string same(const std::string& name) {
  return name;
}
std::string torchvision(const std::string& name) {
  return name.rfind("backbone.", 0) == 0 ? name.substr(9) : "";
}

bool equalTensors(Graph& a, Graph& b, const std::string& prefix) {
  for (const Parameter& p : a.parameters().all()) {
    if (p.name.compare(0, prefix.size(), prefix) == 0 &&
        !at::equal(p.master, b.parameters().find(p.name)->master))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a whole network loads by name, with or without the usual wrappers") {
  auto source = network(1);
  source->parameters().find("backbone.bn1.num_batches_tracked")->master.fill_(42);
  for (const char* wrapper : {"", "module.", "state_dict.", "state_dict.module."}) {
    auto target = network(2);
    const auto version = target->parameters().version();
    const File file = fileOf(*source, [&](const std::string& name) { return wrapper + name; });
    const MatchReport report = loadWeights(target->parameters(), file.content, MatchMode::strict);
    CHECK(report.matched.size() == source->parameters().all().size());
    CHECK((report.missing.empty() && report.unexpected.empty() && report.wrongShape.empty()));
    CHECK(equalTensors(*source, *target, ""));
    CHECK(target->parameters().version() > version);
    CHECK(target->parameters()
              .find("neck.fpn_convs.0.conv.weight")
              ->master.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST_CASE("loaded weights are what plans run and what bf16 copies hold") {
  auto source = network(1), target = network(2);
  const auto image = at::randn({1, 3, 12, 12});
  const std::vector<std::string> last = {"bbox_head.gfl_cls"};
  target->run(image, last, Mode::plan);
  target->parameters().setWorking(at::kBFloat16);
  loadWeights(target->parameters(), fileOf(*source, same).content, MatchMode::strict);
  const Parameter& p = *target->parameters().find("backbone.layer1.0.conv1.weight");
  CHECK(at::equal(p.working, p.master.to(at::kBFloat16)));
  target->parameters().setWorking(at::kFloat);
  CHECK(at::equal(target->run(image, last, Mode::plan)[0], source->run(image, last, Mode::plan)[0]));
}

TEST_CASE("a classification network of torchvision gives the backbone and nothing else") {
  auto source = network(1), target = network(2), untouched = network(2);
  File file = fileOf(*source, torchvision);
  file.add("fc.weight", at::randn({10, 8}));
  file.add("fc.bias", at::randn({10}));
  const MatchReport report = loadWeights(target->parameters(), file.content, MatchMode::backbone);
  CHECK(report.matched.size() == backboneTensors);
  CHECK((report.missing.empty() && report.unexpected.empty()));
  CHECK(equalTensors(*source, *target, "backbone."));
  CHECK(equalTensors(*untouched, *target, "neck."));
  CHECK(codeOf([&] { loadWeights(target->parameters(), file.content, MatchMode::strict); }) ==
        "HD_WEIGHTS_MISMATCH");
}

TEST_CASE("a detector with other classes gives its backbone") {
  auto source = network(1, 7), target = network(2, 2);
  const File file = fileOf(*source, same);
  CHECK(loadWeights(target->parameters(), file.content, MatchMode::backbone).matched.size() ==
        backboneTensors);
  CHECK(equalTensors(*source, *target, "backbone."));
  const auto strict = [&] {
    loadWeights(target->parameters(), file.content, MatchMode::strict, "teacher.pth");
  };
  CHECK(codeOf(strict) == "HD_WEIGHTS_MISMATCH");
  CHECK(messageOf(strict).find("bbox_head.gfl_cls.weight [7, 8, 3, 3] instead of [2, 8, 3, 3]") !=
        std::string::npos);
}

TEST_CASE("another depth is refused even where every shape fits") {
  auto deep = network(1, 2, 3), target = network(2);
  const auto load = [&] {
    loadWeights(target->parameters(), fileOf(*deep, torchvision).content, MatchMode::backbone);
  };
  CHECK(codeOf(load) == "HD_WEIGHTS_MISMATCH");
  CHECK(messageOf(load).find("unexpected: layer1.1.conv1.weight") != std::string::npos);
  CHECK(equalTensors(*network(2), *target, ""));
}

TEST_CASE("missing and unexpected tensors are listed, the first few by name") {
  auto source = network(1), target = network(2);
  File file = fileOf(*source, same);
  file.remove("neck.fpn_convs.0.conv.bias");
  file.add("ema.decay", at::ones({1}));
  const auto load = [&] { loadWeights(target->parameters(), file.content, MatchMode::strict); };
  CHECK(codeOf(load) == "HD_WEIGHTS_MISMATCH");
  CHECK(messageOf(load).find("1 missing: neck.fpn_convs.0.conv.bias; 1 unexpected: ema.decay") !=
        std::string::npos);
  CHECK(equalTensors(*network(2), *target, ""));
  const auto empty = [&] { loadWeights(target->parameters(), {}, MatchMode::backbone); };
  CHECK(codeOf(empty) == "HD_WEIGHTS_MISMATCH");
  CHECK(messageOf(empty).find("in all)") != std::string::npos);
}

TEST_CASE("counters may be missing; two tensors for one name may not") {
  auto source = network(1), target = network(2);
  File file = fileOf(
      *source, [](const std::string& name) { return name.find("tracked") == std::string::npos ? name : ""; });
  CHECK(loadWeights(target->parameters(), file.content, MatchMode::strict).missing.empty());
  file.add("module.backbone.conv1.weight", at::randn({8, 3, 3, 3}));
  CHECK(codeOf([&] { loadWeights(target->parameters(), file.content, MatchMode::strict); }) ==
        "HD_WEIGHTS_MISMATCH");
}

TEST_CASE("half, double and bf16 files convert") {
  auto source = network(1), target = network(2);
  for (const auto type : {at::kHalf, at::kDouble, at::kBFloat16}) {
    File file;
    for (const Parameter& p : source->parameters().all()) {
      file.add(p.name, p.master.is_floating_point() ? p.master.detach().to(type) : p.master);
    }
    loadWeights(target->parameters(), file.content, MatchMode::strict);
    const char* name = "neck.fpn_convs.0.conv.weight";
    CHECK(at::equal(target->parameters().find(name)->master,
                    source->parameters().find(name)->master.detach().to(type).to(at::kFloat)));
  }
}

TEST_CASE("diverged and empty weights are refused and nothing is written") {
  auto source = network(1), target = network(2);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    File file = fileOf(*source, same);
    file.at("backbone.layer1.0.bn1.bias")[3] = bad;
    const auto load = [&] {
      loadWeights(target->parameters(), file.content, MatchMode::strict, "student.safetensors");
    };
    CHECK(codeOf(load) == "HD_WEIGHTS_NONFINITE");
    CHECK(messageOf(load).find("'backbone.layer1.0.bn1.bias'") != std::string::npos);
  }
  File zero = fileOf(*source, same);
  zero.at("bbox_head.gfl_cls.weight").zero_();
  CHECK(codeOf([&] { loadWeights(target->parameters(), zero.content, MatchMode::strict); }) ==
        "HD_WEIGHTS_ZERO");
  CHECK(equalTensors(*network(2), *target, ""));

  File biases = fileOf(*source, same);
  biases.at("bbox_head.gfl_cls.bias").zero_();  // fresh biases are zero
  CHECK(loadWeights(target->parameters(), biases.content, MatchMode::strict).missing.empty());
}

TEST_CASE("offsets of deformable convolutions that never learned are zeros, and load") {
  const auto withOffsets = [](uint64_t seed) {
    auto graph = std::make_unique<Graph>(seed);
    ConvOptions options;
    options.conv = "backbone.layer2.0.conv2.conv_offset";
    options.in = options.out = 3;
    options.geometry = {.kernel = 3, .padding = 1};
    options.bias = true;
    graph->add({"offsets"}, std::make_unique<ConvUnit>(graph->parameters(), options), {"image"});
    return graph;
  };
  const auto source = withOffsets(1), target = withOffsets(2);
  File file = fileOf(*source, same);
  file.at("backbone.layer2.0.conv2.conv_offset.weight").zero_();
  CHECK(loadWeights(target->parameters(), file.content, MatchMode::strict).missing.empty());
}

TEST_CASE("a name map of the caller replaces the usual one") {
  auto source = network(1), target = network(2);
  const File file = fileOf(*source, [](const std::string& name) { return "student/" + name; });
  const MatchReport report = loadWeights(target->parameters(), file.content, MatchMode::strict, {},
                                         [](const std::string& name) { return name.substr(8); });
  CHECK(report.matched.size() == source->parameters().all().size());
  CHECK(usualName("module.fc.weight").empty());
  CHECK(usualName("layer1.0.conv1.weight") == "backbone.layer1.0.conv1.weight");
  CHECK(usualName("state_dict.bbox_head.gfl_cls.bias") == "bbox_head.gfl_cls.bias");
}
