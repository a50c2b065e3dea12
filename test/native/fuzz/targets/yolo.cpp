#include "data_set.h"

namespace fuzz {
namespace {

void read(const std::string& input, const std::string& folder) {
  writePictures(folder);
  fixture::writeText(folder + "/labels/a.txt", input);
  openDataset(fixture::object({{"format", "yolo"},
                               {"images", folder + "/images"},
                               {"labels", folder + "/labels"},
                               {"classes", hd::Value::Array{"cone", "cube"}}}));
}

Target target() {
  using namespace std::string_literals;
  return {[] {
            return std::vector<Sample>{{"1 0.5 0.5 0.2 0.4\r\n0 0.1 0.2 0.5 0.2 0.5 0.8\n"},
                                       {"\n0\t2.5e-1 +0.5 0.1 0.2  \n\n1 .5 .5 1 1"}};
          },
          {" ", "\n", "\r", "\t", "0 ", "1 0.5 0.5 0.1 0.1\n", "-", "+", ".", "e", "1e999", "nan", "inf",
           "0x1p3", ",", "#", "\0"s, "\xEF\xBB\xBF", "999999999999 "},
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(yolo, target);

}  // namespace
}  // namespace fuzz
