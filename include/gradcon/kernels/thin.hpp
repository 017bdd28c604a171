#pragma once

#include "gradcon/kernels/image_map.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

// The image maps where the large image has fewer channels than a vector has lanes (a camera's one or three): taps take
// the place of channels.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// to[i] = from[i], or += unless `fresh`, for `count` pieces of `run` values.
template <class T>
void add_strided(const T* from, Index from_step, Index count, Index run, T* to, Index to_step, bool fresh) {
    constexpr int group = std::min(4, simd::lanes<T>);
    const auto add = [fresh]<class V>(T* target, V v) { simd::store(target, fresh ? v : simd::load<V>(target) + v); };
    if (run == group) { // one channel, the most common kernel
        for (; count > 0; --count, from += from_step, to += to_step) add(to, simd::load<simd::Vector<T, group>>(from));
        return;
    }
    for (; count > 0; --count, from += from_step, to += to_step) {
        Index i = 0;
        for (; i + group <= run; i += group) add(to + i, simd::load<simd::Vector<T, group>>(from + i));
        for (; i < run; ++i) add(to + i, from[i]);
    }
}

/// gather of images with so few channels that a row of taps is hardly worth a loop: each position's window is copied
/// together first, from an image with zeros around it. Then rows of positions follow one another without a gap, and as
/// many as leave their windows in the first-level cache are cut into tiles together.
template <class T>
void gather_thin(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
                 TensorView<T, 4> small, AlignedVector<T>& scratch) {
    const Extent s = extent(small), l = extent(products[0].images);
    const Index k = window.kernel, run = k * l.channels, taps = k * run, step = window.stride * l.channels;
    const Index pitch = padded_width(window, l.width, s.width), padded_row = pitch * l.channels;
    const Index padded = padded_width(window, l.height, s.height) * padded_row;
    const Index rows = std::clamp<Index>(4096 / std::max<Index>(1, s.width * taps), 1, std::max<Index>(1, s.height)),
                windows = rows * s.width * taps;
    scratch.resize(products.size() * static_cast<std::size_t>(windows + padded));
    auto all = terms(products, &Packed<T>::gather);
    const auto used = std::span<const Term<T>>(all).first(products.size());
    const auto padded_image = [&](std::size_t i) {
        return scratch.data() + static_cast<Index>(i) * (windows + padded);
    };
    for (std::size_t i = 0; i < products.size(); ++i) {
        std::fill_n(padded_image(i), padded, T{});
        all[i].values = padded_image(i) + padded;
    }
    for (Index sample = 0; sample < static_cast<Index>(small.samples()); ++sample) {
        for (std::size_t i = 0; i < products.size(); ++i) {
            const auto image = products[i].images.slice(static_cast<std::size_t>(sample), 1);
            pad(window, image, pitch, padded_image(i) + window.padding * padded_row);
        }
        for (Index oy = 0; oy < s.height; oy += rows) {
            const Index count = std::min(rows, s.height - oy);
            for (std::size_t i = 0; i < products.size(); ++i)
                for (Index r = 0; r < count; ++r)
                    for (Index ky = 0; ky < k; ++ky)
                        add_strided(padded_image(i) + ((oy + r) * window.stride + ky) * padded_row, step, s.width, run,
                                    padded_image(i) + padded + r * s.width * taps + ky * run, taps, true);
            for_each_channel_tile<T>(s.channels, [&](Index first, auto vectors, auto lanes) {
                gather_row<vectors, lanes, T>(
                    count * s.width, {count * s.width, taps, 0, 1, 1}, {}, used, first * taps,
                    finish.at(small.data(), sample * s.size() + oy * s.width * s.channels, first, s.channels));
            });
        }
    }
}

/// out = finish(bias + the sum of `count` strips)
template <class T>
void add_strips(const T* bias, const T* strips, Index strip, Index count, Index row, const Outputs<T>& out) {
    const auto add = [&]<class V>(Index i, V sum) {
        for (Index o = 0; o < count; ++o) sum += simd::load<V>(strips + o * strip + i);
        if (out.slope != 1) {
            const V gate = out.gate ? simd::load<V>(out.gate + i) : sum;
            sum = gate > T{} ? sum : out.slope == 0 ? V{} : sum * out.slope;
        }
        simd::store(out.values + i, sum);
    };
    Index i = 0;
    for (; i + simd::lanes<T> <= row; i += simd::lanes<T>) add(i, simd::load<simd::Vector<T>>(bias + i));
    for (; i < row; ++i) add(i, bias[i]);
}

/// scatter to fewer channels than a vector has lanes: all taps of one small position fill the lanes. What the positions
/// of a small row give is kept for the large rows that it reaches. Neighbouring positions overlap there, every
/// `overlap`-th does not: so each large row is put together in as many strips, which are written once and then summed.
template <class T>
void scatter_thin(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
                  TensorView<T, 4> large, AlignedVector<T>& scratch) {
    const Extent s = extent(products[0].images), l = extent(large);
    const Index k = window.kernel, stride = window.stride, run = k * l.channels, taps = k * run;
    const Index overlap = (k + stride - 1) / stride, row = l.width * l.channels, left = window.padding * l.channels;
    const Index strip = std::max(((s.width - 1) * stride + k) * l.channels, left + row), kept = s.width * taps;
    const auto all = terms(products, &Packed<T>::scatter);
    const auto used = std::span(all).first(products.size());
    scratch.resize(static_cast<std::size_t>(overlap * (kept + strip) + row));
    T* const strips = scratch.data() + overlap * kept;
    T* const bias = strips + overlap * strip;
    for (Index i = 0; i < row; ++i) bias[i] = finish.bias ? finish.bias[i % l.channels] : T{};
    for (Index sample = 0; sample < static_cast<Index>(large.samples()); ++sample) {
        std::fill(strips, strips + overlap * strip, T{}); // gaps between the positions of a strip stay so
        Index ready = 0;                                  // small rows whose products have been made
        for (Index y = 0; y < l.height; ++y) {
            const Index lowest = std::max<Index>(0, (y + window.padding - k + stride) / stride);
            const Index last = std::min((y + window.padding) / stride, s.height - 1);
            for (; ready <= last; ++ready)
                for_each_channel_tile<T>(taps, [&](Index first, auto vectors, auto lanes) {
                    gather_row<vectors, lanes, T>(
                        s.width, {s.width, s.channels, 0, 1, 1}, {sample * s.size() + ready * s.width * s.channels},
                        used, first * s.channels,
                        {scratch.data() + ready % overlap * kept + first, taps, 0, nullptr, 1, nullptr});
                });
            for (Index iy = lowest; iy <= last; ++iy) {
                const T* products_of_row =
                    scratch.data() + iy % overlap * kept + (y + window.padding - iy * stride) * run;
                for (Index o = 0; o < overlap; ++o)
                    add_strided(products_of_row + o * taps, overlap * taps, (s.width - o + overlap - 1) / overlap, run,
                                strips + o * (strip + stride * l.channels), overlap * stride * l.channels,
                                iy == lowest);
            }
            if (lowest > last) std::fill(strips, strips + overlap * strip, T{});
            add_strips(bias, strips + left, strip, overlap, row,
                       finish.at(large.data(), sample * l.size() + y * row, 0, 1));
        }
    }
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
