#pragma once

#include "gradcon/error.hpp"
#include "gradcon/simd.hpp"
#include "gradcon/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET::data {

namespace detail {

constexpr unsigned resize_bits = 22; // weights are whole multiples of 2^-22

/// Where one new pixel comes from along one axis: `weights.size()` old pixels from `first` on.
struct Footprint {
    std::size_t first;
    std::vector<std::uint32_t> weights;
};

/// The footprints of `to` new pixels laid over `from` old ones. A weight falls linearly from the new pixel's centre to
/// 0 at the distance of one pixel, old or new, whichever is larger: that is what keeps a reduced image from aliasing.
inline std::vector<Footprint> footprints(std::size_t from, std::size_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to), reach = std::max(scale, 1.0);
    std::vector<Footprint> all(to);
    std::vector<double> exact;
    for (std::size_t i = 0; i < to; ++i) {
        const double centre = (static_cast<double>(i) + 0.5) * scale;
        const auto first = static_cast<std::size_t>(std::max(centre - reach + 0.5, 0.0));
        const auto last = std::min(static_cast<std::size_t>(centre + reach + 0.5), from); // one behind
        double sum = 0;
        exact.clear();
        for (std::size_t x = first; x < last; ++x) {
            const double distance = std::abs((static_cast<double>(x) - centre + 0.5) * (1 / reach));
            exact.push_back(std::max(1 - distance, 0.0));
            sum += exact.back();
        }
        all[i].first = first;
        for (const double weight : exact)
            all[i].weights.push_back(static_cast<std::uint32_t>(weight / sum * (1U << resize_bits) + 0.5));
    }
    return all;
}

/// Resamples the middle axis of outer x `extent` x inner bytes.
inline void resample(const std::uint8_t* from, std::size_t outer, std::size_t extent, std::size_t inner,
                     const std::vector<Footprint>& axis, std::uint8_t* to) {
    for (std::size_t o = 0; o < outer; ++o)
        for (const auto& [first, weights] : axis)
            for (std::size_t i = 0; i < inner; ++i) {
                const std::uint8_t* pixel = from + (o * extent + first) * inner + i;
                std::uint64_t sum = 1U << (resize_bits - 1);
                for (const std::uint32_t weight : weights) {
                    sum += std::uint64_t{weight} * *pixel;
                    pixel += inner;
                }
                *to++ = static_cast<std::uint8_t>(std::min<std::uint64_t>(sum >> resize_bits, 255));
            }
}

} // namespace detail

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
    const auto columns = detail::footprints(old_width, width), rows = detail::footprints(old_height, height);
    std::vector<std::uint8_t> narrowed(element_count(std::array{old_height, width, channels}));
    for (std::size_t n = 0; n < count; ++n) {
        detail::resample(images.data() + n * images.sample_size(), old_height, old_width, channels, columns,
                         narrowed.data());
        detail::resample(narrowed.data(), 1, old_height, width * channels, rows,
                         resized.data() + n * height * width * channels);
    }
    return resized;
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::data
