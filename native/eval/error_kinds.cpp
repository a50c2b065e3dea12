#include "eval/error_kinds.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "eval/accumulate.h"
#include "eval/cells.h"
#include "eval/mask.h"
#include "eval/match.h"
#include "eval/parallel.h"

namespace hd::eval {
namespace {

enum class Verdict : uint8_t { ignored, right, wrong };

/// What became of every detection and truth. Every entry is written by the thread of its image alone.
struct Verdicts {
  std::vector<Verdict> verdict;  ///< by detection; what the table left out stays ignored
  std::vector<ErrorKind> kind;   ///< by detection, of the wrong ones
  std::vector<int64_t> target;   ///< by detection: the truth that the error aims at, or −1
  std::vector<uint8_t> taken;    ///< by truth: a detection found it
  std::vector<uint8_t> aimed;    ///< by truth: a localization or classification error aims at it
  std::vector<int64_t> localizes, classifies;  ///< by truth: the error that becomes right, or −1
};

CocoParams paramsOf(const ErrorOptions& options) {
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.iouThresholds = {options.match};
  params.maxDetections = {options.limit};
  params.areaRanges = {params.areaRanges[0]};
  params.areaLabels = {params.areaLabels[0]};
  params.useIgnore = true;
  params.threads = options.threads;
  return params;
}

struct Nearest {
  double overlap = 0;
  int64_t truth = -1;

  void offer(double value, int64_t candidate) {
    if (value > overlap || (value == overlap && truth >= 0 && candidate < truth)) {
      overlap = value;
      truth = candidate;
    }
  }
};

/// Judges what one image holds, cell by cell.
class ImageJudge {
 public:
  ImageJudge(const CocoSet& truth, const std::vector<Instance>& detections, const CellTable& table,
             const CocoParams& params, const ErrorOptions& options, Verdicts& out)
      : truth_(truth),
        detections_(detections),
        table_(table),
        params_(params),
        options_(options),
        out_(out) {}

  void judge(const std::vector<uint32_t>& cells) {
    for (const uint32_t c : cells) matchCell(table_.cells[c]);
    for (const uint32_t c : cells) {
      for (const uint32_t d : table_.detectionsOf(table_.cells[c])) {
        if (out_.verdict[d] == Verdict::wrong) explain(d, cells, c);
      }
    }
  }

 private:
  void matchCell(const Cell& cell) {
    const auto truths = table_.truthsOf(cell), found = table_.detectionsOf(cell);
    const TruthOrder ordered = orderTruths(truth_, truths, params_.areaRanges[0], params_);
    const std::vector<double> overlaps = computeOverlaps(truth_, truths, detections_, found, params_);
    std::vector<int32_t> matches;
    matchGreedily(overlaps, found.size(), ordered, params_.iouThresholds, matches);
    for (size_t d = 0; d < found.size(); ++d) {
      const int32_t match = matches[d];
      Verdict& verdict = out_.verdict[found[d]];
      verdict = match < 0                                          ? Verdict::wrong
                : ordered.ignored[static_cast<size_t>(match)] != 0 ? Verdict::ignored
                                                                   : Verdict::right;
      if (verdict == Verdict::right) out_.taken[truths[ordered.order[static_cast<size_t>(match)]]] = 1;
    }
  }

  void explain(uint32_t detection, const std::vector<uint32_t>& cells, uint32_t own) {
    Nearest same, other;
    for (const uint32_t c : cells) {
      for (const uint32_t t : table_.truthsOf(table_.cells[c])) {
        const Instance& instance = truth_.instances[t];
        if (isIgnored(instance, params_)) continue;
        (c == own ? same : other).offer(boxOverlap(detections_[detection].box, instance.box, false), t);
      }
    }
    const double least = options_.background, enough = options_.match;
    ErrorKind& kind = out_.kind[detection];
    if (same.overlap >= least && same.overlap < enough) {
      kind = ErrorKind::localization;
      aim(detection, same.truth, out_.localizes);
    } else if (other.overlap >= enough) {
      kind = ErrorKind::classification;
      aim(detection, other.truth, out_.classifies);
    } else if (same.overlap >= enough) {
      kind = ErrorKind::duplicate;
    } else {
      kind = other.overlap < least ? ErrorKind::background : ErrorKind::both;
    }
  }

  void aim(uint32_t detection, int64_t target, std::vector<int64_t>& mends) {
    const auto t = static_cast<size_t>(target);
    out_.target[detection] = target;
    out_.aimed[t] = 1;
    if (out_.taken[t] != 0) return;
    int64_t& best = mends[t];
    const auto better = [&](int64_t rival) {
      const double score = detections_[detection].score,
                   other = detections_[static_cast<size_t>(rival)].score;
      return score > other || (score == other && detection < rival);
    };
    if (best < 0 || better(best)) best = detection;
  }

  const CocoSet& truth_;
  const std::vector<Instance>& detections_;
  const CellTable& table_;
  const CocoParams& params_;
  const ErrorOptions& options_;
  Verdicts& out_;
};

Verdicts judgeAll(const CocoSet& truth, const std::vector<Instance>& detections, const CellTable& table,
                  const CocoParams& params, const ErrorOptions& options) {
  Verdicts out;
  out.verdict.assign(detections.size(), Verdict::ignored);
  out.kind.resize(detections.size());
  out.target.assign(detections.size(), -1);
  out.taken.resize(truth.instances.size());
  out.aimed.resize(truth.instances.size());
  out.localizes.assign(truth.instances.size(), -1);
  out.classifies = out.localizes;
  std::vector<std::vector<uint32_t>> cells(table.images.size());
  for (uint32_t c = 0; c < table.cells.size(); ++c)
    cells[static_cast<size_t>(table.cells[c].image)].push_back(c);
  parallelRanges(cells.size(), 64, options.threads, [&](size_t begin, size_t end) {
    ImageJudge judge(truth, detections, table, params, options, out);
    for (size_t image = begin; image < end; ++image) judge.judge(cells[image]);
  });
  return out;
}

/// A detection that takes part in the AP of a class.
struct Entry {
  double score;
  int image;
  uint32_t detection;
  bool right;

  bool operator<(const Entry& other) const {
    if (score != other.score) return score > other.score;
    return image != other.image ? image < other.image : detection < other.detection;
  }
};

/// COCO's AP of one class at one threshold; −1 without truths.
double averagePrecision(std::vector<Entry> entries, int64_t truths, const CocoParams& params) {
  std::sort(entries.begin(), entries.end());
  CategoryDetections sorted;
  for (const Entry& entry : entries) {
    sorted.scores.push_back(entry.score);
    sorted.outcomes.push_back(entry.right ? Outcome::found : Outcome::unmatched);
  }
  sorted.areas.assign(entries.size(), 0);
  sorted.ranks.assign(entries.size(), 0);
  sorted.truths = {truths};
  CocoResult result;
  result.T = result.K = result.A = result.M = 1;
  result.R = static_cast<int>(params.recallThresholds.size());
  result.iouThresholds = params.iouThresholds;
  result.precision.assign(params.recallThresholds.size(), -1);
  result.scores = result.precision;
  result.recall.assign(1, -1);
  accumulate(sorted, 0, 0, params, result);
  return result.averagePrecision(0);
}

/// AP of the classes when the errors of one kind are mended; `mended` kErrorKinds: none.
class Mender {
 public:
  Mender(const CocoSet& truth, const std::vector<Instance>& detections, const CellTable& table,
         const CocoParams& params, const Verdicts& verdicts)
      : detections_(detections), table_(table), params_(params), verdicts_(verdicts) {
    truths_.resize(table.categories.size());
    missed_ = truths_;
    moved_.resize(truths_.size());
    for (const Cell& cell : table.cells) {
      const auto k = static_cast<size_t>(cell.category);
      for (const uint32_t t : table.truthsOf(cell)) {
        if (isIgnored(truth.instances[t], params)) continue;
        ++truths_[k];
        missed_[k] += verdicts.taken[t] == 0 && verdicts.aimed[t] == 0;
        const int64_t mended = verdicts.classifies[t];
        if (mended < 0) continue;
        const auto d = static_cast<uint32_t>(mended);
        moved_[k].push_back({detections[d].score, cell.image, d, true});
      }
    }
  }

  int64_t missed() const {
    int64_t sum = 0;
    for (const int64_t count : missed_) sum += count;
    return sum;
  }

  /// −1: the class does not take part in the mean.
  double averagePrecisionOf(size_t k, size_t mended) const {
    if (truths_[k] == 0) return -1;
    std::vector<Entry> entries;
    for (size_t c = table_.firstCell[k]; c < table_.firstCell[k + 1]; ++c) {
      const Cell& cell = table_.cells[c];
      for (const uint32_t d : table_.detectionsOf(cell)) {
        if (verdicts_.verdict[d] == Verdict::ignored) continue;
        bool right = verdicts_.verdict[d] == Verdict::right;
        if (!right && static_cast<size_t>(verdicts_.kind[d]) == mended) {
          right = verdicts_.kind[d] == ErrorKind::localization &&
                  verdicts_.localizes[static_cast<size_t>(verdicts_.target[d])] == d;
          if (!right) continue;
        }
        entries.push_back({detections_[d].score, cell.image, d, right});
      }
    }
    if (mended == static_cast<size_t>(ErrorKind::classification))
      entries.insert(entries.end(), moved_[k].begin(), moved_[k].end());
    const bool spared = mended == static_cast<size_t>(ErrorKind::missed);
    const int64_t truths = truths_[k] - (spared ? missed_[k] : 0);
    if (truths == 0) return entries.empty() ? -1 : 0;
    return averagePrecision(std::move(entries), truths, params_);
  }

  bool anyTruth() const {
    return std::any_of(truths_.begin(), truths_.end(), [](int64_t count) { return count > 0; });
  }

 private:
  const std::vector<Instance>& detections_;
  const CellTable& table_;
  CocoParams params_;
  const Verdicts& verdicts_;
  std::vector<int64_t> truths_, missed_;   // that count, by class
  std::vector<std::vector<Entry>> moved_;  // detections that classification would bring to a class
};

}  // namespace

const char* nameOf(ErrorKind kind) {
  constexpr std::array<const char*, kErrorKinds> kNames{"classification", "localization", "both",
                                                        "duplicate",      "background",   "missed"};
  return kNames[static_cast<size_t>(kind)];
}

ErrorCosts errorCosts(const CocoSet& truth, const std::vector<Instance>& detections,
                      const ErrorOptions& options) {
  require(options.background >= 0 && options.background <= options.match && options.match <= 1,
          "expected 0 ≤ background ≤ match ≤ 1 for the overlaps of error kinds");
  const CocoParams params = paramsOf(options);
  const CellTable table = groupIntoCells(truth, detections, {{}, {}, true, options.limit, options.threads});
  const Verdicts verdicts = judgeAll(truth, detections, table, params, options);
  const Mender mender(truth, detections, table, params, verdicts);
  ErrorCosts out;
  for (size_t d = 0; d < detections.size(); ++d) {
    if (verdicts.verdict[d] == Verdict::wrong) ++out.count[static_cast<size_t>(verdicts.kind[d])];
  }
  out.count[static_cast<size_t>(ErrorKind::missed)] = mender.missed();
  if (!mender.anyTruth()) return out;

  const size_t classes = table.categories.size();
  std::vector<double> precisions((kErrorKinds + 1) * classes);
  parallelFor(precisions.size(), options.threads,
              [&](size_t i) { precisions[i] = mender.averagePrecisionOf(i % classes, i / classes); });
  const auto meanOf = [&](size_t mended) {
    double sum = 0;
    int64_t counted = 0;
    for (size_t k = 0; k < classes; ++k) {
      const double ap = precisions[mended * classes + k];
      if (ap < 0) continue;
      sum += ap;
      ++counted;
    }
    return counted == 0 ? 1
                        : sum / static_cast<double>(counted);  // none left: nothing to find, nothing wrong
  };
  out.ap = meanOf(kErrorKinds);
  for (size_t kind = 0; kind < kErrorKinds; ++kind) out.cost[kind] = meanOf(kind) - out.ap;
  return out;
}

}  // namespace hd::eval
