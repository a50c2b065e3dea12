// Times a teacher's plan; `hdtrain bench plan`.
#pragma once

#include "core/value.h"

namespace hd::distill {

/// options: a teacher's section (weights, model, precision) with { part ("whole": what dense transfers read;
/// "backbone": its feature maps alone), batch (4), side (320), repeats (9) }. Returns {part, precision,
/// milliseconds (median), samples (of each pass)}. Throws what Teacher throws, HD_USAGE for another part.
Value benchTeacher(const Value& options);

}  // namespace hd::distill
