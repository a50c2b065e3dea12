#include "core/nearest.h"

#include <algorithm>
#include <numeric>

namespace hd {
namespace {

constexpr size_t longestTypedName = 200;  // comparing costs the product of two lengths

char lower(char symbol) {
  return symbol >= 'A' && symbol <= 'Z' ? static_cast<char>(symbol + 32) : symbol;
}

}  // namespace

size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (lower(a[i]) != lower(b[j]));
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string nearestName(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  if (name.size() > longestTypedName) return best;
  size_t bestDistance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > longestTypedName) continue;
    if (const size_t distance = editDistance(name, candidate); distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace hd
