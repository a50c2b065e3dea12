#include "eval/synthetic_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "core/rng.h"
#include "eval/coco.h"
#include "io/atomic_file.h"

namespace hd::eval {
namespace {

constexpr float kWidth = 640, kHeight = 480;

double rounded(float value) {
  return std::round(static_cast<double>(value) * 100) / 100;
}

Instance randomBox(Random& random, int classes, int64_t images) {
  Instance out;
  const float side = 8.f * std::exp2(6.f * random.uniform());  // 8 … 512 pixels, as many small as large
  const float width = std::min(kWidth - 1, side * random.uniform(0.5f, 2.f)),
              height = std::min(kHeight - 1, side);
  out.box = {rounded(random.uniform(0, kWidth - width)), rounded(random.uniform(0, kHeight - height)),
             rounded(width), rounded(height)};
  out.area = out.box[2] * out.box[3];
  out.image = 1 + random.below(static_cast<uint32_t>(images));
  out.category = 1 + random.below(static_cast<uint32_t>(classes));
  return out;
}

/// A detection near a truth, or anywhere (three of four).
Instance randomDetection(Random& random, const CocoSet& truth, int classes, int64_t images) {
  Instance out = randomBox(random, classes, images);
  if (random.chance(0.25f) && !truth.instances.empty()) {
    const Instance& near = truth.instances[random.below(static_cast<uint32_t>(truth.instances.size()))];
    out.image = near.image;
    out.category = near.category;
    for (int side = 0; side < 4; ++side) {
      const float extent = static_cast<float>(near.box[side % 2 + 2]);
      out.box[side] = std::max(side < 2 ? 0.0 : 1.0,
                               rounded(static_cast<float>(near.box[side]) + 0.1f * extent * random.normal()));
    }
    out.area = out.box[2] * out.box[3];
  }
  out.score = std::round(static_cast<double>(random.uniform()) * 1e6) / 1e6;
  return out;
}

Value boxValue(const Instance& instance) {
  Value box{Value::Array{}};
  for (const double side : instance.box) box.push(side);
  return box;
}

void writeFiles(const std::string& folder, const CocoSet& truth, const std::vector<Instance>& detections) {
  const std::filesystem::path base(folder);
  std::filesystem::create_directories(base);
  Value images{Value::Array{}}, categories{Value::Array{}}, annotations{Value::Array{}};
  for (const int64_t id : truth.images) {
    images.push(Value::Object{
        {"id", id}, {"width", 640}, {"height", 480}, {"file_name", std::to_string(id) + ".jpg"}});
  }
  for (size_t c = 0; c < truth.categories.size(); ++c) {
    categories.push(Value::Object{{"id", truth.categories[c]}, {"name", truth.names[c]}});
  }
  for (const Instance& it : truth.instances) {
    annotations.push(Value::Object{{"id", it.id},
                                   {"image_id", it.image},
                                   {"category_id", it.category},
                                   {"bbox", boxValue(it)},
                                   {"area", it.area},
                                   {"iscrowd", it.crowd ? 1 : 0}});
  }
  io::writeFileAtomically((base / "truth.json").string(),
                          printJson(Value::Object{{"images", std::move(images)},
                                                  {"categories", std::move(categories)},
                                                  {"annotations", std::move(annotations)}}));
  Value results{Value::Array{}};
  for (const Instance& it : detections) {
    results.push(Value::Object{
        {"image_id", it.image}, {"category_id", it.category}, {"bbox", boxValue(it)}, {"score", it.score}});
  }
  io::writeFileAtomically((base / "detections.json").string(), printJson(results));
}

}  // namespace

Value benchEval(const Value& options) {
  const int64_t images = options.get("images", int64_t{5000}), truths = options.get("truths", int64_t{36000});
  const int64_t found = options.get("detections", int64_t{500000});
  const int classes = options.get("classes", 80), repeats = std::max(1, options.get("repeats", 3));
  Random random(static_cast<uint64_t>(options.get("seed", int64_t{0})), "synthetic", 0, 0);
  CocoSet truth;
  for (int64_t id = 1; id <= images; ++id) truth.images.push_back(id);
  for (int64_t id = 1; id <= classes; ++id) {
    truth.categories.push_back(id);
    truth.names.push_back("class " + std::to_string(id));
  }
  for (int64_t i = 0; i < truths; ++i) {
    Instance instance = randomBox(random, classes, images);
    instance.id = i + 1;
    instance.crowd = instance.ignore = random.chance(0.01f);
    truth.instances.push_back(std::move(instance));
  }
  std::vector<Instance> detections;
  detections.reserve(static_cast<size_t>(found));
  for (int64_t i = 0; i < found; ++i) {
    detections.push_back(randomDetection(random, truth, classes, images));
    detections.back().id = i + 1;
  }
  if (const std::string folder = options.get("out", ""); !folder.empty())
    writeFiles(folder, truth, detections);
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.threads = options.get("threads", 0);
  std::vector<double> seconds;
  CocoResult result;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    result = evaluateCoco(truth, detections, params);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  Value stats{Value::Array{}};
  for (const double value : result.stats) stats.push(value);
  return Value::Object{{"images", images},
                       {"truths", truths},
                       {"detections", found},
                       {"seconds", seconds[seconds.size() / 2]},
                       {"stats", std::move(stats)}};
}

}  // namespace hd::eval
