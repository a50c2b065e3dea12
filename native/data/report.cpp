#include "data/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "data/decode.h"
#include "data/parallel.h"
#include "data/similarity.h"

namespace hd::data {
namespace {

double sideOf(const Annotation& a) {
  return std::sqrt(static_cast<double>(a.x2 - a.x1) * (a.y2 - a.y1));
}

/// By linear interpolation between neighbours, as numpy does; `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

Value perClass(const Dataset& dataset) {
  struct Count {
    int64_t images = 0, objects = 0, ignored = 0, lastImage = -1;
    std::vector<double> sides;
  };
  std::vector<Count> counts(dataset.classes().size());
  for (int64_t image = 0; image < dataset.size(); ++image) {
    for (const Annotation& annotation : dataset.annotations(image)) {
      Count& count = counts[static_cast<size_t>(annotation.label)];
      if (annotation.crowd || annotation.difficult) {
        ++count.ignored;
        continue;
      }
      ++count.objects;
      count.sides.push_back(sideOf(annotation));
      if (count.lastImage != image) ++count.images;
      count.lastImage = image;
    }
  }
  Value list(Value::Array{});
  for (size_t c = 0; c < counts.size(); ++c) {
    auto& [images, objects, ignored, last, sides] = counts[c];
    std::sort(sides.begin(), sides.end());
    Value entry;
    entry.set("name", dataset.classes()[c])
        .set("images", images)
        .set("objects", objects)
        .set("ignored", ignored);
    list.push(entry.set("medianSide", sides.empty() ? 0.0 : quantile(sides, 0.5)));
  }
  return list;
}

Value boxSides(const Dataset& dataset) {
  std::vector<double> sides;
  for (const Annotation& annotation : dataset.table().annotations) sides.push_back(sideOf(annotation));
  std::sort(sides.begin(), sides.end());
  Value list(Value::Array{});
  for (const double share : {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0}) {
    if (!sides.empty()) list.push(quantile(sides, share));
  }
  return list;
}

std::string nameOf(const Dataset& dataset, int64_t image) {
  const std::string_view file = dataset.file(image);
  return file.empty() ? concat("image ", dataset.imageId(image)) : std::string(file);
}

struct Inspected {
  std::vector<Finding> findings;            // in image order
  std::vector<std::vector<int64_t>> equal;  // groups of two and more
};

Inspected inspectPictures(const Dataset& dataset, int threads, std::stop_token stop) {
  std::vector<uint64_t> hashes(static_cast<size_t>(dataset.size()));
  std::vector<Finding> problems(hashes.size());
  parallelFor(
      dataset.size(), threads,
      [&](int64_t image) {
        const auto i = static_cast<size_t>(image);
        try {
          const Picture picture = dataset.load(image, 0, 0);
          hashes[i] = pixelHash(picture);
          const int width = dataset.width(image), height = dataset.height(image);
          if (width > 0 && (picture.width != width || picture.height != height)) {
            problems[i] = {"size-mismatch", nameOf(dataset, image),
                           concat("the annotation says ", width, "×", height, ", the picture has ",
                                  picture.width, "×", picture.height, ": correct the annotation")};
          }
        } catch (const Error& error) {
          problems[i] = {"corrupt-file", nameOf(dataset, image), error.what()};
        }
      },
      stop);
  Inspected out;
  std::map<uint64_t, std::vector<int64_t>> groups;
  for (size_t i = 0; i < problems.size(); ++i) {
    if (!problems[i].code.empty()) out.findings.push_back(std::move(problems[i]));
    if (hashes[i] != 0) groups[hashes[i]].push_back(static_cast<int64_t>(i));
  }
  for (auto& [hash, images] : groups) {
    if (images.size() > 1) out.equal.push_back(std::move(images));
  }
  std::sort(out.equal.begin(), out.equal.end());
  return out;
}

}  // namespace

Value imageSizes(const Dataset& dataset) {
  std::map<std::pair<int, int>, int64_t> counts;
  for (int64_t image = 0; image < dataset.size(); ++image)
    ++counts[{dataset.width(image), dataset.height(image)}];
  std::vector<std::pair<std::pair<int, int>, int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  Value list(Value::Array{});
  for (const auto& [size, count] : sorted) {
    Value entry;
    list.push(entry.set("width", size.first).set("height", size.second).set("count", count));
  }
  return list;
}

Value report(const Dataset& dataset, bool decode, int threads, std::stop_token stop) {
  std::vector<Finding> findings = dataset.findings();
  std::map<std::string, int64_t> counts = dataset.findingCounts();
  Value duplicates(Value::Array{});
  if (decode) {
    const Inspected inspected = inspectPictures(dataset, threads, stop);
    for (const Finding& finding : inspected.findings) {
      findings.push_back(finding);
      ++counts[finding.code];
    }
    for (const auto& group : inspected.equal) {
      Value names;
      for (const int64_t image : group) names.push(nameOf(dataset, image));
      duplicates.push(names);
    }
  }
  Value findingList(Value::Array{}), findingCounts(Value::Object{}), out;
  for (const Finding& finding : findings) {
    Value entry;
    findingList.push(
        entry.set("code", finding.code).set("where", finding.where).set("message", finding.message));
  }
  for (const auto& [code, count] : counts) findingCounts.set(code, count);
  out.set("images", dataset.size()).set("trainable", static_cast<int64_t>(dataset.trainable().size()));
  out.set("annotations", static_cast<int64_t>(dataset.table().annotations.size()));
  out.set("perClass", perClass(dataset))
      .set("boxSides", boxSides(dataset))
      .set("imageSizes", imageSizes(dataset));
  out.set("findings", findingList).set("findingCounts", findingCounts);
  return out.set("duplicates", duplicates);
}

Value leakage(const Dataset& a, const Dataset& b, int threads, std::stop_token stop) {
  constexpr size_t maxPairs = 1000;
  const std::vector<Fingerprint> first = fingerprints(a, threads, stop),
                                 second = fingerprints(b, threads, stop);
  std::vector<std::vector<std::pair<int, int64_t>>> matches(first.size());  // (distance, index in b)
  parallelFor(
      a.size(), threads,
      [&](int64_t image) {
        auto& found = matches[static_cast<size_t>(image)];
        for (size_t other = 0; other < second.size() && found.size() < maxPairs; ++other) {
          const int distance = nearDuplicate(first[static_cast<size_t>(image)], second[other]);
          if (distance >= 0) found.emplace_back(distance, static_cast<int64_t>(other));
        }
      },
      stop);
  std::vector<std::array<int64_t, 3>> pairs;
  for (size_t image = 0; image < matches.size(); ++image) {
    for (const auto& [distance, other] : matches[image])
      pairs.push_back({distance, static_cast<int64_t>(image), other});
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.resize(std::min(pairs.size(), maxPairs));
  Value list(Value::Array{});
  for (const auto& [distance, image, other] : pairs) {
    Value entry;
    list.push(entry.set("file", nameOf(a, image)).set("other", nameOf(b, other)).set("distance", distance));
  }
  return list;
}

}  // namespace hd::data
