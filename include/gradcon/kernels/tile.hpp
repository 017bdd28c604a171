#pragma once

#include "gradcon/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

// The inner loop of every forward and backward pass: `gather_tile` keeps a tile of results (positions x channels) in
// registers while it runs over everything that contributes to it, so nothing is unfolded in memory. Convolutions cut
// each sample into tiles by itself: its bits are the same alone and in a batch.
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

/// v * (gate > 0 ? 1 : slope)
template <class V, class T>
[[gnu::always_inline]] inline V gated(const V& v, const V& gate, T slope) {
    return gate > T{} ? v : slope == 0 ? V{} : v * slope;
}

/// The results of a tile, so far.
template <class V, int Rows, int Positions, int Vectors>
struct Sums {
    V at[Rows][Positions][Vectors];
};

/// How many sums of each element run side by side where a tile has that many elements: an addition takes four cycles
/// and two start in each, so few elements alone would leave the core waiting.
constexpr int chains(int elements) { return elements <= (simd::vector_registers >= 32 ? 8 : 6) ? 2 : 1; }

/// sum[r][p] += value * weight over `count` consecutive values of the positions First <= p < Last of each row. What it
/// adds to are local copies, and loops are unrolled with indices, not running pointers: so that the compilers keep all
/// sums in registers (clang) and no chain waits for the loop (g++: 60 against 92 % of the peak).
template <int First, int Last, int Lanes, class V, class T, int Rows, int Positions, int Vectors>
[[gnu::always_inline]] inline void accumulate(const T* __restrict x, Index count, const Runs& in,
                                              const T* __restrict weight, Sums<V, Rows, Positions, Vectors>& sums) {
    const Index position_step = in.position_step, twin_step = in.twin_step;
    const auto add = [=](Index k, Sums<V, Rows, Positions, Vectors> & total) __attribute__((always_inline)) {
        V w[Vectors];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) w[v] = simd::load<V>(weight + (k * Vectors + v) * Lanes);
#pragma GCC unroll 2
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int p = First; p < Last; ++p)
#pragma GCC unroll 4
                for (int v = 0; v < Vectors; ++v) total.at[r][p][v] += w[v] * x[r * twin_step + p * position_step + k];
    };
    Sums<V, Rows, Positions, Vectors> total = sums;
    if constexpr (chains(Rows * (Last - First) * Vectors) == 2) {
        Sums<V, Rows, Positions, Vectors> odd{};
        Index k = 0;
#pragma GCC unroll 2
        for (; k + 2 <= count; k += 2) {
            add(k, total);
            add(k + 1, odd);
        }
        if (k < count) add(k, total);
#pragma GCC unroll 2
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int p = First; p < Last; ++p)
#pragma GCC unroll 4
                for (int v = 0; v < Vectors; ++v) total.at[r][p][v] += odd.at[r][p][v];
    } else {
#pragma GCC unroll 4
        for (Index k = 0; k < count; ++k) add(k, total);
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
#pragma GCC unroll 2
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
        for (int p = 0; p < Positions; ++p)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) sums.at[r][p][v] = out.bias ? simd::load<V>(out.bias + v * Lanes) : V{};
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
    if (out.slope != 1) {
#pragma GCC unroll 2
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int p = 0; p < Positions; ++p)
#pragma GCC unroll 4
                for (int v = 0; v < Vectors; ++v) {
                    const Index at = r * out.twin_step + p * out.step + v * Lanes;
                    sums.at[r][p][v] =
                        gated(sums.at[r][p][v], out.gate ? simd::load<V>(out.gate + at) : sums.at[r][p][v], out.slope);
                }
    }
#pragma GCC unroll 2
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
        for (int p = 0; p < Positions; ++p)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v)
                simd::store(out.values + r * out.twin_step + p * out.step + v * Lanes, sums.at[r][p][v]);
}

/// As many positions as leave room for the weights in the vector registers.
template <int Vectors>
inline constexpr int most_positions = simd::vector_registers >= 32 ? (Vectors == 4 ? 6 : 8) : (Vectors == 2 ? 6 : 8);

/// What a row of output positions reads of image rows of `width` columns of `channels` values: position p reads `taps`
/// columns from origin + p * stride on; those outside the image are zero.
struct Columns {
    Index width, channels, origin, stride, taps;
    Index room;        // what the first position leaves on the right
    Index left, right; // positions below left jut out on the left, those from right on on the right

    Columns(Index image_width, Index image_channels, Index first, Index step, Index count)
        : width(image_width), channels(image_channels), origin(first), stride(step), taps(count),
          room(width - taps - origin), left(origin < 0 ? (stride - 1 - origin) / stride : 0),
          right(room < 0 ? 0 : room / stride + 1) {}
};

/// The image rows it reads: `count` from `offset` on, `step` apart. `twin_step` leads to what the next row of positions
/// reads through the same taps; 0: there is none.
struct Rows {
    Index offset = 0, count = 1, step = 0, twin_step = 0;
};

/// Calls f(Constant<n>) for 1 <= n <= Most.
template <int Most, class F>
void with_constant(Index n, F&& f) {
    if constexpr (Most > 1)
        if (n < Most) return with_constant<Most - 1>(n, f);
    f(Constant<Most>{});
}

/// Whether a row of that many positions shares its tiles with a twin: where that makes fewer tiles of two rows, it
/// fills them better, with more sums to hide the latency of an addition, and fewer weights are read.
template <int Vectors>
constexpr bool has_twin(Index positions) {
    constexpr int most = most_positions<Vectors>;
    const auto tiles = [&](Index length) { return (positions + length - 1) / length; };
    return tiles(most / 2) < 2 * tiles(most);
}

/// gather_tile over a row of `positions`, divided into tiles of nearly equal length. A tile may have one position that
/// juts out of the image on either side, for which its loops leave taps out; others that do come singly.
template <int Vectors, int Lanes, class T>
void gather_row(Index positions, const Columns& in, const Rows& rows, std::span<const Term<T>> terms,
                Index weight_offset, const Outputs<T>& out) {
    constexpr int most = most_positions<Vectors>;
    const bool twin = rows.twin_step != 0;
    const auto missing = [&](Index columns) { return std::clamp<Index>(columns, 0, in.taps); };
    const Index end = std::min(in.right + 1, positions);
    for (Index first = 0, length = 1; first < positions; first += length) {
        const Index missing_left = missing(-(in.origin + first * in.stride));
        Index missing_right = 0;
        const auto fits = [&](Index n) {
            missing_right = missing((first + n - 1) * in.stride - in.room);
            return n == 1 || missing_left + missing_right <= in.taps;
        };
        length = 1;
        if (in.left <= in.right && first + 1 >= in.left && first < end) {
            const Index rest = end - first,
                        tiles = twin ? (rest + most / 2 - 1) / (most / 2) : (rest + most - 1) / most;
            length = tiles == 1 ? rest : (rest + tiles - 1) / tiles;
        }
        if (!fits(length)) fits(length = 1);
        const Runs runs{rows.offset + (in.origin + first * in.stride) * in.channels,
                        weight_offset,
                        std::max<Index>(0, rows.count),
                        in.taps * in.channels,
                        rows.step,
                        in.stride * in.channels,
                        missing_left * in.channels,
                        std::min(missing_right, in.taps - missing_left) * in.channels,
                        rows.twin_step};
        if (twin)
            with_constant<most / 2>(length, [&](auto n) {
                gather_tile<2, decltype(n)::value, Vectors, Lanes>(terms, runs, out.from(first));
            });
        else
            with_constant<most>(length, [&](auto n) {
                gather_tile<1, decltype(n)::value, Vectors, Lanes>(terms, runs, out.from(first));
            });
    }
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
