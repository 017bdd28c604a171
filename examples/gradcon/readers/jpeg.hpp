#pragma once

#include "decoding.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace readers {

/// Reads a JPEG file, baseline or progressive, and turns it as its EXIF data say. Inks (CMYK, YCCK) are taken as Adobe
/// stores them, 255 for none, and mixed without a colour profile.
/// @return height x width x 1 for gray, else height x width x 3, red first
/// @throws FileError for a file that is missing, no JPEG file, damaged (also where libjpeg would only warn and fill the
/// rest with gray), of 2 or more than 4 components, with more than 500 scans, or with more than `most_pixels` pixels
Tensor<std::uint8_t, 3> read_jpeg(const std::filesystem::path& path, std::size_t most_pixels = default_most_pixels);

} // namespace readers
