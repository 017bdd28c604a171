#include "png.hpp"

#include "decoding.hpp"
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <gradcon/core/error.hpp>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>
#include <gradcon/io/file.hpp>
#include <new>
#include <png.h>
#include <span>
#include <utility>
#include <vector>

namespace readers {

namespace detail {

/// libpng's two objects for one file to read, and what its callbacks need.
struct PngReader {
    PngReader() = default;
    PngReader(const PngReader&) = delete;
    PngReader& operator=(const PngReader&) = delete;
    ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }

    CErrors errors;
    std::span<const std::uint8_t> rest; // bytes that libpng has not asked for yet
    png_structp png = nullptr;
    png_infop info = nullptr;
};

/// The same for one to write.
struct PngWriter {
    PngWriter() = default;
    PngWriter(const PngWriter&) = delete;
    PngWriter& operator=(const PngWriter&) = delete;
    ~PngWriter() { png_destroy_write_struct(&png, &info); }

    CErrors errors;
    std::vector<std::uint8_t> bytes;
    png_structp png = nullptr;
    png_infop info = nullptr;
};

template <class Png>
[[noreturn]] inline void raise_png(png_structp png, png_const_charp text) {
    static_cast<Png*>(png_get_error_ptr(png))->errors.raise(text);
}

inline void ignore_png_warning(png_structp, png_const_charp) {}

} // namespace detail

Tensor<std::uint8_t, 3> read_png(const std::filesystem::path& path, std::size_t most_pixels) {
    BinaryFile file(path);
    constexpr std::array<std::uint8_t, 8> signature{137, 'P', 'N', 'G', 13, 10, 26, 10};
    const std::vector<std::uint8_t> bytes = detail::all_bytes(file);
    if (bytes.size() < signature.size() || !std::equal(signature.begin(), signature.end(), bytes.begin()))
        throw file.error("a PNG file begins with the 8 bytes 137 80 78 71 13 10 26 10; this one does not");

    detail::PngReader reader;
    reader.rest = bytes;
    png_uint_32 width = 0, height = 0;
    int depth = 0, colour_type = 0;
    const auto check = [&](bool finished) {
        if (!finished) throw file.error("damaged PNG data: ", reader.errors.text());
    };
    check(reader.errors.finish([&] {
        png_structp png = reader.png = png_create_read_struct(
            PNG_LIBPNG_VER_STRING, &reader, detail::raise_png<detail::PngReader>, detail::ignore_png_warning);
        if (png == nullptr || (reader.info = png_create_info_struct(png)) == nullptr)
            reader.errors.raise("libpng cannot be set up");
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); // ours comes below
        png_set_read_fn(png, &reader, [](png_structp from, png_bytep to, std::size_t size) {
            auto& rest = static_cast<detail::PngReader*>(png_get_io_ptr(from))->rest;
            if (size > rest.size()) png_error(from, "the file ends before the image does");
            std::copy_n(rest.data(), size, to);
            rest = rest.subspan(size);
        });
        png_read_info(png, reader.info);
        png_get_IHDR(png, reader.info, &width, &height, &depth, &colour_type, nullptr, nullptr, nullptr);
    }));
    detail::check_pixels(file, width, height, most_pixels);
    const std::uint64_t bits = static_cast<std::uint64_t>(depth) * png_get_channels(reader.png, reader.info);
    // Deflate shrinks by 1,032 at most.
    if (std::uint64_t{width} * height > file.size() * 1032 * 8 / bits)
        throw file.error(width, " x ", height, " pixels of ", bits, " bits are more than a PNG file of ", file.size(),
                         " bytes can hold");

    Tensor<std::uint8_t, 3> image;
    const std::size_t channels = (colour_type & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1;
    image.resize({height, width, channels});
    check(reader.errors.finish([&] {
        png_structp png = reader.png;
        png_set_scale_16(png);
        if (colour_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
        if (colour_type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
        png_set_strip_alpha(png);
        const int passes = png_set_interlace_handling(png);
        png_read_update_info(png, reader.info);
        const std::size_t row_size = width * channels;
        if (png_get_rowbytes(png, reader.info) != row_size) reader.errors.raise("rows of another size than expected");
        for (int pass = 0; pass < passes; ++pass)
            for (std::size_t y = 0; y < height; ++y) png_read_row(png, image.data() + y * row_size, nullptr);
        png_read_end(png, nullptr);
    }));
    return image;
}

std::vector<std::uint8_t> encode_png(TensorView<const std::uint8_t, 3> image) {
    const auto [height, width, channels] = image.shape();
    if (height == 0 || height > PNG_UINT_31_MAX || width == 0 || width > PNG_UINT_31_MAX ||
        (channels != 1 && channels != 3))
        throw ShapeError(message("PNG files are written of images with 1 or 3 channels and 1 to 2147483647 rows and "
                                 "columns; this one is ",
                                 shape_string(image.shape())));
    detail::PngWriter writer;
    const bool finished = writer.errors.finish([&writer, &image] {
        png_structp png = writer.png = png_create_write_struct(
            PNG_LIBPNG_VER_STRING, &writer, detail::raise_png<detail::PngWriter>, detail::ignore_png_warning);
        if (png == nullptr || (writer.info = png_create_info_struct(png)) == nullptr)
            writer.errors.raise("libpng cannot be set up");
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        const auto append = [](png_structp to, png_bytep from, std::size_t size) {
            bool room = true;
            try {
                auto& bytes = static_cast<detail::PngWriter*>(png_get_io_ptr(to))->bytes;
                bytes.insert(bytes.end(), from, from + size);
            } catch (const std::bad_alloc&) { room = false; } // from within the handler no jump is allowed
            if (!room) png_error(to, "no memory is left");
        };
        png_set_write_fn(png, &writer, append, [](png_structp) {});
        png_set_IHDR(png, writer.info, static_cast<png_uint_32>(image.shape(1)),
                     static_cast<png_uint_32>(image.shape(0)), 8,
                     image.shape(2) == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, writer.info);
        for (std::size_t y = 0; y < image.shape(0); ++y)
            png_write_row(png, image.data() + y * image.shape(1) * image.shape(2));
        png_write_end(png, nullptr);
    });
    if (!finished) throw FileError(message("a picture cannot be written as PNG: ", writer.errors.text()));
    return std::move(writer.bytes);
}

void write_png(const std::filesystem::path& path, TensorView<const std::uint8_t, 3> image) {
    const auto bytes = encode_png(image);
    gradcon::io::replace_file(path, std::as_bytes(std::span<const std::uint8_t>(bytes)));
}

} // namespace readers
