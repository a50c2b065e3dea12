#include "data/loader_plan.h"

#include <doctest/doctest.h>

#include <memory>

#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::MemoryDataset;
using fixture::options;

TEST_CASE("all ranks and any cut agree on the canvas of a global batch, in every epoch") {
  const auto dataset = std::make_shared<MemoryDataset>(fixture::mixedSizes(30));
  const char* common =
      R"({"seed": 5, "canvas": {"maxCanvases": 3}, "augment": [{"resize": {"sizes": [[64, 32], [200, 150]]}}, {"crop": {}}],)";
  BatchPlanner whole(dataset, options(std::string(common) + R"("batch": 6})"));
  for (int rank = 0; rank < 3; ++rank) {
    BatchPlanner part(dataset, options(hd::concat(common, R"("batch": 2, "ranks": 3, "rank": )", rank, "}")));
    CHECK(part.canvases().all() == whole.canvases().all());
    for (int64_t step = 0; step < 10; ++step) {
      const BatchPlan a = whole.batch(step % 4, step % 5), b = part.batch(step % 4, step % 5);
      CHECK(a.canvas == b.canvas);
      CHECK(b.first == a.first + rank * 2);
      CHECK(*a.order == *b.order);
    }
  }
}

TEST_CASE("every picture of every batch fits its canvas") {
  const auto dataset = std::make_shared<MemoryDataset>(fixture::mixedSizes(25));
  for (
      const char* json :
      {R"({"batch": 4, "groupByAspect": true, "canvas": {"maxCanvases": 2}, "augment": [{"resize": {"sizes": [[300, 50], [320, 200]]}}]})",
       R"({"batch": 4, "canvas": {"fixed": [64, 64]}})", R"({"batch": 3, "evaluate": true})"}) {
    BatchPlanner planner(dataset, options(json));
    for (int64_t epoch = 0; epoch < (planner.evaluates() ? 1 : 4); ++epoch) {
      for (int64_t step = 0; step < planner.sampler().stepsPerEpoch(); ++step) {
        const BatchPlan batch = planner.batch(epoch, step);
        for (int64_t i = 0; i < batch.count; ++i) {
          const int64_t image = (*batch.order)[static_cast<size_t>(batch.first + i)];
          const Plan plan = planner.sample(epoch, batch.first + i, dataset->width(image),
                                           dataset->height(image), batch.canvas);
          CHECK(plan.geometry.width <= batch.canvas.width);
          CHECK(plan.geometry.height <= batch.canvas.height);
        }
      }
    }
  }
}

TEST_CASE("resizing alone never shrinks a picture to fit: the canvases cover the largest draw") {
  const auto dataset = std::make_shared<MemoryDataset>(fixture::mixedSizes(25));
  BatchPlanner planner(
      dataset,
      options(
          R"({"batch": 5, "canvas": {"maxCanvases": 2}, "augment": [{"resize": {"sizes": [[300, 50], [320, 200]]}}]})"));
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    const BatchPlan batch = planner.batch(epoch, 2);
    for (int64_t i = 0; i < batch.count; ++i) {
      const int64_t image = (*batch.order)[static_cast<size_t>(batch.first + i)];
      const auto planned = [&](Extent canvas) {
        return planner.sample(epoch, batch.first + i, dataset->width(image), dataset->height(image), canvas)
            .geometry.width;
      };
      CHECK(planned(batch.canvas) == planned({100000, 100000}));
    }
  }
}

TEST_CASE("pictures of unknown size get the bound of the pipeline, and need one") {
  const auto dataset = std::make_shared<MemoryDataset>(fixture::mixedSizes(6), false);
  BatchPlanner bounded(dataset, options(R"({"augment": [{"resize": {"sizes": [[150, 100]]}}]})"));
  CHECK(bounded.canvases().all() == std::vector<Extent>{{160, 160}});
  CHECK(fixture::codeOf([&] { BatchPlanner(dataset, options("{}")); }) == "HD_DATA_CANVAS");
  CHECK(BatchPlanner(dataset, options(R"({"canvas": {"fixed": [64, 96]}})")).canvases().all() ==
        std::vector<Extent>{{96, 64}});
}
