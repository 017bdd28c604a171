#pragma once

#include "gradcon/kernels/image_map.hpp"
#include "gradcon/kernels/reduce.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

// The weight gradient of a convolution: the adjoint in the weight, tile by tile through a reduction. Its inner loop,
// `outer_tile`, keeps a tile of the gradient (inputs x channels) in registers.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// Two positions that meet in a weight gradient.
template <class T>
struct Meeting {
    const T* a;
    const T* b;
};

/// sum.at[i][v] = sum over meetings of a[input + i] * b[channel + v * lanes ...], for `Inputs` consecutive inputs and
/// Vectors * Lanes channels. A list of positions, whatever their order in memory, makes one long loop of many short
/// ones.
template <int Inputs, int Vectors, class V, class T>
[[gnu::always_inline]] inline void outer_tile(std::span<const Meeting<T>> meetings, Index input, Index channel,
                                              GradientTile<V, Inputs, Vectors>& sum) {
    constexpr int lanes = sizeof(V) / sizeof(T);
    GradientTile<V, Inputs, Vectors> total = {};
    const Meeting<T>* __restrict meeting = meetings.data();
    const auto count = static_cast<Index>(meetings.size());
#pragma GCC unroll 4
    for (Index m = 0; m < count; ++m) {
        const T* __restrict a = meeting[m].a + input;
        const T* __restrict b = meeting[m].b + channel;
        V w[static_cast<std::size_t>(Vectors)];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) w[v] = simd::load<V>(b + v * lanes);
#pragma GCC unroll 8
        for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) total.at[i][v] += w[v] * a[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum.at[i][v] = total.at[i][v];
}

/// Calls f(first, Constant<n>) for consecutive ranges of as many inputs as the registers hold sums for, then 4, 2, 1.
template <int Vectors, class F>
[[gnu::always_inline]] inline void for_each_input_tile(Index inputs, F&& f) {
    constexpr int most = simd::vector_registers >= 32 ? (Vectors <= 2 ? 8 : 4) : Vectors == 1 ? 8 : 6;
    Index first = 0;
    for (; inputs - first >= most; first += most) f(first, Constant<most>{});
    for (; inputs - first >= 4; first += 4) f(first, Constant<4>{});
    for (; inputs - first >= 2; first += 2) f(first, Constant<2>{});
    for (; inputs > first; ++first) f(first, Constant<1>{});
}

/// What a layer's maps write on the way; it grows to what the largest of them needs.
template <class T>
struct Scratch {
    AlignedVector<T> values;
    std::vector<Meeting<T>> meetings;
};

/// Large and small images whose positions meet in the weight gradient.
template <class T>
struct ImagePair {
    Batch<T> large, small;
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
    const bool thin = is_thin<T>(l.channels);
    const Index pitch = thin ? padded_width(window, l.width, s.width) : l.width;
    const Index row = pitch * l.channels, image = l.height * row;
    if (thin) scratch.values.resize(pairs.size() * static_cast<std::size_t>(samples * image));
    std::array<const T*, most_products> large{};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        large[i] = pairs[i].large.data();
        if (!thin) continue;
        T* copy = scratch.values.data() + static_cast<Index>(i) * samples * image;
        pad(window, pairs[i].large, pitch, copy);
        large[i] = copy;
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
                    for_each_input_tile<v_count>(
                        run, [&](Index input, auto inputs) __attribute__((always_inline)) {
                            GradientTile<simd::Vector<T, l_count>, decltype(inputs)::value, v_count> sum;
                            outer_tile(meetings, input, first, sum);
                            reduction(weight + input * s.channels + first, s.channels, sum);
                        });
                    reduction.flush();
                });
            }
        }
    }
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
