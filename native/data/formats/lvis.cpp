// LVIS JSON: spec as COCO's, without `also`. Its annotators searched a picture only for some classes:
// neg_category_ids names those that it has none of, not_exhaustive_category_ids those of which not every
// object is annotated; frequency tells the rare (r), common (c) and frequent (f) categories apart. Pictures
// are COCO's, whose folders the file name holds (train2017/000000000009.jpg): the last two parts of coco_url
// where file_name is missing.
#include <utility>

#include "core/error.h"
#include "data/formats/coco_reader.h"
#include "data/formats/format.h"

namespace hd::data {
namespace {

class LvisExtension : public CocoExtension {
 public:
  void readCategoryMember(const JsonFile& file, std::string_view key, JsonFile::Value value,
                          int64_t index) override {
    if (key != "frequency") return;
    const std::string_view name = file.string(value, {"categories", index, "frequency"});
    if (name != "r" && name != "c" && name != "f") {
      file.fail("r, c or f", Place{"categories", index, "frequency"}.text(), name, "correct the value");
    }
    frequency_ = name[0];
  }

  void endCategory(int64_t id) override {
    frequencies_[id] = frequency_;
    frequency_ = 0;
  }

  void readImageMember(const JsonFile& file, std::string_view key, JsonFile::Value value,
                       int64_t index) override {
    if (key == "coco_url") {
      name_ = lvisFileName(file.string(value, {"images", index, "coco_url"}));
    } else if (key == "neg_category_ids") {
      append(file, value, {"images", index, "neg_category_ids"}, negative_);
    } else if (key == "not_exhaustive_category_ids") {
      append(file, value, {"images", index, "not_exhaustive_category_ids"}, notExhaustive_);
    }
  }

  std::string endImage() override {
    negativeEnds_.push_back(static_cast<int64_t>(negative_.size()));
    notExhaustiveEnds_.push_back(static_cast<int64_t>(notExhaustive_.size()));
    return std::exchange(name_, {});
  }

  std::shared_ptr<const Federation> federation(
      const std::unordered_map<int64_t, int32_t>& labels) const override {
    auto out = std::make_shared<Federation>();
    out->frequency.resize(labels.size());
    for (const auto& [id, label] : labels) out->frequency[static_cast<size_t>(label)] = frequencies_.at(id);
    // Categories that the recipe leaves out are dropped.
    const auto convert = [&](const std::vector<int64_t>& ids, const std::vector<int64_t>& ends,
                             std::vector<int32_t>& classes, std::vector<int64_t>& places) {
      for (size_t image = 0; image < ends.size(); ++image) {
        places.push_back(static_cast<int64_t>(classes.size()));
        const int64_t end = ends[image];
        for (int64_t i = image == 0 ? 0 : ends[image - 1]; i < end; ++i) {
          const auto label = labels.find(ids[static_cast<size_t>(i)]);
          if (label != labels.end()) classes.push_back(label->second);
        }
      }
      places.push_back(static_cast<int64_t>(classes.size()));
    };
    convert(negative_, negativeEnds_, out->negative, out->firstNegative);
    convert(notExhaustive_, notExhaustiveEnds_, out->notExhaustive, out->firstNotExhaustive);
    return out;
  }

 private:
  void append(const JsonFile& file, JsonFile::Value value, const Place& place, std::vector<int64_t>& ids) {
    file.numbers(value, place, list_);
    for (const double number : list_) {
      if (!(number >= -9e15 && number <= 9e15) || number != static_cast<double>(static_cast<int64_t>(number)))
        file.fail("category ids", place.text(), concat(number), "correct the list");
      ids.push_back(static_cast<int64_t>(number));
    }
  }

  char frequency_ = 0;
  std::string name_;
  std::unordered_map<int64_t, char> frequencies_;
  std::vector<int64_t> negative_, notExhaustive_;          // of all images, one behind the other
  std::vector<int64_t> negativeEnds_, notExhaustiveEnds_;  // where those of each image end
  std::vector<double> list_;
};

HD_REGISTER_FORMAT(lvis, [](const Value& spec) {
  return readCoco(spec, [] { return std::make_unique<LvisExtension>(); });
});

}  // namespace

std::string lvisFileName(std::string_view url) {
  const size_t file = url.rfind('/');
  if (file == std::string_view::npos || file == 0) return std::string(url);
  const size_t folder = url.rfind('/', file - 1);
  return std::string(folder == std::string_view::npos ? url : url.substr(folder + 1));
}

}  // namespace hd::data
