#pragma once

#include "decoding.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace readers {

/// Reads a picture of a format that is told by the file's content, not its name: PNG, JPEG, bitmap (BMP), PGM or PPM.
/// @return height x width x 1 for gray, else height x width x 3, red first: see read_png, read_jpeg, read_bmp, read_pnm
/// @throws FileError for a file that is missing or of no such format, with more than `most_pixels` pixels, or that its
/// format's reader refuses
Tensor<std::uint8_t, 3> read_picture(const std::filesystem::path& path, std::size_t most_pixels = default_most_pixels);

/// The files of a folder and the folders in it whose names end like those of pictures (.png .jpg .jpeg .bmp .pgm .ppm
/// .pnm, small letters or large), sorted by path. What is hidden (a leading dot) is left out; links to files are
/// followed, links to folders are not.
/// @throws FileError for a folder that is missing, cannot be read, or has no such file
std::vector<std::filesystem::path> find_pictures(const std::filesystem::path& folder);

} // namespace readers
