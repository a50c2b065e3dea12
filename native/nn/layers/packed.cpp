#include "nn/layers/packed.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <array>
#include <optional>
#include <string_view>

namespace hd::nn {
namespace {

using torch::Tensor;
using Scalars = c10::List<std::optional<at::Scalar>>;

// The operators that torch.compile uses for frozen graphs. They are registered only where oneDNN is built in,
// and they are not differentiable: under autograd they would silently lose the gradient.
using Ints = at::IntArrayRef;
using Reorder = Tensor(const Tensor&, Ints, Ints, Ints, int64_t, at::OptionalIntArrayRef);
using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, Ints, Ints, Ints,
                         int64_t, std::string_view, Scalars, std::optional<std::string_view>);
using Binary = Tensor(const Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, Ints, Ints,
                      Ints, int64_t, std::string_view, std::optional<at::Scalar>,
                      std::optional<std::string_view>, Scalars, std::optional<std::string_view>);

template <class Signature>
std::optional<c10::TypedOperatorHandle<Signature>> findOperator(const char* name, const char* overload) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found) return std::nullopt;
  return found->typed<Signature>();
}

struct Operators {
  std::optional<c10::TypedOperatorHandle<Reorder>> reorder;
  std::optional<c10::TypedOperatorHandle<Pointwise>> pointwise;
  std::optional<c10::TypedOperatorHandle<Binary>> binary;
  bool complete() const { return reorder && pointwise && binary; }
};

const Operators& operators() {
  static const Operators found = {findOperator<Reorder>("mkldnn::_reorder_convolution_weight", ""),
                                  findOperator<Pointwise>("mkldnn::_convolution_pointwise", ""),
                                  findOperator<Binary>("mkldnn::_convolution_pointwise", "binary")};
  return found;
}

/// Both sides of a square window.
std::array<int64_t, 2> pair(int64_t value) {
  return {value, value};
}

}  // namespace

Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& g) {
  const auto optionalBias = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  return at::convolution(x, weight, optionalBias, pair(g.stride), pair(g.padding), pair(g.dilation),
                         /*transposed=*/false, pair(0), g.groups);
}

void PackedConvolution::reset(Tensor weight, Tensor bias) {
  weight_ = std::move(weight);
  bias_ = std::move(bias);
  forms_.clear();
}

const PackedConvolution::Form& PackedConvolution::formFor(const Tensor& x, const ConvGeometry& g) {
  for (auto form = forms_.begin(); form != forms_.end(); ++form) {
    if (x.sizes() == at::IntArrayRef(form->shape)) {
      forms_.splice(forms_.begin(), forms_, form);
      return forms_.front();
    }
  }
  Form fresh{x.sizes().vec(), Tensor()};
  const bool supported = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  if (supported && operators().complete() && x.numel() > 0) {
    try {
      fresh.weight = operators().reorder->call(weight_, pair(g.padding), pair(g.stride), pair(g.dilation),
                                               g.groups, Ints(fresh.shape));
    } catch (const c10::Error&) {
      fresh.weight = Tensor();  // for instance bf16 on a CPU without AVX-512
    }
  }
  forms_.push_front(std::move(fresh));
  if (forms_.size() > capacity_) forms_.pop_back();
  return forms_.front();
}

Tensor PackedConvolution::run(const Tensor& x, const ConvGeometry& g, bool relu, const Tensor& residual) {
  const Form& form = formFor(x, g);
  if (!form.weight.defined()) {
    Tensor y = convolution(x, weight_, bias_, g);
    if (residual.defined()) y.add_(residual);
    return relu ? y.relu_() : y;
  }
  const auto bias = bias_.defined() ? std::optional<Tensor>(bias_) : std::nullopt;
  if (residual.defined()) {
    static const std::optional<at::Scalar> noFactor;  // a constant: gcc 12 warns about a temporary
    return operators().binary->call(
        x, residual, form.weight, bias, pair(g.padding), pair(g.stride), pair(g.dilation), g.groups, "add",
        noFactor, relu ? std::optional<std::string_view>("relu") : std::nullopt, Scalars(), std::nullopt);
  }
  return operators().pointwise->call(x, form.weight, bias, pair(g.padding), pair(g.stride), pair(g.dilation),
                                     g.groups, relu ? "relu" : "none", Scalars(), std::nullopt);
}

}  // namespace hd::nn
