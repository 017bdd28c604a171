#pragma once

#include "gradcon/error.hpp"
#include "gradcon/simd.hpp"
#include "gradcon/tensor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

// Bilinear resizing that does not alias: along one axis, and of whole images. Bytes come out as Pillow makes them, so
// that Python and C++ give a network the same pixels.
namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// Where one new pixel comes from along one axis: `weights.size()` old pixels from `first` on. Weights are whole
/// multiples of 2^-22, as Pillow has them.
struct Footprint {
    std::size_t first = 0;
    std::vector<std::uint32_t> weights;
};
inline constexpr unsigned footprint_bits = 22;

/// The footprints of `to` new pixels laid over `from` old ones, 1 or more each. A weight falls linearly from the new
/// pixel's centre to 0 at the distance of one pixel, old or new, whichever is larger: that is what keeps a reduced
/// image from aliasing.
/// @param all becomes them; its memory is used again
inline void footprints(std::size_t from, std::size_t to, std::vector<Footprint>& all) {
    const double scale = static_cast<double>(from) / static_cast<double>(to), reach = std::max(scale, 1.0);
    all.resize(to);
    for (std::size_t i = 0; i < to; ++i) {
        const double centre = (static_cast<double>(i) + 0.5) * scale;
        const auto first = static_cast<std::size_t>(std::max(centre - reach + 0.5, 0.0));
        const auto last = std::min(static_cast<std::size_t>(centre + reach + 0.5), from); // one behind
        const auto weight = [&](std::size_t x) {
            const double distance = std::abs((static_cast<double>(x) - centre + 0.5) * (1 / reach));
            return std::max(1 - distance, 0.0);
        };
        double sum = 0;
        for (std::size_t x = first; x < last; ++x) sum += weight(x);
        all[i].first = first;
        all[i].weights.clear();
        for (std::size_t x = first; x < last; ++x)
            all[i].weights.push_back(static_cast<std::uint32_t>(weight(x) / sum * (1U << footprint_bits) + 0.5));
    }
}
inline std::vector<Footprint> footprints(std::size_t from, std::size_t to) {
    std::vector<Footprint> all;
    footprints(from, to, all);
    return all;
}

/// Resamples the middle axis of outer x `extent` x inner bytes; each sum is rounded to a byte.
inline void resample(const std::uint8_t* from, std::size_t outer, std::size_t extent, std::size_t inner,
                     const std::vector<Footprint>& axis, std::uint8_t* to) {
    for (std::size_t o = 0; o < outer; ++o)
        for (const auto& [first, weights] : axis)
            for (std::size_t i = 0; i < inner; ++i) {
                const std::uint8_t* pixel = from + (o * extent + first) * inner + i;
                std::uint64_t sum = 1U << (footprint_bits - 1);
                for (const std::uint32_t weight : weights) {
                    sum += std::uint64_t{weight} * *pixel;
                    pixel += inner;
                }
                *to++ = static_cast<std::uint8_t>(std::min<std::uint64_t>(sum >> footprint_bits, 255));
            }
}

/// The same of numbers, without rounding. @tparam T float or double
template <class T>
void resample(const T* from, std::size_t outer, std::size_t extent, std::size_t inner,
              const std::vector<Footprint>& axis, T* to) {
    constexpr T unit = T{1} / T{1U << footprint_bits};
    for (std::size_t o = 0; o < outer; ++o)
        for (const auto& [first, weights] : axis)
            for (std::size_t i = 0; i < inner; ++i) {
                const T* value = from + (o * extent + first) * inner + i;
                T sum = 0;
                for (const std::uint32_t weight : weights) {
                    sum += static_cast<T>(weight) * unit * *value;
                    value += inner;
                }
                *to++ = sum;
            }
}

/// The adjoint of that map: takes the derivative in the new numbers, gives the one in the old; d_from is overwritten.
template <class T>
void resample_adjoint(const T* d_to, std::size_t outer, std::size_t extent, std::size_t inner,
                      const std::vector<Footprint>& axis, T* d_from) {
    constexpr T unit = T{1} / T{1U << footprint_bits};
    std::fill_n(d_from, outer * extent * inner, T{0});
    for (std::size_t o = 0; o < outer; ++o)
        for (const auto& [first, weights] : axis)
            for (std::size_t i = 0; i < inner; ++i, ++d_to) {
                T* value = d_from + (o * extent + first) * inner + i;
                for (const std::uint32_t weight : weights) {
                    *value += static_cast<T>(weight) * unit * *d_to;
                    value += inner;
                }
            }
}

/// Resizes images as Pillow's Image.resize does with its BILINEAR filter, byte for byte: rows first, then columns, each
/// with weights of 22 bits behind the point and its result rounded to a byte. The authors' CIFAR-10 is 28 x 28 so.
/// @param images N x any height x any width x C
/// @return N x height x width x C
/// @throws ShapeError when a height or width, old or new, is 0, or the new size cannot be addressed
inline Tensor<std::uint8_t, 4> resize(Batch<std::uint8_t> images, std::size_t height, std::size_t width) {
    const auto [count, old_height, old_width, channels] = images.shape();
    const Shape shape{count, height, width, channels};
    if (old_height == 0 || old_width == 0 || height == 0 || width == 0)
        throw ShapeError(message("images cannot be resized from or to nothing: ", shape_string(images.shape()), " to ",
                                 shape_string(shape)));
    element_count(shape);
    Tensor<std::uint8_t, 4> resized;
    resized.resize({count, height, width, channels});
    const auto columns = footprints(old_width, width), rows = footprints(old_height, height);
    std::vector<std::uint8_t> narrowed(element_count(std::array{old_height, width, channels}));
    for (std::size_t n = 0; n < count; ++n) {
        resample(images.data() + n * images.sample_size(), old_height, old_width, channels, columns, narrowed.data());
        resample(narrowed.data(), 1, old_height, width * channels, rows,
                 resized.data() + n * height * width * channels);
    }
    return resized;
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
