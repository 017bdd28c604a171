#pragma once

#include "gradcon/kernels/tile.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

// A row of output positions, cut into tiles.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

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

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
