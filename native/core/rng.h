// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011). A value is a pure function of
// (seed, stream, epoch, position, draw): no state to save, nothing shared between threads, the same on any
// rank. Known-answer vectors stand in test/native/core/rng_test.cpp; they may never change, or runs stop
// being repeatable.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace hd {

/// FNV-1a, 64 bit.
constexpr uint64_t hashName(std::string_view text) {
  uint64_t hash = 14695981039346656037ull;
  for (const char symbol : text) hash = (hash ^ static_cast<unsigned char>(symbol)) * 1099511628211ull;
  return hash;
}

/// One Philox4x32-10 block.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

/// Draws for one (stream, epoch, position). Streams in use: order, augment, init, dropout, sampler,
/// synthetic.
class Random {
 public:
  Random(uint64_t seed, std::string_view stream, uint64_t epoch, uint64_t position)
      : epoch_(static_cast<uint32_t>(epoch)), position_(position) {
    const uint64_t mixed = seed * 0x9E3779B97F4A7C15ull ^ hashName(stream);
    key_ = {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
  }

  uint32_t bits() {
    if (used_ == 4) {
      block_ = philox(
          {draw_++, epoch_, static_cast<uint32_t>(position_), static_cast<uint32_t>(position_ >> 32)}, key_);
      used_ = 0;
    }
    return block_[used_++];
  }

  /// Uniform in [0, 1) with 24 bits, exact in float.
  float uniform() { return static_cast<float>(bits() >> 8) * 0x1p-24f; }
  float uniform(float low, float high) { return low + (high - low) * uniform(); }

  /// Uniform integer in [0, bound); bound ≥ 1. Multiply-shift, bias below 2^-32·bound.
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>((uint64_t{bits()} * bound) >> 32); }

  bool chance(float probability) { return uniform() < probability; }

  /// Standard normal (Box–Muller, one of the pair used so that each call costs the same two draws).
  float normal() {
    const double u = (static_cast<double>(bits()) + 1.0) * 0x1p-32;
    const double v = static_cast<double>(bits()) * 0x1p-32;
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
  }

 private:
  std::array<uint32_t, 2> key_{};
  std::array<uint32_t, 4> block_{};
  uint32_t epoch_;
  uint64_t position_;
  uint32_t draw_ = 0;
  int used_ = 4;
};

}  // namespace hd
