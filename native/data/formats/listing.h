// Finding the pictures of a folder by the many ways that lists and annotation files name them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/value.h"

namespace hd::data {

/// The extensions (lower case) of the formats that decode.h reads.
inline constexpr std::array<std::string_view, 9> kPictureExtensions{".jpg", ".jpeg", ".png", ".webp", ".avif",
                                                                    ".tif", ".tiff", ".gif", ".bmp"};
/// True for a file name with one of them, in any case.
bool isPictureName(std::string_view name);

/// The pictures (by extension, any case) below a folder, listed once. Names are relative to it, with
/// '/'.
class PictureFolder {
 public:
  /// Throws HD_DATA_FILE when the folder cannot be listed.
  explicit PictureFolder(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const std::vector<std::string>& names() const { return names_; }  ///< sorted
  std::string path(const std::string& name) const;

  /// The name of the picture that an entry means: a name in the folder, a path that ends in one, or one
  /// without extension. Nothing when there is none.
  std::optional<std::string> find(std::string_view entry) const;

 private:
  std::string folder_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t> byName_, byStem_;  // the first of several wins
};

/// Without its last extension.
std::string withoutExtension(std::string_view name);
/// "a.txt", "b.txt" … directly in the folder with this extension, sorted by name; throws HD_DATA_FILE.
std::vector<std::string> filesWithExtension(const std::string& folder, std::string_view extension);
/// The entries of a list file (or of a class file): lines without blanks at their ends, empty lines and '#'
/// left out.
std::vector<std::string> readList(const std::string& path);

/// `spec.classes`: names in label order, or the path of a file that lists them; empty when missing.
std::vector<std::string> classesOf(const Value& spec);

}  // namespace hd::data
