#pragma once

#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/tile.hpp"

#include <algorithm>
#include <cstddef>

// What a strided convolution's window touches, in memory and by definition; the fast maps are in conv2d.hpp.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

struct Window {
    Index kernel, stride, padding;
};

/// One image's extents.
struct Extent {
    Index height, width, channels;
    Index size() const { return height * width * channels; }
};

template <class T>
Extent extent(const TensorView<T, 4>& images) {
    return {static_cast<Index>(images.shape(1)), static_cast<Index>(images.shape(2)),
            static_cast<Index>(images.shape(3))};
}

/// Columns of an image row with `padding` zero ones on the left and enough on the right that no tap falls outside.
inline Index padded_width(const Window& window, Index large_width, Index small_width) {
    return std::max((small_width - 1) * window.stride + window.kernel, window.padding + large_width);
}

/// Copies large images into rows of `pitch` columns; above and below nothing is added.
template <class T>
void pad(const Window& window, Batch<T> large, Index pitch, T* to) {
    const Extent e = extent(large);
    const Index row = e.width * e.channels, padded_row = pitch * e.channels, left = window.padding * e.channels;
    const Index rows = static_cast<Index>(large.samples()) * e.height;
    for (Index r = 0; r < rows; ++r, to += padded_row) {
        std::fill(to, to + left, T{});
        std::copy(large.data() + r * row, large.data() + (r + 1) * row, to + left);
        std::fill(to + left + row, to + padded_row, T{});
    }
}

/// Taps that reach an output of phase `r` (its coordinate plus padding, modulo the stride).
inline Index taps_of_phase(const Window& window, Index r) {
    return r < window.kernel ? (window.kernel - r + window.stride - 1) / window.stride : 0;
}

/// The small coordinates, from first to one past the last, whose tap `k` lies inside a large image.
struct Reach {
    Index from, to;
    Reach(Index first, Index end) : from(first), to(end) {}
    Reach(const Window& window, Index k, Index large, Index small)
        : from(std::max<Index>(0, (window.padding - k + window.stride - 1) / window.stride)),
          to(large - 1 + window.padding < k ? 0
                                            : std::min(small, (large - 1 + window.padding - k) / window.stride + 1)) {}
};

/// The definition, tap by tap: what all three maps are tested against.
/// @param f called as f(large offset, small offset, weight offset) for every pair of positions that a tap joins
template <class F>
void for_each_tap(const Window& window, const Extent& large, const Extent& small, F&& f) {
    for (Index oy = 0; oy < small.height; ++oy)
        for (Index ox = 0; ox < small.width; ++ox)
            for (Index ky = 0; ky < window.kernel; ++ky)
                for (Index kx = 0; kx < window.kernel; ++kx) {
                    const Index iy = oy * window.stride - window.padding + ky,
                                ix = ox * window.stride - window.padding + kx;
                    if (iy < 0 || ix < 0 || iy >= large.height || ix >= large.width) continue;
                    f((iy * large.width + ix) * large.channels, (oy * small.width + ox) * small.channels,
                      (ky * window.kernel + kx) * large.channels * small.channels);
                }
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
