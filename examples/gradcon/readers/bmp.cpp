#include "bmp.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>
#include <vector>

namespace readers {

Tensor<std::uint8_t, 3> read_bmp(const std::filesystem::path& path) {
    BinaryFile file(path);
    std::array<std::uint8_t, 54> header{}; // 14 bytes about the file, 40 about the image
    if (file.size() < header.size())
        throw file.error("a bitmap begins with ", header.size(), " bytes of header; found ", file.size(), " bytes");
    file.read(header);
    const auto number = [&](std::size_t at, std::size_t size) {
        std::uint32_t value = 0;
        for (std::size_t i = size; i > 0; --i) value = value << 8 | header[at + i - 1];
        return value;
    };
    if (header[0] != 'B' || header[1] != 'M')
        throw file.error("a bitmap begins with the bytes 66 and 77; found ", int{header[0]}, " and ", int{header[1]});
    const std::uint64_t offset = number(10, 4), info_size = number(14, 4);
    const auto width = static_cast<std::int32_t>(number(18, 4)),
               signed_height = static_cast<std::int32_t>(number(22, 4));
    const std::uint32_t planes = number(26, 2), bits = number(28, 2), compression = number(30, 4);
    if (info_size < 40) throw file.error("a bitmap's second header has 40 bytes or more; found ", info_size);
    if (width <= 0 || signed_height == 0) throw file.error("no image has ", width, " x ", signed_height, " pixels");
    if (planes != 1) throw file.error("a bitmap has 1 plane; found ", planes);
    if (bits != 24 && bits != 32)
        throw file.error("bitmaps of 24 or 32 bits a pixel are read; found ", bits, bits <= 8 ? ", a palette" : "");
    if (compression != 0) throw file.error("bitmaps without compression (0) are read; found compression ", compression);

    // A height below 0 says that the rows come from the top down.
    const std::uint64_t columns = static_cast<std::uint32_t>(width),
                        rows = static_cast<std::uint64_t>(signed_height < 0 ? -std::int64_t{signed_height}
                                                                            : signed_height),
                        pixel_size = bits / 8, row_size = (columns * pixel_size + 3) / 4 * 4; // rows fill 4-byte words
    if (offset < 14 + info_size || offset > file.size())
        throw file.error("the pixels of a file with ", file.size(), " bytes and a header of ", 14 + info_size,
                         " cannot begin at ", offset);
    if (row_size > (file.size() - offset) / rows)
        throw file.error(columns, " x ", rows, " pixels of ", bits, " bits need ", rows, " rows of ", row_size,
                         " bytes; ", file.size() - offset, " are there");
    file.skip_to(offset);
    Tensor<std::uint8_t, 3> image;
    image.resize({rows, columns, 3});
    std::vector<std::uint8_t> row(row_size);
    for (std::uint64_t i = 0; i < rows; ++i) {
        file.read(row);
        std::uint8_t* to = image.data() + (signed_height < 0 ? i : rows - 1 - i) * columns * 3;
        for (std::uint64_t x = 0; x < columns; ++x) {
            const std::uint8_t* blue = row.data() + x * pixel_size;
            for (const int channel : {2, 1, 0}) *to++ = blue[channel];
        }
    }
    return image;
}

} // namespace readers
