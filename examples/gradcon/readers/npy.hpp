#pragma once

#include "decoding.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

// NPY, NumPy's format for one array: the bytes 147 NUMPY, a version, the header's length, the header (a Python
// dictionary of type, order and shape), then the values.
namespace readers {

/// An NPY file's extents and its values, the last index running fastest. No extents: one value.
struct Npy {
    std::vector<std::size_t> shape;
    std::vector<double> values;
};

/// Reads an NPY file, version 1.0, 2.0 or 3.0, of numbers that are little endian: floating-point of 4 or 8 bytes,
/// integers of 1 to 8 bytes with sign or without (8 bytes are rounded to double), or truth values, in either order.
/// NaN and infinity are read as they are.
/// @throws FileError for a file that is missing, no NPY file, of another type, or longer or shorter than its header
/// says
Npy read_npy(const std::filesystem::path& path);

/// Writes an NPY file, version 1.0, of doubles, the last index running fastest: the whole file or, when that fails,
/// nothing.
/// @throws ShapeError when the number of values is not that of the shape, or for more than 32 extents
/// @throws FileError when it cannot be written
void write_npy(const std::filesystem::path& path, std::span<const std::size_t> shape, std::span<const double> values);

} // namespace readers
