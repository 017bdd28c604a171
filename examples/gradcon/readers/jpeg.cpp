#include "jpeg.hpp"

#include "decoding.hpp"
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>
#include <jerror.h>
#include <jpeglib.h> // needs cstdio before it
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace readers {

namespace detail {

/// libjpeg's object for one file to read, and its ways to report.
struct JpegReader {
    JpegReader() {
        jpeg.err = jpeg_std_error(&manager);
        jpeg.client_data = this;
        manager.error_exit = [](j_common_ptr from) { raise(from); };
        manager.emit_message = [](j_common_ptr from, int level) {
            const int code = from->err->msg_code; // two that say nothing about the data
            if (level < 0 && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR) raise(from);
        };
        progress.progress_monitor = [](j_common_ptr from) {
            // Each scan, of a few bytes maybe, goes through the whole image.
            if (reinterpret_cast<j_decompress_ptr>(from)->input_scan_number > most_scans)
                static_cast<JpegReader*>(from->client_data)->errors.raise("more than 500 scans");
        };
    }
    JpegReader(const JpegReader&) = delete;
    JpegReader& operator=(const JpegReader&) = delete;
    ~JpegReader() { jpeg_destroy_decompress(&jpeg); }

    [[noreturn]] static void raise(j_common_ptr from) {
        std::array<char, JMSG_LENGTH_MAX> text{};
        from->err->format_message(from, text.data());
        static_cast<JpegReader*>(from->client_data)->errors.raise(text.data());
    }

    static constexpr int most_scans = 500;
    CErrors errors;
    jpeg_error_mgr manager{};
    jpeg_progress_mgr progress{};
    jpeg_decompress_struct jpeg{};
};

/// The orientation, 1 to 8, that an APP1 marker's EXIF data give the image; 1, as it is, when they do not say, or break
/// their own rules.
inline int exif_orientation(std::span<const std::uint8_t> marker) {
    constexpr std::string_view begin("Exif\0\0", 6);
    if (marker.size() < begin.size() || !std::equal(begin.begin(), begin.end(), marker.begin())) return 1;
    const auto tiff = marker.subspan(begin.size());
    if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
    const bool little = tiff[0] == 'I';
    const auto number = [&](std::size_t at, std::size_t size) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8 | tiff[at + (little ? size - 1 - i : i)];
        return value;
    };
    const std::size_t directory = number(4, 4);
    if (number(2, 2) != 42 || directory > tiff.size() || tiff.size() - directory < 2) return 1;
    const std::size_t entries = std::min<std::size_t>(number(directory, 2), (tiff.size() - directory - 2) / 12);
    for (std::size_t entry = 0; entry < entries; ++entry) {
        const std::size_t at = directory + 2 + 12 * entry;
        if (number(at, 2) != 0x0112) continue;
        const std::uint32_t type = number(at + 2, 2), count = number(at + 4, 4), value = number(at + 8, 2);
        return type == 3 && count == 1 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

/// The image as it is to be seen.
inline Tensor<std::uint8_t, 3> oriented(Tensor<std::uint8_t, 3> image, int orientation) {
    if (orientation == 1) return image;
    const std::size_t height = image.shape()[0], width = image.shape()[1], channels = image.shape()[2];
    const bool swapped = orientation >= 5; // rows are to be seen as columns
    const bool rows_reversed = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const bool columns_reversed = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    Tensor<std::uint8_t, 3> seen;
    seen.resize({swapped ? width : height, swapped ? height : width, channels});
    std::uint8_t* to = seen.data();
    for (std::size_t y = 0; y < seen.shape()[0]; ++y)
        for (std::size_t x = 0; x < seen.shape()[1]; ++x) {
            const std::size_t row = swapped ? x : y, column = swapped ? y : x;
            const std::uint8_t* pixel = image.data() + ((rows_reversed ? height - 1 - row : row) * width +
                                                        (columns_reversed ? width - 1 - column : column)) *
                                                           channels;
            to = std::copy_n(pixel, channels, to);
        }
    return seen;
}

} // namespace detail

Tensor<std::uint8_t, 3> read_jpeg(const std::filesystem::path& path, std::size_t most_pixels) {
    BinaryFile file(path);
    const std::vector<std::uint8_t> bytes = detail::all_bytes(file);
    if (bytes.size() < 3 || bytes[0] != 255 || bytes[1] != 216 || bytes[2] != 255)
        throw file.error("a JPEG file begins with the 3 bytes 255 216 255; this one does not");

    detail::JpegReader reader;
    jpeg_decompress_struct& jpeg = reader.jpeg;
    const auto check = [&](bool finished) {
        if (!finished) throw file.error("damaged JPEG data: ", reader.errors.text());
    };
    check(reader.errors.finish([&] {
        jpeg_create_decompress(&jpeg);
        jpeg.progress = &reader.progress;
        jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xFFFF);
        jpeg_mem_src(&jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
        jpeg_read_header(&jpeg, TRUE);
    }));
    const std::size_t width = jpeg.image_width, height = jpeg.image_height;
    detail::check_pixels(file, width, height, most_pixels);
    // A block, 32 x 32 pixels at most, takes 1 bit or more of Huffman's code.
    if (jpeg.arith_code == FALSE && width * height > bytes.size() * 8 * 1024)
        throw file.error(width, " x ", height, " pixels are more than a JPEG file of ", bytes.size(),
                         " bytes can hold");
    if (jpeg.num_components != 1 && jpeg.num_components != 3 && jpeg.num_components != 4)
        throw file.error("JPEG files of 1, 3 or 4 components are read; found ", jpeg.num_components);
    int orientation = 1;
    for (const jpeg_marker_struct* marker = jpeg.marker_list; marker != nullptr && orientation == 1;
         marker = marker->next)
        orientation = detail::exif_orientation({marker->data, marker->data_length});

    const bool inks = jpeg.num_components == 4;
    jpeg.out_color_space = inks ? JCS_CMYK : jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    const std::size_t channels = jpeg.num_components == 1 ? 1 : 3;
    Tensor<std::uint8_t, 3> image;
    image.resize({height, width, channels});
    std::vector<std::uint8_t> inked(inks ? width * 4 : 0);
    check(reader.errors.finish([&] {
        jpeg_start_decompress(&jpeg);
        while (jpeg.output_scanline < jpeg.output_height) {
            std::uint8_t* to = image.data() + jpeg.output_scanline * width * channels;
            JSAMPROW row = inks ? inked.data() : to;
            jpeg_read_scanlines(&jpeg, &row, 1);
            for (std::size_t at = 0; at < inked.size(); at += 4)
                for (std::size_t channel = 0; channel < 3; ++channel) // cyan takes red away, magenta green, yellow blue
                    *to++ = static_cast<std::uint8_t>((inked[at + channel] * inked[at + 3] + 127) / 255);
        }
        jpeg_finish_decompress(&jpeg);
    }));
    return detail::oriented(std::move(image), orientation);
}

} // namespace readers
