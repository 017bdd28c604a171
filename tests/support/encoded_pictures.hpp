#pragma once

#include <doctest/doctest.h>

#include <cstdio>

#include <jpeglib.h> // needs cstdio before it
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

/// Picture files as bytes, written without the library's own readers and writers.
namespace encoded {

using Bytes = std::vector<std::uint8_t>;

inline Bytes text(std::string_view characters) { return {characters.begin(), characters.end()}; }

inline void append(Bytes& to, const Bytes& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

inline Bytes first(const Bytes& bytes, std::size_t count) {
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
}

inline Bytes big_endian(std::size_t value, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(value >> 8 * (size - 1 - i));
    return bytes;
}

inline Bytes chunk(std::string_view type, const Bytes& data) {
    Bytes typed = text(type), bytes = big_endian(data.size(), 4);
    append(typed, data);
    append(bytes, typed);
    append(bytes, big_endian(crc32(0, typed.data(), static_cast<uInt>(typed.size())), 4));
    return bytes;
}

struct Png {
    std::size_t width, height, depth = 8, type = 2; // type: gray 0, true colours 2, palette 3, + 4 with alpha
    bool interlaced = false;
    Bytes before_data = {}; // chunks

    std::size_t channels() const { return std::array<std::size_t, 7>{1, 0, 3, 1, 2, 0, 4}[type]; }
    std::size_t value(std::size_t y, std::size_t x, std::size_t channel) const {
        return (7919 * y + 257 * x * x + 1031 * channel + 3 * x + 5) % (std::size_t{1} << depth);
    }
};

inline Bytes header(const Png& png) {
    Bytes data = big_endian(png.width, 4);
    append(data, big_endian(png.height, 4));
    append(data, {static_cast<std::uint8_t>(png.depth), static_cast<std::uint8_t>(png.type), 0, 0, png.interlaced});
    return data;
}

/// A PNG file by the format's rules, without libpng.
inline Bytes encode(const Png& png) {
    struct Pass {
        std::size_t y, x, dy, dx;
    };
    const std::vector<Pass> whole{{0, 0, 1, 1}},
        adam7{{0, 0, 8, 8}, {0, 4, 8, 8}, {4, 0, 8, 4}, {0, 2, 4, 4}, {2, 0, 4, 2}, {0, 1, 2, 2}, {1, 0, 2, 1}};
    Bytes raw;
    for (const Pass& pass : png.interlaced ? adam7 : whole)
        for (std::size_t y = pass.y; y < png.height && pass.x < png.width; y += pass.dy) {
            raw.push_back(0); // no filter
            std::size_t bits = 0;
            for (std::size_t x = pass.x; x < png.width; x += pass.dx)
                for (std::size_t channel = 0; channel < png.channels(); ++channel)
                    for (std::size_t bit = png.depth; bit > 0; --bit, ++bits) {
                        if (bits % 8 == 0) raw.push_back(0);
                        raw.back() |=
                            static_cast<std::uint8_t>((png.value(y, x, channel) >> (bit - 1) & 1) << (7 - bits % 8));
                    }
        }
    Bytes packed(compressBound(raw.size()));
    uLongf size = packed.size();
    REQUIRE(compress(packed.data(), &size, raw.data(), raw.size()) == Z_OK);
    packed.resize(size);
    Bytes bytes{137, 'P', 'N', 'G', 13, 10, 26, 10};
    append(bytes, chunk("IHDR", header(png)));
    append(bytes, png.before_data);
    append(bytes, chunk("IDAT", packed));
    append(bytes, chunk("IEND", {}));
    return bytes;
}

/// Palette entry i is (10 i, 255 - i, 7).
inline Bytes palette(std::size_t entries) {
    Bytes colours;
    for (std::size_t i = 0; i < entries; ++i)
        append(colours, {static_cast<std::uint8_t>(10 * i), static_cast<std::uint8_t>(255 - i), 7});
    return chunk("PLTE", colours);
}

/// Blocks of 8 x 8 pixels of one value each, for which JPEG has next to no loss, or others.
struct Jpeg {
    std::size_t width, height, block = 8;
    int channels = 3;
    J_COLOR_SPACE space = JCS_RGB;
    std::function<int(std::size_t, std::size_t, std::size_t)> value = [](std::size_t y, std::size_t x,
                                                                         std::size_t channel) {
        return static_cast<int>(30 + 40 * y + 60 * x + 25 * channel) % 256; // of a block
    };
    std::function<void(jpeg_compress_struct&)> set_up = [](jpeg_compress_struct&) {};
    std::vector<Bytes> app1 = {};
};

inline Bytes encode(const Jpeg& jpeg) {
    jpeg_compress_struct c{};
    jpeg_error_mgr errors{};
    c.err = jpeg_std_error(&errors); // exits
    jpeg_create_compress(&c);
    unsigned char* out = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&c, &out, &size);
    c.image_width = static_cast<JDIMENSION>(jpeg.width);
    c.image_height = static_cast<JDIMENSION>(jpeg.height);
    c.input_components = jpeg.channels;
    c.in_color_space = jpeg.space;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 100, TRUE);
    jpeg.set_up(c);
    jpeg_start_compress(&c, TRUE);
    for (const Bytes& marker : jpeg.app1)
        jpeg_write_marker(&c, JPEG_APP0 + 1, marker.data(), static_cast<unsigned>(marker.size()));
    Bytes row(jpeg.width * static_cast<std::size_t>(jpeg.channels));
    for (std::size_t y = 0; y < jpeg.height; ++y) {
        auto to = row.begin();
        for (std::size_t x = 0; x < jpeg.width; ++x)
            for (std::size_t channel = 0; channel < static_cast<std::size_t>(jpeg.channels); ++channel)
                *to++ = static_cast<std::uint8_t>(jpeg.value(y / jpeg.block, x / jpeg.block, channel));
        JSAMPROW pointer = row.data();
        jpeg_write_scanlines(&c, &pointer, 1);
    }
    jpeg_finish_compress(&c);
    Bytes bytes(out, out + size);
    jpeg_destroy_compress(&c);
    std::free(out);
    return bytes;
}

inline Jpeg gray_jpeg(std::size_t width, std::size_t height) {
    return {.width = width, .height = height, .channels = 1, .space = JCS_GRAYSCALE};
}

/// EXIF data with a directory of two entries, the second the orientation.
inline Bytes exif(std::uint16_t orientation, bool little = true, std::uint16_t type = 3, std::uint16_t tag = 0x0112) {
    Bytes bytes = text(std::string_view("Exif\0\0", 6));
    append(bytes, text(little ? "II" : "MM"));
    const auto put = [&](std::size_t value, std::size_t size) {
        Bytes number = big_endian(value, size);
        if (little) std::ranges::reverse(number);
        append(bytes, number);
    };
    put(42, 2);
    put(8, 4);
    put(2, 2);
    for (const std::uint16_t entry : {std::uint16_t{0x0100}, tag}) {
        put(entry, 2);
        put(type, 2);
        put(1, 4);
        put(orientation, 2);
        put(0, 2);
    }
    put(0, 4); // no directory follows
    return bytes;
}

inline Bytes bmp(std::uint32_t width, std::uint32_t height) {
    const std::size_t stride = (width * 3 + 3) / 4 * 4;
    Bytes bytes(54 + height * stride, 9);
    const auto put = [&](std::size_t at, std::size_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
    };
    bytes[0] = 'B';
    bytes[1] = 'M';
    for (const auto& [at, value] : {std::pair{10, 54U}, {14, 40U}, {18, width}, {22, height}, {30, 0U}})
        put(static_cast<std::size_t>(at), value, 4);
    put(26, 1, 2);
    put(28, 24, 2);
    return bytes;
}

} // namespace encoded
