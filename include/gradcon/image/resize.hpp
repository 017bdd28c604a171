#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

// Bilinear resizing that does not alias: along one axis, and of whole images. Bytes come out as Pillow makes them, so
// that Python and C++ give a network the same pixels.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

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

namespace detail {
/// One new pixel's `Count` neighbouring numbers: the sums stay in registers.
template <std::size_t Count, class Value, class Sum>
std::array<Sum, Count> weighted_sum(const Value* from, std::size_t step, const std::vector<std::uint32_t>& weights,
                                    Sum start) {
    std::array<Sum, Count> sum;
    sum.fill(start);
    for (const std::uint32_t weight : weights) {
        for (std::size_t k = 0; k < Count; ++k) sum[k] += static_cast<Sum>(weight) * static_cast<Sum>(from[k]);
        from += step;
    }
    return sum;
}

/// The middle axis of outer x `extent` x inner numbers: finish(start + sum of weight * number) for each new one.
template <class Sum, class Value, class Finish>
void resample_axis(const Value* from, std::size_t outer, std::size_t extent, std::size_t inner,
                   const std::vector<Footprint>& axis, Value* to, Sum start, Finish&& finish) {
    constexpr std::size_t wide = 32;
    for (std::size_t o = 0; o < outer; ++o)
        for (const Footprint& footprint : axis) {
            const Value* at = from + (o * extent + footprint.first) * inner;
            std::size_t i = 0;
            const auto take = [&]<std::size_t Count>(std::integral_constant<std::size_t, Count>) {
                for (const Sum sum : weighted_sum<Count>(at + i, inner, footprint.weights, start)) *to++ = finish(sum);
                i += Count;
            };
            while (i + wide <= inner) take(std::integral_constant<std::size_t, wide>{});
            while (i + 3 <= inner) take(std::integral_constant<std::size_t, 3>{});
            while (i < inner) take(std::integral_constant<std::size_t, 1>{});
        }
}
} // namespace detail

/// Resamples the middle axis of outer x `extent` x inner bytes; each sum is rounded to a byte.
inline void resample(const std::uint8_t* from, std::size_t outer, std::size_t extent, std::size_t inner,
                     const std::vector<Footprint>& axis, std::uint8_t* to) {
    // Rounding at most doubles a weight, so that a sum is at most 255 * 2^23 + 2^21, which fits 32 bits.
    detail::resample_axis<std::uint32_t>(
        from, outer, extent, inner, axis, to, std::uint32_t{1} << (footprint_bits - 1), [](std::uint32_t sum) {
            return static_cast<std::uint8_t>(std::min<std::uint32_t>(sum >> footprint_bits, 255));
        });
}

/// The same of numbers, without rounding. @tparam T float or double
template <class T>
void resample(const T* from, std::size_t outer, std::size_t extent, std::size_t inner,
              const std::vector<Footprint>& axis, T* to) {
    constexpr T unit = T{1} / T{1U << footprint_bits};
    detail::resample_axis<T>(from, outer, extent, inner, axis, to, T{0}, [](T sum) { return unit * sum; });
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

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
