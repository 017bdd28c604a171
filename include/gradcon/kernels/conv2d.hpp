#pragma once

#include "gradcon/kernels/tile.hpp"
#include "gradcon/kernels/window.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

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

/// Images and the packed weights that a map applies to them.
template <class T>
struct Product {
    const Packed<T>& weight;
    Batch<T> images;
};

/// What an image map does besides its sum: see Outputs.
template <class T>
struct Finish {
    const T* bias = nullptr; // one value a channel
    T slope = 1;
    const T* gate = nullptr; // images of the output's shape

    Outputs<T> at(T* values, Index offset, Index channel, Index step, Index twin_step = 0) const {
        return {values + offset + channel,    step,  twin_step,
                bias ? bias + channel : bias, slope, gate ? gate + offset + channel : gate};
    }
};

/// What the maps write on the way; it grows to what the largest of them needs.
template <class T>
struct Scratch {
    AlignedVector<T> values;
    std::vector<Meeting<T>> meetings;
};

/// A map sums as many products as this at most.
inline constexpr std::size_t most_products = 2;

template <class T>
std::array<Term<T>, most_products> terms(std::span<const Product<T>> products, AlignedVector<T> Packed<T>::*weight) {
    std::array<Term<T>, most_products> result{};
    for (std::size_t i = 0; i < products.size(); ++i)
        result[i] = {products[i].images.data(), (products[i].weight.*weight).data()};
    return result;
}

/// Calls f(row, whether the next row comes with it) for rows first, first + 1, ...: two that reach the same taps of the
/// image's `height` rows go together where they may. Row r reads `taps` of them from origin + r * stride on.
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

/// to[i] = from[i], or += unless `fresh`, for `count` pieces of `run` values.
template <class T>
void add_strided(const T* from, Index from_step, Index count, Index run, T* to, Index to_step, bool fresh) {
    constexpr int group = std::min(4, simd::lanes<T>);
    using V = simd::Vector<T, group>;
    for (; count > 0; --count, from += from_step, to += to_step) {
        Index i = 0;
        for (; i + group <= run; i += group) {
            const V v = simd::load<V>(from + i);
            simd::store(to + i, fresh ? v : simd::load<V>(to + i) + v);
        }
        for (; i < run; ++i) to[i] = fresh ? from[i] : to[i] + from[i];
    }
}

/// gather of images with so few channels that a row of taps is hardly worth a loop: each position's window is copied
/// together first, with zeros for what lies outside the image.
template <class T>
void gather_thin(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
                 TensorView<T, 4> small, AlignedVector<T>& scratch) {
    const Extent s = extent(small), l = extent(products[0].images);
    const Index k = window.kernel, run = k * l.channels, taps = k * run, windows = s.width * taps;
    const Index row = l.width * l.channels;
    scratch.resize(products.size() * static_cast<std::size_t>(windows));
    auto all = terms(products, &Packed<T>::gather);
    for (std::size_t i = 0; i < products.size(); ++i) all[i].values = scratch.data() + static_cast<Index>(i) * windows;
    const auto used = std::span<const Term<T>>(all).first(products.size());
    const Index step = window.stride * l.channels;
    const Index from = std::min(s.width, (window.padding + window.stride - 1) / window.stride); // wholly inside: from
    const Index room = l.width + window.padding - k;                                            // here to there
    const Index to = std::max(from, room < 0 ? 0 : std::min(s.width, room / window.stride + 1));
    const auto copy_window_row = [&](const T* image_row, Index ox, T* windows_row) {
        for (Index j = 0, x = ox * step - window.padding * l.channels; j < run; ++j, ++x)
            windows_row[ox * taps + j] = x >= 0 && x < row ? image_row[x] : T{};
    };
    for (Index sample = 0; sample < static_cast<Index>(small.samples()); ++sample)
        for (Index oy = 0; oy < s.height; ++oy) {
            for (std::size_t i = 0; i < products.size(); ++i)
                for (Index ky = 0; ky < k; ++ky) {
                    const Index iy = oy * window.stride - window.padding + ky;
                    T* copy = scratch.data() + static_cast<Index>(i) * windows + ky * run;
                    if (iy < 0 || iy >= l.height) {
                        for (Index ox = 0; ox < s.width; ++ox) std::fill_n(copy + ox * taps, run, T{});
                        continue;
                    }
                    const T* image_row = products[i].images.data() + sample * l.size() + iy * row;
                    for (Index ox = 0; ox < from; ++ox) copy_window_row(image_row, ox, copy);
                    add_strided(image_row + from * step - window.padding * l.channels, step, to - from, run,
                                copy + from * taps, taps, true);
                    for (Index ox = to; ox < s.width; ++ox) copy_window_row(image_row, ox, copy);
                }
            for_each_channel_tile<T>(s.channels, [&](Index first, auto vectors, auto lanes) {
                gather_row<vectors, lanes, T>(
                    s.width, {s.width, taps, 0, 1, 1}, {}, used, first * taps,
                    finish.at(small.data(), sample * s.size() + oy * s.width * s.channels, first, s.channels));
            });
        }
}

/// small = finish(sum of gather(large) over the products): a convolution.
/// @param products one or two, with images of one shape  @param scratch for the windows of a thin image
template <class T>
void gather(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish, TensorView<T, 4> small,
            AlignedVector<T>& scratch) {
    if (is_thin<T>(static_cast<Index>(products[0].images.shape(3))))
        gather_thin(window, products, finish, small, scratch);
    else gather_wide(window, products, finish, small);
}

/// scatter to many channels: each output gathers the inputs that reach it. Outputs whose coordinates plus padding agree
/// modulo the stride (a phase) see the same taps, so a phase is an ordinary dense gather.
template <class T>
void scatter_phases(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
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

/// out = finish(bias + the sum of `count` strips)
template <class T>
void add_strips(const T* bias, const T* strips, Index strip, Index count, Index row, const Outputs<T>& out) {
    const auto add = [&]<class V>(Index i, V sum) {
        for (Index o = 0; o < count; ++o) sum += simd::load<V>(strips + o * strip + i);
        if (out.slope != 1) sum = gated(sum, out.gate ? simd::load<V>(out.gate + i) : sum, out.slope);
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

/// large = finish(sum of scatter(small) over the products): the adjoint of gather, which is a transposed convolution.
/// @param products one or two, with images of one shape  @param scratch what a thin image is put together in
template <class T>
void scatter(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
             TensorView<T, 4> large, AlignedVector<T>& scratch) {
    if (is_thin<T>(static_cast<Index>(large.shape(3)))) scatter_thin(window, products, finish, large, scratch);
    else scatter_phases(window, products, finish, large);
}

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
