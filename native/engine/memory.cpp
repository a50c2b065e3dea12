#include "engine/memory.h"

#include <c10/util/Exception.h>
#include <malloc.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "engine/mirror.h"

namespace hd::engine {
namespace {

[[noreturn]] void throwTooLarge(const Batch& batch, const std::exception& error) {
  throw Error("HD_MEMORY", concat("expected memory for one picture of ", batch.width, "×", batch.height,
                                  " but the system has no more (", error.what(),
                                  "); lower data.size, choose a smaller model, or free memory"));
}

/// Calls `detect` on one part of the batch after the other, of as many images at once as there is memory for.
/// When it throws for want of memory it must have kept nothing of that part.
template <class Detect>
void inParts(Session& session, const Batch& batch, bool fault, const Detect& detect) {
  for (int64_t done = 0; done < batch.count;) {
    const int64_t limit = session.detectAtOnce();
    const int64_t size = limit > 0 ? std::min(limit, batch.count - done) : batch.count - done;
    try {
      if (std::exchange(fault, false)) throw std::bad_alloc();
      detect(batch.part(done, size));
      done += size;
      continue;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (!isOutOfMemory(error)) throw;
      if (size == 1) throwTooLarge(batch, error);
    }
    session.setDetectAtOnce(size / 2);
    ::malloc_trim(0);
  }
}

void appendFound(std::vector<Detections>& out, std::vector<Detections> found) {
  std::move(found.begin(), found.end(), std::back_inserter(out));
}

/// Means over the cells of both.
void joinLevels(LevelError& sum, const LevelError& more) {
  const int64_t cells = sum.cells + more.cells;
  const auto mean = [&](double a, double b) { return (a * sum.cells + b * more.cells) / cells; };
  sum.cls = mean(sum.cls, more.cls);
  sum.reg = mean(sum.reg, more.reg);
  sum.cells = cells;
}

std::vector<Detections> detectOnce(Session& session, const Batch& batch,
                                   const detectors::PostProcess& options, int64_t teacher) {
  return teacher < 0 ? session.detect(batch, options)
                     : session.detectTeacher(static_cast<size_t>(teacher), batch, options);
}

std::vector<Detections> detectTwice(Session& session, const Batch& batch, detectors::PostProcess options,
                                    int64_t teacher) {
  const WithMirrors both(batch);
  options.views = 2;
  return detectOnce(session, both.batch(), options, teacher);
}

}  // namespace

bool isOutOfMemory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  // The processor's allocator and oneDNN have no type of their own for it.
  const std::string_view message = error.what();
  return message.find("can't allocate memory") != std::string_view::npos ||
         message.find("out of memory") != std::string_view::npos;
}

int64_t finerCut(int64_t images, int64_t parts) {
  for (int64_t finer = 2 * parts; finer <= images; ++finer) {
    if (images % finer == 0) return finer;
  }
  return parts < images ? images : 0;
}

StepResult stepWithinMemory(Session& session, const Batch& batch, StepInput& input) {
  for (;;) {
    try {
      return session.step(batch, input);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (!isOutOfMemory(error)) throw;
      const int64_t finer = finerCut(batch.count, session.microBatches(input));
      if (finer == 0) throwTooLarge(batch, error);
      input.accumulate = finer;
      input.fault.clear();  // an injected failure happens once
    }
    session.dropGradients();
    ::malloc_trim(0);
  }
}

std::vector<Detections> detectWithinMemory(Session& session, const Batch& batch,
                                           const detectors::PostProcess& options, int64_t teacher, bool fault,
                                           bool flip) {
  std::vector<Detections> out;
  inParts(session, batch, fault, [&](const Batch& part) {
    appendFound(out, flip ? detectTwice(session, part, options, teacher)
                          : detectOnce(session, part, options, teacher));
  });
  return out;
}

Mixed detectMixedWithinMemory(Session& own, detectors::Detector& other, const Batch& batch,
                              const std::vector<MixPoint>& points, const detectors::PostProcess& options,
                              bool fault) {
  Mixed out;
  out.detections.resize(points.size());
  inParts(own, batch, fault, [&](const Batch& part) {
    Mixed found = detectMixed(own.detector(), other, part, points, options);
    for (size_t p = 0; p < points.size(); ++p) appendFound(out.detections[p], std::move(found.detections[p]));
    if (out.errors.empty()) {
      out.errors = std::move(found.errors);
      return;
    }
    for (size_t l = 0; l < found.errors.size(); ++l) joinLevels(out.errors[l], found.errors[l]);
  });
  return out;
}

}  // namespace hd::engine
