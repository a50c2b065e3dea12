// The evaluator's own reader: ground truth and result files of COCO, for boxes, masks and keypoints.
#include <cmath>

#include "data_set.h"
#include "eval/coco.h"
#include "json.h"

namespace fuzz {
namespace {

const char* const kTruth = R"({"images":[{"id":7,"height":20,"width":30},{"id":3}],
"categories":[{"id":2,"name":"cat"},{"id":5}],
"annotations":[{"id":1,"image_id":7,"category_id":2,"bbox":[1,2,10,8],"area":70.5,"iscrowd":0,"num_keypoints":1,
"segmentation":[[1,2,11,2,11,10,1,10]],"keypoints":[2,3,2,4,5,0]},
{"id":4,"image_id":7,"category_id":5,"bbox":[0,0,4.5,4],"iscrowd":1,"ignore":1,
"segmentation":{"size":[20,30],"counts":[400,80,120]},"keypoints":[2,3,2,4,5,1]}]})";

const char* const kResults = R"([{"image_id":7,"category_id":2,"bbox":[1,2,10,8],"score":0.5,
"segmentation":{"size":[20,30],"counts":"`<`2h3"},"keypoints":[2,3,1,4,5,1]},
{"image_id":7,"category_id":5,"bbox":[0,0,4,4],"score":1e-3,"segmentation":{"size":[20,30],"counts":[600]},"keypoints":[2,3,1,4,5,1]}])";

/// The first byte says what the rest is.
Sample tagged(char kind, const std::string& whole) {
  return {whole, [kind](const std::string& bytes) { return kind + bytes; }};
}

void read(const std::string& input, const std::string& folder) {
  using namespace hd::eval;
  const bool isTruth = !input.empty() && input[0] == 't';
  const std::string bytes = input.substr(std::min<size_t>(1, input.size()));
  fixture::writeText(folder + "/truth.json", isTruth ? bytes : kTruth);
  fixture::writeText(folder + "/results.json", isTruth ? kResults : bytes);
  for (const IouType type : {IouType::bbox, IouType::segm, IouType::keypoints}) {
    const CocoSet truth = readCocoTruth(folder + "/truth.json", type);
    for (const Instance& instance : readCocoResults(folder + "/results.json", truth, type))
      promise(std::isfinite(instance.score), "a score that is no number");
  }
}

Target target() {
  return {[] {
            return std::vector<Sample>{tagged('t', kTruth), tagged('r', kResults)};
          },
          jsonTokens({"\"image_id\":", "\"score\":", "\"segmentation\":", "\"counts\":\"", "\"size\":[",
                      "\"keypoints\":[]"}),
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(results, target);

}  // namespace
}  // namespace fuzz
