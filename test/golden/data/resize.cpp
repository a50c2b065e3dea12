// Keep-ratio sizes of mmdetection.
#include "data/pipeline.h"
#include "golden.h"

GOLDEN("ld/schedule", file, check) {
  for (const hd::Value& c : file.at("cases").asArray()) {
    if (c.at("op").asString() != "keep-ratio resize") continue;  // schedules are read by the trainer's tests
    for (const hd::Value& row : c.at("rows").asArray()) {
      const std::vector<double> size = row.numbers("wh"), expected = row.numbers("new_wh");
      hd::Value step;
      step.set("resize", hd::Value().set("sizes", hd::Value::Array{row.at("scale_long_short")}));
      const hd::data::Pipeline pipeline(hd::Value::Array{step});
      const int width = static_cast<int>(size[0]), height = static_cast<int>(size[1]);
      const hd::data::Plan plan = pipeline.plan(width, height, hd::Random(0, "augment", 0, 0));
      check.equal(plan.geometry.width, expected[0], "width");
      check.equal(plan.geometry.height, expected[1], "height");
      check.equal(plan.geometry.scaleX, expected[0] / width, "horizontal scale of boxes");
      check.equal(plan.geometry.scaleY, expected[1] / height, "vertical scale of boxes");
    }
  }
}
