// The COCO reader, for formats that are COCO's with more members (lvis.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/value.h"
#include "data/dataset.h"
#include "data/formats/json_file.h"

namespace hd::data {

/// What such a format adds. Members of an object come in any order; each that COCO does not have is offered
/// once, and may be left unread.
class CocoExtension {
 public:
  virtual ~CocoExtension() = default;
  virtual void readCategoryMember(const JsonFile& file, std::string_view key, JsonFile::Value value,
                                  int64_t index) = 0;
  virtual void readImageMember(const JsonFile& file, std::string_view key, JsonFile::Value value,
                               int64_t index) = 0;
  /// After the last member of a category, and of an image; of the latter, the file when it has no file_name.
  virtual void endCategory(int64_t id) = 0;
  virtual std::string endImage() = 0;
  /// After the last image: what the data set shall know beyond COCO. `labels`: class by category id.
  virtual std::shared_ptr<const Federation> federation(
      const std::unordered_map<int64_t, int32_t>& labels) const = 0;
};

/// spec: see coco.cpp. Throws HD_DATA_… as it says. A broken file is read a second time, with another
/// extension.
std::shared_ptr<const Dataset> readCoco(
    const Value& spec, const std::function<std::unique_ptr<CocoExtension>()>& makeExtension = {});

/// Where a picture of LVIS lies below the folder of pictures: the last two parts of its coco_url,
/// "http://host/train2017/000000000009.jpg" → "train2017/000000000009.jpg".
std::string lvisFileName(std::string_view url);

}  // namespace hd::data
