// Detection that looks at each picture and at its mirror image.
#include "engine/mirror.h"

#include "engine/memory.h"
#include "engine_fixture.h"

using namespace engine_fixture;

namespace {

/// The mirrored pictures alone, as if they were what the files hold.
struct MirroredScene {
  WithMirrors both;
  Batch batch;

  explicit MirroredScene(const Scene& scene) : both(scene.batch) {
    batch = both.batch().part(kImages, kImages);
    for (hd::ImageTargets& image : batch.images) image.flipped = false;
  }
};

/// A session that has learned a little, so that it is not the same everywhere.
void learn(Session& session, const Scene& scene) {
  for (int64_t step = 0; step < 3; ++step) session.step(scene.batch, input(step));
}

hd::detectors::PostProcess everything() {
  hd::detectors::PostProcess all;
  all.scoreThreshold = 0;
  return all;
}

}  // namespace

TEST_CASE("a batch with its mirror images: valid pixels move, padding stays, targets are left out") {
  // Two rows of four; of the first picture three columns are valid, of the second all.
  std::vector<uint8_t> pixels;
  for (uint8_t i = 0; i < 2 * 2 * 4; ++i)
    for (uint8_t c = 0; c < 3; ++c) pixels.push_back(static_cast<uint8_t>(10 * i + c));
  Batch batch{pixels.data(), 2, 2, 4, {}};
  batch.images = {fixture::image(3, 2, {0, 0, 2, 2}, {1}), fixture::image(4, 2, {}, {})};
  batch.images[1].flipped = true;
  const WithMirrors both(batch);
  const Batch& out = both.batch();
  REQUIRE(out.count == 4);
  REQUIRE(out.images.size() == 4);
  CHECK(std::equal(pixels.begin(), pixels.end(), out.pixels));
  std::vector<int> firsts;
  for (int64_t i = 16; i < 32; ++i) {
    firsts.push_back(out.pixels[3 * i]);
    CHECK(out.pixels[3 * i + 2] == out.pixels[3 * i] + 2);  // channels keep their order
  }
  CHECK(firsts == std::vector<int>{20, 10, 0, 30, 60, 50, 40, 70, 110, 100, 90, 80, 150, 140, 130, 120});
  CHECK(out.images[0].boxes.size() == 4);
  CHECK(out.images[2].boxes.empty());
  CHECK(out.images[2].labels.empty());
  CHECK(out.images[2].width == 3);
  CHECK(out.images[2].flipped);
  CHECK_FALSE(out.images[3].flipped);
}

TEST_CASE("the mirrored picture has the mirrored boxes") {
  const Scene scene;
  const MirroredScene mirror(scene);
  Session session(options());
  learn(session, scene);
  const auto found = detectWithinMemory(session, scene.batch, everything(), -1, false, true);
  const auto mirrored = detectWithinMemory(session, mirror.batch, everything(), -1, false, true);
  REQUIRE(found.size() == kImages);
  REQUIRE(mirrored.size() == kImages);
  for (size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].size() > 0);
    REQUIRE(found[i].size() == mirrored[i].size());
    CHECK(found[i].labels == mirrored[i].labels);
    for (size_t d = 0; d < found[i].scores.size(); ++d) {
      const float *a = found[i].boxes.data() + 4 * d, *b = mirrored[i].boxes.data() + 4 * d;
      CHECK(std::abs(found[i].scores[d] - mirrored[i].scores[d]) < 1e-4f);
      CHECK(std::abs(a[0] - (kSide - b[2])) < 1e-4f * kSide);
      CHECK(std::abs(a[1] - b[1]) < 1e-4f * kSide);
      CHECK(std::abs(a[2] - (kSide - b[0])) < 1e-4f * kSide);
      CHECK(std::abs(a[3] - b[3]) < 1e-4f * kSide);
    }
  }
  // Without it they are not: a detector is not symmetric of itself.
  const auto plain = session.detect(scene.batch, everything()),
             turned = session.detect(mirror.batch, everything());
  CHECK(plain[0].scores != turned[0].scores);
  CHECK(plain[0].scores != found[0].scores);
}

TEST_CASE("with half as many pictures at once it finds the same") {
  const Scene scene;
  Session session(options());
  learn(session, scene);
  const auto expected = detectWithinMemory(session, scene.batch, everything(), -1, false, true);
  const auto found = detectWithinMemory(session, scene.batch, everything(), -1, true, true);
  CHECK(session.detectAtOnce() == kImages / 2);
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].size() == expected[i].size());
    for (size_t d = 0; d < found[i].scores.size(); ++d)
      CHECK(found[i].scores[d] == doctest::Approx(expected[i].scores[d]).epsilon(1e-4));
  }
}
