// Feature imitation against its composite expression.
#include <limits>

#include "core/error.h"
#include "ops/losses.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::squaredDifference;

Tensor composite(const Tensor& student, const Tensor& teacher, const Tensor& weight) {
  return ((student - teacher).square().sum(1) * weight).sum();
}

TEST_CASE("equals the composite expression and its gradient") {
  hd::Random random(1, "imitation test", 0, 0);
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-10 : 1e-5, atol = type == at::kDouble ? 1e-12 : 1e-5;
    for (const int64_t channels : {1, 5, 32, 256}) {
      CAPTURE(channels);
      const Tensor student = uniform(random, {50, channels}, -2, 2, type),
                   teacher = uniform(random, {50, channels}, -2, 2, type);
      const Tensor weight = weights(random, 50, 0.5, type);
      const Tensor ours = leaf(student), theirs = leaf(student);
      const Tensor a = squaredDifference(ours, teacher, weight), b = composite(theirs, teacher, weight);
      CHECK(near(a, b, rtol, atol));
      CHECK(near(gradient(a * 0.5, ours), gradient(b * 0.5, theirs), rtol, atol));
    }
  }
}

TEST_CASE("rows of weight 0 are not looked at") {
  const Tensor student = leaf(at::ones({3, 4})), teacher = at::zeros({3, 4});
  teacher[1].fill_(std::numeric_limits<float>::quiet_NaN());
  Tensor weight = at::ones({3});
  weight[1] = 0;
  const Tensor loss = squaredDifference(student, teacher, weight);
  CHECK(loss.item<double>() == 8);
  const Tensor slope = gradient(loss, student);
  CHECK(at::equal(slope[1], at::zeros({4})));
  CHECK(at::equal(slope[0], at::full({4}, 2.0f)));
  CHECK(squaredDifference(at::zeros({0, 4}), at::zeros({0, 4}), at::zeros({0})).item<double>() == 0);
}

TEST_CASE("channels_last maps, bfloat16 and any number of threads") {
  hd::Random random(2, "imitation test", 0, 0);
  const Tensor map =
      uniform(random, {2, 64, 9, 7}, -1, 1, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor rows = map.permute({0, 2, 3, 1}).reshape({-1, 64});
  CHECK(rows.const_data_ptr() == map.const_data_ptr());
  const Tensor teacher = uniform(random, {rows.size(0), 64}, -1, 1, at::kFloat);
  const Tensor weight = weights(random, rows.size(0), 0.2, at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor one = squaredDifference(rows, teacher, weight);
  at::set_num_threads(2);
  CHECK(sameBits(squaredDifference(rows, teacher, weight), one));
  at::set_num_threads(threads);
  const Tensor low = squaredDifference(rows.to(at::kBFloat16), teacher, weight);
  CHECK((low.scalar_type() == at::kFloat));
  CHECK(near(low, one, 2e-2, 0));
}

TEST_CASE("what does not fit is refused") {
  const Tensor a = at::zeros({3, 4});
  CHECK_THROWS_AS(squaredDifference(a, at::zeros({3, 5}), at::zeros({3})), hd::Error);
  CHECK_THROWS_AS(squaredDifference(a, a, at::zeros({4})), hd::Error);
  CHECK_THROWS_AS(squaredDifference(at::zeros({3}), at::zeros({3}), at::zeros({3})), hd::Error);
}

}  // namespace
