#pragma once

#include "gradcon/kernels/conv2d.hpp"
#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/concepts.hpp"

#include <algorithm>
#include <span>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// Every layer y = W * x + b that is linear in its input and in its weight, given the map and its two adjoints. With a
/// dot for the derivative along a direction, and W' for the adjoint in the input:
///     y_dot  = W * x_dot  + W_dot * x + b_dot
///     dx     = W' * dy            dW     = x (x) dy                    db     = sum dy
///     dx_dot = W' * dy_dot + W_dot' * dy     dW_dot = x_dot (x) dy + x (x) dy_dot     db_dot = sum dy_dot
/// `Map` (Linear, Conv2d, ConvTranspose2d derive from Bilinear<themselves>) offers, on operands that remember a view of
/// x or dy and, where its kernels want one, a padded copy:
///     output_shape(shape), pack(params, packed)
///     set_input(x, operand, output shape), set_adjoint(dy, operand, input shape)
///     apply(packed, x operand, Start, bias, y, scratch), apply_adjoint(packed, dy operand, Start, dx, scratch)
///     outer_product(x operand, dy operand, reduction)
template <class Map>
struct Bilinear {
    template <class T>
    struct Operand {
        Batch<T> values;
        kernels::Padded<T> padded;
    };
    template <class T>
    struct Cache {
        Operand<T> x, dy;
        Tensor<T, 4> y, dx;
        AlignedVector<T> scratch;
    };

    template <class P, class T>
    Batch<T> forward(const P& p, Batch<T> x, Cache<T>& c) const {
        const Shape shape = map().output_shape(x.shape());
        map().set_input(x, c.x, shape);
        const auto y = reserve(c.y, shape);
        map().apply(p, c.x, kernels::Start::bias, p.bias.data(), y, c.scratch);
        return y;
    }

    template <class P, class T, class G>
    Batch<T> backward(const P& p, Cache<T>& c, Batch<T> dy, G& g) const {
        backward_parameters(p, c, dy, g);
        return input_gradient(p, c);
    }

    /// backward without dx, for a first layer whose input nobody asks about.
    template <class P, class T, class G>
    void backward_parameters(const P&, Cache<T>& c, Batch<T> dy, G& g) const {
        map().set_adjoint(dy, c.dy, c.x.values.shape());
        kernels::AddTo<T> add{g.weight.data()};
        map().outer_product(c.x, c.dy, add);
        add_bias_gradient(dy, g.bias.data());
    }

    /// backward of one sample that reduces its gradient instead of storing it. @param r for weight and bias, in this
    /// order
    template <class P, class T>
    Batch<T> backward_reduce(const P& p, Cache<T>& c, Batch<T> dy, std::span<kernels::Reduction<T>> r,
                             bool wants_dx) const {
        map().set_adjoint(dy, c.dy, c.x.values.shape());
        if (r[0].reference) {
            kernels::DotWithReference<T> reduce(r[0].reference);
            map().outer_product(c.x, c.dy, reduce);
            r[0].sum = reduce.sum();
        }
        if (r[1].reference) {
            c.scratch.assign(dy.shape(3), T{});
            add_bias_gradient(dy, c.scratch.data());
            r[1].sum = kernels::dot_and_norm(std::span(r[1].reference, dy.shape(3)), std::span<const T>(c.scratch));
        }
        return wants_dx ? input_gradient(p, c) : Batch<T>{};
    }

    template <class P, class T>
    Batch<T> forward_tangent(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> x_dot) const {
        const Shape shape = map().output_shape(x_dot.shape());
        map().set_input(x_dot, c_dot.x, shape);
        const auto y_dot = reserve(c_dot.y, shape);
        map().apply(p_dot, c.x, kernels::Start::bias, p_dot.bias.data(), y_dot, c_dot.scratch);
        map().apply(p, c_dot.x, kernels::Start::output, static_cast<const T*>(nullptr), y_dot, c_dot.scratch);
        return y_dot;
    }

    template <class P, class T, class G>
    Batch<T> backward_tangent(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              G& g_dot) const {
        const Shape shape = c.x.values.shape();
        map().set_adjoint(dy_dot, c_dot.dy, shape);
        kernels::AddTo<T> add{g_dot.weight.data()};
        map().outer_product(c_dot.x, c.dy, add);
        map().outer_product(c.x, c_dot.dy, add);
        add_bias_gradient(dy_dot, g_dot.bias.data());
        const auto dx_dot = reserve(c_dot.dx, shape);
        map().apply_adjoint(p, c_dot.dy, kernels::Start::zero, dx_dot, c_dot.scratch);
        map().apply_adjoint(p_dot, c.dy, kernels::Start::output, dx_dot, c_dot.scratch);
        return dx_dot;
    }

  private:
    const Map& map() const { return static_cast<const Map&>(*this); }

    template <class P, class T>
    Batch<T> input_gradient(const P& p, Cache<T>& c) const {
        const auto dx = reserve(c.dx, c.x.values.shape());
        map().apply_adjoint(p, c.dy, kernels::Start::zero, dx, c.scratch);
        return dx;
    }

    template <class T>
    static void add_bias_gradient(Batch<T> dy, T* bias) {
        const std::size_t channels = dy.shape(3);
        const T* value = dy.data();
        for (std::size_t p = dy.size() / std::max<std::size_t>(1, channels); p > 0; --p, value += channels)
            for (std::size_t c = 0; c < channels; ++c) bias[c] += value[c];
    }
};

/// Packed weights of a bilinear layer, and its bias.
template <class T>
struct PackedWeightAndBias : kernels::Packed<T> {
    Tensor<T, 1> bias;
};

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
