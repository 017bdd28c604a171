#pragma once

#include "gradcon/kernels/tile.hpp"
#include "gradcon/kernels/window.hpp"

#include <algorithm>
#include <cstddef>

// A strided convolution joins a large image (height x width x A channels) and a small one (height x width x B):
//     small[o, b] = sum over taps k and a of large[o * stride - padding + k, a] * weight[k, a, b]
// This header has that map (gather), its adjoint in the image (scatter) and its adjoint in the weight (outer product).
// Conv2d goes from large to small; ConvTranspose2d is the same with gather and scatter exchanged. All images are NHWC;
// weights are kernel x kernel x A x B for both layers.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels {

/// Weights in the order in which gather or scatter reads them.
template <class T>
struct Packed {
    AlignedVector<T> gather, scatter;
};

/// Scatter to fewer channels than a vector has lanes puts the TAPS in the lanes: see scatter_thin.
template <class T>
bool is_thin(Index large_channels) {
    return large_channels < simd::lanes<T>;
}

template <class T>
void pack(const Window& window, Index large_channels, Index small_channels, const T* weight, Packed<T>& packed) {
    const Index k = window.kernel, a_count = large_channels, b_count = small_channels;
    const auto at = [&](Index ky, Index kx, Index a, Index b) {
        return weight[((ky * k + kx) * a_count + a) * b_count + b];
    };
    packed.gather.resize(static_cast<std::size_t>(k * k * a_count * b_count));
    packed.scatter.resize(packed.gather.size());
    T* to = packed.gather.data();
    for_each_channel_tile<T>(b_count, [&](Index first, auto vectors, auto lanes) {
        const Index width = vectors * lanes;
        for (Index row = 0; row < k * k * a_count; ++row, to += width)
            std::copy(weight + row * b_count + first, weight + row * b_count + first + width, to);
    });
    to = packed.scatter.data();
    if (is_thin<T>(a_count)) {
        for_each_channel_tile<T>(k * k * a_count, [&](Index first, auto vectors, auto lanes) {
            for (Index b = 0; b < b_count; ++b)
                for (Index i = 0; i < vectors * lanes; ++i) *to++ = weight[(first + i) * b_count + b];
        });
        return;
    }
    for_each_channel_tile<T>(a_count, [&](Index first, auto vectors, auto lanes) {
        for (Index ry = 0; ry < window.stride; ++ry)
            for (Index rx = 0; rx < window.stride; ++rx)
                for (Index jy = taps_of_phase(window, ry) - 1; jy >= 0; --jy) // descending tap = ascending input
                    for (Index jx = taps_of_phase(window, rx) - 1; jx >= 0; --jx)
                        for (Index b = 0; b < b_count; ++b)
                            for (Index i = 0; i < vectors * lanes; ++i)
                                *to++ = at(ry + window.stride * jy, rx + window.stride * jx, first + i, b);
    });
}

/// What an image map starts from: nothing, a bias per channel, or what its output holds (to add to it).
enum class Start { zero, bias, output };

template <class T>
Outputs<T> outputs(Start start, T* values, Index step, const T* bias) {
    if (start == Start::zero) return {values, step, nullptr, 0};
    if (start == Start::bias) return {values, step, bias, 0};
    return {values, step, values, step};
}

/// small = start + gather(large): a convolution.
/// @param weight Packed::gather  @param bias B values when start is Start::bias
template <class T>
void gather(const Window& window, const Padded<T>& large, const T* weight, Start start, const T* bias,
            TensorView<T, 4> small) {
    const Extent s = extent(small), l = large.extent;
    const Index k = window.kernel, row_step = large.pitch * l.channels;
    for (Index sample = 0; sample < static_cast<Index>(small.samples()); ++sample) {
        const T* x = large.values.data() + sample * large.sample_size();
        T* y = small.data() + sample * s.size();
        for_each_channel_tile<T>(s.channels, [&](Index first, auto vectors, auto lanes) {
            const T* w = weight + first * k * k * l.channels;
            for (Index oy = 0; oy < s.height; ++oy) {
                const Index top = oy * window.stride - window.padding;
                const Index from = std::max<Index>(0, -top), to = std::min(k, l.height - top);
                gather_row<vectors, lanes>(
                    s.width,
                    Runs<T>{x + (top + from) * row_step, std::max<Index>(0, to - from), k * l.channels, row_step,
                            window.stride * l.channels},
                    w + from * k * l.channels * vectors * lanes,
                    outputs(start, y + oy * s.width * s.channels + first, s.channels, bias ? bias + first : bias));
            }
        });
    }
}

/// scatter to many channels: each output gathers the inputs that reach it. Outputs whose coordinates plus padding agree
/// modulo the stride (a phase) see the same taps, so a phase is an ordinary dense gather.
template <class T>
void scatter_phases(const Window& window, Batch<T> small, const T* weight, Start start, const T* bias,
                    TensorView<T, 4> large, AlignedVector<T>& scratch) {
    const Extent s = extent(small), l = extent(large);
    const Index stride = window.stride, left = (window.kernel - 1) / stride;
    const Index right = std::max<Index>(0, (l.width - 1 + window.padding) / stride - (s.width - 1));
    const Index pitch = left + s.width + right, row = s.width * s.channels, row_step = pitch * s.channels;
    scratch.resize(static_cast<std::size_t>(s.height * row_step));
    std::ranges::fill(scratch, T{});
    for (Index sample = 0; sample < static_cast<Index>(large.samples()); ++sample) {
        for (Index y = 0; y < s.height; ++y)
            std::copy(small.data() + sample * s.size() + y * row, small.data() + sample * s.size() + (y + 1) * row,
                      scratch.data() + y * row_step + left * s.channels);
        for_each_channel_tile<T>(l.channels, [&](Index first, auto vectors, auto lanes) {
            const T* w = weight + first * window.kernel * window.kernel * s.channels;
            for (Index ry = 0; ry < stride; ++ry) {
                const Index taps_y = taps_of_phase(window, ry);
                for (Index rx = 0; rx < stride; ++rx) {
                    const Index taps_x = taps_of_phase(window, rx);
                    const Index px = (rx - window.padding % stride + stride) % stride;
                    const Index positions = (l.width - px + stride - 1) / stride;
                    const Index ix = (px + window.padding - rx) / stride - (taps_x - 1) + left;
                    for (Index oy = (ry - window.padding % stride + stride) % stride; oy < l.height; oy += stride) {
                        const Index last = (oy + window.padding - ry) / stride, lowest = last - (taps_y - 1);
                        const Index from = std::max<Index>(0, lowest), to = std::min(s.height, last + 1);
                        gather_row<vectors, lanes>(
                            positions,
                            Runs<T>{scratch.data() + from * row_step + ix * s.channels,
                                    taps_x == 0 ? 0 : std::max<Index>(0, to - from), taps_x * s.channels, row_step,
                                    s.channels},
                            w + (from - lowest) * taps_x * s.channels * vectors * lanes,
                            outputs(start, large.data() + sample * l.size() + (oy * l.width + px) * l.channels + first,
                                    stride * l.channels, bias ? bias + first : bias));
                    }
                    w += taps_y * taps_x * s.channels * vectors * lanes;
                }
            }
        });
    }
}

/// scatter to fewer channels than a vector has lanes: all taps of one small position fill the lanes, and what they give
/// is then added where it belongs in the large image.
template <class T>
void scatter_thin(const Window& window, Batch<T> small, const T* weight, Start start, const T* bias,
                  TensorView<T, 4> large, AlignedVector<T>& scratch) {
    const Extent s = extent(small), l = extent(large);
    const Index k = window.kernel, run = k * l.channels, taps = k * run, positions = s.height * s.width;
    const Index rows = std::max((s.height - 1) * window.stride + k, window.padding + l.height);
    const Index pitch = std::max((s.width - 1) * window.stride + k, window.padding + l.width) * l.channels;
    constexpr int group = std::min(4, simd::lanes<T>);
    scratch.resize(static_cast<std::size_t>(positions * taps + rows * pitch));
    T* products = scratch.data();
    T* sums = products + positions * taps;
    for (Index sample = 0; sample < static_cast<Index>(large.samples()); ++sample) {
        for_each_channel_tile<T>(taps, [&](Index first, auto vectors, auto lanes) {
            gather_row<vectors, lanes>(positions,
                                       Runs<T>{small.data() + sample * s.size(), 1, s.channels, 0, s.channels},
                                       weight + first * s.channels, Outputs<T>{products + first, taps, nullptr, 0});
        });
        std::fill(sums, sums + rows * pitch, T{});
        for (Index p = 0; p < positions; ++p)
            for (Index ky = 0; ky < k; ++ky) {
                const T* from = products + p * taps + ky * run;
                T* to = sums + (p / s.width * window.stride + ky) * pitch + p % s.width * window.stride * l.channels;
                Index i = 0;
                for (; i + group <= run; i += group) {
                    using V = simd::Vector<T, group>;
                    simd::store(to + i, simd::load<V>(to + i) + simd::load<V>(from + i));
                }
                for (; i < run; ++i) to[i] += from[i];
            }
        for (Index y = 0; y < l.height; ++y) {
            const T* from = sums + (y + window.padding) * pitch + window.padding * l.channels;
            T* to = large.data() + sample * l.size() + y * l.width * l.channels;
            for (Index x = 0; x < l.width; ++x, from += l.channels, to += l.channels)
                for (Index a = 0; a < l.channels; ++a)
                    to[a] = from[a] + (start == Start::zero ? T{} : start == Start::bias ? bias[a] : to[a]);
        }
    }
}

/// large = start + scatter(small): the adjoint of gather, which is a transposed convolution.
/// @param weight Packed::scatter  @param bias A values when start is Start::bias
template <class T>
void scatter(const Window& window, Batch<T> small, const T* weight, Start start, const T* bias, TensorView<T, 4> large,
             AlignedVector<T>& scratch) {
    if (is_thin<T>(static_cast<Index>(large.shape(3))))
        scatter_thin(window, small, weight, start, bias, large, scratch);
    else scatter_phases(window, small, weight, start, bias, large, scratch);
}

/// reduction(kernel x kernel x A x B), the sum over samples and positions of large * small: the adjoint in the weight.
template <class T, class Reduction>
void outer_product(const Window& window, const Padded<T>& large, Batch<T> small, Reduction& reduction) {
    const Extent s = extent(small), l = large.extent;
    const Index row_step = large.pitch * l.channels, run = window.kernel * l.channels;
    const Index samples = static_cast<Index>(small.samples()), stride = window.stride, padding = window.padding;
    for (Index ky = 0; ky < window.kernel; ++ky) {
        const Index from = std::max<Index>(0, (padding - ky + stride - 1) / stride);
        const Index reach = l.height - 1 + padding - ky; // of the tap: small row times stride may not exceed it
        const Index to = reach < 0 ? 0 : std::min(s.height, reach / stride + 1);
        if (to <= from) continue;
        for_each_channel_tile<T>(s.channels, [&](Index first, auto vectors, auto lanes) {
            constexpr int v_count = decltype(vectors)::value, l_count = decltype(lanes)::value;
            const OuterOperand<T> b{small.data() + from * s.width * s.channels + first, s.size(), s.width * s.channels,
                                    s.channels};
            for_each_input_tile<v_count>(run, [&](Index input, auto inputs) {
                const OuterOperand<T> a{large.values.data() + (from * stride - padding + ky) * row_step + input,
                                        large.sample_size(), stride * row_step, stride * l.channels};
                simd::Vector<T, l_count> sum[decltype(inputs)::value][v_count];
                outer_tile(a, b, samples, to - from, s.width, sum);
                reduction((ky * run + input) * s.channels + first, s.channels, sum);
            });
            reduction.flush();
        });
    }
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
