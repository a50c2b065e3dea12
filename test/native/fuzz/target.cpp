#include "target.h"

#include <map>
#include <stdexcept>

namespace fuzz {
namespace {

std::map<std::string, Target (*)()>& targets() {
  static std::map<std::string, Target (*)()> all;
  return all;
}

}  // namespace

bool registerTarget(const std::string& name, Target (*make)()) {
  return targets().emplace(name, make).second;
}

std::vector<std::string> targetNames() {
  std::vector<std::string> names;
  for (const auto& [name, make] : targets()) names.push_back(name);
  return names;
}

Target makeTarget(const std::string& name) {
  const auto found = targets().find(name);
  if (found != targets().end()) return found->second();
  std::string list;
  for (const std::string& known : targetNames()) list += (list.empty() ? "" : ", ") + known;
  throw std::invalid_argument("expected one of " + list + " for --target but received '" + name + "'");
}

void promise(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace fuzz
