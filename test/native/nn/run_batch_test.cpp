#include "nn/run_batch.h"

#include "native/nn/support.h"
#include "nn/layers/normalise.h"

using namespace hd::nn;

TEST_CASE("colours that are left to the network change valid pixels without limits, each picture its own") {
  Graph graph(1);
  NormaliseOptions plain;
  plain.mean = {0, 0, 0};
  plain.deviation = {1, 1, 1};
  graph.add({"normalise"}, std::make_unique<Normalise>(graph.parameters(), plain), {"image", "valid"});
  std::vector<uint8_t> pixels(2 * 2 * 3 * 3, 100);
  hd::Batch batch{pixels.data(), 2, 2, 3, {}};
  batch.images.resize(2);
  for (hd::ImageTargets& image : batch.images) image.height = image.width = 2;
  const auto first = [&](int64_t n) {
    return runBatch(graph, batch, {"normalise"}, Mode::train)[0][n][0][0][0].item<float>();
  };
  CHECK(first(0) == 100);
  batch.images[1].colours = {{.map = hd::ColourMap::contrast(3, 0)}, {.map = hd::ColourMap::contrast(-1, 0)}};
  CHECK(first(0) == 100);
  CHECK(first(1) == -300);
  const at::Tensor out = runBatch(graph, batch, {"normalise"}, Mode::train)[0];
  CHECK(out[1].select(2, 2).abs().sum().item<float>() == 0);  // padding
}
