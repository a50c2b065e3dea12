#include "io/selection.h"

#include <doctest/doctest.h>

#include "files.h"

using namespace hd::io;
using namespace hd::io::test;

namespace {

TensorFile fileOf(const std::vector<std::string>& names) {
  TensorFile file;
  for (const std::string& name : names) file.tensors.push_back({name, DType::f32, {0}, nullptr, 0});
  return file;
}

std::vector<std::string> namesOf(const TensorFile& file) {
  std::vector<std::string> names;
  for (const TensorView& view : file.tensors) names.push_back(view.name);
  return names;
}

using Names = std::vector<std::string>;
const Names checkpoint{"model/a.weight", "ema/a.weight",          "model/a.steps",
                       "ema/a.steps",    "momentum/model/a.wide", "model/"};

}  // namespace

TEST_CASE("a prefix takes one network and is cut off; the order stays") {
  TensorFile file = fileOf(checkpoint);
  select(file, {"model/", {}}, "w");
  CHECK(namesOf(file) == Names{"a.weight", "a.steps"});
}

TEST_CASE("ends of names are dropped whatever stands before them") {
  TensorFile file = fileOf(checkpoint);
  select(file, {"ema/", {".steps", ".nothing"}}, "w");
  CHECK(namesOf(file) == Names{"a.weight"});
}

TEST_CASE("beginnings of names are dropped behind the prefix alone") {
  TensorFile file = fileOf({"model/distill.imitation.weight", "model/head.distill.weight", "distill.x"});
  select(file, {"model/", {}, {"distill."}}, "w");
  CHECK(namesOf(file) == Names{"head.distill.weight"});
  const auto selection = Selection::from(hd::parseJson(R"({"dropBelow": ["distill."]})"));
  CHECK(selection.dropBelow == Names{"distill."});
}

TEST_CASE("without options everything is taken") {
  TensorFile file = fileOf({"b", "a"});
  select(file, Selection::from({}), "w");
  CHECK(namesOf(file) == Names{"b", "a"});
}

TEST_CASE("options are read from an object") {
  hd::Value drop{hd::Value::Array{}};
  drop.push("x");
  const auto selection = Selection::from(hd::Value::Object{{"prefix", "p/"}, {"drop", drop}});
  CHECK(selection.prefix == "p/");
  CHECK(selection.drop == Names{"x"});
}

TEST_CASE("nothing left is an error that names the file") {
  for (const Selection& selection : {Selection{"teacher/", {}}, Selection{"model/", {"t", "s"}}}) {
    TensorFile file = fileOf(checkpoint);
    const auto thrown = thrownBy([&] { select(file, selection, "some.safetensors"); });
    CHECK(thrown.code == "HD_WEIGHTS_MISMATCH");
    CHECK(thrown.says(selection.prefix.c_str()));
  }
}
