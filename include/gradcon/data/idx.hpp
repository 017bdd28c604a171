#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/data/labelled_images.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// IDX, the format of MNIST and its kin: two zero bytes, the type (8: unsigned byte), the number of dimensions, each
// extent as 4 bytes big endian, then the values. Plain, or compressed with gzip.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace data {

/// An IDX file's extents and bytes.
struct Idx {
    std::vector<std::size_t> shape;
    std::vector<std::uint8_t> values;
};

/// Reads an IDX file of unsigned bytes, plain or gzip (told by its content, not its name).
/// @throws FileError for a file that is missing, no IDX file, of another type, damaged, or longer or shorter than its
/// header says
inline Idx read_idx(const std::filesystem::path& path) {
    const auto fail = [&](const auto&... what) { return FileError(message(path.string(), ": ", what...)); };
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) throw fail("no such file");
    const std::uintmax_t file_size = std::filesystem::file_size(path, error);
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file) throw fail("cannot be opened for reading");
    const auto read = [&](std::uint8_t* to, std::size_t size) {
        std::size_t done = 0;
        while (done < size) {
            const int count =
                gzread(file.get(), to + done, static_cast<unsigned>(std::min<std::size_t>(size - done, 1U << 30)));
            int code = Z_OK;
            const char* text = gzerror(file.get(), &code);
            if (count < 0 || (code != Z_OK && code != Z_STREAM_END)) throw fail("damaged gzip data: ", text);
            if (count == 0) break;
            done += static_cast<std::size_t>(count);
        }
        return done;
    };

    std::array<std::uint8_t, 4> word{};
    if (read(word.data(), 4) != 4) throw fail("IDX begins with 4 bytes; the file ends before");
    if (word[0] != 0 || word[1] != 0)
        throw fail("IDX begins with two zero bytes; found ", int{word[0]}, " and ", int{word[1]});
    if (word[2] != 8) throw fail("IDX type must be 8, unsigned bytes; found ", int{word[2]});
    if (word[3] == 0) throw fail("IDX needs 1 dimension or more; found 0");
    Idx idx;
    std::uint64_t size = 1;
    // Deflate shrinks by 1,032 at most: a header that claims more than that is wrong, whatever follows.
    const std::uint64_t most = static_cast<std::uint64_t>(file_size) * (gzdirect(file.get()) ? 1 : 1032);
    for (int dimension = word[3]; dimension > 0; --dimension) {
        if (read(word.data(), 4) != 4) throw fail("the file ends within its IDX header");
        std::uint64_t extent = 0;
        for (const std::uint8_t byte : word) extent = extent << 8 | byte;
        idx.shape.push_back(extent);
        if (extent != 0 && size > most / extent)
            throw fail("the IDX header asks for more than the file can hold: ", shape_string(idx.shape));
        size *= extent;
    }
    idx.values.resize(size);
    if (const std::size_t found = read(idx.values.data(), size); found != size)
        throw fail("the IDX header (", shape_string(idx.shape), ") asks for ", size, " values; the file ends after ",
                   found);
    if (std::uint8_t more = 0; read(&more, 1) != 0)
        throw fail("data after the ", size, " values that the IDX header names");
    return idx;
}

/// Reads images (3 dimensions) and their labels (1 dimension).
/// @throws FileError as read_idx, or when the dimensions or the counts do not fit
inline LabelledImages read_idx_pair(const std::filesystem::path& images, const std::filesystem::path& labels) {
    const Idx pixels = read_idx(images);
    Idx classes = read_idx(labels);
    if (pixels.shape.size() != 3)
        throw FileError(message(images.string(), ": images need 3 dimensions; found ", pixels.shape.size()));
    if (classes.shape.size() != 1)
        throw FileError(message(labels.string(), ": labels need 1 dimension; found ", classes.shape.size()));
    if (pixels.shape[0] != classes.shape[0])
        throw FileError(message(labels.string(), ": ", classes.shape[0], " labels for the ", pixels.shape[0],
                                " images of ", images.string()));
    LabelledImages set;
    set.images.resize({pixels.shape[0], pixels.shape[1], pixels.shape[2], 1});
    std::ranges::copy(pixels.values, set.images.data());
    set.labels = std::move(classes.values);
    return set;
}

/// Reads {train,t10k}-{images-idx3,labels-idx1}-ubyte, each plain or with .gz, from a folder.
/// @throws FileError as read_idx_pair, or when a file is missing or the two parts differ in image size
inline OfficialParts read_idx_split(const std::filesystem::path& folder) {
    const auto part = [&](const std::string& name) {
        const auto find = [&](const std::string& file) {
            for (const char* extension : {"", ".gz"})
                if (auto path = folder / (file + extension); std::filesystem::exists(path)) return path;
            throw FileError((folder / file).string() + ": neither this file nor its .gz is there");
        };
        return read_idx_pair(find(name + "-images-idx3-ubyte"), find(name + "-labels-idx1-ubyte"));
    };
    OfficialParts parts{part("train"), part("t10k")};
    const auto &a = parts.train.images.shape(), &b = parts.test.images.shape();
    if (a[1] != b[1] || a[2] != b[2])
        throw FileError(
            message(folder.string(), ": training images are ", a[1], " x ", a[2], ", test images ", b[1], " x ", b[2]));
    return parts;
}

/// Reads the same files as one set: training images first.
/// @throws FileError as read_idx_split
inline LabelledImages read_idx_folder(const std::filesystem::path& folder) {
    OfficialParts parts = read_idx_split(folder);
    return concatenate(std::array{std::move(parts.train), std::move(parts.test)});
}

} // namespace data
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
