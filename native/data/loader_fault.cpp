#include "data/loader_fault.h"

#include <chrono>
#include <new>
#include <thread>

#include "core/error.h"

namespace hd::data {

DecodeFaults::DecodeFaults(const Value& list) {
  if (list.isNull()) return;
  for (const Value& entry : list.asArray()) {
    const std::string action = entry.at("action").asString();
    require(action == "stall" || action == "error" || action == "memory",
            "expected 'stall', 'error' or 'memory' for a fault of decoding but received '", action, "'");
    faults_.emplace_back(action, entry.get("step", int64_t{0}), entry.get("seconds", 1.0),
                         entry.get("times", int64_t{1}));
  }
}

void DecodeFaults::at(int64_t step, std::string_view file) {
  for (Fault& fault : faults_) {
    if (step < fault.step || fault.left <= 0 || fault.left.fetch_sub(1) <= 0) continue;
    if (fault.action == "memory") throw std::bad_alloc();
    if (fault.action == "error") {
      throw Error("HD_DATA_FAULT",
                  concat("an error was asked for at 'decode' of ", file.empty() ? "a picture" : file,
                         " (debug.fault): take it out of the recipe"),
                  std::string(file));
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(fault.seconds));
  }
}

}  // namespace hd::data
