#pragma once

#include "gradcon/kernels/image_map.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

// The weight gradient of a convolution: the adjoint in the weight, tile by tile through a reduction.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels {

/// Large and small images whose positions meet in the weight gradient.
template <class T>
struct ImagePair {
    Batch<T> large, small;
};

/// The small coordinates, from first to one past the last, whose tap `k` lies inside a large image.
struct Reach {
    Index from, to;
    Reach(Index first, Index end) : from(first), to(end) {}
    Reach(const Window& window, Index k, Index large, Index small)
        : from(std::max<Index>(0, (window.padding - k + window.stride - 1) / window.stride)),
          to(large - 1 + window.padding < k ? 0
                                            : std::min(small, (large - 1 + window.padding - k) / window.stride + 1)) {}
};

/// How many positions of that many values fill three quarters of a first-level cache of 32 KB: every tile of a weight
/// gradient reads them again.
template <class T>
std::size_t positions_in_cache(Index values) {
    return std::max<std::size_t>(32, 24576 / (sizeof(T) * static_cast<std::size_t>(values)));
}

/// reduction(kernel x kernel x A x B), the sum over pairs, samples and positions of large * small: the adjoint in the
/// weight. Many channels fill a tile tap by tap, and only where the tap lies inside the image. Of few, a row of taps is
/// one run of inputs, in a copy with zero columns at its sides.
/// @param pairs one or two, of one shape
template <class T, class Reduction>
void outer_product(const Window& window, std::span<const ImagePair<T>> pairs, Reduction& reduction,
                   Scratch<T>& scratch) {
    const Extent s = extent(pairs[0].small), l = extent(pairs[0].large);
    const Index samples = static_cast<Index>(pairs[0].small.samples()), stride = window.stride;
    const bool thin = l.channels < 8;
    const Index pitch = thin ? padded_width(window, l.width, s.width) : l.width;
    const Index row = pitch * l.channels, image = l.height * row;
    if (thin) scratch.values.resize(pairs.size() * static_cast<std::size_t>(samples * image));
    std::array<const T*, most_products> large{};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        T* copy = scratch.values.data() + static_cast<Index>(i) * samples * image;
        if (thin) pad(window, pairs[i].large, pitch, copy);
        large[i] = thin ? copy : pairs[i].large.data();
    }
    const Index run = thin ? window.kernel * l.channels : l.channels;
    for (Index ky = 0; ky < window.kernel; ++ky) {
        const Reach rows(window, ky, l.height, s.height);
        for (Index kx = 0; kx < (thin ? 1 : window.kernel); ++kx) {
            const Reach columns = thin ? Reach{0, s.width} : Reach(window, kx, l.width, s.width);
            const Index x = thin ? 0 : (kx - window.padding) * l.channels;
            const Index count = std::max<Index>(0, rows.to - rows.from) * std::max<Index>(0, columns.to - columns.from);
            if (count == 0) continue;
            scratch.meetings.resize(pairs.size() * static_cast<std::size_t>(samples * count));
            Meeting<T>* meeting = scratch.meetings.data();
            for (std::size_t i = 0; i < pairs.size(); ++i)
                for (Index sample = 0; sample < samples; ++sample)
                    for (Index oy = rows.from; oy < rows.to; ++oy) {
                        const T* a = large[i] + sample * image + (oy * stride - window.padding + ky) * row + x;
                        const T* b = pairs[i].small.data() + sample * s.size() + oy * s.width * s.channels;
                        for (Index ox = columns.from; ox < columns.to; ++ox)
                            *meeting++ = {a + ox * stride * l.channels, b + ox * s.channels};
                    }
            const Index weight = (ky * window.kernel + kx) * l.channels * s.channels;
            const std::span<const Meeting<T>> all(scratch.meetings);
            const std::size_t part = Reduction::adds_up ? positions_in_cache<T>(run + s.channels) : all.size();
            for (std::size_t done = 0; done < all.size(); done += part) {
                const auto meetings = all.subspan(done, std::min(part, all.size() - done));
                for_each_channel_tile<T>(s.channels, [&](Index first, auto vectors, auto lanes) {
                    constexpr int v_count = decltype(vectors)::value, l_count = decltype(lanes)::value;
                    for_each_input_tile<v_count>(run, [&](Index input, auto inputs) {
                        simd::Vector<T, l_count> sum[decltype(inputs)::value][v_count];
                        outer_tile<decltype(inputs)::value, v_count>(meetings, input, first, sum);
                        reduction(weight + input * s.channels + first, s.channels, sum);
                    });
                    reduction.flush();
                });
            }
        }
    }
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
