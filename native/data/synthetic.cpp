#include "data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/rng.h"
#include "data/dataset_builder.h"
#include "data/synthetic_paint.h"

namespace hd::data {
namespace {

/// Corners of a regular polygon with `step` = cos and sin of 2π / n, the first one at the top. Every other
/// corner is pulled in by `inner` (stars).
std::vector<float> regular(int corners, double stepCos, double stepSin, double inner = 1) {
  std::vector<float> points;
  double x = 0, y = -1;
  for (int i = 0; i < corners; ++i) {
    const double radius = i % 2 == 1 ? inner : 1;
    points.push_back(static_cast<float>(x * radius));
    points.push_back(static_cast<float>(y * radius));
    const double turned = x * stepCos - y * stepSin;
    y = x * stepSin + y * stepCos;
    x = turned;
  }
  return points;
}

/// Outlines within the unit circle.
const std::map<std::string, std::vector<float>>& outlines() {
  static const std::map<std::string, std::vector<float>> all{
      {"circle", regular(40, 0.98768834059513777, 0.15643446504023087)},
      {"square", {-0.75f, -0.75f, 0.75f, -0.75f, 0.75f, 0.75f, -0.75f, 0.75f}},
      {"triangle", regular(3, -0.5, 0.86602540378443865)},
      {"star", regular(10, 0.80901699437494742, 0.58778525229247313, 0.42)},
      {"hexagon", regular(6, 0.5, 0.86602540378443865)},
      {"cross", {-0.3f, -0.9f, 0.3f,  -0.9f, 0.3f,  -0.3f, 0.9f,  -0.3f, 0.9f,  0.3f,  0.3f,  0.3f,
                 0.3f,  0.9f,  -0.3f, 0.9f,  -0.3f, 0.3f,  -0.9f, 0.3f,  -0.9f, -0.3f, -0.3f, -0.3f}},
  };
  return all;
}

bool contains(const std::vector<float>& polygon, float x, float y) {
  bool inside = false;
  const size_t points = polygon.size() / 2;
  for (size_t i = 0, j = points - 1; i < points; j = i++) {
    const float xi = polygon[2 * i], yi = polygon[2 * i + 1], xj = polygon[2 * j], yj = polygon[2 * j + 1];
    if ((yi > y) != (yj > y) && x < xi + (xj - xi) * (y - yi) / (yj - yi)) inside = !inside;
  }
  return inside;
}

double areaOf(const std::vector<float>& polygon) {
  double twice = 0;
  const size_t points = polygon.size() / 2;
  for (size_t i = 0, j = points - 1; i < points; j = i++) {
    twice += double{polygon[2 * j]} * polygon[2 * i + 1] - double{polygon[2 * i]} * polygon[2 * j + 1];
  }
  return std::abs(twice) / 2;
}

struct Shape {
  int32_t label;
  float centreX, centreY;
  float x1, y1, x2, y2;
  std::vector<float> outline;
};

/// An outline of about `size` pixels across, stretched and turned by up to 23°, with its centre at the
/// origin.
Shape makeShape(const SyntheticOptions& options, Random& random) {
  Shape shape{};
  shape.label = static_cast<int32_t>(random.below(static_cast<uint32_t>(options.classes.size())));
  const auto side = static_cast<double>(std::min(options.width, options.height));
  const double radius =
      side * (options.minScale + (options.maxScale - options.minScale) * random.uniform()) / 2;
  const double stretch = 0.8 + 0.4 * random.uniform();
  const double t = 0.4 * random.uniform() - 0.2;  // tangent of half the angle: a turn without sin and cos
  const double cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
  const std::vector<float>& unit = outlines().at(options.classes[static_cast<size_t>(shape.label)]);
  shape.x1 = shape.y1 = 1e9f;
  shape.x2 = shape.y2 = -1e9f;
  for (size_t i = 0; i < unit.size(); i += 2) {
    const double x = unit[i] * radius, y = unit[i + 1] * radius * stretch;
    const auto turnedX = static_cast<float>(x * cosine - y * sine),
               turnedY = static_cast<float>(x * sine + y * cosine);
    shape.outline.push_back(turnedX);
    shape.outline.push_back(turnedY);
    shape.x1 = std::min(shape.x1, turnedX), shape.x2 = std::max(shape.x2, turnedX);
    shape.y1 = std::min(shape.y1, turnedY), shape.y2 = std::max(shape.y2, turnedY);
  }
  return shape;
}

void move(Shape& shape, float x, float y) {
  shape.centreX = x;
  shape.centreY = y;
  for (size_t i = 0; i < shape.outline.size(); i += 2) {
    shape.outline[i] += x;
    shape.outline[i + 1] += y;
  }
  shape.x1 += x, shape.x2 += x;
  shape.y1 += y, shape.y2 += y;
}

bool overlaps(const Shape& a, float x1, float y1, float x2, float y2, double limit) {
  const float width = std::min(a.x2, x2) - std::max(a.x1, x1),
              height = std::min(a.y2, y2) - std::max(a.y1, y1);
  if (width <= 0 || height <= 0) return false;
  const float smaller = std::min((a.x2 - a.x1) * (a.y2 - a.y1), (x2 - x1) * (y2 - y1));
  return width * height > limit * smaller;
}

/// Objects in drawing order. A scene may hold fewer than drawn by lot where there is no room, never none.
std::vector<Shape> makeScene(const SyntheticOptions& options, Random& random) {
  constexpr int attempts = 30;
  const uint32_t wanted = static_cast<uint32_t>(options.minObjects) +
                          random.below(static_cast<uint32_t>(options.maxObjects - options.minObjects + 1));
  std::vector<Shape> scene;
  for (uint32_t n = 0; n < wanted; ++n) {
    Shape shape = makeShape(options, random);
    for (int attempt = 0; attempt < attempts; ++attempt) {
      const float x = random.uniform(-shape.x1, static_cast<float>(options.width) - shape.x2);
      const float y = random.uniform(-shape.y1, static_cast<float>(options.height) - shape.y2);
      const bool blocked = std::any_of(scene.begin(), scene.end(), [&](const Shape& other) {
        return overlaps(other, shape.x1 + x, shape.y1 + y, shape.x2 + x, shape.y2 + y, options.maxOverlap);
      });
      if (blocked) continue;
      move(shape, x, y);
      scene.push_back(std::move(shape));
      break;
    }
  }
  return scene;
}

class SyntheticDataset : public Dataset {
 public:
  explicit SyntheticDataset(const SyntheticOptions& options) : options_(options) {}

  Picture load(int64_t image, int, int) const override {
    Picture picture;
    picture.width = options_.width;
    picture.height = options_.height;
    picture.storage.resize(static_cast<size_t>(options_.width) * options_.height * 3);
    picture.pixels = picture.storage.data();
    loadInto(image, picture.storage.data(), static_cast<size_t>(options_.width) * 3);
    return picture;
  }

  bool loadInto(int64_t image, uint8_t* pixels, size_t pitch) const override {
    Random random(options_.seed, "synthetic/" + options_.split + "/look", 0, static_cast<uint64_t>(image));
    ScenePainter painter(pixels, pitch, options_.width, options_.height);
    const Colour background = painter.paintBackground(random);
    painter.paintClutter(random);
    for (const Annotation& annotation : annotations(image)) {
      const Colour colour = contrasting(background, random);
      const float shade = random.uniform(0, 0.3f);
      const std::vector<float> outline = polygons(annotation).front();
      if (random.chance(0.5f)) {  // a dark rim with the colour inside
        painter.fill(outline, {colour[0] * 0.45f, colour[1] * 0.45f, colour[2] * 0.45f});
        painter.fill(shrunk(outline, keypoints(annotation)), colour, shade);
      } else {
        painter.fill(outline, colour, shade);
      }
    }
    const uint32_t noise = random.bits();
    painter.addNoise(noise, random.uniform(2, 16));
    return true;
  }

 private:
  /// The rim lies inside: the outline stays the outer edge.
  static std::vector<float> shrunk(std::vector<float> outline, std::span<const float> keypoints) {
    for (size_t i = 0; i < outline.size(); ++i)
      outline[i] = keypoints[i % 2] + (outline[i] - keypoints[i % 2]) * 0.85f;
    return outline;
  }

  static Colour contrasting(const Colour& background, Random& random) {
    Colour best{};
    float bestDistance = -1;
    for (int attempt = 0; attempt < 4 && bestDistance < 110; ++attempt) {
      Colour colour;
      float distance = 0;
      for (size_t c = 0; c < 3; ++c) {
        colour[c] = random.uniform(0, 255);
        distance = std::max(distance, std::abs(colour[c] - background[c]));
      }
      if (distance > bestDistance) best = colour, bestDistance = distance;
    }
    return best;
  }

  SyntheticOptions options_;
};

void checkOptions(const SyntheticOptions& o) {
  const auto expect = [](bool holds, const char* field, const char* range, auto received) {
    if (!holds) {
      throw Error("HD_DATA_SYNTHETIC", concat("expected ", range, " for data.", field, " but received ",
                                              received, ": choose a value in range"));
    }
  };
  expect(o.count >= 1 && o.count <= 100'000'000, "count", "1…100000000", o.count);
  expect(o.width >= 16 && o.width <= 4096, "size", "16…4096 pixels", o.width);
  expect(o.height >= 16 && o.height <= 4096, "size", "16…4096 pixels", o.height);
  expect(o.minObjects >= 1 && o.minObjects <= o.maxObjects && o.maxObjects <= 100, "objects",
         "1…100 with the smaller number first", concat(o.minObjects, ", ", o.maxObjects));
  expect(o.minScale >= 0.1 && o.minScale <= o.maxScale && o.maxScale <= 0.7, "scale",
         "0.1…0.7 with the smaller number first", concat(o.minScale, ", ", o.maxScale));
  expect(o.maxOverlap >= 0 && o.maxOverlap <= 1, "overlap", "0…1", o.maxOverlap);
  for (const std::string& name : o.classes) {
    if (outlines().contains(name)) continue;
    std::string known;
    for (const std::string& shape : syntheticShapes()) known += (known.empty() ? "" : ", ") + shape;
    throw Error("HD_DATA_CLASSES", concat("expected one of ", known, " for data.classes but received '", name,
                                          "': choose among these shapes"));
  }
}

}  // namespace

std::vector<std::string> syntheticShapes() {
  std::vector<std::string> names;
  for (const auto& entry : outlines()) names.push_back(entry.first);
  return names;
}

std::shared_ptr<const Dataset> makeSynthetic(const SyntheticOptions& options) {
  checkOptions(options);
  DatasetBuilder builder("", std::make_shared<SyntheticDataset>(options));
  builder.setClasses(options.classes);
  builder.setContent(concat("synthetic ", syntheticVersion, ' ', options.seed, ' ', options.split));
  int64_t id = 0;
  for (int64_t index = 0; index < options.count; ++index) {
    Random random(options.seed, "synthetic/" + options.split, 0, static_cast<uint64_t>(index));
    const int64_t image = builder.addImage(index + 1, "", options.width, options.height);
    const std::vector<Shape> scene = makeScene(options, random);
    for (size_t n = 0; n < scene.size(); ++n) {
      const Shape& shape = scene[n];
      const size_t half = shape.outline.size() / 4 * 2;
      std::array<float, 9> keypoints{shape.centreX,       shape.centreY,           2,
                                     shape.outline[0],    shape.outline[1],        2,
                                     shape.outline[half], shape.outline[half + 1], 2};
      for (size_t k = 0; k < 9; k += 3) {
        const bool covered = std::any_of(
            scene.begin() + static_cast<int64_t>(n) + 1, scene.end(),
            [&](const Shape& later) { return contains(later.outline, keypoints[k], keypoints[k + 1]); });
        if (covered) keypoints[k + 2] = 1;
      }
      Annotation a{shape.x1, shape.y1, shape.x2, shape.y2, areaOf(shape.outline), shape.label, false, false,
                   ++id,     -1,       -1,       -1};
      a.polygons = builder.table().addPolygons({shape.outline});
      a.keypoints = builder.table().addKeypoints(keypoints);
      builder.addAnnotation(image, a, concat("scene ", index));
    }
  }
  TrainingFilter filter;
  filter.minSide = 1;
  return builder.build(filter);
}

}  // namespace hd::data
