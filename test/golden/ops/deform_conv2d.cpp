// torchvision's deformable convolution: values and gradients of all arguments.
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "ops/deform_conv.h"
#include "tensors.h"

GOLDEN("ops/deform_conv2d", file, check) {
  using at::Tensor;
  int number = 0;
  for (const hd::Value& c : file.at("cases").asArray()) {
    const std::string what = hd::concat("case ", number++);
    std::map<std::string, Tensor> given;
    for (const auto& [name, input] : c.at("tensors").asObject()) {
      given[name] = golden::tensorOf(file.at("inputs").at(input.asString()));
      given[name].requires_grad_(name != "grad_output");
    }
    const auto two = [&](const char* key) -> std::array<int64_t, 2> {
      const hd::Value& value = c.at(key);
      if (!value.isArray()) return {value.asInt(), value.asInt()};
      return {value.asArray()[0].asInt(), value.asArray()[1].asInt()};
    };
    const auto optional = [&](const char* name) {
      return given.count(name) > 0 ? std::optional<Tensor>(given.at(name)) : std::nullopt;
    };
    const Tensor y = hd::ops::deformConv2d(
        given.at("x"), given.at("weight"), given.at("offset"), optional("mask"), optional("bias"),
        {two("stride"), two("padding"), two("dilation"), c.at("groups").asInt()});
    golden::checkTensor(check, y, c.at("output"), file.at("tolerance"), what + " output");
    torch::autograd::backward({y}, {given.at("grad_output")});
    for (const char* name : {"x", "offset", "weight", "mask", "bias"}) {
      if (given.count(name) == 0) continue;
      golden::checkTensor(check, given.at(name).grad(), c.at(hd::concat("grad_", name)), file.at("tolerance"),
                          hd::concat(what, " gradient of ", name));
    }
  }
}
