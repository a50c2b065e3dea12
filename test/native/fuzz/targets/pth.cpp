#include "io/pth.h"

#include "native/io/torch_files.h"
#include "weights.h"

namespace fuzz {
namespace {

using hd::io::test::littleEndian;
using hd::io::test::PickleWriter;
using hd::io::test::TorchFile;
using hd::io::test::ZipWriter;

TorchFile nested() {
  PickleWriter writer;
  writer.emptyDict().mark().text("meta").attack().text("state_dict").orderedDict().mark();
  writer.text("conv.weight").tensor("FloatStorage", "0", 12, 0, {2, 3, 2}, {6, 1, 3});
  writer.text("bn.count").tensor("LongStorage", "1", 1, 0, {}, {}).setItems().setItems();
  return {writer.stop(), {{"0", 4, std::string(48, '\x3F')}, {"1", 8, littleEndian(int64_t{5})}}};
}

TorchFile flat() {
  PickleWriter writer;
  writer.orderedDict().mark().text("w").tensor("HalfStorage", "0", 6, 2, {2, 2}, {2, 1});
  writer.text("epoch").integer(1 << 20).text("list").emptyList().mark().none().boolean(true).appends().put(3);
  writer.text("again").get(3).text("b").tensor("BFloat16Storage", "0", 6, 0, {6}, {1}).setItems();
  return {writer.stop(), {{"0", 2, std::string(12, '\x01')}}};
}

std::vector<Sample> corpus() {
  std::vector<Sample> samples;
  for (const TorchFile& file : {nested(), flat()}) {
    ZipWriter other;
    other.descriptors = other.zip64 = true;
    other.aligned = false;
    samples.push_back({file.zip()});
    samples.push_back({file.zip(other)});
    samples.push_back({file.legacy()});
    // Damage inside containers whose checksums and places are right.
    const auto pickled = [file](const std::string& bytes) {
      TorchFile damaged = file;
      damaged.pickle = bytes;
      return damaged;
    };
    samples.push_back({file.pickle, [=](const std::string& bytes) { return pickled(bytes).zip(); }});
    samples.push_back({file.pickle, [=](const std::string& bytes) { return pickled(bytes).legacy(); }});
  }
  return samples;
}

std::vector<std::string> tokens() {
  using namespace std::string_literals;
  std::vector<std::string> out;
  for (
      const char code :
      "(.012GJKMNQRTUXabcd}ehjl]oqrst)uBCVIFSLipg\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8f\x90\x91\x93\x94\x95"s)
    out.emplace_back(1, code);
  out.insert(out.end(),
             {"PK\1\2", "PK\3\4", "PK\5\6", "PK\6\6", "PK\6\7", "PK\7\10", "cos\nsystem\n",
              "c__builtin__\neval\n", "\x8a\xFF", "\x8b\xFF\xFF\xFF\x7F", "X\xFF\xFF\xFF\xFF",
              "\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "ctorch\nFloatStorage\n", "J\xFF\xFF\xFF\xFF"});
  return out;
}

void read(const std::string& input, const std::string&) {
  readTensors(hd::io::parsePth, input, size_t{16} << 20);
}

Target target() {
  return {corpus, tokens(), {"HD_PTH_"}, read};
}

HD_FUZZ_TARGET(pth, target);

}  // namespace
}  // namespace fuzz
