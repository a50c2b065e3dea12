// What lies where in a data set folder: the file-system half of format detection.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hd::data {

enum class Split { train, val, test };

/// How folders and lists of a split are called, the usual name first.
const std::vector<std::string>& splitNames(Split split);

/// A regular file, without throwing.
bool isFile(const std::filesystem::path& path);

/// Invariant: holds the first three levels of folders below the root, at most a few thousand, sorted.
class Layout {
 public:
  /// Throws HD_DATA_FILE when `root` is no readable folder.
  explicit Layout(const std::string& root);

  const std::filesystem::path& root() const { return root_; }
  /// Files with this extension: all of the root, annotations/ and annotation-sized folders; at most 100 a
  /// folder.
  std::vector<std::filesystem::path> filesWith(const std::string& extension) const;
  /// What the name of a file, or the folder it lies in, says: "…train….json" → train.
  std::optional<Split> splitOf(const std::filesystem::path& file) const;
  /// train.txt, val.txt … in the root or in ImageSets/Main.
  std::optional<std::filesystem::path> list(Split split) const;
  /// The first folder for which `holds` is true; folders named after the split first.
  std::optional<std::filesystem::path> folderHolding(
      Split split, const std::function<bool(const std::filesystem::path&)>& holds) const;

 private:
  std::filesystem::path root_;
  std::vector<std::filesystem::path> folders_;
};

}  // namespace hd::data
