#include "data/draw.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "data/font.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

uint32_t pixelOf(const Drawing& drawing, int x, int y) {
  const uint8_t* pixel = drawing.pixels() + (y * drawing.width() + x) * 3;
  return static_cast<uint32_t>(pixel[0] << 16 | pixel[1] << 8 | pixel[2]);
}

int64_t countOf(const Drawing& drawing, uint32_t colour) {
  int64_t count = 0;
  for (int y = 0; y < drawing.height(); ++y) {
    for (int x = 0; x < drawing.width(); ++x) count += pixelOf(drawing, x, y) == colour;
  }
  return count;
}

std::shared_ptr<const Dataset> oneFile(const std::string& path) {
  return Dataset::open(fixture::object({{"format", "files"},
                                        {"files", hd::Value::Array{path}},
                                        {"classes", hd::Value::Array{"cat", "d\xC3\xB6g"}}}));
}

Picture read(const std::string& path) {
  const auto bytes = readPictureFile(path);
  return decodePicture(bytes.data(), bytes.size(), path, 0, 0);
}

}  // namespace

TEST_CASE("every printable character has a glyph of its own") {
  std::set<std::array<uint8_t, glyphHeight>> all;
  for (const auto& glyph : glyphs) {
    for (const uint8_t row : glyph) CHECK(row < 32);
    all.insert(glyph);
  }
  CHECK(all.size() == 95);
  for (const uint8_t row : glyphs[0]) CHECK(row == 0);
}

TEST_CASE("text is drawn pixel by pixel, scaled and cut at the limit") {
  Drawing drawing(40, 20, 0);
  drawing.text("I", 2, 3, 1, 0xffffff, 40);
  for (int row = 0; row < glyphHeight; ++row) {
    for (int column = 0; column < glyphWidth; ++column) {
      const bool set =
          (glyphs['I' - firstGlyph][static_cast<size_t>(row)] >> (glyphWidth - 1 - column) & 1) != 0;
      CHECK(pixelOf(drawing, 2 + column, 3 + row) == (set ? 0xffffffu : 0u));
    }
  }
  Drawing doubled(80, 40, 0), cut(80, 40, 0), unicode(80, 40, 0), question(80, 40, 0);
  doubled.text("I", 2, 3, 2, 0xffffff, 80);
  CHECK(countOf(doubled, 0xffffff) == 4 * countOf(drawing, 0xffffff));
  cut.text("HHH", 0, 0, 1, 0xffffff, 5);
  CHECK(countOf(cut, 0xffffff) == 17);
  unicode.text("\xC3\xB6", 0, 0, 1, 0xffffff, 80);
  question.text("?", 0, 0, 1, 0xffffff, 80);
  CHECK(std::equal(unicode.pixels(), unicode.pixels() + 80 * 40 * 3, question.pixels()));
  CHECK(textWidth("\xC3\xB6g", 2) == 24);
}

TEST_CASE("frames stay inside their rectangle, fills blend, and nothing is drawn outside") {
  Drawing drawing(20, 10, 0);
  drawing.frame(2, 1, 12, 8, 2, 0xff0000);
  CHECK(countOf(drawing, 0xff0000) == 10 * 7 - 6 * 3);
  drawing.frame(14, 2, 15, 3, 3, 0x00ff00);  // thinner than its rim
  CHECK(countOf(drawing, 0x00ff00) == 1);
  Drawing mixed(2, 1, 0x000000);
  mixed.fill(0, 0, 1, 1, 0xffffff, 0.5f);
  CHECK(pixelOf(mixed, 0, 0) == 0x808080);
  drawing.fill(-5, -5, 500, 500, 0x123456);
  CHECK(countOf(drawing, 0x123456) == 200);
  drawing.fill(15, 5, 3, 2, 0xffffff);
  drawing.text("far away", -30, -30, 3, 0xffffff, 9999);
  drawing.text("far away", 18, 8, 3, 0xffffff, 9999);
}

TEST_CASE("pictures are placed as they are, enlarged smoothly or shrunk by means") {
  Picture picture;
  picture.width = 2;
  picture.height = 2;
  picture.storage = {0, 0, 0, 200, 200, 200, 100, 100, 100, 100, 100, 100};
  picture.pixels = picture.storage.data();
  Drawing same(4, 3, 0xffffff);
  same.place(picture, 1, 1, 1);
  CHECK(pixelOf(same, 2, 1) == 0xc8c8c8);
  CHECK(pixelOf(same, 0, 0) == 0xffffff);
  Drawing large(4, 4, 0);
  large.place(picture, 0, 0, 2);
  CHECK(pixelOf(large, 0, 0) == 0);
  CHECK(pixelOf(large, 1, 0) == 0x323232);  // three quarters of 0, one of 200
  CHECK(pixelOf(large, 3, 0) == 0xc8c8c8);
  Drawing small(1, 1, 0);
  small.place(picture, 0, 0, -2);
  CHECK(pixelOf(small, 0, 0) == 0x646464);
  same.place(picture, 3, 2, 4);  // reaches over the border
  same.place(picture, -1, -1, 1);
}

TEST_CASE("truth and prediction stand side by side with boxes where they belong") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "in.png", 600, 400);
  const auto dataset = oneFile(folder / "in.png");
  DrawSet truth{{100, 200, 300, 350}, {0}, {}, "#00ff00", "truth"};
  DrawSet prediction{{110, 210, 310, 360}, {1}, {0.9f}, "#ff0000", "prediction"};
  drawSets(*dataset, 0, folder / "out.png", {truth, prediction});
  const Picture out = read(folder / "out.png");
  CHECK(out.width == 2 * 600 + 6);
  CHECK(out.height == 400 + 24);
  const auto at = [&](int x, int y) {
    const uint8_t* pixel = out.pixels + (y * out.width + x) * 3;
    return static_cast<uint32_t>(pixel[0] << 16 | pixel[1] << 8 | pixel[2]);
  };
  CHECK(at(100, 24 + 300) == 0x00ff00);
  CHECK(at(299, 24 + 300) == 0x00ff00);
  CHECK(at(200, 24 + 349) == 0x00ff00);
  CHECK(at(606 + 110, 24 + 300) == 0xff0000);
  const auto original = fixture::waves(600, 400);
  CHECK((at(200, 24 + 300) >> 16) == original[(300 * 600 + 200) * 3]);  // the inside is untouched
}

TEST_CASE("small pictures are enlarged, large ones shrunk") {
  const fixture::Folder folder;
  for (const auto& [side, expected] : {std::pair{100, 500}, {1000, 1000}, {1300, 650}, {16, 128}}) {
    fixture::writePicture(folder / "in.png", side, side);
    drawSets(*oneFile(folder / "in.png"), 0, folder / "out.jpg", {});
    CHECK(read(folder / "out.jpg").width == expected);
  }
}

TEST_CASE("boxes and labels of any value are drawn without harm") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "in.png", 50, 40);
  const auto dataset = oneFile(folder / "in.png");
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinite = std::numeric_limits<float>::infinity();
  DrawSet set{{nan, 0, 1, 1, -1e30f, -1e30f, 1e30f, 1e30f, 30, 30, 10, 10, infinite, 0, 5, 5},
              {0, 1, 7, -3},
              {nan, 2, -5, 1e30f},
              "",
              std::string(300, 'x')};
  drawSets(*dataset, 0, folder / "out.png", {set});
  CHECK(read(folder / "out.png").width == 400);
  hd::Random random(1, "test", 0, 0);
  DrawSet many;
  for (int i = 0; i < 100; ++i) {
    for (int c = 0; c < 4; ++c) many.boxes.push_back(random.uniform(-100, 200));
    many.labels.push_back(static_cast<int32_t>(random.below(3)));
  }
  drawSets(*dataset, 0, folder / "out.png", {many});
}

TEST_CASE("sets that do not fit together are refused before anything is written") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "in.png");
  const auto dataset = oneFile(folder / "in.png");
  const auto code = [&](DrawSet set) {
    return codeOf([&] { drawSets(*dataset, 0, folder / "out.png", {set}); });
  };
  CHECK(code({{1, 2, 3}, {0}, {}, "", ""}) == "HD_USAGE_DRAW");
  CHECK(code({{1, 2, 3, 4}, {0}, {0.5f, 0.5f}, "", ""}) == "HD_USAGE_DRAW");
  for (const char* colour : {"red", "#12345", "#12345g", "1234567"})
    CHECK(code({{}, {}, {}, colour, ""}) == "HD_USAGE_DRAW");
  CHECK_FALSE(std::filesystem::exists(folder / "out.png"));
}
