#pragma once

#include "decoding.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace readers {

/// Reads a PGM or PPM file (netpbm), as text (P2, P3) or as bytes (P5, P6). Values up to a maximum, 1 to 65,535, are
/// scaled to 0 to 255 and rounded. What follows the image is ignored.
/// @return height x width x 1 for PGM, height x width x 3, red first, for PPM
/// @throws FileError for a file that is missing, of another kind, shorter than its header says, with a value above the
/// maximum, or with more than `most_pixels` pixels
Tensor<std::uint8_t, 3> read_pnm(const std::filesystem::path& path, std::size_t most_pixels = default_most_pixels);

} // namespace readers
