#include "core/error.h"
#include "io/pth.h"
#include "io/safetensors.h"
#include "io/whole_file.h"

namespace hd::io {

TensorFile readWeights(const std::string& path) {
  FileImage image = readWholeFile(path);
  const uint8_t* data = image.data;
  // safetensors first: its eight bytes of header length may look like anything, but '{' follows, which stands
  // there in no pickle or zip of torch.save.
  if (image.size > 8 && data[8] == '{')
    return parseSafetensors(data, image.size, std::move(image.owner), path);
  const bool zip = image.size >= 4 && data[0] == 'P' && data[1] == 'K' && data[2] == 3 && data[3] == 4;
  const bool pickle = image.size >= 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5;
  if (zip || pickle) return parsePth(data, image.size, std::move(image.owner), path);
  const std::string_view start(reinterpret_cast<const char*>(data), image.size);
  const bool pointer = start.starts_with("version https://git-lfs");
  throw Error(
      "HD_WEIGHTS_FORMAT",
      concat("expected a safetensors file or a .pth of torch.save for '", path, "' but received ",
             image.size == 0 ? "an empty file"
             : pointer       ? "a Git LFS pointer"
                             : "another format",
             pointer ? ": fetch the file itself with git lfs pull" : ": check that the download is complete"),
      path);
}

}  // namespace hd::io
