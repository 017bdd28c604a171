#pragma once

#include "gradcon/error.hpp"
#include "gradcon/finite.hpp"
#include "gradcon/input/image_view.hpp"
#include "gradcon/input/resize.hpp"
#include "gradcon/simd.hpp"
#include "gradcon/tensor.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// What a network takes, and how a picture becomes it: colours converted, resized to height x width, and each number v
/// in [0, 1] made offset + scale * v. height and width 1 or more; order gray, rgb or bgr.
struct ImageInput {
    std::size_t height = 28, width = 28;
    PixelOrder order = PixelOrder::gray;
    double offset = 0, scale = 1;

    std::size_t channels() const { return channel_count(order); }

    /// @throws ValueError for an option outside its range
    void check() const {
        if (height == 0 || width == 0 || channels() == 4 || !is_finite(offset) || !is_finite(scale) || scale == 0)
            throw ValueError(message("ImageInput: height and width are 1 or more, the order has no alpha, offset is "
                                     "finite and scale finite and not 0; given: ",
                                     height, ", ", width, ", ", channels(), " channels, ", offset, ", ", scale));
    }
    friend bool operator==(const ImageInput&, const ImageInput&) = default;
};

namespace detail {
/// Pillow's weights of red, green and blue, by 2^-16 (ITU-R 601).
inline constexpr std::array<std::uint32_t, 3> luma{19595, 38470, 7471};

inline std::uint8_t gray_of(std::uint8_t r, std::uint8_t g, std::uint8_t b) {
    return static_cast<std::uint8_t>((luma[0] * r + luma[1] * g + luma[2] * b + 0x8000) >> 16);
}
template <class T>
T gray_of(T r, T g, T b) {
    return (static_cast<T>(luma[0]) * r + static_cast<T>(luma[1]) * g + static_cast<T>(luma[2]) * b) / T{65536};
}

/// The numbers that a picture is worked on with: bytes stay bytes, so that they come out as Pillow's.
template <class P, class T>
using working_t = std::conditional_t<std::is_same_v<P, std::uint8_t>, std::uint8_t, T>;

/// One row of a picture as the network has its colours.
template <Pixel P, class Working>
void convert_row(const ImageView<P>& picture, std::size_t y, PixelOrder order, Working* to) {
    const auto value = [](P v) {
        if constexpr (std::is_same_v<P, std::uint16_t>) return static_cast<Working>(v) / Working{65535};
        else return static_cast<Working>(v);
    };
    const P* pixel = picture.row(y);
    const std::ptrdiff_t step = picture.pixel_step(), channel = picture.channel_step();
    const bool blue_first = picture.order == PixelOrder::bgr || picture.order == PixelOrder::bgra;
    for (std::size_t x = 0; x < picture.width; ++x, pixel += step) {
        if (picture.order == PixelOrder::gray) {
            for (std::size_t c = 0; c < channel_count(order); ++c) *to++ = value(pixel[0]);
            continue;
        }
        const Working first = value(pixel[0]), green = value(pixel[channel]), last = value(pixel[2 * channel]);
        const Working red = blue_first ? last : first, blue = blue_first ? first : last;
        if (order == PixelOrder::gray) {
            *to++ = gray_of(red, green, blue);
        } else {
            *to++ = order == PixelOrder::bgr ? blue : red;
            *to++ = green;
            *to++ = order == PixelOrder::bgr ? red : blue;
        }
    }
}
} // namespace detail

/// What converting pictures writes; one for each thread. It grows with the first picture of each size and kind.
template <class T>
struct ImageInputWorkspace {
    std::array<std::size_t, 4> sizes{}; // that rows and columns are for: old height and width, new height and width
    std::vector<Footprint> rows, columns;
    std::vector<std::uint8_t> byte_row, narrowed_bytes, bytes;
    std::vector<T> number_row, narrowed;

    /// The footprints of a picture of this size.
    void prepare(std::size_t height, std::size_t width, const ImageInput& input) {
        const std::array wanted{height, width, input.height, input.width};
        if (sizes == wanted) return;
        sizes = {}; // should memory end
        footprints(height, input.height, rows);
        footprints(width, input.width, columns);
        sizes = wanted;
    }
};

/// A picture as a network takes it. Pictures of bytes are converted and resized in bytes, exactly as Pillow's convert
/// ("L" or "RGB") and resize (BILINEAR) do it; others in numbers of type T.
/// @param to height * width * channels numbers
/// @throws ShapeError for a picture without pixels
template <Pixel P, class T>
void convert(const ImageView<P>& picture, const ImageInput& input, ImageInputWorkspace<T>& w, T* to) {
    using Working = detail::working_t<P, T>;
    picture.check();
    w.prepare(picture.height, picture.width, input);
    const std::size_t channels = input.channels(), narrowed_row = input.width * channels,
                      size = input.height * narrowed_row;
    const auto run = [&](std::vector<Working>& row, std::vector<Working>& narrowed, Working* resized) {
        row.resize(picture.width * channels);
        narrowed.resize(picture.height * narrowed_row);
        for (std::size_t y = 0; y < picture.height; ++y) {
            detail::convert_row(picture, y, input.order, row.data());
            resample(row.data(), 1, picture.width, channels, w.columns, narrowed.data() + y * narrowed_row);
        }
        resample(narrowed.data(), 1, picture.height, narrowed_row, w.rows, resized);
    };
    const T offset = static_cast<T>(input.offset), scale = static_cast<T>(input.scale);
    const bool plain = input.offset == 0 && input.scale == 1;
    if constexpr (std::is_same_v<Working, std::uint8_t>) {
        w.bytes.resize(size);
        run(w.byte_row, w.narrowed_bytes, w.bytes.data());
        for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<T>(w.bytes[i]) / 255;
    } else {
        run(w.number_row, w.narrowed, to);
    }
    if (!plain)
        for (std::size_t i = 0; i < size; ++i) to[i] = offset + scale * to[i];
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
