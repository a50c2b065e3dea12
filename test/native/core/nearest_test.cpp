// Names that were meant: edit distance and its limits.
#include "core/nearest.h"

#include <doctest/doctest.h>

using namespace hd;

TEST_CASE("an edit is a letter more, less or another; case does not count") {
  CHECK(editDistance("", "") == 0);
  CHECK(editDistance("", "abc") == 3);
  CHECK(editDistance("neck", "nek") == 1);
  CHECK(editDistance("neck", "deck") == 1);
  CHECK(editDistance("Neck", "nECK") == 0);
  CHECK(editDistance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest name forgives a typing error, not another word") {
  const std::vector<std::string> names{"person", "bicycle", "car"};
  CHECK(nearestName("persn", names) == "person");
  CHECK(nearestName("Car", names) == "car");
  CHECK(nearestName("helicopter", names).empty());
  CHECK(nearestName("x", {}).empty());
  const std::string endless(1 << 20, 'x');
  CHECK(nearestName(endless, {endless, "x"}).empty());
  CHECK(nearestName("persn", {endless, "person"}) == "person");
}
