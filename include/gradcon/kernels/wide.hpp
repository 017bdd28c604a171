#pragma once

#include "gradcon/kernels/image_map.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

// The image maps where the large image has many channels: rows of taps are read where they are, without those outside
// the image.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// Calls f(row, whether the next row comes with it) until all `rows` have been: where tiles may have twins, two rows
/// that reach the same taps go together. Row r reads `taps` of the image's `height` rows from origin + r * stride on.
template <class F>
void for_each_row(Index rows, Index origin, Index stride, Index taps, Index height, bool twins, F&& f) {
    const auto inside = [&](Index r) {
        const Index top = origin + r * stride;
        return r < rows && top >= 0 && top + taps <= height;
    };
    for (Index r = 0; r < rows; ++r) {
        const bool twin = twins && inside(r) && inside(r + 1);
        f(r, twin);
        r += twin;
    }
}

/// gather of images with many channels, whose rows of taps are read where they are.
template <class T>
void gather_wide(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
                 TensorView<T, 4> small) {
    const Extent s = extent(small), l = extent(products[0].images);
    const Index k = window.kernel, stride = window.stride, row = l.width * l.channels, small_row = s.width * s.channels;
    const auto all = terms(products, &Packed<T>::gather);
    const auto used = std::span(all).first(products.size());
    const Columns columns(l.width, l.channels, -window.padding, stride, k);
    for (Index sample = 0; sample < static_cast<Index>(small.samples()); ++sample)
        for_each_channel_tile<T>(s.channels, [&](Index first, auto vectors, auto lanes) {
            const Index weight = first * k * k * l.channels;
            for_each_row(
                s.height, -window.padding, stride, k, l.height, has_twin<vectors>(s.width), [&](Index oy, bool twin) {
                    const Index top = oy * stride - window.padding;
                    const Index from = std::max<Index>(0, -top), to = std::min(k, l.height - top);
                    gather_row<vectors, lanes, T>(
                        s.width, columns,
                        {sample * l.size() + (top + from) * row, to - from, row, twin ? stride * row : 0}, used,
                        weight + from * k * l.channels * vectors * lanes,
                        finish.at(small.data(), sample * s.size() + oy * small_row, first, s.channels, small_row));
                });
        });
}

/// scatter to many channels: each output gathers the inputs that reach it. Outputs whose coordinates plus padding agree
/// modulo the stride (a phase) see the same taps, so a phase is an ordinary dense gather.
template <class T>
void scatter_wide(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
                  TensorView<T, 4> large) {
    const Extent s = extent(products[0].images), l = extent(large);
    const Index stride = window.stride, row_step = s.width * s.channels;
    const auto all = terms(products, &Packed<T>::scatter);
    const auto used = std::span(all).first(products.size());
    const auto first_of_phase = [&](Index r) { return (r - window.padding % stride + stride) % stride; };
    for (Index sample = 0; sample < static_cast<Index>(large.samples()); ++sample)
        for_each_channel_tile<T>(l.channels, [&](Index first, auto vectors, auto lanes) {
            Index weight = first * window.kernel * window.kernel * s.channels;
            for (Index ry = 0; ry < stride; ++ry) {
                const Index taps_y = taps_of_phase(window, ry);
                for (Index rx = 0; rx < stride; ++rx) {
                    const Index taps_x = taps_of_phase(window, rx), px = first_of_phase(rx);
                    const Index run = taps_x * s.channels * vectors * lanes;
                    const Index py = first_of_phase(ry), positions = (l.width - px + stride - 1) / stride;
                    const Columns columns(s.width, s.channels, (px + window.padding - rx) / stride - (taps_x - 1), 1,
                                          taps_x);
                    const Index top = (py + window.padding - ry) / stride - (taps_y - 1); // what row 0 reads first
                    for_each_row((l.height - py + stride - 1) / stride, top, 1, taps_y, s.height,
                                 has_twin<vectors>(positions), [&](Index r, bool twin) {
                                     const Index from = std::max<Index>(0, -top - r);
                                     const Index to = std::min(taps_y, s.height - top - r);
                                     gather_row<vectors, lanes, T>(
                                         positions, columns,
                                         {sample * s.size() + (top + r + from) * row_step, to - from, row_step,
                                          twin ? row_step : 0},
                                         used, weight + from * run,
                                         finish.at(large.data(),
                                                   sample * l.size() + ((py + r * stride) * l.width + px) * l.channels,
                                                   first, stride * l.channels, stride * l.width * l.channels));
                                 });
                    weight += taps_y * run;
                }
            }
        });
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
