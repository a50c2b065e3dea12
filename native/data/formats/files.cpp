// Pictures without annotations, for predict: spec { files: [paths], classes?: names for the labels of a model
// }. A file that cannot be read keeps its place with width = height = 0, is reported, and is not in
// trainable().
#include "core/error.h"
#include "data/dataset_builder.h"
#include "data/formats/format.h"

namespace hd::data {
namespace {

std::shared_ptr<const Dataset> readFiles(const Value& spec) {
  DatasetBuilder builder("");
  const std::vector<std::string> files = spec.strings("files");
  if (files.empty()) {
    throw Error("HD_DATA_EMPTY",
                "expected at least one picture for files but received none: name .jpg, .png, .webp … files");
  }
  std::vector<std::string> classes = spec.strings("classes");
  if (classes.empty()) classes.emplace_back("object");
  builder.setClasses(std::move(classes));
  for (const std::string& file : files) builder.addImage(builder.images() + 1, file, 0, 0);
  builder.probeFiles(true);
  TrainingFilter filter;
  filter.keepEmpty = true;
  filter.minSide = 1;
  return builder.build(filter);
}

HD_REGISTER_FORMAT(files, readFiles);

}  // namespace
}  // namespace hd::data
