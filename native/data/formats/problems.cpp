#include "data/formats/problems.h"

#include "core/error.h"

namespace hd::data {

void Problems::add(std::string sentence) {
  if (++count_ <= 5) first_.push_back(std::move(sentence));
}

void Problems::throwIfAny(const char* kind, const std::string& folder) const {
  if (count_ == 0) return;
  std::string list;
  for (const std::string& sentence : first_) list += (list.empty() ? "" : "; ") + sentence;
  if (count_ > static_cast<long>(first_.size())) list += "; …";
  throw Error("HD_DATA_FORMAT",
              concat("expected valid ", kind, " for ", folder, " but received ", count_, " broken place",
                     count_ == 1 ? "" : "s", " (", list, "): correct or remove them"),
              folder);
}

}  // namespace hd::data
