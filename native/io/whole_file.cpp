#include "io/whole_file.h"

#include "io/paged_file.h"

namespace hd::io {

FileImage readWholeFile(const std::string& path) {
  const auto file = std::make_shared<PagedFile>(path);
  if (file->size() == 0) return {};
  file->read(0, file->size());
  return {file->data(), file->size(), file};
}

}  // namespace hd::io
