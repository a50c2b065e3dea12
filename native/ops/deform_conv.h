// Deformable convolution, version 1 (Dai et al. 2017, arXiv 1703.06211) and, with a mask, version 2 (Zhu et
// al. 2019, arXiv 1811.11168): every tap of the kernel samples the input at its place plus a learned offset,
// bilinearly, zeros outside.
//
//   y(p) = Σ taps k  w_k · mask_k(p) · x(p · stride − padding + k · dilation + offset_k(p)) + bias
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>

namespace hd::ops {

struct DeformGeometry {
  std::array<int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};  ///< y, x
  int64_t groups = 1;
};

/// x N×C×H×W; weight K×(C/groups)×kh×kw; offset N×(2·G·kh·kw)×H'×W', for each of G groups of channels and
/// each tap (row-major) dy, then dx; mask N×(G·kh·kw)×H'×W'; bias K. float32 or float64 (bf16 is computed in
/// float32). Result N×K×H'×W' in channels_last. Differentiable once in every argument. Memory beyond the
/// result: the columns of one picture. The same bits for any number of threads. Throws HD_INTERNAL when
/// shapes do not fit.
at::Tensor deformConv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& offset,
                        const std::optional<at::Tensor>& mask, const std::optional<at::Tensor>& bias,
                        const DeformGeometry& geometry);

}  // namespace hd::ops
