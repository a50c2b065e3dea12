// Times suppression on generated candidates; `hdtrain bench nms`.
#pragma once

#include "core/value.h"

namespace hd::ops {

/// options: { candidates, classes (80), repeats (5), threshold (0.6), seed, voting (false: greedy; true:
/// cluster-diou with score voting of every kept box) }. Returns {candidates, classes, suppression,
/// milliseconds (median), kept}.
Value benchNms(const Value& options);

}  // namespace hd::ops
