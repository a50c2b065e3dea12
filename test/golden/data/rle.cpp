// Run lengths of pycocotools: every mask that the file gives in both forms.
#include "data/rle.h"

#include "golden.h"

GOLDEN("coco_eval/masks", file, check) {
  for (const hd::Value& c : file.at("cases").asArray()) {
    const std::string op = c.at("op").asString();
    const bool polygons = op == "polygons_to_rle";
    if (!polygons && op != "uncompressed_to_rle") continue;  // overlaps and areas are read by eval's tests
    const std::string name = op + ' ' + c.get("name", "");
    const std::string packed = c.at(polygons ? "merged" : "rle").at("counts").asString();
    std::vector<uint32_t> counts;
    for (const double run : c.numbers(polygons ? "uncompressed_counts" : "counts_list")) {
      counts.push_back(static_cast<uint32_t>(run));
    }
    check.equal(hd::data::packRle(counts), packed, name + " packed");
    const auto unpacked = hd::data::unpackRle(packed);
    check.truth(unpacked.has_value() && *unpacked == counts, name + " unpacked");
  }
}
