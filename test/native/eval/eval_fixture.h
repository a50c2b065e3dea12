// Random evaluation sets and throw-away files for the tests of this folder.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/error.h"
#include "core/rng.h"
#include "eval/coco.h"
#include "eval/mask.h"

namespace eval_fixture {

/// A file that is gone at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content = "") {
    static int number = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("hdtrain-eval-" + std::to_string(getpid()) + "-" + std::to_string(number++) + ".json"))
                .string();
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The error that `body` throws; fails the test when it throws none.
template <class Body>
hd::Error errorOf(const Body& body) {
  try {
    body();
  } catch (const hd::Error& error) {
    return error;
  }
  FAIL("expected an hd::Error");
  return hd::Error("", "");
}

/// Checks code and that the sentence holds `part`.
template <class Body>
void checkError(const Body& body, const std::string& code, const std::string& part) {
  const hd::Error error = errorOf(body);
  CHECK(error.code() == code);
  CAPTURE(error.what());
  CAPTURE(part);
  CHECK(std::string(error.what()).find(part) != std::string::npos);
}

struct RandomSet {
  hd::eval::CocoSet truth;
  std::vector<hd::eval::Instance> detections;
};

struct RandomSetOptions {
  int images = 12, categories = 4, truths = 60, detections = 300;
  hd::eval::IouType type = hd::eval::IouType::bbox;
  size_t keypoints = 17;
};

inline double hundredths(double value) {
  return std::round(value * 100) / 100;
}

inline std::vector<double> randomKeypoints(hd::Random& random, const std::array<double, 4>& box,
                                           size_t count) {
  std::vector<double> keypoints;
  const bool anyLabelled = random.chance(.9f);
  for (size_t i = 0; i < count; ++i) {
    keypoints.push_back(hundredths(box[0] + box[2] * random.uniform()));
    keypoints.push_back(hundredths(box[1] + box[3] * random.uniform()));
    keypoints.push_back(anyLabelled ? random.below(3) : 0);
  }
  return keypoints;
}

/// Small pictures full of objects of all sizes, with crowds, ties in score, near misses, ids that are not
/// dense, and categories or images without any object.
inline RandomSet randomSet(uint64_t seed, const RandomSetOptions& options = {}) {
  hd::Random random(seed, "synthetic", 0, 0);
  constexpr uint32_t kHeight = 200, kWidth = 240;
  RandomSet set;
  for (int i = 0; i < options.images; ++i) {
    set.truth.images.push_back(100 - 7 * i);
    set.truth.imageSizes.push_back({kHeight, kWidth});
  }
  for (int i = 0; i < options.categories; ++i) {
    set.truth.categories.push_back(3 * (options.categories - i));
    set.truth.names.push_back("class " + std::to_string(i));
  }
  const auto finish = [&](hd::eval::Instance& instance) {
    instance.area = instance.box[2] * instance.box[3];
    if (options.type == hd::eval::IouType::segm) {
      instance.mask = hd::eval::maskFromBox(instance.box, kHeight, kWidth);
      instance.area = static_cast<double>(hd::eval::maskArea(instance.mask));
    }
    if (options.type == hd::eval::IouType::keypoints) {
      instance.keypoints = randomKeypoints(random, instance.box, options.keypoints);
      for (size_t i = 2; i < instance.keypoints.size(); i += 3)
        instance.numKeypoints += instance.keypoints[i] > 0;
    }
  };
  for (int i = 0; i < options.truths; ++i) {
    hd::eval::Instance truth;
    truth.id = 5 + 2 * i;
    truth.image = set.truth.images[random.below(static_cast<uint32_t>(options.images))];
    truth.category = set.truth.categories[random.below(static_cast<uint32_t>(options.categories))];
    const double side = 10 * std::exp2(4 * random.uniform());
    truth.box = {hundredths(random.uniform(0, 100)), hundredths(random.uniform(0, 80)),
                 hundredths(side * random.uniform(.5f, 1)), hundredths(side * random.uniform(.5f, 1))};
    truth.crowd = random.chance(.1f);
    truth.ignore = random.chance(.1f);
    finish(truth);
    set.truth.instances.push_back(truth);
  }
  for (int i = 0; i < options.detections; ++i) {
    hd::eval::Instance detection;
    detection.id = i + 1;
    if (set.truth.instances.empty() || random.chance(.3f)) {
      detection.image = set.truth.images[random.below(static_cast<uint32_t>(options.images))];
      detection.category = set.truth.categories[random.below(static_cast<uint32_t>(options.categories))];
      detection.box = {hundredths(random.uniform(0, 100)), hundredths(random.uniform(0, 80)),
                       hundredths(random.uniform(1, 120)), hundredths(random.uniform(1, 100))};
      finish(detection);
    } else {
      const auto& near = set.truth.instances[random.below(static_cast<uint32_t>(set.truth.instances.size()))];
      detection.image = near.image;
      detection.category = near.category;
      for (size_t k = 0; k < 4; ++k) {
        const double moved = near.box[k] + .15 * near.box[2 + k % 2] * random.normal();
        detection.box[k] = hundredths(std::max(k < 2 ? 0. : 1., moved));
      }
      finish(detection);
      if (options.type == hd::eval::IouType::keypoints) {
        detection.keypoints = near.keypoints;
        for (double& value : detection.keypoints)
          value = hundredths(value + .05 * near.box[2] * random.normal());
      }
    }
    detection.score = random.below(40) / 40.;
    set.detections.push_back(detection);
  }
  return set;
}

}  // namespace eval_fixture
