#pragma once

#include "gradcon/kernels/cosine.hpp"

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

// The alignment of gradients with their references, on plain spans: it knows no network, so that any framework's
// gradients will do. Every sum is taken in double.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// cos(reference, g), with the norms that its gradient needs.
struct Alignment {
    double cosine = 0;         // in [-1, 1]; 0 if either is 0
    double reference_norm = 0; // |reference|
    double norm = 0;           // |g|
};

/// @param squared_reference_norm |reference|^2, in double  @pre reference and g have the same size
template <class T>
Alignment align(std::span<const T> reference, double squared_reference_norm, std::span<const T> g) {
    const auto [dot, squared_norm] = kernels::dot_and_norm(reference, g);
    return {cosine(dot, squared_reference_norm, squared_norm), std::sqrt(squared_reference_norm),
            std::sqrt(squared_norm)};
}

/// u += factor * d cos(reference, g) / dg, which is reference / (|reference||g|) - cos * g / |g|^2; 0 where cos is 0
/// for want of a direction. (Differentiate <r,g> / (|r||g|), with d|g|/dg = g/|g|.)
template <class T>
void add_cosine_gradient(std::span<const T> reference, std::span<const T> g, const Alignment& a, double factor,
                         std::span<T> u) {
    if (!(a.reference_norm > 0) || !(a.norm > 0)) return;
    const double along_reference = factor / a.reference_norm / a.norm, along_g = -factor * a.cosine / a.norm / a.norm;
    for (std::size_t i = 0; i < u.size(); ++i)
        u[i] += static_cast<T>(along_reference * double{reference[i]} + along_g * double{g[i]});
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
