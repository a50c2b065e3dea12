// Formats with one annotation file a picture collect what is broken in all files and refuse them together.
#pragma once

#include <string>
#include <vector>

namespace hd::data {

class Problems {
 public:
  /// One broken place: "a.xml at byte 12: …".
  void add(std::string sentence);
  /// Throws HD_DATA_FORMAT with the count and the first five, when there is any.
  void throwIfAny(const char* kind, const std::string& folder) const;

 private:
  std::vector<std::string> first_;
  long count_ = 0;
};

}  // namespace hd::data
