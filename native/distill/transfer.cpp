#include "distill/transfer.h"

namespace hd::distill {

nn::Registry<TransferFactory>& transferRegistry() {
  static nn::Registry<TransferFactory> registry("transfer");
  return registry;
}

std::vector<std::string> levelTaps(const std::string& prefix, size_t levels) {
  std::vector<std::string> names;
  for (size_t l = 0; l < levels; ++l) names.push_back(prefix + ".p" + std::to_string(3 + l));
  return names;
}

}  // namespace hd::distill
