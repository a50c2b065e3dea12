// The cells that feature imitation looks at, against brute force over all cells.
#include "distill/imitation_region.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/rng.h"
#include "detectors/distribution_decoder.h"
#include "native/detectors/gfl_fixture.h"

namespace {

using namespace hd::distill;
using hd::Batch;
using hd::detectors::Box;

hd::detectors::GflOptions head() {
  hd::detectors::GflOptions options;
  options.classes = 3;
  return options;
}

/// Pictures of different sizes in one canvas, with 0 to 4 objects each.
Batch randomBatch(uint64_t seed) {
  hd::Random random(seed, "imitation region test", 0, 0);
  Batch batch;
  batch.count = 3;
  batch.height = 192;
  batch.width = 256;
  for (int64_t i = 0; i < batch.count; ++i) {
    const int height = 100 + static_cast<int>(random.below(92)),
              width = 120 + static_cast<int>(random.below(136));
    std::vector<float> boxes;
    std::vector<int32_t> labels;
    for (uint32_t n = random.below(5); n > 0; --n) {
      const float x = random.uniform() * static_cast<float>(width) * 0.7f,
                  y = random.uniform() * static_cast<float>(height) * 0.7f;
      boxes.insert(boxes.end(), {x, y, x + 4 + random.uniform() * static_cast<float>(width) * 0.3f,
                                 y + 4 + random.uniform() * static_cast<float>(height) * 0.3f});
      labels.push_back(static_cast<int32_t>(random.below(3)));
    }
    batch.images.push_back(fixture::image(height, width, boxes, labels));
  }
  return batch;
}

float iou(const Box& a, const Box& b) {
  const float common = std::max(0.0f, std::min(a.x2, b.x2) - std::max(a.x1, b.x1)) *
                       std::max(0.0f, std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
  return common / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - common);
}

Tensor noise(uint64_t seed, at::IntArrayRef shape, double spread) {
  hd::Random random(seed, "imitation region noise", 0, 0);
  Tensor out = at::empty(shape);
  for (int64_t i = 0; i < out.numel(); ++i)
    out.data_ptr<float>()[i] = static_cast<float>(spread) * (2 * random.uniform() - 1);
  return out;
}

}  // namespace

TEST_CASE("masks equal a look at every cell") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    const Batch batch = randomBatch(seed);
    const auto options = head();
    const auto assignment = assignGfl(options, batch);
    const auto whole = wholeMap(*assignment), inside = insideBoxes(options, batch, *assignment),
               near = nearBestAnchors(options, batch, *assignment);
    for (int64_t i = 0; i < batch.count; ++i) {
      const auto& image = batch.images[static_cast<size_t>(i)];
      const auto valid = assignment->grid.validCells(image.height, image.width, options.divisor);
      const auto isValid = [&](size_t l, int64_t cell) {
        const auto& level = assignment->grid.levels()[l];
        return cell / level.width < valid[l].height && cell % level.width < valid[l].width;
      };
      std::vector<float> best(image.boxes.size() / 4, 0.0f);
      const auto object = [&](size_t b) {
        return Box{image.boxes[4 * b], image.boxes[4 * b + 1], image.boxes[4 * b + 2],
                   image.boxes[4 * b + 3]};
      };
      const auto forEach = [&](const auto& visit) {
        for (size_t l = 0; l < valid.size(); ++l) {
          const auto& level = assignment->grid.levels()[l];
          for (int64_t cell = 0; cell < level.count(); ++cell) visit(l, level, cell);
        }
      };
      forEach([&](size_t l, const auto& level, int64_t cell) {
        if (!isValid(l, cell)) return;
        for (size_t b = 0; b < best.size(); ++b)
          best[b] = std::max(
              best[b], iou(assignment->grid.box(level, cell / level.width, cell % level.width), object(b)));
      });
      int wrong = 0;
      forEach([&](size_t l, const auto& level, int64_t cell) {
        bool in = false, close = false;
        const auto x = static_cast<float>(cell % level.width * level.stride),
                   y = static_cast<float>(cell / level.width * level.stride);
        for (size_t b = 0; b < best.size(); ++b) {
          const Box box = object(b);
          in = in || (x > box.x1 && x < box.x2 && y > box.y1 && y < box.y2);
          const float overlap = iou(assignment->grid.box(level, cell / level.width, cell % level.width), box);
          close = close || overlap > 0.5f * best[b];
        }
        const int64_t row = i * level.count() + cell;
        wrong += whole[l].data_ptr<uint8_t>()[row] != (isValid(l, cell) ? 1 : 0);
        wrong += inside[l].data_ptr<uint8_t>()[row] != (in && isValid(l, cell) ? 1 : 0);
        wrong += near[l].data_ptr<uint8_t>()[row] != (close && isValid(l, cell) ? 1 : 0);
      });
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("general instances: falling disagreement, little overlap, a limit, images apart") {
  const hd::detectors::GridLevel level{8, 6, 8, 0};
  const int64_t count = level.count(), images = 2, bins = 5, classes = 3;
  const Tensor studentCls = noise(1, {images * count, classes}, 3).sigmoid(),
               teacherCls = noise(2, {images * count, classes}, 3).sigmoid();
  const Tensor studentReg = noise(3, {images * count, 4 * bins}, 2),
               teacherReg = noise(4, {images * count, 4 * bins}, 2);
  Tensor labels = at::full({images * count}, classes, at::kLong);
  labels.slice(0, 10, 20).fill_(-1);  // padding of the first image
  InstanceOptions options;
  const auto run = [&](int64_t from, int64_t to) {
    const auto part = [&](const Tensor& t) { return t.slice(0, from, to); };
    return generalInstances(options, part(studentCls), part(teacherCls), part(studentReg), part(teacherReg),
                            part(labels), level);
  };
  const auto both = run(0, images * count);
  REQUIRE(both.size() == 2);
  const Tensor difference = teacherCls - studentCls;
  const Tensor score = std::get<0>(difference.abs().max(1));
  const auto boxOf = [&](int64_t row) {
    const int64_t c = difference[row].abs().argmax().item<int64_t>();
    const Tensor sides = (difference[row][c].item<float>() > 0 ? teacherReg : studentReg)[row].contiguous();
    const float* s = sides.data_ptr<float>();
    const auto x = static_cast<float>(row % count % level.width),
               y = static_cast<float>(row % count / level.width);
    using hd::detectors::expectedDistance;
    return Box{x - expectedDistance(s, bins), y - expectedDistance(s + bins, bins),
               x + expectedDistance(s + 2 * bins, bins), y + expectedDistance(s + 3 * bins, bins)};
  };
  for (size_t i = 0; i < both.size(); ++i) {
    const auto& rows = both[i];
    CHECK(rows.size() >= 2);
    CHECK(rows.size() <= 10);
    for (size_t a = 0; a < rows.size(); ++a) {
      CHECK(rows[a] / count == static_cast<int64_t>(i));
      CHECK(labels[rows[a]].item<int64_t>() >= 0);
      if (a > 0) CHECK(score[rows[a - 1]].item<float>() >= score[rows[a]].item<float>());
      for (size_t b = 0; b < a; ++b) CHECK(iou(boxOf(rows[a]), boxOf(rows[b])) <= 0.3f);
    }
    // Every better row that was left out overlaps a chosen one that is better still.
    for (int64_t row = static_cast<int64_t>(i) * count; row < static_cast<int64_t>(i + 1) * count; ++row) {
      if (labels[row].item<int64_t>() < 0 || std::find(rows.begin(), rows.end(), row) != rows.end()) continue;
      if (rows.size() == 10 && score[row].item<float>() < score[rows.back()].item<float>()) continue;
      CHECK(std::any_of(rows.begin(), rows.end(), [&](int64_t better) {
        return score[better].item<float>() >= score[row].item<float>() &&
               iou(boxOf(row), boxOf(better)) > 0.3f;
      }));
    }
  }
  auto second = run(count, 2 * count).at(0);
  for (int64_t& row : second) row += count;
  CHECK(second == both[1]);
  options.limit = 1;
  CHECK(run(0, images * count)[0].size() == 1);
  options.limit = 10;
  options.flattened = true;
  CHECK(run(0, images * count).size() == 1);
}

TEST_CASE("equal networks: the lowest rows are taken, nothing is undefined") {
  const hd::detectors::GridLevel level{8, 4, 4, 0};
  const Tensor cls = at::zeros({16, 2}), reg = at::zeros({16, 4 * 3}), labels = at::zeros({16}, at::kLong);
  const auto rows = generalInstances({}, cls, cls, reg, reg, labels, level).at(0);
  REQUIRE(!rows.empty());
  CHECK(rows.front() == 0);
  CHECK(std::is_sorted(rows.begin(), rows.end()));
}
