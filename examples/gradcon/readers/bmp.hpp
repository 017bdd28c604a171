#pragma once

#include "decoding.hpp"

#include <cstdint>
#include <filesystem>

namespace readers {

/// Reads a Windows bitmap of true colours, not compressed: 24 or 32 bits a pixel (the fourth byte is left out), rows
/// from the bottom up or from the top down. What else may be in the file, such as a colour profile, is ignored.
/// @return height x width x 3, red first
/// @throws FileError for a file that is missing, no bitmap, of another kind (palette, 16 bits, compressed, bit masks,
/// OS/2) or shorter than its header says
Tensor<std::uint8_t, 3> read_bmp(const std::filesystem::path& path);

} // namespace readers
