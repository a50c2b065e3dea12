#include "data/formats/layout.h"

#include <algorithm>

#include "core/error.h"

namespace fs = std::filesystem;

namespace hd::data {
namespace {

constexpr size_t maxFolders = 2000;
constexpr int maxDepth = 2;  // of recursive_directory_iterator, whose first level is 0
constexpr int maxFilesPerFolder = 100;

std::string lower(std::string text) {
  for (char& symbol : text) symbol = symbol >= 'A' && symbol <= 'Z' ? static_cast<char>(symbol + 32) : symbol;
  return text;
}

}  // namespace

const std::vector<std::string>& splitNames(Split split) {
  static const std::vector<std::string> train{"train", "training", "trainval"},
      val{"val", "valid", "validation"}, test{"test"};
  return split == Split::train ? train : split == Split::val ? val : test;
}

bool isFile(const fs::path& path) {
  std::error_code error;
  return path.native().find('\0') == std::string::npos && fs::is_regular_file(path, error);
}

Layout::Layout(const std::string& root) : root_(root) {
  std::error_code error;
  fs::recursive_directory_iterator entries(root, fs::directory_options::skip_permission_denied, error);
  if (error) {
    throw Error("HD_DATA_FILE",
                concat("expected a readable folder at ", root, " but received '", error.message(),
                       "': check the path"),
                root);
  }
  folders_.push_back(root_);
  for (const fs::recursive_directory_iterator end; entries != end && folders_.size() < maxFolders;
       entries.increment(error)) {
    if (error) break;
    std::error_code ignored;
    if (!entries->is_directory(ignored)) continue;
    folders_.push_back(entries->path());
    if (entries.depth() >= maxDepth) entries.disable_recursion_pending();
  }
  const auto depth = [](const fs::path& path) { return std::distance(path.begin(), path.end()); };
  std::sort(folders_.begin(), folders_.end(), [&](const fs::path& a, const fs::path& b) {
    return std::pair(depth(a), a) < std::pair(depth(b), b);
  });
}

std::vector<fs::path> Layout::filesWith(const std::string& extension) const {
  std::vector<fs::path> found;
  for (const fs::path& folder : folders_) {
    std::error_code error;
    int count = 0;
    std::vector<fs::path> here;
    for (fs::directory_iterator entry(folder, error), end; entry != end && count < maxFilesPerFolder;
         entry.increment(error)) {
      if (error) break;
      if (lower(entry->path().extension().string()) != extension || !isFile(entry->path())) continue;
      here.push_back(entry->path());
      ++count;
    }
    std::sort(here.begin(), here.end());
    found.insert(found.end(), here.begin(), here.end());
  }
  return found;
}

std::optional<Split> Layout::splitOf(const fs::path& file) const {
  const fs::path relative = file.lexically_relative(root_);
  std::vector<std::string> words{lower(file.stem().string())};
  for (const fs::path& part : relative.parent_path()) words.push_back(lower(part.string()));
  for (const std::string& word : words) {
    for (const Split split : {Split::train, Split::val, Split::test}) {
      if (word.find(splitNames(split).front()) != std::string::npos) return split;
    }
  }
  return std::nullopt;
}

std::optional<fs::path> Layout::list(Split split) const {
  for (const char* folder : {"", "ImageSets/Main", "ImageSets"}) {
    for (const std::string& name : splitNames(split)) {
      const fs::path path = root_ / folder / (name + ".txt");
      if (isFile(path)) return path;
    }
  }
  return std::nullopt;
}

std::optional<fs::path> Layout::folderHolding(Split split,
                                              const std::function<bool(const fs::path&)>& holds) const {
  const auto named = [&](const fs::path& folder) {
    const std::string name = lower(folder.lexically_relative(root_).string());
    return std::any_of(splitNames(split).begin(), splitNames(split).end(),
                       [&](const std::string& word) { return name.find(word) != std::string::npos; });
  };
  for (const bool wantNamed : {true, false}) {
    for (const fs::path& folder : folders_) {
      if (named(folder) == wantNamed && holds(folder)) return folder;
    }
  }
  return std::nullopt;
}

}  // namespace hd::data
