#include "data/formats/braces.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/error.h"

namespace hd::data {
namespace {

constexpr size_t maxNames = 1'000'000;
constexpr size_t maxDigits = 9;

bool isDigits(std::string_view text) {
  return !text.empty() && text.size() <= maxDigits &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

int64_t number(std::string_view digits) {
  int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::string padded(int64_t value, size_t width) {
  std::string text = std::to_string(value);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

[[noreturn]] void tooMany(const std::string& pattern) {
  throw Error("HD_DATA_SHARD",
              concat("expected at most ", maxNames, " files for ", pattern.substr(0, 200),
                     " but received more: correct the numbers"),
              pattern.substr(0, 200));
}

/// What stands for a group, or nothing when it is none.
std::optional<std::vector<std::string>> alternatives(std::string_view group, const std::string& pattern) {
  std::vector<std::string> out;
  const size_t dots = group.find("..");
  const std::string_view first = group.substr(0, dots);
  const std::string_view last = dots == std::string_view::npos ? "" : group.substr(dots + 2);
  if (isDigits(first) && isDigits(last)) {
    const bool zeros = (first.size() > 1 && first.front() == '0') || (last.size() > 1 && last.front() == '0');
    const size_t width = zeros ? std::max(first.size(), last.size()) : 0;
    const int64_t from = number(first), to = number(last), step = from <= to ? 1 : -1;
    if (std::abs(to - from) >= static_cast<int64_t>(maxNames)) tooMany(pattern);
    for (int64_t i = from; i != to + step; i += step) out.push_back(padded(i, width));
    return out;
  }
  if (group.find(',') == std::string_view::npos) return std::nullopt;
  for (size_t start = 0; start <= group.size();) {
    const size_t end = std::min(group.find(',', start), group.size());
    out.emplace_back(group.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

}  // namespace

std::vector<std::string> expandBraces(const std::string& pattern) {
  std::vector<std::string> names{""};
  size_t done = 0;
  const auto append = [&](size_t end) {
    for (std::string& name : names) name.append(pattern, done, end - done);
  };
  for (size_t open = pattern.find('{'); open != std::string::npos; open = pattern.find('{', open + 1)) {
    const size_t close = pattern.find('}', open);
    if (close == std::string::npos) break;
    const auto group = alternatives(std::string_view(pattern).substr(open + 1, close - open - 1), pattern);
    if (!group) continue;
    if (names.size() * group->size() > maxNames) tooMany(pattern);
    append(open);
    done = close + 1;
    std::vector<std::string> longer;
    longer.reserve(names.size() * group->size());
    for (const std::string& name : names) {
      for (const std::string& alternative : *group) longer.push_back(name + alternative);
    }
    names = std::move(longer);
  }
  append(pattern.size());
  return names;
}

std::vector<std::string> foldBraces(const std::vector<std::string>& names) {
  if (names.size() < 2) return names;
  const std::string &first = names.front(), &last = names.back();
  const auto isDigit = [](char symbol) { return symbol >= '0' && symbol <= '9'; };
  // The run of digits around the place where the first and the last name part.
  size_t start = static_cast<size_t>(std::ranges::mismatch(first, last).in1 - first.begin());
  size_t end = start;
  while (start > 0 && isDigit(first[start - 1])) --start;
  while (end < first.size() && isDigit(first[end])) ++end;
  const size_t tail = first.size() - end;
  if (last.size() < start + tail) return names;
  const std::string pattern = concat(first.substr(0, start), "{", first.substr(start, end - start), "..",
                                     last.substr(start, last.size() - tail - start), "}", first.substr(end));
  // Whatever was guessed wrong shows here. Counting first: a pattern of millions is none of these.
  const std::string_view from = std::string_view(first).substr(start, end - start);
  const std::string_view to = std::string_view(last).substr(start, last.size() - tail - start);
  if (!isDigits(from) || !isDigits(to) || number(to) - number(from) + 1 != static_cast<int64_t>(names.size()))
    return names;
  return expandBraces(pattern) == names ? std::vector{pattern} : names;
}

}  // namespace hd::data
