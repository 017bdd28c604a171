#pragma once

#include "gradcon/kernels/image_map.hpp"

#include <cstddef>
#include <span>

// The map of a Linear layer and its adjoint in the input.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// A matrix in the order in which `dense` reads it.
/// @param to rows * columns numbers  @param at at(row, column): what x of that row contributes to y of that column
template <class T, class At>
void pack_dense(Index rows, Index columns, T* to, At&& at) {
    for_each_channel_tile<T>(columns, [&](Index first, auto vectors, auto lanes) {
        for (Index row = 0; row < rows; ++row)
            for (Index i = 0; i < vectors * lanes; ++i) *to++ = at(row, first + i);
    });
}

/// y = finish(sum of x * weight over the products), x and y one row a sample: the samples take the place of a row of
/// positions. @param weight which of the packed weights
template <class T>
void dense(std::span<const Product<T>> products, AlignedVector<T> Packed<T>::*weight, const Finish<T>& finish,
           TensorView<T, 4> y) {
    const auto samples = static_cast<Index>(y.samples());
    const Index in = static_cast<Index>(products[0].images.sample_size()), out = static_cast<Index>(y.sample_size());
    const auto all = terms(products, weight);
    for_each_channel_tile<T>(out, [&](Index first, auto vectors, auto lanes) {
        gather_row<vectors, lanes, T>(samples, {samples, in, 0, 1, 1}, {}, std::span(all).first(products.size()),
                                      first * in, finish.at(y.data(), 0, first, out));
    });
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
