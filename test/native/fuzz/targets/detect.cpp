// What `hdtrain new` reads to recognise a folder: names in a YOLO data.yaml.
#include "data/formats/detect.h"

#include "core/error.h"
#include "data_set.h"

namespace fuzz {
namespace {

void read(const std::string& input, const std::string& folder) {
  writePictures(folder);
  fixture::writeText(folder + "/labels/a.txt", "0 0.5 0.5 0.2 0.4\n");
  fixture::writeText(folder + "/data.yaml", input);
  const hd::Value found = hd::data::detectDataset(folder);
  promise(!found.at("classes").asArray().empty(), "a data set without classes");
  promise(found.at("format").asString() == "yolo", "another format");
}

Target target() {
  return {
      [] {
        return std::vector<Sample>{{"path: ..\nnc: 2\nnames: ['cone', \"cube\"]\n"},
                                   {"names:\n  0: cone\n  1: 'the cube' # note\nval: x\n"},
                                   {"names:\n- cone\n- cube\n"}};
      },
      {"\n", "names:", "[", "]", ",", "'", "\"", "- ", "0: ", ":", "#", "&x", "*x", "---\n", "\xFF", "\t"},
      {"HD_DATA_"},
      read};
}

HD_FUZZ_TARGET(detect, target);

}  // namespace
}  // namespace fuzz
