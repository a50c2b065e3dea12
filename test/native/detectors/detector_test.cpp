#include "detectors/detector.h"

#include <doctest/doctest.h>

#include "core/error.h"

using hd::Value;
using hd::detectors::PostProcess;

TEST_CASE("post-processing options: defaults, members, ranges") {
  const PostProcess defaults = PostProcess::from(Value());
  CHECK(defaults.scoreThreshold == 0.05);
  CHECK(defaults.candidates == 1000);
  CHECK(defaults.iouThreshold == 0.6);
  CHECK(defaults.maxDetections == 100);
  const PostProcess given = PostProcess::from(hd::parseJson(
      R"({"scoreThreshold":0.2,"candidates":60,"iouThreshold":0.5,"maxDetections":20,"metric":"coco"})"));
  CHECK(given.scoreThreshold == 0.2);
  CHECK(given.candidates == 60);
  CHECK(given.iouThreshold == 0.5);
  CHECK(given.maxDetections == 20);
  for (const char* wrong :
       {R"({"scoreThreshold":-0.1})", R"({"scoreThreshold":1.1})", R"({"iouThreshold":2})",
        R"({"candidates":0})", R"({"maxDetections":0})", R"({"maxDetections":"many"})"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(PostProcess::from(hd::parseJson(wrong)), hd::Error);
  }
}

TEST_CASE("the registry knows gfl and names what it knows") {
  CHECK_NOTHROW(hd::detectors::detectorRegistry().get("gfl"));
  try {
    hd::detectors::detectorRegistry().get("glf");
    FAIL("an unknown detector was found");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_UNKNOWN_PART");
    CHECK(std::string(error.what()).find("gfl") != std::string::npos);
  }
}
