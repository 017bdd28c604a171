#pragma once

#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/concepts.hpp"
#include "gradcon/tree/algebra.hpp"

#include <algorithm>
#include <span>

// What a container of layers asks of a layer beyond the layer concept: each function uses the layer's own member of the
// same name where it has one, and otherwise gets the same result from the concept's passes.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

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

/// A batch of zeros.
template <class T>
Batch<T> zero_batch(Tensor<T, 4>& storage, const Shape& shape) {
    const auto zeros = reserve(storage, shape);
    std::fill_n(zeros.data(), zeros.size(), T{});
    return {zeros.data(), shape};
}

/// forward_tangent for an input that stays as it is. @param zeros room for its tangent, where a layer wants to see it
template <class L, class P, class C, class T>
Batch<T> forward_tangent_parameters(const L& layer, const P& p, const P& p_dot, C& c, C& c_dot, const Shape& x,
                                    Tensor<T, 4>& zeros) {
    if constexpr (requires { layer.forward_tangent_parameters(p, p_dot, c, c_dot, x, zeros); }) {
        return layer.forward_tangent_parameters(p, p_dot, c, c_dot, x, zeros);
    } else if constexpr (requires { layer.forward_tangent_parameters(p_dot, c, c_dot); }) {
        return layer.forward_tangent_parameters(p_dot, c, c_dot);
    } else {
        return layer.forward_tangent(p, p_dot, c, c_dot, zero_batch(zeros, x));
    }
}

/// Tells two neighbours' caches, before a forward pass, what need not be done apart. A rectifier (slope() times what is
/// not positive: ReLU, LeakyReLU) costs no pass over memory: a layer before it whose cache has an output_slope applies
/// it while storing y, and one behind it with an input_slope masks its dx by the sign of its own x. Other neighbours
/// are left as they are. A negative slope would turn signs, so it is not fused.
template <class First, class FirstCache, class Second, class SecondCache>
void fuse(const First& first, FirstCache& a, const Second& second, SecondCache& b) {
    if constexpr (requires { a.output_slope = second.slope(), b.forward_fused; }) {
        b.forward_fused = second.slope() >= 0;
        a.output_slope = static_cast<decltype(a.output_slope)>(b.forward_fused ? second.slope() : 1);
    }
    if constexpr (requires { b.input_slope = first.slope(), a.backward_fused; }) {
        a.backward_fused = first.slope() >= 0;
        b.input_slope = static_cast<decltype(b.input_slope)>(a.backward_fused ? first.slope() : 1);
    }
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
        for_each_tensor([&](const auto& gradient) { kernels::reduce(std::span<const T>(elements(gradient)), r[i++]); },
                        g);
        return dx;
    }
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
