// Regions: defaults of presets by detector, members, what belongs to them.
#include "distill/region.h"

#include "native/distill/transfer_fixture.h"

using namespace transfer_fixture;
using hd::distill::RegionOptions;

namespace {

RegionOptions options(const std::string& detector, const std::string& members) {
  return RegionOptions::from(hd::parseJson("{" + members + "}"), family(detector).head);
}

double sum(const std::vector<Tensor>& levels) {
  double total = 0;
  for (const Tensor& level : levels) total += level.sum().item<double>();
  return total;
}

}  // namespace

TEST_CASE("presets differ as the reference lists them") {
  using Weights = RegionOptions::Weights;
  using hd::detectors::RegionRule;
  struct Expected {
    const char* preset;
    RegionRule rule;
    Weights gfl, fcos;
    bool positives, retinanetPositives;
  };
  for (const Expected& e :
       {Expected{"robust", RegionRule::distance, Weights::mask, Weights::mask, false, false},
        Expected{"paper", RegionRule::distance, Weights::mask, Weights::mask, true, true},
        Expected{"released", RegionRule::released, Weights::overlap, Weights::confidence, true, false}}) {
    CAPTURE(e.preset);
    const std::string preset = hd::concat(R"("preset":")", e.preset, '"');
    CHECK((options("gfl", preset).rule == e.rule));
    CHECK((options("gfl", preset).weights == e.gfl));
    CHECK((options("atss", preset).weights == e.gfl));
    CHECK((options("fcos", preset).weights == e.fcos));
    CHECK(options("gfl", preset).positives == e.positives);
    CHECK(options("retinanet", preset).positives == e.retinanetPositives);
    CHECK(options("gfl", preset).gamma == 0.25);
  }
  CHECK((options("gfl", "").kind == RegionOptions::Kind::main));
}

TEST_CASE("members overrule the preset") {
  const RegionOptions given = options(
      "gfl",
      R"("preset":"released","region":"valuable","overlap":"distance","weights":"mask","positives":false,"gamma":0.1)");
  CHECK((given.kind == RegionOptions::Kind::valuable));
  CHECK((given.rule == hd::detectors::RegionRule::distance));
  CHECK((given.weights == RegionOptions::Weights::mask));
  CHECK(!given.positives);
  CHECK(given.gamma == 0.1);
}

TEST_CASE("a mask is where overlaps are; without positives it shares no row with the main region") {
  for (const std::string& name : kFamilies) {
    CAPTURE(name);
    const Family own = family(name);
    const Batch batch = scene();
    const auto assignment = own.assign(batch);
    const auto rows = [&](const char* members) {
      return valuableRows(options(name, members), own.head, batch, *assignment);
    };
    const auto mask = rows(R"("weights":"mask","positives":true)"),
               overlap = rows(R"("weights":"overlap","positives":true)"),
               apart = rows(R"("weights":"mask","positives":false)");
    const auto main = hd::distill::assignedRows(*assignment, kClasses);
    CHECK(sum(mask) > 0);
    CHECK(sum(main) == static_cast<double>(assignment->positives));
    for (size_t l = 0; l < mask.size(); ++l) {
      CHECK(at::equal(mask[l], overlap[l].gt(0).to(at::kFloat)));
      CHECK((apart[l] * main[l]).sum().item<double>() == 0);
      CHECK(apart[l].le(mask[l]).all().item<bool>());
      CHECK(overlap[l].le(1).all().item<bool>());
      // Padding belongs to nothing. RetinaNet also leaves rows out that nearly match: they may belong.
      if (name != "retinanet")
        CHECK((mask[l] * assignment->levels[l].labels.lt(0)).sum().item<double>() == 0);
    }
  }
}

TEST_CASE("the region widens as gamma falls, and is empty at 1") {
  const Family own = family("gfl");
  const Batch batch = scene();
  const auto assignment = own.assign(batch);
  double last = 0;
  for (const char* gamma : {"1", "0.75", "0.5", "0.25", "0"}) {
    const double now =
        sum(valuableRows(options("gfl", hd::concat(R"("gamma":)", gamma)), own.head, batch, *assignment));
    CHECK(now >= last);
    last = now;
  }
  CHECK(last > 0);
  CHECK(sum(valuableRows(options("gfl", R"("gamma":1)"), own.head, batch, *assignment)) == 0);
}

TEST_CASE("masks of both regions are bytes of the same rows") {
  const Family own = family("retinanet");
  const Batch batch = scene();
  const auto assignment = own.assign(batch);
  for (const char* region : {"main", "valuable"}) {
    const auto masks = regionMasks(options("retinanet", hd::concat(R"("region":")", region, '"')), own.head,
                                   batch, *assignment);
    for (size_t l = 0; l < masks.size(); ++l) {
      CHECK((masks[l].scalar_type() == at::kByte));
      CHECK(masks[l].numel() == assignment->levels[l].labels.numel());
    }
  }
}
