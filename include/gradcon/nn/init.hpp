#pragma once

#include "gradcon/core/random.hpp"
#include "gradcon/tree/algebra.hpp"

#include <cmath>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// PyTorch's default for Linear and convolutions: every element of weight and bias drawn from U(-b, b), b =
/// 1/sqrt(fan_in).
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

/// Makes of PyTorch's default the initialisation of He et al. (2015): weights, but not biases, sqrt(6) times as large,
/// so that a signal keeps its size through layers with rectifiers, where by the default it shrinks from one to the
/// next. A training whose rectifiers die in the first steps may live so.
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
