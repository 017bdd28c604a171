#pragma once

#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/concepts.hpp"
#include "gradcon/tree/algebra.hpp"

#include <algorithm>
#include <span>

// What containers need of a layer beyond the layer concept. Each function calls the layer's optional member of the same
// name (CanPack and the others in concepts.hpp). Without that member it gets the same result from the other passes.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// packed = params, in the order in which the layer's passes read them. Allocates only the first time.
template <class L, class P, class Packed>
void pack(const L& layer, const P& params, Packed& packed) {
    if constexpr (requires { layer.pack(params, packed); }) layer.pack(params, packed);
    else packed = params;
}

/// backward without the gradient in the input.
template <class L, class P, class C, class T, class G>
void backward_parameters(const L& layer, const P& p, C& c, Batch<T> dy, G& g) {
    if constexpr (CanSkipInputGradient<L, T>) layer.backward_parameters(p, c, dy, g);
    else layer.backward(p, c, dy, g);
}

/// A batch of zeros.
template <class T>
Batch<T> zero_batch(Tensor<T, 4>& storage, const Shape& shape) {
    const auto zeros = reserve(storage, shape);
    std::fill_n(zeros.data(), zeros.size(), T{});
    return {zeros.data(), shape};
}

/// forward_tangent for an x_dot of 0. @param x the input's shape  @param zeros room for a batch of zeros
template <class L, class P, class C, class T>
Batch<T> forward_tangent_parameters(const L& layer, const P& p, const P& p_dot, C& c, C& c_dot, const Shape& x,
                                    Tensor<T, 4>& zeros) {
    if constexpr (CanSkipInputTangent<L, T>) return layer.forward_tangent_parameters(p, p_dot, c, c_dot, x, zeros);
    else return layer.forward_tangent(p, p_dot, c, c_dot, zero_batch(zeros, x));
}

/// What fusing needs to know of a layer and its cache; null where there is nothing to fuse.
template <class T>
struct Neighbour {
    // of a rectifier (ReLU, LeakyReLU), which multiplies what is not positive by its slope
    bool* forward_fused = nullptr;
    bool* backward_fused = nullptr;
    double slope = 1;
    // of a layer that can rectify while it stores: the slopes of its neighbours
    T* input_slope = nullptr;
    T* output_slope = nullptr;
};

template <class T, class L, class C>
Neighbour<T> neighbour_of(const L& layer, C& c) {
    Neighbour<T> neighbour;
    if constexpr (requires { layer.slope(), c.forward_fused, c.backward_fused; }) {
        neighbour.forward_fused = &c.forward_fused;
        neighbour.backward_fused = &c.backward_fused;
        neighbour.slope = layer.slope();
    }
    if constexpr (requires { c.input_slope, c.output_slope; }) {
        neighbour.input_slope = &c.input_slope;
        neighbour.output_slope = &c.output_slope;
    }
    return neighbour;
}

/// Fuses a rectifier with its neighbours before a forward pass, so that it costs no pass over memory: the layer before
/// it applies it while storing y, and the layer behind it masks its dx by the sign of its own x. The caches carry the
/// decision. A negative slope would turn signs, so it is not fused.
template <class T>
void fuse(const Neighbour<T>& first, const Neighbour<T>& second) {
    if (first.output_slope && second.forward_fused) {
        *second.forward_fused = second.slope >= 0;
        *first.output_slope = static_cast<T>(second.slope >= 0 ? second.slope : 1);
    }
    if (first.backward_fused && second.input_slope) {
        *first.backward_fused = first.slope >= 0;
        *second.input_slope = static_cast<T>(first.slope >= 0 ? first.slope : 1);
    }
}

/// backward of one sample whose gradient is reduced against references, tensor by tensor in the order of `g`.
/// @param g room for the gradient of a layer that cannot reduce it on the way; overwritten or untouched
/// @return dx, or an empty view when wants_dx is false
template <class L, class P, class C, class T, class G>
Batch<T> backward_reduce(const L& layer, const P& p, C& c, Batch<T> dy, G& g, std::span<kernels::Reduction<T>> r,
                         bool wants_dx) {
    if constexpr (CanReduce<L, T>) {
        return layer.backward_reduce(p, c, dy, g, r, wants_dx);
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
