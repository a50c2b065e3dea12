#include "data_set.h"
#include "json.h"

namespace fuzz {
namespace {

const char* const kWhole = R"({"info":{"version":"v1.0"},
"images":[{"id":5,"coco_url":"http://images.test/train2017/5.png","height":48,"width":64,
 "neg_category_ids":[5,7],"not_exhaustive_category_ids":[3]},
{"id":2,"coco_url":"http://images.test/train2017/2.png","height":48,"width":64,
 "not_exhaustive_category_ids":[],"neg_category_ids":[3]}],
"categories":[{"id":7,"name":"dog","frequency":"f"},{"frequency":"r","id":3,"name":"cat"},
{"id":5,"name":"cow","frequency":"c"}],
"annotations":[{"id":1,"image_id":5,"category_id":3,"bbox":[10,10,20,20]}]})";

void read(const std::string& input, const std::string& folder) {
  fixture::writeText(folder + "/a.json", input);
  const auto dataset = openDataset(fixture::object(
      {{"format", "lvis"}, {"images", folder + "/images"}, {"annotations", folder + "/a.json"}}));
  const auto* federation = dataset->federation();
  promise(federation != nullptr, "no word of what each picture was searched for");
  for (int64_t image = 0; image < dataset->size(); ++image) {
    for (const auto labels : {federation->negativeOf(image), federation->notExhaustiveOf(image)}) {
      for (const int32_t label : labels) {
        promise(label >= 0 && static_cast<size_t>(label) < dataset->classes().size(), "a label of no class");
      }
    }
  }
}

Target target() {
  return {[] { return std::vector<Sample>{{kWhole}}; },
          jsonTokens({"\"id\":", "\"frequency\":\"", "\"neg_category_ids\":[",
                      "\"not_exhaustive_category_ids\":[", "\"coco_url\":\"", "//"}),
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(lvis, target);

}  // namespace
}  // namespace fuzz
