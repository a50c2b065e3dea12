// YOLO text: spec { images: folder, labels: folder, classes: names or the path of a classes.txt, list?: file,
// keepEmpty, minSide }. One <picture>.txt a picture with lines "class cx cy w h", or "class x1 y1 x2 y2 x3 y3
// …" for a polygon, all divided by the picture's size. `list` names pictures, one a line; without it, all
// below `images`. A picture without a label file has no objects.
//
// A line of another form throws, all of them listed with line numbers; classes and coordinates out of range
// are findings.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "data/dataset_builder.h"
#include "data/formats/format.h"
#include "data/formats/listing.h"
#include "data/formats/problems.h"
#include "data/text_file.h"

namespace fs = std::filesystem;

namespace hd::data {
namespace {

constexpr int64_t maxLabelBytes = 64 << 20;
constexpr double normalisedLimit = 1.5;  // beyond it the file holds pixels

class YoloReader {
 public:
  explicit YoloReader(const Value& spec)
      : labels_(spec.at("labels").asString()),
        list_(spec.get("list", "")),
        classes_(classesOf(spec)),
        filter_(TrainingFilter::from(spec)),
        pictures_(spec.at("images").asString()),
        builder_(pictures_.folder()) {
    builder_.setClasses(classes_);
  }

  std::shared_ptr<const Dataset> read() {
    std::vector<std::string> names;
    if (list_.empty()) {
      names = pictures_.names();
    } else {
      for (const std::string& entry : readList(list_)) names.push_back(pictures_.find(entry).value_or(entry));
    }
    if (names.empty()) {
      throw Error("HD_DATA_EMPTY",
                  concat("expected pictures (.jpg, .png, .webp, …) for ",
                         list_.empty() ? pictures_.folder() : list_, " but received none: check the paths"),
                  pictures_.folder());
    }
    for (const std::string& name : names)
      builder_.addImage(builder_.images() + 1, pictures_.path(name), 0, 0);
    builder_.probeFiles(true);
    for (size_t i = 0; i < names.size(); ++i) readLabels(static_cast<int64_t>(i), names[i]);
    problems_.throwIfAny("YOLO lines", labels_);
    return builder_.build(filter_);
  }

 private:
  void readLabels(int64_t image, const std::string& name) {
    const std::string path = (fs::path(labels_) / (withoutExtension(name) + ".txt")).string();
    std::error_code tooLong;  // an entry of the list may be anything
    if (path.find('\0') != std::string::npos || !fs::exists(path, tooLong)) {
      builder_.report("missing-labels", path.c_str(),
                      "no label file: the picture counts as one without objects");
      return;
    }
    const std::string text = readTextFile(path, maxLabelBytes);
    const auto lines = splitLines(text);
    for (size_t i = 0; i < lines.size(); ++i) readLine(image, lines[i], concat(path, ":", i + 1));
  }

  void readLine(int64_t image, std::string_view line, const std::string& where) {
    values_.clear();
    while (!(line = trim(line)).empty()) {
      const size_t end = std::min(line.find_first_of(" \t"), line.size());
      double number;
      if (!parseNumber(line.substr(0, end), number)) {
        problems_.add(concat(where, ": '", line.substr(0, std::min<size_t>(end, 30)), "' is no number"));
        return;
      }
      values_.push_back(number);
      line.remove_prefix(end);
    }
    if (values_.empty()) return;
    const bool polygon = values_.size() >= 7 && values_.size() % 2 == 1;
    if (values_.size() != 5 && !polygon) {
      problems_.add(concat(where, ": ", values_.size(), " columns instead of class cx cy w h"));
      return;
    }
    const double label = values_[0];
    if (label != std::trunc(label) || label < 0) {
      problems_.add(concat(where, ": class ", label, " is no index"));
      return;
    }
    ++id_;
    if (label >= static_cast<double>(classes_.size())) {
      builder_.report("unknown-class", where,
                      concat("class ", label, ", but there are ", classes_.size(), ": dropped"));
      return;
    }
    const auto beyond = [](double x) { return std::abs(x) > normalisedLimit; };
    if (std::any_of(values_.begin() + 1, values_.end(), beyond)) {
      builder_.report("not-normalised", where, "coordinates are not divided by the picture's size: dropped");
      return;
    }
    addObject(image, polygon, where);
  }

  void addObject(int64_t image, bool polygon, const std::string& where) {
    const double width = builder_.width(image), height = builder_.height(image);
    if (width == 0 || height == 0)
      return;  // an unreadable picture, already reported: nothing to multiply with
    Annotation a{};
    a.id = id_;
    a.label = static_cast<int32_t>(values_[0]);
    a.polygons = a.keypoints = a.rle = -1;
    double x1, y1, x2, y2;
    if (polygon) {
      std::vector<float> points;
      x1 = x2 = values_[1] * width;
      y1 = y2 = values_[2] * height;
      for (size_t i = 1; i < values_.size(); i += 2) {
        const double x = values_[i] * width, y = values_[i + 1] * height;
        points.push_back(static_cast<float>(x));
        points.push_back(static_cast<float>(y));
        x1 = std::min(x1, x), x2 = std::max(x2, x);
        y1 = std::min(y1, y), y2 = std::max(y2, y);
      }
      a.polygons = builder_.table().addPolygons({points});
    } else {
      x1 = (values_[1] - values_[3] / 2) * width, x2 = (values_[1] + values_[3] / 2) * width;
      y1 = (values_[2] - values_[4] / 2) * height, y2 = (values_[2] + values_[4] / 2) * height;
    }
    a.x1 = static_cast<float>(x1), a.y1 = static_cast<float>(y1);
    a.x2 = static_cast<float>(x2), a.y2 = static_cast<float>(y2);
    a.area = (x2 - x1) * (y2 - y1);
    builder_.addAnnotation(image, a, where);
  }

  std::string labels_, list_;
  std::vector<std::string> classes_;
  TrainingFilter filter_;
  PictureFolder pictures_;
  DatasetBuilder builder_;
  Problems problems_;
  std::vector<double> values_;  // of the current line
  int64_t id_ = 0;
};

HD_REGISTER_FORMAT(yolo, [](const Value& spec) { return YoloReader(spec).read(); });

}  // namespace
}  // namespace hd::data
