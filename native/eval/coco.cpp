#include "eval/coco.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "eval/accumulate.h"
#include "eval/cells.h"
#include "eval/match.h"
#include "eval/parallel.h"

namespace hd::eval {
namespace {

constexpr size_t kCellsAtOnce = 512;

/// numpy.linspace(start, stop, count): the thresholds of the original, to the last bit.
std::vector<double> linspace(double start, double stop, int count) {
  const double step = (stop - start) / (count - 1);
  std::vector<double> values(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) values[static_cast<size_t>(i)] = i * step + start;
  values.back() = stop;
  return values;
}

CellTable groupFor(const CocoSet& truth, const std::vector<Instance>& detections, const CocoParams& params) {
  require(!params.maxDetections.empty() && !params.areaRanges.empty() && !params.iouThresholds.empty() &&
              !params.recallThresholds.empty() && params.areaLabels.size() == params.areaRanges.size(),
          "incomplete COCO parameters");
  require(std::is_sorted(params.maxDetections.begin(), params.maxDetections.end()) &&
              params.maxDetections[0] >= 0,
          "maxDetections must rise");
  return groupIntoCells(
      truth, detections,
      {params.images, params.categories, params.useCategories, params.maxDetections.back(), params.threads});
}

/// pycocotools looks keypoint truths up by category even when it takes all as one, and so finds none.
bool comparesNothing(const CocoParams& params) {
  return params.type == IouType::keypoints && !params.useCategories;
}

/// Whether what stays unmatched in a cell counts for nothing.
bool isExcused(const Cell& cell, const CellTable& table, const CocoParams& params) {
  const std::array<int64_t, 2> pair{table.images[static_cast<size_t>(cell.image)],
                                    table.categories[static_cast<size_t>(cell.category)]};
  return std::binary_search(params.excused.begin(), params.excused.end(), pair);
}

/// Matches of every cell at every area range, written where accumulation reads them.
void matchCells(const CocoSet& truth, const std::vector<Instance>& detections, const CocoParams& params,
                const CellTable& table, std::vector<CategoryDetections>& categories) {
  const size_t thresholds = params.iouThresholds.size();
  parallelRanges(table.cells.size(), kCellsAtOnce, params.threads, [&](size_t begin, size_t end) {
    std::vector<int32_t> matches;
    for (size_t c = begin; c < end; ++c) {
      const Cell& cell = table.cells[c];
      const auto truths = table.truthsOf(cell);
      const auto found = table.detectionsOf(cell);
      CategoryDetections& category = categories[static_cast<size_t>(cell.category)];
      if (isExcused(cell, table, params)) {
        for (size_t layer = 0; layer < params.areaRanges.size() * thresholds; ++layer) {
          Outcome* outcomes = category.outcomesOf(0, layer, thresholds);
          for (size_t d = 0; d < found.size(); ++d) outcomes[category.placeOf(cell, d)] = Outcome::ignored;
        }
      }
      if (truths.empty() || found.empty() || comparesNothing(params)) continue;  // all of them stay unmatched
      const std::vector<double> overlaps = computeOverlaps(truth, truths, detections, found, params);
      for (size_t a = 0; a < params.areaRanges.size(); ++a) {
        const TruthOrder ordered = orderTruths(truth, truths, params.areaRanges[a], params);
        matchGreedily(overlaps, found.size(), ordered, params.iouThresholds, matches);
        for (size_t t = 0; t < thresholds; ++t) {
          Outcome* outcomes = category.outcomesOf(a, t, thresholds);
          for (size_t d = 0; d < found.size(); ++d) {
            const int32_t match = matches[t * found.size() + d];
            if (match < 0) continue;
            const size_t g = static_cast<size_t>(match);
            // The original stores the id of the matched truth and takes 0 for 'none'.
            const bool nameless = truth.instances[truths[ordered.order[g]]].id == 0;
            if (ordered.ignored[g]) {
              outcomes[category.placeOf(cell, d)] = Outcome::ignored;
            } else if (!nameless) {
              outcomes[category.placeOf(cell, d)] = Outcome::found;
            }
          }
        }
      }
    }
  });
}

/// Truths that count, per area range, of one category.
std::vector<int64_t> countTruths(const CocoSet& truth, const CocoParams& params, const CellTable& table,
                                 size_t category) {
  std::vector<int64_t> counts(params.areaRanges.size(), 0);
  for (size_t c = table.firstCell[category]; c < table.firstCell[category + 1]; ++c) {
    for (const uint32_t t : table.truthsOf(table.cells[c])) {
      const Instance& instance = truth.instances[t];
      if (isIgnored(instance, params)) continue;
      for (size_t a = 0; a < counts.size(); ++a) {
        counts[a] += instance.area >= params.areaRanges[a][0] && instance.area <= params.areaRanges[a][1];
      }
    }
  }
  return counts;
}

}  // namespace

CocoParams CocoParams::defaults(IouType type) {
  CocoParams params;
  params.type = type;
  params.iouThresholds = linspace(.5, .95, 10);
  params.recallThresholds = linspace(0, 1, 101);
  const double small = 32. * 32., large = 96. * 96., any = 1e5 * 1e5;
  if (type == IouType::keypoints) {
    params.maxDetections = {20};
    params.areaRanges = {{0, any}, {small, large}, {large, any}};
    params.areaLabels = {"all", "medium", "large"};
    for (const double tenth :
         {.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89}) {
      params.keypointSigmas.push_back(tenth / 10.);
    }
  } else {
    params.maxDetections = {1, 10, 100};
    params.areaRanges = {{0, any}, {0, small}, {small, large}, {large, any}};
    params.areaLabels = {"all", "small", "medium", "large"};
  }
  return params;
}

CocoResult evaluateCoco(const CocoSet& truth, const std::vector<Instance>& detections,
                        const CocoParams& params) {
  return evaluateAndCount(truth, detections, params).result;
}

CountedResult evaluateAndCount(const CocoSet& truth, const std::vector<Instance>& detections,
                               const CocoParams& params) {
  const CellTable table = groupFor(truth, detections, params);
  const size_t areas = params.areaRanges.size(), thresholds = params.iouThresholds.size();
  std::vector<CategoryDetections> categories(table.categories.size());
  parallelFor(categories.size(), params.threads, [&](size_t k) {
    categories[k] = sortCategory(table, k, detections, areas * thresholds);
    categories[k].truths = countTruths(truth, params, table, k);
  });
  matchCells(truth, detections, params, table, categories);

  CocoResult result;
  result.T = static_cast<int>(thresholds);
  result.R = static_cast<int>(params.recallThresholds.size());
  result.K = static_cast<int>(categories.size());
  result.A = static_cast<int>(areas);
  result.M = static_cast<int>(params.maxDetections.size());
  result.categories = table.categories;
  result.iouThresholds = params.iouThresholds;
  const size_t cells = thresholds * categories.size() * areas * params.maxDetections.size();
  result.recall.assign(cells, -1);
  result.precision.assign(cells * params.recallThresholds.size(), -1);
  result.scores = result.precision;
  parallelFor(categories.size() * areas, params.threads,
              [&](size_t i) { accumulate(categories[i / areas], i / areas, i % areas, params, result); });
  result.stats = summarizeStats(result, params);
  for (CategoryDetections& category : categories) category.cells = nullptr;
  return {std::move(result), std::move(categories)};
}

std::vector<ImageMatches> matchCoco(const CocoSet& truth, const std::vector<Instance>& detections,
                                    const CocoParams& params, size_t areaRange) {
  require(areaRange < params.areaRanges.size(), "area range ", areaRange, " of ", params.areaRanges.size());
  const CellTable table = groupFor(truth, detections, params);
  const auto& range = params.areaRanges[areaRange];
  std::vector<ImageMatches> all(table.cells.size());
  parallelFor(table.cells.size(), params.threads, [&](size_t c) {
    const Cell& cell = table.cells[c];
    const auto truths = table.truthsOf(cell);
    const auto found = table.detectionsOf(cell);
    ImageMatches& out = all[c];
    out.image = table.images[static_cast<size_t>(cell.image)];
    out.category = table.categories[static_cast<size_t>(cell.category)];
    const TruthOrder ordered = orderTruths(truth, truths, range, params);
    for (const uint32_t place : ordered.order) out.truthIds.push_back(truth.instances[truths[place]].id);
    out.truthIgnored = ordered.ignored;
    const bool excused = isExcused(cell, table, params);
    const size_t count = found.size();
    std::vector<int32_t> matches(params.iouThresholds.size() * count, -1);
    if (!truths.empty() && !found.empty() && !comparesNothing(params)) {
      out.overlaps = computeOverlaps(truth, truths, detections, found, params);
      matchGreedily(out.overlaps, count, ordered, params.iouThresholds, matches);
    }
    for (const uint32_t d : found) {
      out.detectionIds.push_back(detections[d].id);
      out.scores.push_back(detections[d].score);
    }
    for (size_t i = 0; i < matches.size(); ++i) {
      const Instance& detection = detections[found[i % count]];
      const int64_t id = matches[i] < 0 ? 0 : out.truthIds[static_cast<size_t>(matches[i])];
      const bool outside = detection.area < range[0] || detection.area > range[1];
      out.matches.push_back(id);
      out.detectionIgnored.push_back((matches[i] >= 0 && ordered.ignored[static_cast<size_t>(matches[i])]) ||
                                     (id == 0 && (outside || excused)));
    }
  });
  return all;
}

}  // namespace hd::eval
