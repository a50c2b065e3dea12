// One entry of a picture cache on disk, as bytes: "hdtrain picture 2\n", the length of the key's text, that
// text, width, height, whether the decoder knows fractions, a checksum of these three and the pixels, the
// pixels. Numbers are 64 bit, of this machine's order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "data/picture_cache.h"

namespace hd::data {

/// The entry of `text` in the file `path`. Empty without a file, and with one that is damaged, of another
/// text, or of a size that a picture of `key` cannot have. No memory is taken before the sizes agree with one
/// another, with the key and with the file.
std::optional<StoredPicture> readPictureEntry(const std::string& path, const std::string& text,
                                              const PictureKey& key);

/// Writes a new file. False, with errno, when that does not work; what then is at `path` is the caller's to
/// remove.
bool writePictureEntry(const std::string& path, const std::string& text, const StoredPicture& stored);

/// Size of its file.
int64_t pictureEntryBytes(const std::string& text, const Picture& picture);

/// The checksum of an entry; `bytes`: of the pixels.
uint64_t pictureEntrySum(uint64_t width, uint64_t height, uint64_t fixed, const uint8_t* pixels,
                         size_t bytes);

}  // namespace hd::data
