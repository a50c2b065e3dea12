// What the dispatch files share: argument checks, storage pointers, chunked parallel sums.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "ops/cpu/math.h"

namespace hd::ops {

using at::Tensor;

/// The registered operator `hdtrain::<name>`; keep it in a static: the look-up takes a lock.
template <class Signature>
c10::TypedOperatorHandle<Signature> registered(const char* name) {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow((std::string("hdtrain::") + name).c_str(), "")
      .typed<Signature>();
}

/// Elements that one chunk of a loop touches: large enough to hide the cost of a task, small enough to
/// balance two threads on a small feature level. Chunks do not depend on the number of threads, so neither do
/// sums over them.
constexpr int64_t kChunkElements = 16384;

inline int64_t rowsPerChunk(int64_t elementsPerRow) {
  return std::max<int64_t>(1, kChunkElements / std::max<int64_t>(1, elementsPerRow));
}

/// Calls `body(chunk, begin, end)` for consecutive runs of `rows` rows, in parallel.
template <class Body>
void forEachChunk(int64_t rows, int64_t chunkRows, const Body& body) {
  const int64_t chunks = (rows + chunkRows - 1) / chunkRows;
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      body(chunk, chunk * chunkRows, std::min(rows, (chunk + 1) * chunkRows));
    }
  });
}

/// Σ over chunks of `partial(begin, end)`, added in the order of the chunks.
template <class Partial>
double sumOverChunks(int64_t rows, int64_t chunkRows, const Partial& partial) {
  std::vector<double> sums(static_cast<size_t>((rows + chunkRows - 1) / chunkRows));
  forEachChunk(rows, chunkRows, [&](int64_t chunk, int64_t begin, int64_t end) {
    sums[static_cast<size_t>(chunk)] = partial(begin, end);
  });
  double sum = 0;
  for (const double value : sums) sum += value;
  return sum;
}

/// The type that arithmetic on a storage type uses and results have.
inline at::ScalarType arithmeticType(const Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// A contiguous constant argument in the arithmetic type of `like`.
inline Tensor argumentLike(const Tensor& tensor, const Tensor& like) {
  return tensor.to(arithmeticType(like)).contiguous();
}

inline Tensor scalarLike(double value, const Tensor& like) {
  return at::zeros({}, like.options().dtype(arithmeticType(like))).fill_(value);
}

/// Pointer to the elements as the kernels' storage type.
template <class S>
S* dataOf(const Tensor& tensor) {
  return static_cast<S*>(tensor.mutable_data_ptr());
}
template <class S>
const S* constDataOf(const Tensor& tensor) {
  return static_cast<const S*>(tensor.const_data_ptr());
}

/// Calls `body(S{})` with the storage type of a tensor: float, double or kernel::BFloat16.
template <class Body>
void withStorageType(const Tensor& tensor, const char* what, const Body& body) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return body(float{});
    case at::kDouble:
      return body(double{});
    case at::kBFloat16:
      return body(kernel::BFloat16{});
    default:
      throw Error("HD_INTERNAL", concat("expected float32, float64 or bfloat16 for ", what, " but received ",
                                        c10::toString(tensor.scalar_type()), ": convert the tensor first"));
  }
}

inline void requireShape(const Tensor& tensor, at::IntArrayRef shape, const char* what) {
  require(tensor.sizes() == shape, "expected shape ", shape, " for ", what, " but received ", tensor.sizes(),
          ": pass one row for each row of the first argument");
}

/// `logits` [N, columns] with at least one column.
inline void requireMatrix(const Tensor& tensor, const char* what) {
  require(tensor.dim() == 2 && tensor.size(1) > 0, "expected two dimensions and at least one column for ",
          what, " but received shape ", tensor.sizes(), ": flatten it to rows");
}

/// The value of a zero-dimensional gradient.
inline double scalarOf(const Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? *tensor.const_data_ptr<double>()
                                             : static_cast<double>(*tensor.const_data_ptr<float>());
}

}  // namespace hd::ops
