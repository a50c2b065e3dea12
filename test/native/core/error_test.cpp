#include "core/error.h"

#include <doctest/doctest.h>

TEST_CASE("error: carries code, message and place") {
  const hd::Error error("HD_CKPT_CORRUPT", "expected 4 bytes but received 3: copy the file again",
                        "a.safetensors");
  CHECK(error.code() == "HD_CKPT_CORRUPT");
  CHECK(std::string(error.what()) == "expected 4 bytes but received 3: copy the file again");
  CHECK(error.where() == "a.safetensors");
  CHECK(hd::Error("HD_IO", "x").where().empty());
  const std::runtime_error& base = error;
  CHECK(std::string(base.what()) == error.what());
}

TEST_CASE("error: concat joins what operator<< prints") {
  CHECK(hd::concat("expected ", 3, " of ", 2.5, ' ', std::string("pictures")) ==
        "expected 3 of 2.5 pictures");
  CHECK(hd::concat(std::string()).empty());
}

TEST_CASE("error: require throws HD_INTERNAL only when its condition fails") {
  CHECK_NOTHROW(hd::require(true, "never seen"));
  try {
    hd::require(1 + 1 == 3, "sum is ", 2);
    FAIL("did not throw");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_INTERNAL");
    CHECK(std::string(error.what()) == "sum is 2");
  }
}
