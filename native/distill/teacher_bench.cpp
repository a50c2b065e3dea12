#include "distill/teacher_bench.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/kept_memory.h"
#include "core/rng.h"
#include "distill/teacher.h"
#include "distill/transfer.h"

namespace hd::distill {
namespace {

std::vector<std::string> tapsOf(const Teacher& teacher, const std::string& part) {
  if (part == "backbone") return {"backbone.layer2", "backbone.layer3", "backbone.layer4"};
  if (part != "whole") {
    throw Error("HD_USAGE", concat("expected whole or backbone for part but received '", part, "'"));
  }
  std::vector<std::string> taps = levelTaps("head.cls", teacher.head().strides.size());
  for (std::string& tap : levelTaps("head.reg", teacher.head().strides.size()))
    taps.push_back(std::move(tap));
  return taps;
}

}  // namespace

Value benchTeacher(const Value& options) {
  const KeptMemory kept;  // as a training has it
  Teacher teacher(options);
  const std::string part = options.get("part", "whole");
  const auto taps = tapsOf(teacher, part);
  const int64_t count = options.get("batch", int64_t{4}), side = options.get("side", int64_t{320});
  std::vector<uint8_t> pixels(static_cast<size_t>(count * side * side * 3));
  Random random(0, "synthetic", 0, 0);
  for (uint8_t& value : pixels) value = static_cast<uint8_t>(random.uniform(0.f, 255.f));
  Batch batch;
  batch.pixels = pixels.data();
  batch.count = count;
  batch.height = batch.width = side;
  batch.images.resize(static_cast<size_t>(count));
  for (ImageTargets& image : batch.images) image.height = image.width = static_cast<int>(side);
  teacher.run(batch, taps);  // weights are packed for these shapes
  std::vector<double> samples;
  for (int repeat = std::max(1, options.get("repeats", 9)); repeat > 0; --repeat) {
    const auto start = std::chrono::steady_clock::now();
    teacher.run(batch, taps);
    samples.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  Value all{Value::Array{}};
  for (const double sample : samples) all.push(sample);
  std::sort(samples.begin(), samples.end());
  return Value::Object{{"part", part},
                       {"precision", options.get("precision", "fp32")},
                       {"milliseconds", samples[samples.size() / 2]},
                       {"samples", std::move(all)}};
}

}  // namespace hd::distill
