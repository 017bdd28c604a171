#pragma once

#include "gradcon/kernels/row.hpp"
#include "gradcon/kernels/window.hpp"

#include <array>
#include <cstddef>
#include <span>

// What the image maps of a convolution take: products to sum, how to finish the sum, and room to work in.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// Weights in the order in which gather or scatter reads them.
template <class T>
struct Packed {
    AlignedVector<T> gather, scatter;
};

/// Whether the large image has fewer channels than a vector has lanes: taps then do what channels do otherwise.
template <class T>
bool is_thin(Index large_channels) {
    return large_channels < simd::lanes<T>;
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

/// A map sums as many products as this at most.
inline constexpr std::size_t most_products = 2;

template <class T>
std::array<Term<T>, most_products> terms(std::span<const Product<T>> products, AlignedVector<T> Packed<T>::*weight) {
    std::array<Term<T>, most_products> result{};
    for (std::size_t i = 0; i < products.size(); ++i)
        result[i] = {products[i].images.data(), (products[i].weight.*weight).data()};
    return result;
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
