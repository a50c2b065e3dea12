// What kinds of mistakes cost how much AP: the six error types of TIDE (Bolya et al. 2020, arXiv 2008.08115).
//
// AP here is COCO's at one IoU threshold (101 recall points, mean over classes that have truths). Detections
// are matched as COCO does it. One that took a truth is right; one that took a truth to be ignored counts for
// nothing and is no error. Every other detection is one error; with s its largest overlap with a truth of its
// own class, o with one of another class (truths to be ignored are not looked at), the first that fits:
//
//   localization    background ≤ s < match    the right class, the box too far off
//   classification  match ≤ o                 a good box, the wrong class
//   duplicate       match ≤ s                 the truth already belongs to a better detection
//   background      s and o < background      there is nothing
//   both            the rest                  wrong class and box: background ≤ o < match
//
//   missed          truths that no detection took and no localization or classification error aims at. An
//   error
//                   aims at the truth that gives s (localization) or o (classification), the first of equals.
//
// The cost of a kind is how much AP would rise if its errors were mended, each kind alone. Localization and
// classification: among the errors that aim at the same truth, which nothing took, the best scored one
// becomes right (in the class of the truth); the others vanish. Both, duplicate, background: the detections
// vanish. Missed: the truths vanish; a class without truths left counts as AP 0 if a detection of it is left,
// else not at all.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "eval/coco.h"

namespace hd::eval {

enum class ErrorKind : uint8_t { classification, localization, both, duplicate, background, missed };
constexpr size_t kErrorKinds = 6;
const char* nameOf(ErrorKind kind);

struct ErrorOptions {
  double match = 0.5, background = 0.1;  ///< overlaps (IoU)
  int limit = 100;                       ///< detections per image and class
  int threads = 0;                       ///< 0: all
};

struct ErrorCosts {
  double ap = -1;                          ///< at IoU `match`; −1 without truth that counts
  std::array<double, kErrorKinds> cost{};  ///< rise of AP by ErrorKind; 0 without truth that counts
  std::array<int64_t, kErrorKinds> count{};
};

/// Ignored are truths flagged crowd or ignore. Ties: the earlier truth, and the detection that stands first
/// in COCO's order (score, image id, place in `detections`). Throws HD_INTERNAL for a score that is not
/// finite.
ErrorCosts errorCosts(const CocoSet& truth, const std::vector<Instance>& detections,
                      const ErrorOptions& options = {});

}  // namespace hd::eval
