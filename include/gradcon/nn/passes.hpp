#pragma once

#include "gradcon/algebra.hpp"
#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/concepts.hpp"

#include <span>

// What a container of layers asks of a layer beyond the layer concept: each function uses the layer's own member of the
// same name where it has one, and otherwise gets the same result from the concept's passes.
namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// packed = params, in the layer's order. Allocates only the first time.
template <class L, class P, class Packed>
void pack(const L& layer, const P& params, Packed& packed) {
    if constexpr (requires { layer.pack(params, packed); }) layer.pack(params, packed);
    else packed = params;
}

/// backward without the gradient in the input.
template <class L, class P, class C, class T, class G>
void backward_parameters(const L& layer, const P& p, C& c, Batch<T> dy, G& g) {
    if constexpr (requires { layer.backward_parameters(p, c, dy, g); }) layer.backward_parameters(p, c, dy, g);
    else layer.backward(p, c, dy, g);
}

/// backward of one sample whose gradient is reduced against references, tensor by tensor in the order of `g`.
/// @param g room for the gradient of a layer that cannot reduce it on the way; overwritten or untouched
/// @return dx, or an empty view when wants_dx is false
template <class L, class P, class C, class T, class G>
Batch<T> backward_reduce(const L& layer, const P& p, C& c, Batch<T> dy, G& g, std::span<kernels::Reduction<T>> r,
                         bool wants_dx) {
    if constexpr (requires { layer.backward_reduce(p, c, dy, g, r, wants_dx); }) {
        return layer.backward_reduce(p, c, dy, g, r, wants_dx);
    } else if constexpr (requires { layer.backward_reduce(p, c, dy, r, wants_dx); }) {
        return layer.backward_reduce(p, c, dy, r, wants_dx);
    } else {
        fill(g, 0);
        const Batch<T> dx = layer.backward(p, c, dy, g);
        std::size_t i = 0;
        for_each_tensor(
            [&](const auto& gradient) {
                if (r[i].reference)
                    r[i].sum = kernels::dot_and_norm(std::span(r[i].reference, gradient.size()), elements(gradient));
                ++i;
            },
            g);
        return dx;
    }
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
