// The text files beside annotations: list of pictures, list of classes; both read by VOC and YOLO.
#include "core/error.h"
#include "data_set.h"

namespace fuzz {
namespace {

const char* const kLabels = "0 0.5 0.5 0.2 0.4\n";
const char* const kXml =
    "<annotation><object><name>cat</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax>"
    "</bndbox></object></annotation>";

/// Opens with the file as list, then as list of classes.
void readBoth(hd::Value spec, const std::string& file, const std::string& classes) {
  spec.set("classes", hd::Value::Array{"cat", "dog"}).set("list", file);
  openDataset(spec);
  hd::Value other = spec;
  other.set("classes", file).set("list", classes);
  openDataset(other);
}

void read(const std::string& input, const std::string& folder) {
  writePictures(folder);
  fixture::writeText(folder + "/labels/a.txt", kLabels);
  fixture::writeText(folder + "/xml/a.xml", kXml);
  fixture::writeText(folder + "/sound.txt", "a\n");
  fixture::writeText(folder + "/list.txt", input);
  const hd::Value images = folder + "/images";
  const auto shared = [&](const char* format, const char* key, const char* place) {
    return fixture::object({{"format", format}, {"images", images}, {key, folder + place}});
  };
  try {
    readBoth(shared("voc", "annotations", "/xml"), folder + "/list.txt", folder + "/sound.txt");
  } catch (const hd::Error& error) {
    if (!error.code().starts_with("HD_DATA_")) throw;  // YOLO has its turn whatever VOC says
  }
  readBoth(shared("yolo", "labels", "/labels"), folder + "/list.txt", folder + "/sound.txt");
}

Target target() {
  using namespace std::string_literals;
  return {[] {
            return std::vector<Sample>{{"a.png\nsub/b.png\n"},
                                       {"# ids\r\na  -1\r\nsub/b 1\r\n\r\n./images/a.png"}};
          },
          {"\n", "\r\n", " ", "\t", "/", "../", "a", ".png", ".xml", "#", " 1\n", " -1", "\0"s, "\xFF",
           std::string(300, 'n'), std::string(5000, '/'), "\xEF\xBB\xBF"},
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(lists, target);

}  // namespace
}  // namespace fuzz
