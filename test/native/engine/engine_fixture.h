// A small scene and session options that engine tests share.
#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "engine/session.h"
#include "native/detectors/gfl_fixture.h"

namespace engine_fixture {

using hd::Batch;
using hd::Value;
using namespace hd::engine;
using torch::Tensor;

constexpr int kSide = 64;
constexpr int64_t kImages = 4;

/// Four pictures of noise with a bright square each; the last one is empty.
struct Scene {
  std::vector<uint8_t> pixels;
  Batch batch;

  explicit Scene(const std::vector<int64_t>& order = {0, 1, 2, 3}) {
    pixels.resize(order.size() * kSide * kSide * 3);
    uint8_t* out = pixels.data();
    for (const int64_t image : order) {
      const int left = 4 + 6 * static_cast<int>(image),
                size = image == 3 ? 0 : 24 + 4 * static_cast<int>(image);
      hd::Random random(5, "scene", 0, static_cast<uint64_t>(image));
      for (int y = 0; y < kSide; ++y) {
        for (int x = 0; x < kSide; ++x) {
          const bool inside = x >= left && x < left + size && y >= left && y < left + size;
          for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>((inside ? 190 : 20) + random.below(40));
        }
      }
      const auto edge = static_cast<float>(left), end = static_cast<float>(left + size);
      batch.images.push_back(size == 0 ? fixture::image(kSide, kSide, {}, {})
                                       : fixture::image(kSide, kSide, {edge, edge, end, end},
                                                        {static_cast<int32_t>(image % 2)}));
      batch.images.back().image = image;
    }
    batch.pixels = pixels.data();
    batch.count = static_cast<int64_t>(order.size());
    batch.height = batch.width = kSide;
  }
};

inline SessionOptions options(const char* norm = "eval", int64_t accumulate = 1, bool ema = false) {
  SessionOptions out;
  out.model = hd::parseJson(hd::concat(
      R"({"detector":"gfl","backbone":"resnet18","classes":2,"headConvs":1,"neckChannels":32,"headChannels":32,)",
      R"("frozenStages":-1,"norm":")", norm, R"("})"));
  out.seed = 3;
  out.threads = 1;
  out.accumulate = accumulate;
  out.ema = ema;
  return out;
}

inline StepInput input(int64_t step = 0, double rate = 0.01) {
  StepInput out;
  out.step = step;
  out.learningRates = {rate};
  out.emaDecay = 0.5;
  out.clipNorm = 35;
  return out;
}

inline std::vector<Tensor> weights(Session& session) {
  std::vector<Tensor> out;
  for (const auto& parameter : session.graph().parameters().all()) out.push_back(parameter.master.clone());
  return out;
}

inline bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return at::equal(x, y); });
}

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hdtrain-engine-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string codeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const hd::Error& error) {
    return error.code();
  }
  return "";
}

}  // namespace engine_fixture
