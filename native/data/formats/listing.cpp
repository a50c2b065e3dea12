#include "data/formats/listing.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/text_file.h"

namespace fs = std::filesystem;

namespace hd::data {
namespace {

constexpr int64_t maxListBytes = 256 << 20;
constexpr int maxDepth = 8;
constexpr size_t longestPath = 4096;

[[noreturn]] void failFolder(const std::string& folder, const std::string& reason) {
  throw Error(
      "HD_DATA_FILE",
      concat("expected a readable folder at ", folder, " but received '", reason, "': check the path"),
      folder);
}

std::string lower(std::string text) {
  for (char& symbol : text) symbol = symbol >= 'A' && symbol <= 'Z' ? static_cast<char>(symbol + 32) : symbol;
  return text;
}

}  // namespace

bool isPictureName(std::string_view name) {
  const std::string extension = lower(fs::path(name).extension().string());
  return std::ranges::find(kPictureExtensions, extension) != kPictureExtensions.end();
}

PictureFolder::PictureFolder(const std::string& folder) : folder_(folder) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::skip_permission_denied, error);
  if (error) failFolder(folder, error.message());
  for (const fs::recursive_directory_iterator end; entries != end; entries.increment(error)) {
    if (error) failFolder(folder, error.message());
    if (entries.depth() >= maxDepth) entries.disable_recursion_pending();
    if (isPictureName(entries->path().string()))
      names_.push_back(entries->path().lexically_relative(folder).generic_string());
  }
  if (error) failFolder(folder, error.message());
  std::sort(names_.begin(), names_.end());
  for (size_t i = 0; i < names_.size(); ++i) {
    const std::string& name = names_[i];
    const std::string base = name.substr(name.rfind('/') + 1);
    byName_.emplace(name, i);
    byStem_.emplace(withoutExtension(name), i);
    byStem_.emplace(withoutExtension(base), i);
  }
}

std::string PictureFolder::path(const std::string& name) const {
  return (fs::path(folder_) / name).string();
}

std::optional<std::string> PictureFolder::find(std::string_view entry) const {
  // The longest tail of the entry that names a picture: "/data/images/train/a.jpg" → "train/a.jpg" or
  // "a.jpg". No file has a longer name, and looking at each tail costs the square of the length.
  if (entry.size() > longestPath) entry.remove_prefix(entry.size() - longestPath);
  for (std::string tail(entry);;) {
    if (const auto exact = byName_.find(tail); exact != byName_.end()) return names_[exact->second];
    const size_t slash = tail.find('/');
    if (slash == std::string::npos) {
      if (const auto stem = byStem_.find(tail); stem != byStem_.end()) return names_[stem->second];
      const auto other = isPictureName(tail) ? byStem_.find(withoutExtension(tail)) : byStem_.end();
      return other == byStem_.end() ? std::nullopt : std::optional(names_[other->second]);
    }
    if (const auto stem = byStem_.find(tail); stem != byStem_.end()) return names_[stem->second];
    tail.erase(0, slash + 1);
  }
}

std::string withoutExtension(std::string_view name) {
  const size_t dot = name.rfind('.');
  const size_t slash = name.rfind('/');
  const bool inBase = dot != std::string_view::npos && (slash == std::string_view::npos || dot > slash);
  return std::string(inBase ? name.substr(0, dot) : name);
}

std::vector<std::string> filesWithExtension(const std::string& folder, std::string_view extension) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entries(folder, error);
  if (error) failFolder(folder, error.message());
  for (const fs::directory_iterator end; entries != end; entries.increment(error)) {
    if (error) failFolder(folder, error.message());
    if (lower(entries->path().extension().string()) == extension)
      names.push_back(entries->path().filename().string());
  }
  if (error) failFolder(folder, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> readList(const std::string& path) {
  const std::string text = readTextFile(path, maxListBytes);
  std::vector<std::string> entries;
  for (const std::string_view line : splitLines(text)) {
    const std::string_view entry = trim(line);
    if (!entry.empty() && entry.front() != '#') entries.emplace_back(entry);
  }
  return entries;
}

std::vector<std::string> classesOf(const Value& spec) {
  const Value* classes = spec.find("classes");
  return classes != nullptr && classes->isString() ? readList(classes->asString()) : spec.strings("classes");
}

}  // namespace hd::data
