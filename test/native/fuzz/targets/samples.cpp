// The annotations of one sample of a shard, in both forms.
#include "data/formats/sample_json.h"
#include "data_set.h"
#include "json.h"

namespace fuzz {
namespace {

const char* const kLists = R"({"width": 64, "height": 48, "boxes": [[10, 10, 30.5, 30], [1, 1, 9, 9]],
"labels": ["cat", 1], "iscrowd": [0, true], "ignore": [false, 0], "area": [30, null], "caption": ["a", {"b": 1}],
"segmentation": [[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12, 13, 14]], {"size": [48, 64], "counts": [1000, 2072]}],
"keypoints": [[1, 2, 2], null]})";

const char* const kObjects = R"({"annotations": [
{"bbox": [10, 10, 20.5, 20], "category": "cat", "iscrowd": 1, "keypoints": [1, 2, 2, 3, 4, 0]},
{"bbox": [1, 1, 9, 9], "category_id": 1, "area": 5, "ignore": true,
 "segmentation": {"counts": "Xo0Xo0`Q1", "size": [48, 64]}}], "height": null})";

void read(const std::string& input, const std::string&) {
  hd::data::DatasetBuilder builder("");
  builder.setClasses({"cat", "dog"});
  const hd::data::SampleJson sample = hd::data::readSampleJson("a.tar/a.json", input, builder);
  promise((sample.width > 0) == (sample.height > 0), "half a size");
  const int64_t image = builder.addImage(1, "a.tar/a.png", sample.width, sample.height);
  for (const hd::data::SampleObject& object : sample.objects) {
    promise(object.className.size() <= input.size(), "a name that is longer than the file");
    promise(object.index >= 0 && object.index < static_cast<int64_t>(input.size()),
            "an index without object");
    builder.addAnnotation(image, object.annotation, "object");
  }
  const auto dataset = builder.build({});
  const std::string broken = fixture::brokenInvariant(*dataset);
  promise(broken.empty(), broken);
  for (const hd::data::Annotation& annotation : dataset->annotations(0)) dataset->rle(annotation);
}

Target target() {
  return {[] {
            return std::vector<Sample>{{kLists}, {kObjects}, {R"({"boxes": []})"}};
          },
          jsonTokens({"\"boxes\":[", "\"labels\":[", "\"annotations\":[", "\"bbox\":[", "\"category\":\"",
                      "\"category_id\":", "\"segmentation\":", "\"counts\":\"", "\"size\":[",
                      "\"keypoints\":[", "\"width\":"}),
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(samples, target);

}  // namespace
}  // namespace fuzz
