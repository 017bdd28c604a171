#pragma once

#include "decoding.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace readers {

/// Reads a PNG file of any kind: gray, true colours or palette, 1 to 16 bits (16 are rounded to 8), interlaced or not.
/// Alpha is left out, and so is what says how to show the image (gamma, orientation ...).
/// @return height x width x 1 for gray, height x width x 3, red first, for true colours and palettes
/// @throws FileError for a file that is missing, no PNG file, damaged, shorter than its header says, or with more than
/// `most_pixels` pixels
Tensor<std::uint8_t, 3> read_png(const std::filesystem::path& path, std::size_t most_pixels = default_most_pixels);

/// A picture as the bytes of a PNG file, gray or in true colours of 8 bits.
/// @param image height x width x 1, or height x width x 3 with red first
/// @throws ShapeError for another number of channels, or a height or width that is 0 or above 2^31 - 1
/// @throws FileError when no memory is left
std::vector<std::uint8_t> encode_png(TensorView<const std::uint8_t, 3> image);

/// Writes a picture as a PNG file: the whole file or, when that fails, nothing.
/// @throws as encode_png does, and FileError when the file cannot be written
void write_png(const std::filesystem::path& path, TensorView<const std::uint8_t, 3> image);

} // namespace readers
