#include "nn/layers/normalise.h"

#include "native/nn/support.h"

using at::Tensor;
using namespace hd::nn;
using support::codeOf;

namespace {

const NormaliseOptions defaults;

Tensor reference(const Tensor& image, const NormaliseOptions& options) {
  Tensor x = image.to(at::kDouble);
  if (options.bgr) x = x.flip({3});
  const Tensor mean = at::tensor(at::ArrayRef<double>(options.mean), at::kDouble);
  const Tensor deviation = at::tensor(at::ArrayRef<double>(options.deviation), at::kDouble);
  return ((x - mean) / deviation).permute({0, 3, 1, 2});
}

Tensor pixels(int64_t n, int64_t h, int64_t w) {
  return at::randint(0, 256, {n, h, w, 3}, at::kByte);
}

}  // namespace

TEST_CASE("pixels become (pixel - mean) / std in channels_last memory, in either channel order") {
  at::manual_seed(1);
  for (const bool bgr : {false, true}) {
    NormaliseOptions options;
    options.bgr = bgr;
    options.mean = {103.53, 116.28, 123.675};
    options.deviation = {1, 57.12, 2};
    ParameterStore store(1);
    Normalise layer(store, options);
    const Tensor image = pixels(3, 17, 29);
    const Tensor out = layer.forward({image, Tensor()}, Mode::plan)[0];
    CHECK(support::hasType(out, at::kFloat));
    CHECK(out.is_contiguous(at::MemoryFormat::ChannelsLast));
    CHECK(at::equal(out, reference(image, options).to(at::kFloat)));
  }
}

TEST_CASE("floating-point pixels may leave 0 to 255, and whole ones give what bytes do") {
  at::manual_seed(3);
  ParameterStore store(1);
  NormaliseOptions bgr;
  bgr.bgr = true;
  for (const NormaliseOptions& options : {defaults, bgr}) {
    Normalise layer(store, options);
    const Tensor image = pixels(2, 9, 11);
    const Tensor valid = at::tensor({9, 11, 5, 7}, at::kLong).view({2, 2});
    CHECK(at::equal(layer.forward({image.to(at::kFloat), valid}, Mode::train)[0],
                    layer.forward({image, valid}, Mode::train)[0]));
    const Tensor far = at::rand({1, 4, 4, 3}) * 900 - 300;
    CHECK(at::allclose(layer.forward({far}, Mode::train)[0], reference(far, options).to(at::kFloat)));
  }
}

TEST_CASE("the result has the working type of the network") {
  ParameterStore store(1);
  Normalise layer(store, defaults);
  const Tensor image = pixels(1, 8, 8);
  for (const auto type : {at::kBFloat16, at::kDouble}) {
    store.setWorking(type);
    const Tensor out = layer.forward({image}, Mode::train)[0];
    CHECK(support::hasType(out, type));
    CHECK(at::equal(out, reference(image, defaults).to(type)));
  }
}

TEST_CASE("padding is exactly zero whatever the slot holds there") {
  at::manual_seed(2);
  ParameterStore store(1);
  Normalise layer(store, defaults);
  const Tensor image = pixels(4, 10, 12);
  // Rows: part of both sides; whole; nothing; beyond the canvas (clamped).
  const Tensor valid = at::tensor(at::ArrayRef<int64_t>({7, 5, 10, 12, 0, 12, 99, 99})).reshape({4, 2});
  const Tensor out = layer.forward({image, valid}, Mode::plan)[0];
  Tensor expected = reference(image, defaults).to(at::kFloat).contiguous();
  expected[0].slice(1, 7).zero_();
  expected[0].slice(2, 5).zero_();
  expected[2].zero_();
  CHECK(at::equal(out, expected));
  CHECK(at::equal(layer.forward({image, valid.to(at::kInt)}, Mode::plan)[0], expected));
}

TEST_CASE("views with any strides are read correctly") {
  at::manual_seed(3);
  ParameterStore store(1);
  Normalise layer(store, defaults);
  const Tensor image = pixels(2, 16, 16).slice(1, 2, 12).slice(2, 0, 16, 2);
  CHECK(at::equal(layer.forward({image}, Mode::plan)[0], reference(image, defaults).to(at::kFloat)));
}

TEST_CASE("what is no image is refused") {
  ParameterStore store(1);
  Normalise layer(store, defaults);
  CHECK(codeOf([&] { layer.forward({at::zeros({1, 8, 8, 3}, at::kDouble)}, Mode::plan); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { layer.forward({at::zeros({1, 3, 8, 8}, at::kByte)}, Mode::plan); }) == "HD_INTERNAL");
  CHECK(codeOf([&] {
          layer.forward({pixels(2, 4, 4), at::zeros({1, 2}, at::kLong)}, Mode::plan);
        }) == "HD_INTERNAL");
  NormaliseOptions zero;
  zero.deviation[1] = 0;
  CHECK(codeOf([&] { Normalise(store, zero); }) == "HD_INTERNAL");
}
