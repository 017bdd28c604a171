#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/image/image_view.hpp"
#include "gradcon/image/resize.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What a network takes, and how a picture becomes it: colours converted, resized to height x width, and each number v
/// in [0, 1] made offset + scale * v (floats outside are not clamped). height and width 1 or more; order gray, rgb or
/// bgr.
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

/// Where the colours that the network takes lie in a pixel; a gray pixel is all three.
inline std::array<std::size_t, 3> channel_places(PixelOrder from, PixelOrder to) {
    if (from == PixelOrder::gray) return {0, 0, 0};
    const bool blue_first = from == PixelOrder::bgr || from == PixelOrder::bgra;
    if (blue_first != (to == PixelOrder::bgr)) return {2, 1, 0};
    return {0, 1, 2};
}

/// One row of a picture as the network has its colours.
template <Pixel P, class Working>
void convert_row(const ImageView<P>& picture, std::size_t y, PixelOrder order, Working* to) {
    const auto value = [](P v) {
        if constexpr (std::is_same_v<P, std::uint16_t>) return static_cast<Working>(v) / Working{65535};
        else return static_cast<Working>(v);
    };
    const P* pixel = picture.row(y);
    const std::ptrdiff_t step = picture.pixel_step();
    const std::ptrdiff_t channel = picture.channel_step();
    const auto places = channel_places(picture.order, order);
    const auto at = [&](std::size_t c) { return channel * static_cast<std::ptrdiff_t>(places[c]); };
    const std::ptrdiff_t first = at(0), second = at(1), third = at(2);
    for (std::size_t x = 0; x < picture.width; ++x, pixel += step) {
        if (order != PixelOrder::gray) {
            *to++ = value(pixel[first]);
            *to++ = value(pixel[second]);
            *to++ = value(pixel[third]);
        } else if (picture.order == PixelOrder::gray) {
            *to++ = value(*pixel);
        } else {
            *to++ = gray_of(value(pixel[first]), value(pixel[second]), value(pixel[third]));
        }
    }
}
} // namespace detail

/// What converting pictures writes; one for each thread. It grows with the first picture of each size and kind.
template <class T>
struct ImageInputWorkspace {
    template <class Working>
    struct Buffers {
        std::vector<Working> row, narrowed, resized;
    };
    std::array<std::size_t, 4> sizes{}; // that rows and columns are for: old height and width, new height and width
    std::vector<Footprint> rows, columns;
    Buffers<std::uint8_t> bytes;
    Buffers<T> numbers;

    template <class Working>
    Buffers<Working>& buffers() {
        if constexpr (std::is_same_v<Working, std::uint8_t>) return bytes;
        else return numbers;
    }

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
    const std::size_t channels = input.channels();
    // Only colours that become gray must do so before resizing, which rounds; and rows that are packed need no copy.
    const bool to_gray = input.order == PixelOrder::gray && picture.order != PixelOrder::gray;
    const bool packed = std::is_same_v<P, Working> && !to_gray && picture.channel_step() == 1 &&
                        picture.pixel_step() == static_cast<std::ptrdiff_t>(channel_count(picture.order));
    const std::size_t lanes = packed ? channel_count(picture.order) : channels, narrow = input.width * lanes;
    auto& [row, narrowed, resized] = w.template buffers<Working>();
    row.resize(packed ? 0 : picture.width * channels);
    narrowed.resize(picture.height * narrow);
    resized.resize(input.height * narrow);
    for (std::size_t y = 0; y < picture.height; ++y) {
        const Working* from = row.data();
        if constexpr (std::is_same_v<P, Working>)
            if (packed) from = picture.row(y);
        if (!packed) detail::convert_row(picture, y, input.order, row.data());
        resample(from, 1, picture.width, lanes, w.columns, narrowed.data() + y * narrow);
    }
    resample(narrowed.data(), 1, picture.height, narrow, w.rows, resized.data());

    const auto places =
        packed ? detail::channel_places(picture.order, input.order) : std::array<std::size_t, 3>{0, 1, 2};
    constexpr T unit = std::is_same_v<Working, std::uint8_t> ? T{255} : T{1};
    const T offset = static_cast<T>(input.offset), scale = static_cast<T>(input.scale);
    const bool plain = input.offset == 0 && input.scale == 1;
    for (std::size_t pixel = 0; pixel < input.height * input.width; ++pixel)
        for (std::size_t c = 0; c < channels; ++c) {
            const T value = static_cast<T>(resized[pixel * lanes + places[c]]) / unit;
            *to++ = plain ? value : offset + scale * value;
        }
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
