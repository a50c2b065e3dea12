// CRC-32 of zip (ISO 3309, polynomial 0xEDB88320 reflected, initial and final complement).
#pragma once

#include <cstddef>
#include <cstdint>

namespace hd::io {

/// Checksum of `size` bytes; `previous` continues an earlier call, so that pieces give the value of their
/// whole.
uint32_t crc32(const void* data, size_t size, uint32_t previous = 0);

}  // namespace hd::io
