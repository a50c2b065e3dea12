#include "data/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "core/colour.h"
#include "core/error.h"
#include "data/decode.h"
#include "data/font.h"

namespace hd::data {
namespace {

constexpr uint32_t paper = 0x15181d, ink = 0xe8eaed;
constexpr int smallestPanel = 480, largestPanel = 1280;  // longer side in pixels

std::array<float, 3> channels(uint32_t colour) {
  return {static_cast<float>(colour >> 16 & 255), static_cast<float>(colour >> 8 & 255),
          static_cast<float>(colour & 255)};
}

/// Black or white, whichever reads better on `colour`.
uint32_t textColour(uint32_t colour) {
  const auto [red, green, blue] = channels(colour);
  return kLuma[0] * red + kLuma[1] * green + kLuma[2] * blue > 140 ? 0x000000 : 0xffffff;
}

uint32_t parseColour(const std::string& text) {
  const bool valid = text.size() == 7 && text[0] == '#' &&
                     text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos;
  if (!valid) {
    throw Error("HD_USAGE_DRAW",
                concat("expected a colour like #ff8800 but received '", text, "': correct it"));
  }
  return static_cast<uint32_t>(std::stoul(text.substr(1), nullptr, 16));
}

/// How many characters a text shows: UTF-8 continuation bytes show nothing.
int symbols(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// > 0: enlarge, < 0: shrink.
int panelFactor(int width, int height) {
  const int side = std::max(width, height);
  if (side > largestPanel) return -((side + largestPanel - 1) / largestPanel);
  return std::clamp((smallestPanel + side - 1) / side, 1, 8);
}

int scaled(int length, int factor) {
  return factor > 0 ? length * factor : (length - factor - 1) / -factor;
}

int toPixel(float coordinate, int factor, int limit) {
  const float place =
      factor > 0 ? coordinate * static_cast<float>(factor) : coordinate / static_cast<float>(-factor);
  return std::isfinite(place)
             ? static_cast<int>(std::lround(std::clamp(place, 0.0f, static_cast<float>(limit))))
             : 0;
}

struct Panel {
  int left, top, width, height, factor;
};

void drawSet(Drawing& drawing, const Panel& panel, const std::vector<std::string>& classes,
             const DrawSet& set) {
  const size_t count = set.labels.size();
  // Labels of crowded pictures are small, so that they hide less.
  const int scale = count <= 8 && std::max(panel.width, panel.height) >= smallestPanel ? 2 : 1;
  const int thickness = std::max(panel.width, panel.height) >= 900 ? 3 : 2;
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (!set.scores.empty()) {  // the surest last, on top
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return set.scores[a] < set.scores[b]; });
  }
  const auto colourOf = [&](size_t i) {
    return set.colour.empty() ? classColour(set.labels[i]) : parseColour(set.colour);
  };
  struct Place {
    int left, top, right, bottom;
  };
  std::vector<Place> places(count);
  for (const size_t i : order) {
    const float* box = set.boxes.data() + 4 * i;
    places[i] = {panel.left + toPixel(box[0], panel.factor, panel.width),
                 panel.top + toPixel(box[1], panel.factor, panel.height),
                 panel.left + toPixel(box[2], panel.factor, panel.width),
                 panel.top + toPixel(box[3], panel.factor, panel.height)};
    const auto& [left, top, right, bottom] = places[i];
    drawing.frame(left, top, right, bottom, thickness, colourOf(i));
  }
  for (const size_t i : order) {  // after all frames, so that none crosses a name
    const auto label = static_cast<size_t>(set.labels[i]);
    std::string text = set.labels[i] < 0        ? "ignored"
                       : label < classes.size() ? classes[label]
                                                : concat("class ", set.labels[i]);
    if (!set.scores.empty()) {
      char score[16];
      std::snprintf(score, sizeof score, " %.2f",
                    static_cast<double>(std::clamp(set.scores[i], -9.0f, 9.0f)));
      text += score;
    }
    const int height = (glyphHeight + 2) * scale, width = textWidth(text, scale) + 2 * scale;
    const int left =
        std::clamp(places[i].left, panel.left, std::max(panel.left, panel.left + panel.width - width));
    const int above = places[i].top - height;
    const int top = above >= panel.top ? above : std::min(places[i].top, panel.top + panel.height - height);
    const int right = std::min(left + width, panel.left + panel.width);
    drawing.fill(left, top, right, top + height, colourOf(i), 0.85f);
    drawing.text(text, left + scale, top + scale, scale, textColour(colourOf(i)), right);
  }
}

void checkSets(const std::vector<DrawSet>& sets) {
  for (const DrawSet& set : sets) {
    const size_t count = set.labels.size();
    if (set.boxes.size() != 4 * count || (!set.scores.empty() && set.scores.size() != count)) {
      throw Error("HD_USAGE_DRAW",
                  concat("expected 4 coordinates and one score for each of ", count, " labels but received ",
                         set.boxes.size(), " and ", set.scores.size(), ": give lists of matching lengths"));
    }
    if (!set.colour.empty()) parseColour(set.colour);
  }
}

/// One panel a set, side by side.
void drawPanels(const Picture& picture, const std::vector<std::string>& classes,
                const std::vector<DrawSet>& sets, const std::string& out) {
  const int factor = panelFactor(picture.width, picture.height);
  const int width = scaled(picture.width, factor), height = scaled(picture.height, factor);
  const int gap = 6;
  const bool titled =
      std::any_of(sets.begin(), sets.end(), [](const DrawSet& set) { return !set.title.empty(); });
  const int titleHeight = titled ? 24 : 0;
  const int panels = std::max(1, static_cast<int>(sets.size()));
  Drawing drawing(panels * width + (panels - 1) * gap, titleHeight + height, paper);
  for (int i = 0; i < panels; ++i) {
    const Panel panel{i * (width + gap), titleHeight, width, height, factor};
    drawing.place(picture, panel.left, panel.top, factor);
    if (sets.empty()) break;
    const DrawSet& set = sets[static_cast<size_t>(i)];
    drawing.text(set.title, panel.left + 6, 5, 2, ink, panel.left + width);
    drawSet(drawing, panel, classes, set);
  }
  writePicture(out, drawing.pixels(), drawing.width(), drawing.height());
}

// As a network sees it, but for what leaves 0…255.
Picture recoloured(const Picture& from, const ImageTargets& targets) {
  Picture out = from;
  out.storage.assign(from.pixels, from.pixels + size_t{3} * from.width * from.height);
  out.pixels = out.storage.data();
  std::vector<float> values;
  for (int y = 0; y < targets.height; ++y) {
    uint8_t* row = out.storage.data() + size_t{3} * y * from.width;
    values.assign(row, row + size_t{3} * targets.width);
    for (const ColourTurn& turn : targets.colours) recolourValues(turn, targets.width, values.data());
    for (const float value : values) *row++ = static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
  }
  return out;
}

}  // namespace

Drawing::Drawing(int width, int height, uint32_t background)
    : width_(width), height_(height), pixels_(static_cast<size_t>(width) * height * 3) {
  fill(0, 0, width, height, background);
}

void Drawing::place(const Picture& picture, int x, int y, int factor) {
  const int columns = scaled(picture.width, factor), rows = scaled(picture.height, factor);
  const auto pixel = [&](int column, int row) {
    column = std::clamp(column, 0, picture.width - 1);
    row = std::clamp(row, 0, picture.height - 1);
    return picture.pixels + (static_cast<size_t>(row) * picture.width + column) * 3;
  };
  for (int row = std::max(0, -y); row < rows && y + row < height_; ++row) {
    uint8_t* out = pixels_.data() + (static_cast<size_t>(y + row) * width_ + x) * 3;
    for (int column = std::max(0, -x); column < columns && x + column < width_; ++column) {
      for (int c = 0; c < 3; ++c) {
        if (factor > 0) {
          const float sourceX = (static_cast<float>(column) + 0.5f) / static_cast<float>(factor) - 0.5f;
          const float sourceY = (static_cast<float>(row) + 0.5f) / static_cast<float>(factor) - 0.5f;
          const int left = static_cast<int>(std::floor(sourceX)), top = static_cast<int>(std::floor(sourceY));
          const float u = sourceX - static_cast<float>(left), v = sourceY - static_cast<float>(top);
          const float upper = pixel(left, top)[c] * (1 - u) + pixel(left + 1, top)[c] * u;
          const float lower = pixel(left, top + 1)[c] * (1 - u) + pixel(left + 1, top + 1)[c] * u;
          out[3 * column + c] = static_cast<uint8_t>(upper * (1 - v) + lower * v + 0.5f);
        } else {
          int sum = 0;
          for (int i = 0; i < factor * factor; ++i)
            sum += pixel(column * -factor + i % -factor, row * -factor + i / -factor)[c];
          out[3 * column + c] = static_cast<uint8_t>((sum + factor * factor / 2) / (factor * factor));
        }
      }
    }
  }
}

void Drawing::fill(int left, int top, int right, int bottom, uint32_t colour, float opacity) {
  const auto values = channels(colour);
  for (int y = std::max(0, top); y < std::min(bottom, height_); ++y) {
    for (int x = std::max(0, left); x < std::min(right, width_); ++x) {
      uint8_t* pixel = pixels_.data() + (static_cast<size_t>(y) * width_ + x) * 3;
      for (size_t c = 0; c < 3; ++c) {
        pixel[c] = static_cast<uint8_t>(pixel[c] + (values[c] - pixel[c]) * opacity + 0.5f);
      }
    }
  }
}

void Drawing::frame(int left, int top, int right, int bottom, int thickness, uint32_t colour) {
  fill(left, top, right, std::min(top + thickness, bottom), colour);
  fill(left, std::max(bottom - thickness, top), right, bottom, colour);
  fill(left, top, std::min(left + thickness, right), bottom, colour);
  fill(std::max(right - thickness, left), top, right, bottom, colour);
}

void Drawing::text(std::string_view text, int x, int y, int scale, uint32_t colour, int limit) {
  for (const char symbol : text) {
    if ((symbol & 0xC0) == 0x80) continue;
    const int code = symbol >= firstGlyph && symbol <= lastGlyph ? symbol : '?';
    const auto& rows = glyphs[static_cast<size_t>(code - firstGlyph)];
    for (int row = 0; row < glyphHeight; ++row) {
      for (int column = 0; column < glyphWidth; ++column) {
        if ((rows[static_cast<size_t>(row)] >> (glyphWidth - 1 - column) & 1) == 0) continue;
        const int left = x + column * scale, top = y + row * scale;
        fill(left, top, std::min(left + scale, limit), top + scale, colour);
      }
    }
    x += (glyphWidth + 1) * scale;
  }
}

int textWidth(std::string_view text, int scale) {
  return symbols(text) * (glyphWidth + 1) * scale;
}

uint32_t classColour(int32_t label) {
  constexpr std::array<uint32_t, 12> palette{0xff5d5d, 0x4cc2ff, 0xffd23f, 0x5ee07a, 0xc58bff, 0xff9a3d,
                                             0x3fe0d0, 0xff7ac6, 0xb6e34b, 0x7d9bff, 0xd9a066, 0xf2f2f2};
  return label < 0 ? 0x9a9a9a : palette[static_cast<size_t>(label) % palette.size()];
}

void drawSets(const Dataset& dataset, int64_t image, const std::string& out,
              const std::vector<DrawSet>& sets) {
  checkSets(sets);
  drawPanels(dataset.load(image, 0, 0), dataset.classes(), sets, out);
}

void drawTargets(const Batch& batch, int64_t index, const Dataset& dataset, const std::string& out) {
  const ImageTargets& targets = batch.images[static_cast<size_t>(index)];
  Picture picture;
  picture.width = static_cast<int>(batch.width);
  picture.height = static_cast<int>(batch.height);
  picture.pixels = batch.pixels + index * batch.height * batch.width * 3;
  if (!targets.colours.empty()) picture = recoloured(picture, targets);
  DrawSet set;
  set.boxes = targets.boxes;
  set.labels = targets.labels;
  set.boxes.insert(set.boxes.end(), targets.crowd.begin(), targets.crowd.end());
  set.labels.resize(set.boxes.size() / 4, -1);
  drawPanels(picture, dataset.classes(), {set}, out);
}

}  // namespace hd::data
