#pragma once

#include "gradcon/core/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

// The inner loop of every forward and backward pass: `gather_tile` keeps a tile of results (positions x channels) in
// registers while it runs over everything that contributes to it, so nothing is unfolded in memory. Convolutions cut
// each sample into tiles by itself: its bits are the same alone and in a batch.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

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

/// One product of a map's sum: the images that are read, and the packed weights that they meet. A tangent sums two,
/// W x_dot + V x; they lie alike, so one set of offsets serves both.
template <class T>
struct Term {
    const T* values;
    const T* weight;
};

/// The values that contribute to a tile of output positions: `rows` runs of `run` consecutive ones from `offset` on,
/// `row_step` apart; the next position's lie `position_step` further on. Of the first position's runs the first
/// `missing_left` values lie outside the image and are left out, of the last position's runs the last `missing_right`.
/// A tile may have a twin, another row of positions with the same taps: its values lie `twin_step` further on.
struct Runs {
    Index offset, weight_offset, rows, run, row_step, position_step, missing_left, missing_right, twin_step;
};

/// Where output positions lie (one channel of the next position `step` further on, of the twin `twin_step`), the bias
/// that they start from (null: zero), and what becomes of them on the way to memory: value * (gate > 0 ? 1 : slope),
/// the gate lying as the output does; without one the value gates itself. So an activation costs no pass over memory of
/// its own.
template <class T>
struct Outputs {
    T* values;
    Index step, twin_step;
    const T* bias;
    T slope;
    const T* gate;

    /// The same for the positions from `position` on.
    Outputs from(Index position) const {
        return {values + position * step, step, twin_step, bias, slope, gate ? gate + position * step : gate};
    }
};

/// The results of a tile, so far.
template <class V, int Rows, int Positions, int Vectors>
struct Sums {
    V at[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Positions)][static_cast<std::size_t>(Vectors)];
};

/// Calls f(row, position, vector), unrolled, for the positions First <= position < Last of each row.
template <int Rows, int First, int Last, int Vectors, class F>
[[gnu::always_inline]] inline void for_each_sum(F&& f) {
#pragma GCC unroll 2
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
        for (int p = First; p < Last; ++p)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) f(r, p, v);
}

/// How many of a tile's sums are taken in two halves, which are added at last: an addition takes four cycles and two
/// start in each, so with fewer than ten sums at work the core would wait. Limited by the registers that are left.
/// @param active sums that a loop adds to  @param held sums of the whole tile
constexpr int halved(int active, int held) {
    const int left = (simd::vector_registers >= 32 ? 24 : 12) - held;
    return active >= 10 || left < 0 ? 0 : std::min(active, left);
}

/// sum[r][p] += value * weight over `count` consecutive values of the positions First <= p < Last of each row. What it
/// adds to are local copies, and loops are unrolled with indices, not running pointers: so that the compilers keep all
/// sums in registers (clang) and no chain waits for the loop (g++: 60 against 92 % of the peak).
template <int First, int Last, int Lanes, class V, class T, int Rows, int Positions, int Vectors>
[[gnu::always_inline]] inline void accumulate(const T* __restrict x, Index count, const Runs& in,
                                              const T* __restrict weight, Sums<V, Rows, Positions, Vectors>& sums) {
    constexpr int halves = halved(Rows * (Last - First) * Vectors, Rows * Positions * Vectors);
    const Index position_step = in.position_step, twin_step = in.twin_step;
    Sums<V, Rows, Positions, Vectors> total = sums;
    V half[static_cast<std::size_t>(std::max(1, halves))] = {};
    const auto number = [](int r, int p, int v) { return (r * (Last - First) + p - First) * Vectors + v; };
    const auto add = [&](Index k, auto odd) __attribute__((always_inline)) {
        V w[static_cast<std::size_t>(Vectors)];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) w[v] = simd::load<V>(weight + (k * Vectors + v) * Lanes);
        for_each_sum<Rows, First, Last, Vectors>([&](int r, int p, int v) __attribute__((always_inline)) {
            V& sum = odd && number(r, p, v) < halves ? half[number(r, p, v)] : total.at[r][p][v];
            sum += w[v] * x[r * twin_step + p * position_step + k];
        });
    };
    if constexpr (halves > 0) {
        Index k = 0;
#pragma GCC unroll 2
        for (; k + 2 <= count; k += 2) {
            add(k, std::false_type{});
            add(k + 1, std::true_type{});
        }
        if (k < count) add(k, std::false_type{});
        for_each_sum<Rows, First, Last, Vectors>([&](int r, int p, int v) __attribute__((always_inline)) {
            if (number(r, p, v) < halves) total.at[r][p][v] += half[number(r, p, v)];
        });
    } else {
#pragma GCC unroll 4
        for (Index k = 0; k < count; ++k) add(k, std::false_type{});
    }
    sums = total;
}

/// out[row][position][channel] = finish(bias + sum over terms and runs of value[row][position] * weight[channel])
/// The weights are Vectors * Lanes channels for each value of each run, in the order in which they are read.
template <int Rows, int Positions, int Vectors, int Lanes, class T>
[[gnu::noinline]] void gather_tile(std::span<const Term<T>> terms, const Runs& in, const Outputs<T>& outputs) {
    const Outputs<T> out = outputs; // a copy that no store can reach
    using V = simd::Vector<T, Lanes>;
    Sums<V, Rows, Positions, Vectors> sums;
    const auto for_each = [](auto&& f) __attribute__((always_inline)) { for_each_sum<Rows, 0, Positions, Vectors>(f); };
    for_each([&](int r, int p, int v) __attribute__((always_inline)) {
        sums.at[r][p][v] = out.bias ? simd::load<V>(out.bias + v * Lanes) : V{};
    });
    const Index left = in.missing_left, right = in.missing_right, middle = in.run - left - right;
    for (const Term<T>& term : terms) {
        const T* __restrict weight = term.weight + in.weight_offset;
        for (Index row = 0; row < in.rows; ++row, weight += in.run * Vectors * Lanes) {
            const T* __restrict x = term.values + (in.offset + row * in.row_step);
            if (Positions > 1 && left > 0) accumulate<1, Positions, Lanes>(x, left, in, weight, sums);
            accumulate<0, Positions, Lanes>(x + left, middle, in, weight + left * Vectors * Lanes, sums);
            if (Positions > 1 && right > 0)
                accumulate<0, Positions - 1, Lanes>(x + left + middle, right, in,
                                                    weight + (left + middle) * Vectors * Lanes, sums);
        }
    }
    const auto offset = [&](int r, int p, int v) { return r * out.twin_step + p * out.step + v * Lanes; };
    const auto rectify = [&](auto&& gate, auto&& leak) __attribute__((always_inline)) {
        for_each([&](int r, int p, int v) __attribute__((always_inline)) {
            V& sum = sums.at[r][p][v];
            sum = gate(offset(r, p, v), sum) > T{} ? sum : leak(sum);
        });
    };
    const auto itself = [](Index, const V& sum) { return sum; };
    const auto gate = [&](Index at, const V&) { return simd::load<V>(out.gate + at); };
    const auto nothing = [](const V&) { return V{}; };
    const auto leak = [&](const V& sum) -> V { return sum * out.slope; };
    if (out.slope == 0) out.gate ? rectify(gate, nothing) : rectify(itself, nothing);
    else if (out.slope != 1) out.gate ? rectify(gate, leak) : rectify(itself, leak);
    for_each([&](int r, int p, int v)
                 __attribute__((always_inline)) { simd::store(out.values + offset(r, p, v), sums.at[r][p][v]); });
}

/// As many positions as leave room for the weights in the vector registers.
template <int Vectors>
inline constexpr int most_positions = simd::vector_registers >= 32 ? (Vectors == 4 ? 6 : 8) : (Vectors == 2 ? 6 : 8);

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
