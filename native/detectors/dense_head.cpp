#include "detectors/dense_head.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "detectors/distribution_decoder.h"

namespace hd::detectors {
namespace {

void checkTargets(const DenseHead& head, const ImageTargets& image) {
  require(image.boxes.size() == 4 * image.labels.size() && image.crowd.size() % 4 == 0,
          "expected one label for every four coordinates of image ", image.image);
  for (const int32_t label : image.labels) {
    require(label >= 0 && label < head.classes, "expected a label below ", head.classes, " for image ",
            image.image, " but received ", label, ": model.classes must cover the data set");
  }
}

/// Writes the rows of one image into the maps of every level.
void writeRows(const DenseHead& head, const ImageTargets& image, const std::vector<int32_t>& objects,
               int64_t index, DenseAssignment& out) {
  const auto offset = static_cast<float>(head.anchors.offset);
  for (size_t l = 0; l < out.levels.size(); ++l) {
    const GridLevel& level = out.grid.levels()[l];
    DenseTargets& maps = out.levels[l];
    const int64_t first = index * level.count();
    int64_t* labels = maps.labels.data_ptr<int64_t>() + first;
    float* boxes = maps.boxes.data_ptr<float>() + 4 * first;
    float* centres = maps.centres.data_ptr<float>() + 2 * first;
    float* weights = maps.weights.data_ptr<float>() + first;
    const auto stride = static_cast<float>(level.stride);
    for (int64_t row = 0; row < level.count(); ++row) {
      const int32_t object = objects[static_cast<size_t>(level.first + row)];
      const int64_t cell = row / level.perCell;
      centres[2 * row] = static_cast<float>(cell % level.width) + offset;
      centres[2 * row + 1] = static_cast<float>(cell / level.width) + offset;
      weights[row] = object == excluded ? 0.0f : 1.0f;
      labels[row] = object == excluded ? -1 : object < 0 ? head.classes : image.labels[object];
      for (int side = 0; side < 4; ++side)
        boxes[4 * row + side] = object < 0 ? 0.0f : image.boxes[4 * object + side] / stride;
    }
  }
}

}  // namespace

DenseHead DenseHead::from(const Value& model) {
  DenseHead out;
  out.family = model.get("detector", "gfl");
  out.classes = model.at("classes").asInt();
  out.regMax = model.get("regMax", out.regMax);
  out.boxLoss = model.get("boxLoss", "giou");
  out.ignoreThreshold = model.get("ignoreThreshold", out.ignoreThreshold);
  const std::string preset = model.get("preset", "robust");
  expectModelValue(out.classes >= 1, "an integer of at least 1", "classes", out.classes);
  expectModelValue(out.regMax >= 1, "an integer of at least 1", "regMax", out.regMax);
  expectModelValue(
      out.boxLoss == "iou" || out.boxLoss == "giou" || out.boxLoss == "diou" || out.boxLoss == "ciou",
      "iou, giou, diou or ciou", "boxLoss", out.boxLoss);
  expectModelValue(preset == "robust" || preset == "released" || preset == "paper",
                   "robust, released or paper", "preset", preset);
  out.normalisation = preset == "released" ? Normalisation::released : Normalisation::robust;
  return out;
}

std::vector<float> DenseAssignment::valuable(const ImageTargets& image, size_t index,
                                             const std::vector<ValidCells>& valid, RegionRule rule,
                                             double gamma) const {
  return valuableRegion(grid, valid, image.boxes, thresholds.at(index), rule, gamma);
}

std::vector<int64_t> assignImages(const DenseHead& head, const Batch& batch, DenseAssignment& out,
                                  const ImageAssigner& assign) {
  require(std::ssize(batch.images) == batch.count, "expected targets for ", batch.count, " images");
  out.grid = head.grid(batch.height, batch.width);
  out.images = batch.count;
  for (const GridLevel& level : out.grid.levels()) {
    const int64_t rows = batch.count * level.count();
    out.levels.push_back(
        {at::empty({rows}, at::kLong), at::empty({rows, 4}), at::empty({rows, 2}), at::empty({rows})});
  }
  std::vector<int64_t> positives(batch.images.size());
  at::parallel_for(0, batch.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ImageTargets& image = batch.images[static_cast<size_t>(i)];
      checkTargets(head, image);
      try {
        const auto objects = assign(image, static_cast<size_t>(i),
                                    out.grid.validCells(image.height, image.width, head.divisor));
        writeRows(head, image, objects, i, out);
        positives[static_cast<size_t>(i)] =
            std::count_if(objects.begin(), objects.end(), [](int32_t object) { return object >= 0; });
      } catch (const Error& error) {
        throw Error(error.code(), error.what(), concat("image ", image.image));
      }
    }
  });
  for (const int64_t count : positives) out.positives += count;
  return positives;
}

Tensor rowConfidence(const DenseHead& head, const Tensor& classRows) {
  const Tensor highest = at::amax(classRows.detach(), {1});
  return head.jointScores ? highest : highest.sigmoid();
}

Tensor positiveConfidence(const DenseHead& head, const Tensor& classRows, const Tensor& labels) {
  const Tensor positive = labels.ge(0).logical_and(labels.lt(head.classes));
  const Tensor highest = rowConfidence(head, classRows);
  return at::where(positive, highest, at::zeros({}, highest.options()));
}

Tensor anchorRows(const Tensor& map, int64_t anchorsPerCell) {
  return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1) / anchorsPerCell});
}

void checkMaps(const std::vector<Tensor>& maps, int64_t channels, const DenseAssignment& assignment,
               const char* what) {
  const auto& levels = assignment.grid.levels();
  require(maps.size() == levels.size(), "expected ", levels.size(), " ", what, " maps but received ",
          maps.size());
  for (size_t l = 0; l < maps.size(); ++l) {
    const std::vector<int64_t> expected{assignment.images, channels, levels[l].height, levels[l].width};
    require(maps[l].sizes() == at::IntArrayRef(expected), "expected a ", what, " map of ",
            at::IntArrayRef(expected), " at stride ", levels[l].stride, " but received ", maps[l].sizes());
  }
}

std::vector<std::string> levelTaps(const std::string& prefix, size_t levels) {
  std::vector<std::string> names;
  for (size_t l = 0; l < levels; ++l) names.push_back(concat(prefix, ".p", 3 + l));
  return names;
}

std::vector<Detections> detectDense(const DenseHead& head, const std::vector<Tensor>& cls,
                                    const std::vector<Tensor>& reg, const std::vector<Tensor>& centerness,
                                    const Batch& batch, const PostProcess& postProcess) {
  const int64_t bins = head.bins(), perCell = head.anchorsPerCell();
  const auto channelsLast = [&](const Tensor& map, int64_t channels) {
    require(map.dim() == 4 && map.size(0) == batch.count && map.size(1) == channels, "expected a map of ",
            batch.count, " images and ", channels, " channels but received ", map.sizes());
    return map.detach().to(at::kFloat).permute({0, 2, 3, 1}).contiguous();
  };
  require(cls.size() == head.strides.size() && reg.size() == cls.size() &&
              (centerness.empty() || centerness.size() == cls.size()),
          "expected one map a level");
  std::vector<Tensor> classMaps, sideMaps, centreMaps;
  const int64_t columns = head.jointScores ? cls[0].size(1) : head.classes;
  for (size_t l = 0; l < cls.size(); ++l) {
    // The decoder reads logits; those of a score give the score back to the last bit but one.
    classMaps.push_back(
        channelsLast(head.jointScores ? at::logit(cls[l].detach()) : cls[l], perCell * columns));
    sideMaps.push_back(channelsLast(reg[l], perCell * 4 * bins));
    if (!centerness.empty()) centreMaps.push_back(channelsLast(centerness[l], perCell));
    require(cls[l].size(2) == reg[l].size(2) && cls[l].size(3) == reg[l].size(3),
            "expected maps of equal size a level");
  }
  const int64_t views = postProcess.views, pictures = batch.count / views;
  require(pictures * views == batch.count, "expected ", views, " views of each picture but received ",
          batch.count, " images");
  const auto viewOf = [&](int64_t i) {
    View view{{}, &batch.images[static_cast<size_t>(i)]};
    const auto part = [&](const Tensor& map) { return map.const_data_ptr<float>() + i * map.stride(0); };
    for (size_t l = 0; l < classMaps.size(); ++l) {
      LevelMaps level{head.strides[l], classMaps[l].size(1), classMaps[l].size(2), part(classMaps[l]),
                      part(sideMaps[l])};
      level.anchors = perCell;
      level.offset = head.anchors.offset;
      if (!centreMaps.empty()) level.centerness = part(centreMaps[l]);
      view.levels.push_back(level);
    }
    return view;
  };
  std::vector<Detections> out(static_cast<size_t>(pictures));
  at::parallel_for(0, pictures, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<View> seen;
      for (int64_t v = 0; v < views; ++v) seen.push_back(viewOf(v * pictures + i));
      out[static_cast<size_t>(i)] = decodeDistributions(seen, columns, bins, postProcess);
    }
  });
  return out;
}

}  // namespace hd::detectors
