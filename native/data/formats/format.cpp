#include "data/formats/format.h"

#include <map>

#include "core/error.h"

namespace hd::data {
namespace {

std::map<std::string, FormatReader>& readers() {
  static std::map<std::string, FormatReader>
      all;  // a function's static: ready whichever file registers first
  return all;
}

}  // namespace

bool registerFormat(const std::string& name, FormatReader reader) {
  return readers().emplace(name, reader).second;
}

FormatReader formatReader(const std::string& name) {
  const auto found = readers().find(name);
  if (found != readers().end()) return found->second;
  std::string known;
  for (const auto& entry : readers()) known += (known.empty() ? "" : ", ") + entry.first;
  throw Error(
      "HD_DATA_FORMAT_UNKNOWN",
      concat("expected one of ", known, " for data.format but received '", name, "': correct the name"),
      "data.format");
}

std::vector<std::string> formatNames() {
  std::vector<std::string> names;
  for (const auto& entry : readers()) names.push_back(entry.first);
  return names;
}

}  // namespace hd::data
