#include "core/kernel.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "core/rng.h"

namespace hd_kernel_test {

HD_INLINE float clampUnit(float value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

// External linkage: the multiversioned symbol is resolved by the loader.
HD_KERNEL void blend(const float* a, const float* b, float share, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = clampUnit(a[i] * share + b[i] * (1 - share));
}

HD_KERNEL int64_t countAbove(const uint8_t* values, int64_t count, uint8_t limit) {
  int64_t above = 0;
  for (int64_t i = 0; i < count; ++i) above += values[i] > limit;
  return above;
}

}  // namespace hd_kernel_test

TEST_CASE("kernel: the clone that this CPU picks gives the bits of the plain expression") {
  for (const int64_t count : {0, 1, 3, 7, 8, 15, 16, 17, 33, 1000}) {
    hd::Random random(1, "kernel", 0, static_cast<uint64_t>(count));
    std::vector<float> a(static_cast<size_t>(count)), b(a), out(a);
    std::vector<uint8_t> bytes(a.size());
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = random.normal();
      b[i] = random.normal();
      bytes[i] = static_cast<uint8_t>(random.below(256));
    }
    hd_kernel_test::blend(a.data(), b.data(), 0.3f, out.data(), count);
    int64_t above = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      // No fused multiply-add on any CPU: each product is rounded first.
      const volatile float left = a[i] * 0.3f, right = b[i] * (1 - 0.3f);
      const float sum = left + right;
      REQUIRE(out[i] == (sum < 0 ? 0 : sum > 1 ? 1 : sum));
      above += bytes[i] > 100;
    }
    CHECK(hd_kernel_test::countAbove(bytes.data(), count, 100) == above);
  }
}
