// Outputs of a teacher on disk, for recipes that show it the same pixels again.
//
// An entry belongs to what went into the network and nothing else: teacher file, model section, arithmetic
// and build of this program, taps, canvas, valid size and pixels. So nothing can be stale: another teacher,
// version, picture, size or augmentation is another entry. It holds only the rows that transfers asked for;
// when more are asked for it is made anew. Values are those of the picture alone in its batch, so that they
// do not depend on what it was batched with.
//
// Entries appear whole (temporary name, rename) and carry a checksum: several processes may share a folder,
// a damaged entry is a missing one. At the limit, entries that this run has not used go first; when there are
// none, nothing more is stored. Nothing here stops a run: without disk space the teacher computes.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "detectors/anchors.h"

namespace hd::distill {

using torch::Tensor;

struct CacheStatistics {
  int64_t hits = 0, misses = 0;  ///< pictures
  int64_t bytes = 0;             ///< of all entries under the root
  bool full = false;             ///< the limit was reached, or the disk refused
};

/// Rows of a picture: one index into all cells of all levels, finest first, row-major.
using RowList = std::vector<int32_t>;

/// What a teacher said of some rows of one picture.
struct CacheEntry {
  std::vector<int32_t> channels;  ///< of each group of taps ("head.cls", "head.reg", …)
  Tensor values;                  ///< fp32 [rows, Σ channels], contiguous
};

class OutputCache {
 public:
  /// Entries lie in root/<teacher>. When those under `root` exceed `limit` bytes, other teachers' folders go,
  /// the longest unused first. Throws HD_IO when the folder cannot be made.
  OutputCache(std::string root, std::string teacher, int64_t limit);

  /// What makes a picture's entry: the canvas with its pixels, the valid part, and the taps.
  static std::string keyOf(const Batch& batch, int64_t image, const std::vector<std::string>& taps);

  /// The wanted rows, which rise; nothing when there is no such entry or it lacks one. Counts a hit or a
  /// miss.
  std::optional<CacheEntry> load(const std::string& key, const RowList& rows);
  void store(const std::string& key, const RowList& rows, const CacheEntry& entry);

  const CacheStatistics& statistics() const { return statistics_; }

 private:
  std::string pathOf(const std::string& key) const;
  /// Removes entries of this teacher that were last used before this run, the longest unused first, until
  /// `bytes` more fit.
  void makeRoom(int64_t bytes);

  std::string folder_;
  int64_t limit_;
  std::filesystem::file_time_type started_ = std::filesystem::file_time_type::clock::now();
  std::optional<std::vector<std::filesystem::path>> unused_;  ///< before this run, the oldest last
  CacheStatistics statistics_;
};

/// Runs `teacher` on the pictures that `cache` does not know, one at a time, and takes the rest from it.
/// `rows`: one uint8 mask a level over the whole batch, rows image-major; outside them results are zeros.
/// `taps` are "<group>.p<level>" with every level of a group, finest first. Results by tap, N×C×H×W in
/// channels_last, fp32.
std::map<std::string, Tensor> runCached(OutputCache& cache, const Batch& batch,
                                        const std::vector<detectors::GridLevel>& levels,
                                        const std::vector<std::string>& taps, const std::vector<Tensor>& rows,
                                        const std::function<std::vector<Tensor>(const Batch&)>& teacher);

}  // namespace hd::distill
