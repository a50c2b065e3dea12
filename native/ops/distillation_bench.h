// Times the fused distillation loss, forward and backward; `hdtrain bench losses`.
#pragma once

#include "core/value.h"

namespace hd::ops {

/// options: { rows (89 600: four sides of 22 400 anchors), bins (17), repeats (9), weighted (1: the share of
/// rows with a weight) }. Returns {rows, bins, weighted, milliseconds (median)}.
Value benchDistillation(const Value& options);

}  // namespace hd::ops
