// Readers of files that may come from anyone. A new one is a file in targets/ with one HD_FUZZ_TARGET line.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace fuzz {

/// A valid input. `wrap` puts around the damaged bytes what would otherwise hide the damage: lengths,
/// checksums, a container.
struct Sample {
  std::string bytes;
  std::function<std::string(const std::string&)> wrap = {};

  std::string file() const { return wrap ? wrap(bytes) : bytes; }
};

struct Target {
  /// Valid inputs, made by code: the same in every process.
  std::function<std::vector<Sample>()> corpus;
  /// Bytes that mean something in the format.
  std::vector<std::string> tokens;
  /// Beginnings of the error codes that it may throw. Everything else that it throws is a failure.
  std::vector<std::string> codes;
  /// Reads an input and everything that it yields; throws std::logic_error when what came out breaks a
  /// promise. `folder` is empty before the first input and kept from one to the next.
  std::function<void(const std::string& input, const std::string& folder)> read;
};

/// For static registrations only: filled before main, read-only after.
bool registerTarget(const std::string& name, Target (*make)());
std::vector<std::string> targetNames();
/// Throws std::invalid_argument listing what there is.
Target makeTarget(const std::string& name);

/// Throws std::logic_error when a promise does not hold.
void promise(bool holds, const std::string& what);

#define HD_FUZZ_TARGET(name, make) \
  [[maybe_unused]] const bool registered = ::fuzz::registerTarget(#name, make)

}  // namespace fuzz
