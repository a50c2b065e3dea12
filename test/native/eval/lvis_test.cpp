#include "eval/lvis.h"

#include <algorithm>
#include <map>
#include <set>

#include "eval_fixture.h"

using namespace hd::eval;

namespace {

using Box = std::array<double, 4>;

double overlapOf(const Box& a, const Box& b) {
  const double width = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double shared = width * height;
  return shared / (a[2] * a[3] + b[2] * b[3] - shared);
}

bool holds(const std::vector<int64_t>& ids, int64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// One category at one threshold and area range, step by step over whole lists: −1 without truths.
double referenceAp(const CocoSet& truth, const FederatedTruth& federated,
                   const std::vector<Instance>& detections, int64_t category, double threshold,
                   const std::array<double, 2>& area) {
  const auto outside = [&](const Instance& i) { return i.area < area[0] || i.area > area[1]; };
  std::vector<int64_t> images = truth.images;
  std::sort(images.begin(), images.end());
  struct Entry {
    double score;
    bool right;
  };
  std::vector<Entry> entries;
  int64_t truths = 0;
  for (const int64_t id : images) {
    const auto found = federated.images.find(id);
    const FederatedTruth::Image image =
        found == federated.images.end() ? FederatedTruth::Image{} : found->second;
    std::vector<const Instance*> all, own;
    for (const Instance& d : detections) {
      if (d.image == id) all.push_back(&d);
    }
    const auto byScore = [](const Instance* a, const Instance* b) { return a->score > b->score; };
    std::stable_sort(all.begin(), all.end(), byScore);
    if (all.size() > 300) all.resize(300);
    std::vector<const Instance*> counted, ignored;
    for (const Instance& t : truth.instances) {
      if (t.image != id || t.category != category) continue;
      (t.ignore || outside(t) ? ignored : counted).push_back(&t);
    }
    truths += static_cast<int64_t>(counted.size());
    if (counted.empty() && ignored.empty() && !holds(image.negative, category)) continue;
    // Ties go as in COCO: to the earlier detection of the input, not of the shortened list.
    for (const Instance& d : detections) {
      if (d.category == category && std::find(all.begin(), all.end(), &d) != all.end()) own.push_back(&d);
    }
    std::stable_sort(own.begin(), own.end(), byScore);
    std::set<const Instance*> taken;
    for (const Instance* d : own) {
      const Instance* match = nullptr;
      for (const auto* list : {&counted, &ignored}) {
        if (match != nullptr) break;
        double best = threshold;
        for (const Instance* t : *list) {
          const double overlap = overlapOf(d->box, t->box);
          if (taken.count(t) != 0 || overlap < best) continue;
          best = overlap;
          match = t;
        }
      }
      if (match != nullptr) {
        taken.insert(match);
        if (std::find(counted.begin(), counted.end(), match) != counted.end())
          entries.push_back({d->score, true});
      } else if (!outside(*d) && !holds(image.notExhaustive, category)) {
        entries.push_back({d->score, false});
      }
    }
  }
  if (truths == 0) return -1;
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.score > b.score; });
  double sum = 0;
  for (int r = 0; r <= 100; ++r) {
    double best = 0, right = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      right += entries[i].right;
      if (right > 0 && right / static_cast<double>(truths) >= r * .01)
        best = std::max(best, right / static_cast<double>(i + 1));
    }
    sum += best;
  }
  return sum / 101;
}

struct FederatedSet {
  eval_fixture::RandomSet set;
  FederatedTruth federated;
};

FederatedSet randomFederated(uint64_t seed, const eval_fixture::RandomSetOptions& options) {
  FederatedSet out{eval_fixture::randomSet(seed, options), {}};
  for (Instance& truth : out.set.truth.instances) truth.crowd = false;
  hd::Random random(seed, "synthetic", 2, 0);
  for (size_t c = 0; c < out.set.truth.categories.size(); ++c)
    out.federated.frequency.push_back("rcf"[random.below(3)]);
  for (const int64_t id : out.set.truth.images) {
    if (random.chance(.2f)) continue;
    FederatedTruth::Image& image = out.federated.images[id];
    for (const int64_t category : out.set.truth.categories) {
      const bool present =
          std::any_of(out.set.truth.instances.begin(), out.set.truth.instances.end(),
                      [&](const Instance& truth) { return truth.image == id && truth.category == category; });
      if (!present && random.chance(.4f)) image.negative.push_back(category);
      if (present && random.chance(.4f)) image.notExhaustive.push_back(category);
    }
  }
  return out;
}

/// One picture; classes 9 (rare) and 2 (frequent).
struct Hand {
  CocoSet truth;
  FederatedTruth federated;
  std::vector<Instance> detections;

  Hand() {
    truth.images = {7};
    truth.categories = {9, 2};
    truth.names = {"cat", "dog"};
    truth.instances = {boxOf(9, {0, 0, 10, 10})};
    truth.instances[0].id = 1;
    federated.frequency = {'r', 'f'};
  }
  static Instance boxOf(int64_t category, Box box, double score = 0) {
    Instance instance;
    instance.image = 7;
    instance.category = category;
    instance.box = box;
    instance.area = box[2] * box[3];
    instance.score = score;
    return instance;
  }
  void detect(int64_t category, Box box, double score) { detections.push_back(boxOf(category, box, score)); }
  hd::Value summary() const { return lvisSummary(truth, federated, detections); }
  double number(const char* name) const { return summary().at(name).asNumber(); }
};

const Box kBox{0, 0, 10, 10}, kFar{200, 80, 10, 10};

}  // namespace

TEST_CASE("every AP of random federated sets is that of the definition") {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const auto [set, federated] = randomFederated(
        seed, {.images = 2 + static_cast<int>(seed % 6), .categories = 4, .truths = 50, .detections = 900});
    const CocoParams params = CocoParams::defaults(IouType::bbox);
    const CocoResult result = evaluateLvis(set.truth, federated, set.detections, 2);
    REQUIRE(result.M == 1);
    for (size_t t = 0; t < params.iouThresholds.size(); t += 3) {
      for (size_t k = 0; k < result.categories.size(); ++k) {
        for (size_t a = 0; a < params.areaRanges.size(); ++a) {
          double mean = 0;
          for (size_t r = 0; r < 101; ++r)
            mean += result.precision[((t * 101 + r) * result.categories.size() + k) * 4 + a] / 101;
          CAPTURE(t);
          CAPTURE(k);
          CAPTURE(a);
          CHECK(mean ==
                doctest::Approx(referenceAp(set.truth, federated, set.detections, result.categories[k],
                                            params.iouThresholds[t], params.areaRanges[a]))
                    .epsilon(1e-9));
        }
      }
    }
  }
}

TEST_CASE("by frequency: the mean over its categories that have truths") {
  const auto [set, federated] = randomFederated(3, {.categories = 6, .truths = 90});
  const hd::Value summary = lvisSummary(set.truth, federated, set.detections);
  const auto& rows = summary.at("perClass").asArray();
  const std::pair<char, const char*> groups[] = {{'r', "apRare"}, {'c', "apCommon"}, {'f', "apFrequent"}};
  double all = 0;
  for (const auto& [frequency, name] : groups) {
    double sum = 0, count = 0;
    for (size_t c = 0; c < rows.size(); ++c) {
      if (federated.frequency[c] != frequency || rows[c].at("ap").asNumber() < 0) continue;
      sum += rows[c].at("ap").asNumber();
      ++count;
    }
    CAPTURE(name);
    CHECK(summary.at(name).asNumber() == doctest::Approx(count == 0 ? -1 : sum / count));
    all += sum;
  }
  CHECK(summary.at("ap").asNumber() == doctest::Approx(all / static_cast<double>(rows.size())));
}

TEST_CASE("without a federation's help it is COCO with 300 detections; with all of it, the same") {
  auto set = eval_fixture::randomSet(4);
  for (Instance& truth : set.truth.instances) truth.crowd = false;
  FederatedTruth searched;
  searched.frequency.assign(set.truth.categories.size(), 'f');
  for (const int64_t id : set.truth.images) searched.images[id].negative = set.truth.categories;
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.maxDetections = {300};
  params.useIgnore = true;
  const CocoResult expected = evaluateCoco(set.truth, set.detections, params);
  CHECK(evaluateLvis(set.truth, searched, set.detections).stats == expected.stats);
}

TEST_CASE("a category that the picture was not searched for is not looked at") {
  Hand hand;
  hand.detect(9, kBox, .5);
  hand.detect(2, kFar, .9);
  CHECK(hand.number("ap") == doctest::Approx(1));
  CHECK(hand.number("apRare") == doctest::Approx(1));
  CHECK(hand.number("apFrequent") == -1);
  hand.truth.images.push_back(8);  // where there is a dog
  hand.truth.instances.push_back(Hand::boxOf(2, kBox));
  hand.truth.instances[1].id = 2;
  hand.truth.instances[1].image = 8;
  hand.detect(2, kBox, .5);
  hand.detections[2].image = 8;
  CHECK(hand.number("apFrequent") == doctest::Approx(1));
  hand.federated.images[7].negative = {2};  // now the first dog is wrong
  CHECK(hand.number("apFrequent") == doctest::Approx(.5));
  CHECK(searchedDetections(hand.truth, hand.federated, hand.detections).size() == 3);
}

TEST_CASE("where a category is not exhaustively annotated, what is not matched counts for nothing") {
  Hand hand;
  hand.detect(9, kFar, .9);
  hand.detect(9, kBox, .5);
  CHECK(hand.number("ap50") == doctest::Approx(.5));
  hand.federated.images[7].notExhaustive = {9};
  CHECK(hand.number("ap50") == doctest::Approx(1));
  hand.federated.images[7].notExhaustive = {2};
  CHECK(hand.number("ap50") == doctest::Approx(.5));
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.excused = {{7, 9}};
  const ImageMatches matches = matchCoco(hand.truth, hand.detections, params)[0];
  CHECK(matches.detectionIgnored[0] == 1);
  CHECK(matches.detectionIgnored[1] == 0);
}

TEST_CASE("the best 300 of a picture, whatever their class, before any is left out") {
  Hand hand;
  for (int i = 0; i < 299; ++i) hand.detect(2, kFar, .9);  // not searched for, but they take their places
  hand.detect(9, kBox, .5);
  CHECK(hand.number("ap") == doctest::Approx(1));
  CHECK(hand.number("ar300") == doctest::Approx(1));
  hand.detections.insert(hand.detections.begin(), Hand::boxOf(2, kFar, .5));  // of equal score, but earlier
  CHECK(hand.number("ap") == 0);
  CHECK(searchedDetections(hand.truth, hand.federated, hand.detections).empty());
}

TEST_CASE("a frequency for each category, or an error") {
  Hand hand;
  hand.federated.frequency.pop_back();
  eval_fixture::checkError([&] { hand.summary(); }, "HD_INTERNAL", "frequency for each of 2");
}
