// The content hash: fixed values, sensitivity to every bit, no trivial collisions.
#include "core/content_hash.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

using hd::ContentHash;

TEST_CASE("values stay what they are: they stand in file names") {
  CHECK(ContentHash().hex().size() == 32);
  CHECK(ContentHash().hex() != ContentHash().add("").hex());
  CHECK(ContentHash().add("hdtrain").hex() == ContentHash().add("hdtrain", 7).hex());
}

TEST_CASE("every bit, the length and the order matter") {
  std::vector<unsigned char> data(67, 0);
  std::set<std::string> seen{ContentHash().add(data.data(), data.size()).hex()};
  for (size_t bit = 0; bit < 8 * data.size(); ++bit) {
    data[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
    seen.insert(ContentHash().add(data.data(), data.size()).hex());
    data[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
  }
  for (size_t size = 0; size < data.size(); ++size) seen.insert(ContentHash().add(data.data(), size).hex());
  CHECK(seen.size() == 1 + 8 * data.size() + data.size());
  CHECK(ContentHash().add("a").add("b").hex() != ContentHash().add("b").add("a").hex());
  CHECK(ContentHash().add("ab").hex() != ContentHash().add("a").add("b").hex());
  CHECK(ContentHash().add(int64_t{1}).add(int64_t{2}).hex() !=
        ContentHash().add(int64_t{2}).add(int64_t{1}).hex());
}

TEST_CASE("many short contents: halves of the hash do not meet either") {
  std::set<std::string> first, second;
  for (int64_t n = 0; n < 20000; ++n) {
    const std::string hex = ContentHash().add(n).hex();
    first.insert(hex.substr(0, 16));
    second.insert(hex.substr(16));
  }
  CHECK(first.size() == 20000);
  CHECK(second.size() == 20000);
}
