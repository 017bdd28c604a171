#pragma once

#include "gradcon/core/random.hpp"
#include "gradcon/tree/algebra.hpp"

#include <cmath>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// PyTorch's default for Linear and convolutions: each element of weight and bias is drawn from U(-b, b) with
/// b = 1 / sqrt(fan_in).
/// @param fan_in inputs that contribute to one output; for ConvTranspose2d PyTorch takes out_channels * kernel_size^2
template <TensorTree Tree>
void init_uniform(Tree& params, std::size_t fan_in, Rng& rng) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    for_each_tensor(
        [&](auto& tensor) {
            for (auto& value : elements(tensor)) value = static_cast<scalar_t<Tree>>(uniform(rng, -bound, bound));
        },
        params);
}

/// Turns PyTorch's default into the initialisation of He et al. (2015): the weights, but not the biases, become sqrt(6)
/// times as large. A signal then keeps its size through layers with rectifiers; with the default it shrinks from layer
/// to layer. Try it when training stops moving because all ReLUs of a layer output 0.
template <TensorTree Tree>
void scale_to_he(Tree& params) {
    for_each_tensor(
        [](auto& tensor) {
            if (rank(tensor) >= 2)
                for (auto& value : elements(tensor)) value *= static_cast<scalar_t<Tree>>(std::sqrt(6.0));
        },
        params);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
