#include "data_set.h"
#include "json.h"

namespace fuzz {
namespace {

const char* const kWhole = R"({"info":{"year":2017},"licenses":[{"id":1}],
"images":[{"id":5,"file_name":"a.png","width":64,"height":48},{"id":2,"file_name":"sub/b.png"}],
"categories":[{"id":7,"name":"dog"},{"id":3,"name":"cat","keypoints":["nose"],"skeleton":[[1,2]]}],
"annotations":[
{"id":1,"image_id":5,"category_id":3,"bbox":[10,10,20.5,20],"area":30,"iscrowd":0,
 "segmentation":[[1,2,3,4,5,6],[7,8,9,10,11,12,13,14]],"keypoints":[1,2,2]},
{"id":2,"image_id":2,"category_id":7,"bbox":[1,1,9,9],
 "segmentation":{"counts":[1000,1000],"size":[50,40]},"iscrowd":1},
{"id":3,"image_id":5,"category_id":7,"bbox":[0,0,64,48],"ignore":true,
 "segmentation":{"counts":"Xo0Xo0`Q1","size":[48,64]},"area":null}]})";

const char* const kShort =
    R"({"annotations":[{"image_id":1,"category_id":1,"bbox":[1,1,1,1]}],"images":[{"id":1,"file_name":"a.png"}],"categories":[{"id":1,"name":"x"}]})";

void read(const std::string& input, const std::string& folder) {
  writePictures(folder);
  fixture::writeText(folder + "/a.json", input);
  openDataset(fixture::object(
      {{"format", "coco"}, {"images", folder + "/images"}, {"annotations", folder + "/a.json"}}));
}

Target target() {
  return {[] {
            return std::vector<Sample>{{kWhole}, {kShort}};
          },
          jsonTokens({"\"id\":", "\"image_id\":", "\"bbox\":[", "\"segmentation\":", "\"counts\":\"",
                      "\"size\":[", "\"keypoints\":[", "../../etc/passwd", "//"}),
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(coco, target);

}  // namespace
}  // namespace fuzz
