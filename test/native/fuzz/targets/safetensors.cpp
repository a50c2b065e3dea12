#include "weights.h"

namespace fuzz {
namespace {

std::string image(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::vector<Sample> corpus() {
  const std::string data(64, '\x3F');
  std::vector<Sample> samples;
  for (
      const char* header :
      {R"({"__metadata__":{"k":"v","model":"{}"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[5],"data_offsets":[24,64]}}   )",
       R"({"x":{"dtype":"BF16","shape":[32],"data_offsets":[0,64]},"":{"dtype":"U8","shape":[0],"data_offsets":[64,64]}})",
       R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"t":{"dtype":"BOOL","shape":[7,8],"data_offsets":[8,64]}})"}) {
    samples.push_back({image(header, data)});
    samples.push_back({header, [data](const std::string& damaged) { return image(damaged, data); }});
  }
  return samples;
}

void read(const std::string& input, const std::string&) {
  readTensors(hd::io::parseSafetensors, input, input.size());
}

Target target() {
  return {corpus,
          {"{",
           "}",
           "[",
           "]",
           ",",
           ":",
           "\"",
           "null",
           "-1",
           "1e3",
           "1.5",
           "9007199254740993",
           "\"F16\"",
           "\"F64\"",
           "\"F8_E4M3\"",
           "\"C64\"",
           "\"dtype\":",
           "\"shape\":[",
           "\"data_offsets\":[",
           "[0,0]",
           "\\u0061",
           "\\ud800",
           "__metadata__",
           "\"a\":",
           "[[[[[[[[",
           "{\"a\":{\"a\":"},
          {"HD_CKPT_"},
          read};
}

HD_FUZZ_TARGET(safetensors, target);

}  // namespace
}  // namespace fuzz
