#include "pictures.h"

namespace fuzz {
namespace {

/// With an EXIF segment that asks for a quarter turn.
fixture::Bytes turned(fixture::Bytes file, bool bigEndian) {
  using namespace std::string_literals;
  const std::string exif =
      "\xFF\xE1\0\x22"
      "Exif\0\0"s +
      (bigEndian ? "MM\0\x2A\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"s
                 : "II\x2A\0\x08\0\0\0\1\0\x12\x01\3\0\1\0\0\0\6\0\0\0\0\0\0\0"s);
  file.insert(file.begin() + 2, exif.begin(), exif.end());
  return file;
}

std::vector<Sample> corpus() {
  using namespace fixture;
  const Bytes colour = waves(33, 17), grey = waves(40, 30, 1), ink = waves(24, 16, 4);
  const std::vector<Bytes> files = {
      jpeg(colour, 33, 17),
      jpeg(colour, 33, 17, TJPF_RGB, TJSAMP_420),
      jpeg(colour, 33, 17, TJPF_RGB, TJSAMP_422, TJFLAG_PROGRESSIVE),
      jpeg(noise(16 * 16 * 3, 1), 16, 16, TJPF_RGB, TJSAMP_440),
      jpeg(grey, 40, 30, TJPF_GRAY, TJSAMP_GRAY),
      jpeg(ink, 24, 16, TJPF_CMYK),
  };
  std::vector<Sample> samples;
  for (const bool bigEndian : {false, true}) samples.push_back({text(turned(files[1], bigEndian))});
  for (const Bytes& file : files) samples.push_back({text(file)});
  return samples;
}

Target target() {
  using namespace std::string_literals;
  return {corpus,
          {"\xFF\xD8",
           "\xFF\xD9",
           "\xFF\xDA",
           "\xFF\xC0",
           "\xFF\xC2",
           "\xFF\xC4",
           "\xFF\xC9",
           "\xFF\xCC",
           "\xFF\xD0",
           "\xFF\xD7",
           "\xFF\xDB",
           "\xFF\xDC\0\4\0\1"s,
           "\xFF\xDD\0\4\0\1"s,
           "\xFF\xE0",
           "\xFF\xE1",
           "\xFF\xEE\0\16Adobe\0\144\0\0\0\0\2"s,
           "\xFF\xFE\0\2"s,
           "\xFF\0"s,
           "\xFF\xFF",
           "\0\2"s,
           "\xFF\xC0\0\21\x8\xFF\xFF\xFF\xFF\3"s,
           "\xFF\xC0\0\21\x8\0\1\0\1\3"s},
          {"HD_DATA_IMAGE"},
          readPicture};
}

HD_FUZZ_TARGET(jpeg, target);

}  // namespace
}  // namespace fuzz
