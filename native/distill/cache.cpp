#include "distill/cache.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "core/content_hash.h"
#include "core/error.h"
#include "distill/transfer.h"
#include "io/crc32.h"

namespace hd::distill {
namespace {

namespace fs = std::filesystem;

struct Header {
  char magic[8] = {'h', 'd', 'c', 'a', 'c', 'h', 'e', '1'};
  uint32_t checksum = 0;  ///< of everything after it
  int32_t rows = 0, groups = 0;
};
constexpr size_t checkedFrom = offsetof(Header, rows);

bool isOurs(const Header& header) {
  return std::memcmp(header.magic, Header{}.magic, sizeof header.magic) == 0;
}

/// Bytes of the files below a folder; 0 when it does not exist.
int64_t bytesIn(const fs::path& folder) {
  int64_t sum = 0;
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(folder, ignored); it != fs::recursive_directory_iterator();
       it.increment(ignored)) {
    if (it->is_regular_file(ignored)) sum += static_cast<int64_t>(it->file_size(ignored));
  }
  return sum;
}

/// Whether a folder holds nothing but what a cache wrote: users name folders that hold other things, too.
bool isCache(const fs::path& folder) {
  std::error_code failed;
  bool seen = false;
  for (const auto& part : fs::directory_iterator(folder, failed)) {
    const std::string name = part.path().filename().string();
    if (!part.is_directory(failed) || name.size() != 2 ||
        name.find_first_not_of("0123456789abcdef") != std::string::npos)
      return false;
    for (const auto& entry : fs::directory_iterator(part, failed)) {
      Header header;
      std::ifstream file(entry.path(), std::ios::binary);
      file.read(reinterpret_cast<char*>(&header), sizeof header);
      if (!file || !isOurs(header)) return false;
      seen = true;
      break;  // one of each part: a cache has many thousands
    }
  }
  return seen && !failed;
}

/// The levels of each group of taps: "head.cls" → its positions in `taps`, in the order of the levels.
struct TapGroup {
  std::string prefix;
  std::vector<size_t> levels;
};

std::vector<TapGroup> groupsOf(const std::vector<std::string>& taps) {
  std::vector<TapGroup> groups;
  for (size_t i = 0; i < taps.size(); ++i) {
    const std::string prefix = taps[i].substr(0, taps[i].rfind('.'));
    auto group =
        std::find_if(groups.begin(), groups.end(), [&](const TapGroup& g) { return g.prefix == prefix; });
    if (group == groups.end()) group = groups.insert(groups.end(), {prefix, {}});
    group->levels.push_back(i);
  }
  return groups;
}

Batch only(const Batch& batch, int64_t image) {
  Batch out = batch;
  out.pixels = batch.pixels + image * batch.height * batch.width * 3;
  out.count = 1;
  out.images = {batch.images[static_cast<size_t>(image)]};
  return out;
}

}  // namespace

OutputCache::OutputCache(std::string root, std::string teacher, int64_t limit)
    : folder_((fs::path(root) / teacher).string()), limit_(limit) {
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) {
    throw Error("HD_IO",
                concat("expected a folder that can be made for teachers.cache.folder but received ", root,
                       " (", failed.message(), "): choose another, or set cache to null"),
                root);
  }
  fs::last_write_time(folder_, fs::file_time_type::clock::now(), failed);
  statistics_.bytes = bytesIn(folder_);
  std::vector<std::pair<fs::file_time_type, fs::path>> others;
  for (const auto& entry : fs::directory_iterator(root, failed)) {
    if (!entry.is_directory(failed) || entry.path().filename() == teacher || !isCache(entry.path())) continue;
    others.emplace_back(entry.last_write_time(failed), entry.path());
    statistics_.bytes += bytesIn(entry.path());
  }
  std::sort(others.begin(), others.end());
  for (const auto& [used, path] : others) {
    if (statistics_.bytes <= limit_) break;
    statistics_.bytes -= bytesIn(path);
    fs::remove_all(path, failed);
  }
}

std::string OutputCache::keyOf(const Batch& batch, int64_t image, const std::vector<std::string>& taps) {
  ContentHash hash;
  const int64_t bytes = batch.height * batch.width * 3;
  hash.add(batch.pixels + image * bytes, static_cast<size_t>(bytes));
  const ImageTargets& targets = batch.images[static_cast<size_t>(image)];
  hash.add(batch.height).add(batch.width).add(int64_t{targets.height}).add(int64_t{targets.width});
  for (const ColourTurn& turn : targets.colours) {
    const float hsv[] = {turn.saturation, turn.hue};
    hash.add(turn.map.rows.data(), sizeof turn.map.rows).add(hsv, sizeof hsv);
  }
  for (const std::string& tap : taps) hash.add(tap);
  return hash.hex();
}

std::string OutputCache::pathOf(const std::string& key) const {
  return (fs::path(folder_) / key.substr(0, 2) / key).string();
}

std::optional<CacheEntry> OutputCache::load(const std::string& key, const RowList& rows) {
  ++statistics_.misses;
  std::ifstream file(pathOf(key), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Header header;
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(Header));
  if (!isOurs(header) || header.checksum != io::crc32(bytes.data() + checkedFrom, bytes.size() - checkedFrom))
    return std::nullopt;
  // The checksum fits, so the counts are what store() wrote.
  CacheEntry out;
  out.channels.resize(static_cast<size_t>(header.groups));
  RowList stored(static_cast<size_t>(header.rows));
  const char* from = bytes.data() + sizeof(Header);
  // Without any rows there is no memory to copy to, which memcpy() must not be given.
  const auto take = [&from](auto& values) {
    std::copy_n(from, 4 * values.size(), reinterpret_cast<char*>(values.data()));
    from += 4 * values.size();
  };
  take(out.channels);
  take(stored);
  const auto width = static_cast<size_t>(std::accumulate(out.channels.begin(), out.channels.end(), 0));
  out.values = at::empty({std::ssize(rows), static_cast<int64_t>(width)});
  char* to = static_cast<char*>(out.values.mutable_data_ptr());
  // Both lists rise, so one walk through the stored rows finds all.
  size_t at = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    while (at < stored.size() && stored[at] < rows[i]) ++at;
    if (at == stored.size() || stored[at] != rows[i]) return std::nullopt;
    std::copy_n(from + 4 * at * width, 4 * width, to + 4 * i * width);
  }
  --statistics_.misses;
  ++statistics_.hits;
  std::error_code ignored;
  if (fs::last_write_time(pathOf(key), ignored) < started_)
    fs::last_write_time(pathOf(key), fs::file_time_type::clock::now(), ignored);
  return out;
}

void OutputCache::makeRoom(int64_t bytes) {
  std::error_code failed;
  const auto lastUse = [&](const fs::path& path) { return fs::last_write_time(path, failed); };
  if (!unused_) {
    std::vector<std::pair<fs::file_time_type, fs::path>> found;
    for (auto it = fs::recursive_directory_iterator(folder_, failed);
         it != fs::recursive_directory_iterator(); it.increment(failed)) {
      if (it->is_regular_file(failed)) found.emplace_back(lastUse(it->path()), it->path());
    }
    std::sort(found.rbegin(), found.rend());
    unused_.emplace();
    for (const auto& [used, path] : found) {
      if (used < started_) unused_->push_back(path);
    }
  }
  while (statistics_.bytes + bytes > limit_ && !unused_->empty()) {
    const fs::path path = std::move(unused_->back());
    unused_->pop_back();
    const auto size = static_cast<int64_t>(fs::file_size(path, failed));
    // Used since the walk, by this run or one beside it, or gone.
    if (failed || lastUse(path) >= started_) continue;
    if (fs::remove(path, failed)) statistics_.bytes -= size;
  }
}

void OutputCache::store(const std::string& key, const RowList& rows, const CacheEntry& entry) {
  Header header;
  header.rows = static_cast<int32_t>(rows.size());
  header.groups = static_cast<int32_t>(entry.channels.size());
  std::string bytes(sizeof(Header), '\0');
  const auto append = [&](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  append(entry.channels.data(), 4 * entry.channels.size());
  append(rows.data(), 4 * rows.size());
  append(entry.values.const_data_ptr(), entry.values.nbytes());
  if (statistics_.bytes + std::ssize(bytes) > limit_) makeRoom(std::ssize(bytes));
  statistics_.full = statistics_.full || statistics_.bytes + std::ssize(bytes) > limit_;
  if (statistics_.full) return;
  std::memcpy(bytes.data(), &header, sizeof(Header));
  header.checksum = io::crc32(bytes.data() + checkedFrom, bytes.size() - checkedFrom);
  std::memcpy(bytes.data(), &header, sizeof(Header));

  const fs::path path = pathOf(key), temporary = concat(path.string(), ".tmp-", ::getpid());
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  const auto replaced = fs::exists(path, failed) ? static_cast<int64_t>(fs::file_size(path, failed)) : 0;
  std::ofstream file(temporary, std::ios::binary);
  file.write(bytes.data(), std::ssize(bytes));
  file.close();
  if (file) fs::rename(temporary, path, failed);
  if (!file || failed) {
    fs::remove(temporary, failed);
    statistics_.full = true;
    return;
  }
  statistics_.bytes += std::ssize(bytes) - replaced;
}

std::map<std::string, Tensor> runCached(OutputCache& cache, const Batch& batch,
                                        const std::vector<detectors::GridLevel>& levels,
                                        const std::vector<std::string>& taps, const std::vector<Tensor>& rows,
                                        const std::function<std::vector<Tensor>(const Batch&)>& teacher) {
  const at::NoGradGuard guard;
  const auto groups = groupsOf(taps);
  std::map<std::string, Tensor> out;
  for (int64_t i = 0; i < batch.count; ++i) {
    // Rows of this picture by level, and all of them as numbers over all levels.
    std::vector<Tensor> chosen;
    RowList list;
    for (size_t l = 0; l < levels.size(); ++l) {
      const int64_t cells = levels[l].cells();
      chosen.push_back(rows[l].slice(0, i * cells, (i + 1) * cells).nonzero().flatten());
      const int64_t* cell = chosen.back().const_data_ptr<int64_t>();
      for (int64_t n = 0; n < chosen.back().numel(); ++n)
        list.push_back(static_cast<int32_t>(levels[l].firstCell() + cell[n]));
    }
    const std::string key = OutputCache::keyOf(batch, i, taps);
    auto entry = cache.load(key, list);
    if (!entry) {
      const std::vector<Tensor> maps = teacher(only(batch, i));
      entry.emplace();
      std::vector<Tensor> columns;
      for (const TapGroup& group : groups) {
        std::vector<Tensor> parts;
        for (size_t l = 0; l < levels.size(); ++l)
          parts.push_back(anchorRows(maps[group.levels[l]]).to(at::kFloat).index_select(0, chosen[l]));
        columns.push_back(at::cat(parts));
        entry->channels.push_back(static_cast<int32_t>(columns.back().size(1)));
      }
      entry->values = at::cat(columns, 1).contiguous();
      cache.store(key, list, *entry);
    }
    int64_t firstChannel = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      const int64_t channels = entry->channels[g];
      int64_t firstRow = 0;
      for (size_t l = 0; l < levels.size(); ++l) {
        Tensor& map = out[taps[groups[g].levels[l]]];
        if (!map.defined()) {
          map = at::zeros({batch.count, levels[l].height, levels[l].width, channels}).permute({0, 3, 1, 2});
        }
        const int64_t count = chosen[l].numel();
        anchorRows(map[i].unsqueeze(0))
            .index_copy_(0, chosen[l],
                         entry->values.slice(0, firstRow, firstRow + count)
                             .slice(1, firstChannel, firstChannel + channels));
        firstRow += count;
      }
      firstChannel += channels;
    }
  }
  return out;
}

}  // namespace hd::distill
