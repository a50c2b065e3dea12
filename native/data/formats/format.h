// Registration of data set formats: a new one is a file in this folder with one HD_REGISTER_FORMAT line.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/value.h"
#include "data/dataset.h"

namespace hd::data {

/// Builds a data set from its section of a recipe, with paths resolved by the caller.
using FormatReader = std::shared_ptr<const Dataset> (*)(const Value& spec);

/// For static registrations only: filled before main, read-only after. False when the name is taken.
bool registerFormat(const std::string& name, FormatReader reader);
/// Throws HD_DATA_FORMAT_UNKNOWN listing what there is.
FormatReader formatReader(const std::string& name);
std::vector<std::string> formatNames();

#define HD_REGISTER_FORMAT(name, reader) \
  [[maybe_unused]] const bool registered_##name = ::hd::data::registerFormat(#name, reader)

}  // namespace hd::data
