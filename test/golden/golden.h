// Golden tests: values made by the original implementations, discovered in a folder at run time.
//
//   GOLDEN("ld/nms", file, check) { for (const hd::Value& c : file.at("cases").asArray()) …check.close(…); }
//
// registers the reader of one fixture. The shared main (golden/main.cpp) walks HDTRAIN_GOLDENS (default
// ../shared/goldens beside the checkout), gives each file to its reader, and counts checks; a file without a
// reader in any binary is reported once by `npm run test:golden`. Readers take every input and tolerance from
// the file.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/value.h"

namespace golden {

struct Tolerance {
  double rtol = 0, atol = 0;
};

/// {"rtol", "atol"} of a tolerance object, wherever it stands; missing members are 0.
inline Tolerance toleranceOf(const hd::Value& value) {
  return {value.get("rtol", 0.0), value.get("atol", 0.0)};
}

class Checker {
 public:
  explicit Checker(std::string fixture) : fixture_(std::move(fixture)) {}

  /// |actual − expected| ≤ atol + rtol·|expected|; NaN equals NaN.
  bool close(double actual, double expected, Tolerance tolerance, const std::string& what) {
    ++checks_;
    if (std::isnan(actual) && std::isnan(expected)) return true;
    if (std::abs(actual - expected) <= tolerance.atol + tolerance.rtol * std::abs(expected)) return true;
    return fail(hd::concat(what, ": expected ", expected, " but received ", actual));
  }

  /// Element by element; lengths must agree.
  template <class A, class B>
  bool close(const A& actual, const B& expected, Tolerance tolerance, const std::string& what) {
    if (!equal(actual.size(), expected.size(), what + " length")) return false;
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!close(static_cast<double>(actual[i]), static_cast<double>(expected[i]), tolerance,
                 hd::concat(what, "[", i, "]"))) {
        return false;
      }
    }
    return true;
  }

  template <class A, class B>
  bool equal(const A& actual, const B& expected, const std::string& what) {
    ++checks_;
    if (actual == static_cast<A>(expected)) return true;
    if constexpr (requires(std::ostringstream out) { out << actual; }) {
      return fail(hd::concat(what, ": expected ", expected, " but received ", actual));
    } else {
      return fail(hd::concat(what, ": differs"));
    }
  }

  bool truth(bool condition, const std::string& what) {
    ++checks_;
    return condition || fail(what);
  }

  /// A case of a fixture that concerns a part of the product that does not exist yet.
  void skip(const std::string& why) { skips_.push_back(why); }

  bool fail(const std::string& message) {
    ++failures_;
    if (failures_ <= 20) std::fprintf(stderr, "  FAIL %s: %s\n", fixture_.c_str(), message.c_str());
    return false;
  }

  long checks() const { return checks_; }
  long failures() const { return failures_; }
  const std::vector<std::string>& skips() const { return skips_; }

 private:
  std::string fixture_;
  long checks_ = 0, failures_ = 0;
  std::vector<std::string> skips_;
};

using Reader = std::function<void(const hd::Value&, Checker&)>;

inline std::map<std::string, Reader>& readers() {
  static std::map<std::string, Reader> map;
  return map;
}

struct Registration {
  Registration(const char* fixture, Reader reader) { readers()[fixture] = std::move(reader); }
};

/// Absolute path of a file below the golden folder, for fixtures that refer to neighbours.
std::string pathOf(const std::string& relative);
std::string readText(const std::string& path);

/// {"dtype", "shape", "data"} as numbers, row-major.
inline std::vector<double> dataOf(const hd::Value& array) {
  return array.numbers("data");
}

}  // namespace golden

#define GOLDEN_CONCAT_(a, b) a##b
#define GOLDEN_CONCAT(a, b) GOLDEN_CONCAT_(a, b)
#define GOLDEN(fixture, file, check)                                                     \
  static void GOLDEN_CONCAT(goldenReader, __LINE__)(const hd::Value&, golden::Checker&); \
  static const golden::Registration GOLDEN_CONCAT(goldenRegistration, __LINE__)(         \
      fixture, GOLDEN_CONCAT(goldenReader, __LINE__));                                   \
  static void GOLDEN_CONCAT(goldenReader, __LINE__)(const hd::Value& file, golden::Checker& check)
