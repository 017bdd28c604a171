#pragma once

#include "gradcon/kernels/image_map.hpp"

#include <cstddef>
#include <span>

// The map of a Linear layer and its adjoint in the input.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

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
