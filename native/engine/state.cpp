// What a session saves and loads. One safetensors file holds everything that a resume needs:
//   model/<name>, ema/<name>, momentum/<name>, square/<name>; with a checksum of all of them.
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "engine/session.h"
#include "io/content_check.h"
#include "io/safetensors.h"

namespace hd::engine {
namespace {

io::DType typeOf(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat32:
      return io::DType::f32;
    case torch::kFloat64:
      return io::DType::f64;
    case torch::kInt64:
      return io::DType::i64;
    default:
      throw Error("HD_INTERNAL", concat("no file type for ", tensor.scalar_type()));
  }
}

/// `holder` keeps row-major copies of tensors that are stored in another order (channels_last weights) alive.
io::TensorView viewOf(const std::string& name, const torch::Tensor& tensor,
                      std::vector<torch::Tensor>& holder) {
  holder.push_back(tensor.detach().contiguous());
  const torch::Tensor& rows = holder.back();
  io::TensorView view;
  view.name = name;
  view.dtype = typeOf(rows);
  view.shape = rows.sizes().vec();
  view.data = static_cast<const uint8_t*>(rows.data_ptr());
  view.bytes = rows.nbytes();
  return view;
}

void checkContent(const io::TensorFile& file, const std::string& path) {
  if (file.metadata.contains(io::kContentKey)) return;  // then the reader has looked at it
  throw Error("HD_CKPT_CORRUPT",
              concat("expected a checksum of the numbers in ", path,
                     " but received none: the file is damaged; copy it again"),
              path);
}

io::TensorFile readCheckpoint(const std::string& path) {
  try {
    io::TensorFile file = io::readSafetensors(path);
    checkContent(file, path);
    return file;
  } catch (const Error& error) {
    if (error.code() != "HD_CKPT_CORRUPT") throw;
    throw Error(error.code(), concat(error.what(), ", or name another checkpoint with --resume DIR"), path);
  }
}

void checkFinite(const io::TensorFile& file, const std::string& path) {
  for (const io::TensorView& view : file.tensors) {
    if (view.dtype != io::DType::f32 && view.dtype != io::DType::f64) continue;
    const auto type = view.dtype == io::DType::f32 ? torch::kFloat32 : torch::kFloat64;
    const torch::Tensor values = torch::from_blob(const_cast<uint8_t*>(view.data), view.shape, type);
    // One value that is NaN or infinite makes the sum so; a sum of finite ones that overflows is looked at.
    if (std::isfinite(values.sum(torch::kFloat64).item<double>()) ||
        torch::isfinite(values).all().item<bool>())
      continue;
    throw Error(
        "HD_CKPT_NONFINITE",
        concat("expected finite numbers for '", view.name,
               "' in the checkpoint but received NaN or infinity: the run had diverged; name an earlier "
               "checkpoint with --resume DIR, with a lower train.lr"),
        path);
  }
}

void copyFrom(const io::TensorFile& file, const std::string& name, torch::Tensor tensor,
              const std::string& path) {
  const io::TensorView* view = file.find(name);
  if (view == nullptr) {
    throw Error("HD_CKPT_MISMATCH",
                concat("expected a tensor '", name,
                       "' in the checkpoint but found none: resume with the recipe that it was made with"),
                path);
  }
  if (view->shape != tensor.sizes().vec() || view->dtype != typeOf(tensor)) {
    throw Error("HD_CKPT_MISMATCH",
                concat("expected '", name, "' of shape ", tensor.sizes(),
                       " but the checkpoint's differs: resume with the recipe that it was made with"),
                path);
  }
  torch::NoGradGuard guard;
  tensor.copy_(torch::from_blob(const_cast<uint8_t*>(view->data), tensor.sizes(), tensor.scalar_type()));
}

}  // namespace

nn::MatchReport Session::loadWeights(const std::string& path, nn::MatchMode mode) {
  auto report = nn::loadWeights(graph().parameters(), io::readWeights(path), mode, path);
  torch::NoGradGuard guard;
  size_t index = 0;
  for (const nn::Parameter& parameter : graph().parameters().all()) {
    if (!ema_.empty()) ema_[index++].copy_(parameter.master);
  }
  preparedForDetect_ = false;
  return report;
}

void Session::save(const std::string& folder) {
  useEma(false);
  std::vector<torch::Tensor> holder;
  std::vector<io::TensorView> views;
  size_t index = 0;
  for (const nn::Parameter* parameter : parameters()) {
    views.push_back(viewOf("model/" + parameter->name, parameter->master, holder));
    if (!ema_.empty()) views.push_back(viewOf("ema/" + parameter->name, ema_[index++], holder));
  }
  for (const auto& [name, tensor] : optimizer_->state()) views.push_back(viewOf(name, tensor, holder));
  io::writeSafetensors((std::filesystem::path(folder) / "weights.safetensors").string(), views,
                       {{"format", "hdtrain-checkpoint-1"}, {io::kContentKey, io::contentOf(views)}});
}

void Session::restore(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "weights.safetensors").string();
  const io::TensorFile file = readCheckpoint(path);
  // What a diverged run left to be looked at may hold anything.
  if (!std::filesystem::exists(std::filesystem::path(folder) / "dump.json")) checkFinite(file, path);
  useEma(false);
  size_t index = 0;
  for (nn::Parameter* parameter : parameters()) {
    copyFrom(file, "model/" + parameter->name, parameter->master, path);
    if (!ema_.empty()) copyFrom(file, "ema/" + parameter->name, ema_[index++], path);
    if (!parameter->working.is_same(parameter->master)) {
      torch::NoGradGuard guard;
      parameter->working.copy_(parameter->master);
    }
  }
  for (const auto& [name, tensor] : optimizer_->state()) copyFrom(file, name, tensor, path);
  graph().parameters().touch();
  preparedForDetect_ = false;
}

void Session::exportWeights(const std::string& path, const std::map<std::string, std::string>& metadata) {
  std::vector<torch::Tensor> holder;
  std::vector<io::TensorView> views;
  size_t index = 0;
  for (const nn::Parameter& parameter : graph().parameters().all()) {
    views.push_back(viewOf(parameter.name, ema_.empty() ? parameter.master : ema_[index], holder));
    ++index;
  }
  io::writeSafetensors(path, views, metadata);
}

}  // namespace hd::engine
