#pragma once

#include "gradcon/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>

// The two inner loops of the library: every forward and backward pass is `gather_tile`, every weight gradient is
// `outer_tile`. Both keep a tile of results (positions x channels, or inputs x channels) in registers while they run
// over everything that contributes to it; so nothing is unfolded in memory, and each result is summed in one fixed
// order that depends on no tile size: a sample's bits are the same alone and in a batch.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels {

using Index = std::ptrdiff_t;

template <int N>
using Constant = std::integral_constant<int, N>;

/// Channels are served in tiles, widest first: several full vectors, then one, then four lanes, then single channels.
/// Calls f(first channel, Constant<vectors>, Constant<lanes>) for each; packing and computing share this order.
template <class T, class F>
void for_each_channel_tile(Index channels, F&& f) {
    constexpr int lanes = simd::lanes<T>;
    Index first = 0;
    if constexpr (simd::vector_registers >= 32)
        for (; channels - first >= 4 * lanes; first += 4 * lanes) f(first, Constant<4>{}, Constant<lanes>{});
    for (; channels - first >= 2 * lanes; first += 2 * lanes) f(first, Constant<2>{}, Constant<lanes>{});
    for (; channels - first >= lanes; first += lanes) f(first, Constant<1>{}, Constant<lanes>{});
    if constexpr (lanes > 4)
        for (; channels - first >= 4; first += 4) f(first, Constant<1>{}, Constant<4>{});
    for (; channels > first; ++first) f(first, Constant<1>{}, Constant<1>{});
}

/// The values that contribute to one output position: `rows` runs of `run` consecutive ones, `row_step` apart; the next
/// position's lie `position_step` further on.
template <class T>
struct Runs {
    const T* values;
    Index rows, run, row_step, position_step;
};

/// Where output positions lie and what they start from: a bias (start_step 0), the output itself, or nothing (zero).
template <class T>
struct Outputs {
    T* values;
    Index step;
    const T* start;
    Index start_step;
};

/// out[position][channel] = start + sum over runs of value[position] * weight[channel]
/// `weight` holds Vectors * Lanes channels for each value of each run, in the order in which they are read.
template <int Positions, int Vectors, int Lanes, class T>
[[gnu::noinline]] void gather_tile(Runs<T> in, const T* __restrict weight, Outputs<T> out) {
    using V = simd::Vector<T, Lanes>;
    V sum[Positions][Vectors];
#pragma GCC unroll 8
    for (int p = 0; p < Positions; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v)
            sum[p][v] = out.start ? simd::load<V>(out.start + p * out.start_step + v * Lanes) : V{};
    for (Index row = 0; row < in.rows; ++row) {
        const T* __restrict x = in.values + row * in.row_step;
        for (Index k = 0; k < in.run; ++k, ++x, weight += Vectors * Lanes) {
            V w[Vectors];
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) w[v] = simd::load<V>(weight + v * Lanes);
#pragma GCC unroll 8
            for (int p = 0; p < Positions; ++p)
#pragma GCC unroll 4
                for (int v = 0; v < Vectors; ++v) sum[p][v] += w[v] * x[p * in.position_step];
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < Positions; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) simd::store(out.values + p * out.step + v * Lanes, sum[p][v]);
}

/// As many positions as leave room for the weights in the vector registers.
template <int Vectors>
inline constexpr int most_positions = simd::vector_registers >= 32 ? (Vectors == 4 ? 5 : 8) : (Vectors == 2 ? 6 : 8);

/// gather_tile over a row of `positions`, divided into tiles of nearly equal length.
template <int Vectors, int Lanes, class T>
void gather_row(Index positions, Runs<T> in, const T* weight, Outputs<T> out) {
    constexpr Index most = most_positions<Vectors>;
    for (Index tiles = (positions + most - 1) / most; tiles > 0; --tiles) {
        const Index length = (positions + tiles - 1) / tiles;
        const auto run = [&](auto n) { gather_tile<decltype(n)::value, Vectors, Lanes>(in, weight, out); };
        switch (length) {
        case 1: run(Constant<1>{}); break;
        case 2: run(Constant<2>{}); break;
        case 3: run(Constant<3>{}); break;
        case 4: run(Constant<4>{}); break;
        case 5: run(Constant<5>{}); break;
        default:
            if constexpr (most > 5) {
                if (length == 6) run(Constant<6>{});
                if constexpr (most > 6) {
                    if (length == 7) run(Constant<7>{});
                    if (length == 8) run(Constant<8>{});
                }
            }
        }
        positions -= length;
        in.values += length * in.position_step;
        out.values += length * out.step;
        if (out.start) out.start += length * out.start_step;
    }
}

/// A stack of images' rows in step with one another: what meets at each position in a weight gradient.
template <class T>
struct OuterOperand {
    const T* values;
    Index sample_step, row_step, position_step;
};

/// sum[i][v] = sum over samples, rows and positions of a[i] * b[channel], for `Inputs` consecutive i and Vectors *
/// Lanes channels.
template <int Inputs, int Vectors, class V, class T>
[[gnu::always_inline]] inline void outer_tile(OuterOperand<T> a, OuterOperand<T> b, Index samples, Index rows,
                                              Index positions, V (&sum)[Inputs][Vectors]) {
    constexpr int lanes = sizeof(V) / sizeof(T);
    V total[Inputs][Vectors] = {};
    for (Index sample = 0; sample < samples; ++sample) {
        for (Index row = 0; row < rows; ++row) {
            const T* __restrict x = a.values + sample * a.sample_step + row * a.row_step;
            const T* __restrict y = b.values + sample * b.sample_step + row * b.row_step;
            for (Index p = 0; p < positions; ++p, x += a.position_step, y += b.position_step) {
                V w[Vectors];
#pragma GCC unroll 4
                for (int v = 0; v < Vectors; ++v) w[v] = simd::load<V>(y + v * lanes);
#pragma GCC unroll 8
                for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
                    for (int v = 0; v < Vectors; ++v) total[i][v] += w[v] * x[i];
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum[i][v] = total[i][v];
}

/// Calls f(first, Constant<n>) for consecutive ranges of 8 (or 4, where the registers demand it), 4, 2 and 1 inputs.
template <int Vectors, class F>
void for_each_input_tile(Index inputs, F&& f) {
    constexpr bool eight = simd::vector_registers >= 32 ? Vectors <= 2 : Vectors == 1;
    Index first = 0;
    if constexpr (eight)
        for (; inputs - first >= 8; first += 8) f(first, Constant<8>{});
    for (; inputs - first >= 4; first += 4) f(first, Constant<4>{});
    for (; inputs - first >= 2; first += 2) f(first, Constant<2>{});
    for (; inputs > first; ++first) f(first, Constant<1>{});
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
