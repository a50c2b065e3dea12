// Tries damaged inputs on a target, in a process of its own, so that a crash or a hang is one more result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "target.h"

namespace fuzz {

struct Limits {
  double seconds = 5;  ///< computing time of an input that hangs; or twelve times as long on the clock
  size_t bytes = size_t{1} << 30;  ///< address space beyond that of the start (not under a sanitizer)
};

struct Failure {
  uint64_t index;
  std::string what;
};

struct Outcome {
  uint64_t inputs = 0, accepted = 0;
  std::map<std::string, uint64_t> refused;  ///< by error code
  double slowest = 0;                       ///< computing time of one input
  uint64_t peakBytes = 0;                   ///< resident memory of the process
  std::optional<Failure> failure;
};

/// Inputs 0, 1, … of a seed: the samples as they are, then damaged ones.
class Inputs {
 public:
  Inputs(const Target& target, uint64_t seed) : target_(target), samples_(target.corpus()), seed_(seed) {}
  std::string at(uint64_t index) const;
  size_t samples() const { return samples_.size(); }

 private:
  const Target& target_;
  std::vector<Sample> samples_;
  uint64_t seed_;
};

/// Inputs first … first + count − 1; ends with the first failure.
Outcome run(const Target& target, uint64_t seed, uint64_t first, uint64_t count, const Limits& limits = {});

}  // namespace fuzz
