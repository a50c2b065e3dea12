#include "distill/transfer.h"

namespace hd::distill {

nn::Registry<TransferFactory>& transferRegistry() {
  static nn::Registry<TransferFactory> registry("transfer");
  return registry;
}

}  // namespace hd::distill
