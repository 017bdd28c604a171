#pragma once

#include "gradcon/kernels/outer_product.hpp"
#include "gradcon/kernels/thin.hpp"
#include "gradcon/kernels/wide.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

// A strided convolution joins a large image (height x width x A channels) and a small one (height x width x B):
//     small[o, b] = sum over taps k and a of large[o * stride - padding + k, a] * weight[k, a, b]
// These headers have that map (gather), its adjoint in the image (scatter) and its adjoint in the weight (outer
// product). Conv2d goes from large to small; ConvTranspose2d is the same with gather and scatter exchanged. All images
// are NHWC; weights are kernel x kernel x A x B for both layers.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

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

/// small = finish(sum of gather(large) over the products): a convolution.
/// @param products one or two, with images of one shape  @param scratch for the windows of a thin image
template <class T>
void gather(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish, TensorView<T, 4> small,
            AlignedVector<T>& scratch) {
    if (is_thin<T>(static_cast<Index>(products[0].images.shape(3))))
        gather_thin(window, products, finish, small, scratch);
    else gather_wide(window, products, finish, small);
}

/// large = finish(sum of scatter(small) over the products): the adjoint of gather, which is a transposed convolution.
/// @param products one or two, with images of one shape  @param scratch what a thin image is put together in
template <class T>
void scatter(const Window& window, std::span<const Product<T>> products, const Finish<T>& finish,
             TensorView<T, 4> large, AlignedVector<T>& scratch) {
    if (is_thin<T>(static_cast<Index>(large.shape(3)))) scatter_thin(window, products, finish, large, scratch);
    else scatter_wide(window, products, finish, large);
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
