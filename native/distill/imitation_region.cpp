#include "distill/imitation_region.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>

#include "detectors/atss.h"
#include "detectors/distribution_decoder.h"

namespace hd::distill {
namespace {

using detectors::Box;

/// One mask a level; `mark(image, masks)` writes the image's own rows. Images in parallel.
template <class Mark>
std::vector<Tensor> perImage(const Batch& batch, const detectors::DenseAssignment& assignment,
                             const Mark& mark) {
  std::vector<Tensor> out;
  for (const auto& level : assignment.grid.levels())
    out.push_back(at::zeros({batch.count * level.cells()}, at::kByte));
  at::parallel_for(0, batch.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<uint8_t*> rows;
      for (size_t l = 0; l < out.size(); ++l)
        rows.push_back(out[l].data_ptr<uint8_t>() + i * assignment.grid.levels()[l].cells());
      mark(batch.images[static_cast<size_t>(i)], rows);
    }
  });
  return out;
}

bool strictlyInside(float x, float y, const std::vector<float>& boxes) {
  for (size_t b = 0; b + 4 <= boxes.size(); b += 4) {
    if (x > boxes[b] && y > boxes[b + 1] && x < boxes[b + 2] && y < boxes[b + 3]) return true;
  }
  return false;
}

Box decoded(const float* sides, int64_t bins, float x, float y) {
  return {x - detectors::expectedDistance(sides, bins), y - detectors::expectedDistance(sides + bins, bins),
          x + detectors::expectedDistance(sides + 2 * bins, bins),
          y + detectors::expectedDistance(sides + 3 * bins, bins)};
}

float overlapOf(const Box& a, const Box& b) {
  const float width = std::max(std::min(a.x2, b.x2) - std::max(a.x1, b.x1), 0.0f);
  const float height = std::max(std::min(a.y2, b.y2) - std::max(a.y1, b.y1), 0.0f);
  const float common = width * height;
  return common / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - common);
}

}  // namespace

std::vector<Tensor> wholeMap(const detectors::DenseAssignment& assignment) {
  std::vector<Tensor> out;
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    const Tensor valid = assignment.levels[l].labels.ge(0).to(at::kByte);
    out.push_back(valid.reshape({-1, assignment.grid.levels()[l].perCell}).amax({1}));
  }
  return out;
}

std::vector<Tensor> insideBoxes(const detectors::DenseHead& head, const Batch& batch,
                                const detectors::DenseAssignment& assignment) {
  return perImage(batch, assignment, [&](const ImageTargets& image, const std::vector<uint8_t*>& rows) {
    const auto valid = assignment.grid.validCells(image.height, image.width, head.divisor);
    for (size_t l = 0; l < rows.size(); ++l) {
      const auto& level = assignment.grid.levels()[l];
      for (int64_t y = 0; y < valid[l].height; ++y) {
        for (int64_t x = 0; x < valid[l].width; ++x) {
          rows[l][y * level.width + x] =
              strictlyInside(static_cast<float>(assignment.grid.centre(level, x)),
                             static_cast<float>(assignment.grid.centre(level, y)), image.boxes);
        }
      }
    }
  });
}

std::vector<Tensor> nearBestAnchors(const detectors::DenseHead& head, const Batch& batch,
                                    const detectors::DenseAssignment& assignment) {
  return perImage(batch, assignment, [&](const ImageTargets& image, const std::vector<uint8_t*>& rows) {
    const auto valid = assignment.grid.validCells(image.height, image.width, head.divisor);
    const auto region = nearBestRegion(assignment.grid, valid, image.boxes);
    for (size_t l = 0; l < rows.size(); ++l) {
      const auto& level = assignment.grid.levels()[l];
      for (int64_t anchor = 0; anchor < level.count(); ++anchor)
        rows[l][anchor / level.perCell] |= region[static_cast<size_t>(level.first + anchor)];
    }
  });
}

std::vector<std::vector<int64_t>> generalInstances(const InstanceOptions& options,
                                                   const Tensor& studentScores, const Tensor& teacherScores,
                                                   const Tensor& studentReg, const Tensor& teacherReg,
                                                   const Tensor& labels, const detectors::GridLevel& level) {
  const Tensor difference = teacherScores.detach().to(at::kFloat) - studentScores.detach().to(at::kFloat);
  const auto [largest, column] = difference.abs().max(1);
  const Tensor teacherSurer = difference.gather(1, column.unsqueeze(1)).squeeze(1).gt(0);
  const Tensor own = studentReg.detach().to(at::kFloat).contiguous();
  const Tensor other = teacherReg.detach().to(at::kFloat).contiguous();
  const float* scores = largest.const_data_ptr<float>();
  const bool* surer = teacherSurer.const_data_ptr<bool>();
  const int64_t* classes = labels.const_data_ptr<int64_t>();
  const int64_t bins = own.size(1) / 4, count = level.count();
  const int64_t lists = options.flattened ? 1 : own.size(0) / count, rows = own.size(0) / lists;

  std::vector<std::vector<int64_t>> out(static_cast<size_t>(lists));
  at::parallel_for(0, lists, 1, [&](int64_t begin, int64_t end) {
    for (int64_t list = begin; list < end; ++list) {
      std::vector<int64_t> order(static_cast<size_t>(rows));
      std::iota(order.begin(), order.end(), list * rows);
      if (!options.flattened) std::erase_if(order, [&](int64_t row) { return classes[row] < 0; });
      std::sort(order.begin(), order.end(),
                [&](int64_t a, int64_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
      std::vector<Box> kept;
      for (const int64_t row : order) {
        if (std::ssize(kept) == options.limit) break;
        const Tensor& source = surer[row] ? other : own;
        // As released, padding takes part, with its anchors at the origin.
        const int64_t cell = classes[row] < 0 ? 0 : row % count / level.perCell;
        const Box box =
            decoded(source.const_data_ptr<float>() + row * 4 * bins, bins,
                    static_cast<float>(cell % level.width), static_cast<float>(cell / level.width));
        if (std::any_of(kept.begin(), kept.end(),
                        [&](const Box& better) { return overlapOf(box, better) > options.overlap; }))
          continue;
        kept.push_back(box);
        out[static_cast<size_t>(list)].push_back(row);
      }
    }
  });
  return out;
}

}  // namespace hd::distill
