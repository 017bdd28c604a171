#pragma once

#include "gradcon/kernels/conv2d.hpp"
#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/concepts.hpp"

#include <algorithm>
#include <span>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Every layer y = W * x + b that is linear in its input and in its weight, given the map and its two adjoints. With a
/// dot for the derivative along a direction, and W' for the adjoint in the input:
///     y_dot  = W * x_dot  + W_dot * x + b_dot
///     dx     = W' * dy            dW     = x (x) dy                    db     = sum dy
///     dx_dot = W' * dy_dot + W_dot' * dy     dW_dot = x_dot (x) dy + x (x) dy_dot     db_dot = sum dy_dot
/// `Map` (Linear, Conv2d, ConvTranspose2d derive from Bilinear<themselves>) offers the map and its two adjoints, each
/// of a sum of one or two products: a tangent's two are one accumulation.
///     output_shape(shape), pack(params, packed)
///     apply(products with x, finish, y, scratch), apply_adjoint(products with dy, finish, dx, scratch)
///     pair(x, dy), outer_product(pairs, reduction, scratch)
template <class Map>
struct Bilinear {
    template <class T>
    struct Cache {
        Batch<T> x, dy;
        Tensor<T, 4> y, dx;
        kernels::Scratch<T> scratch;
        T input_slope = 1, output_slope = 1; // of the rectifiers before and after, if they are fused (see fuse)
    };

    template <class P, class T>
    Batch<T> forward(const P& p, Batch<T> x, Cache<T>& c) const {
        c.x = x;
        const auto y = reserve(c.y, map().output_shape(x.shape()));
        const kernels::Product<T> product{p, x};
        map().template apply<T>({&product, 1}, {p.bias.data(), c.output_slope, nullptr}, y, c.scratch);
        return y;
    }

    template <class P, class T, class G>
    Batch<T> backward(const P& p, Cache<T>& c, Batch<T> dy, G& g) const {
        backward_parameters(p, c, dy, g);
        return input_gradient(p, c);
    }

    /// backward without dx: a first layer needs none.
    template <class P, class T, class G>
    void backward_parameters(const P&, Cache<T>& c, Batch<T> dy, G& g) const {
        c.dy = dy;
        kernels::AddTo<T> add{g.weight.data()};
        const auto pair = Map::pair(c.x, dy);
        map().template outer_product<T>({&pair, 1}, add, c.scratch);
        add_bias_gradient(dy, g.bias.data());
    }

    /// backward of one sample that reduces its gradient instead of storing it. @param r for weight and bias, in this
    /// order
    template <class P, class T, class G>
    Batch<T> backward_reduce(const P& p, Cache<T>& c, Batch<T> dy, G&, std::span<kernels::Reduction<T>> r,
                             bool wants_dx) const {
        c.dy = dy;
        const auto weight_sums = [&](auto sums) {
            const auto pair = Map::pair(c.x, dy);
            map().template outer_product<T>({&pair, 1}, sums, c.scratch);
            r[0].sum = sums.sum();
        };
        if (r[0].mean) weight_sums(kernels::ProfileSums<T>(r[0]));
        else if (r[0].reference) weight_sums(kernels::DotWithReference<T>(r[0].reference));
        if (r[1].reference) {
            c.scratch.values.assign(dy.shape(3), T{});
            add_bias_gradient(dy, c.scratch.values.data());
            kernels::reduce(std::span<const T>(c.scratch.values), r[1]);
        }
        return wants_dx ? input_gradient(p, c) : Batch<T>{};
    }

    template <class P, class T>
    Batch<T> forward_tangent(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> x_dot) const {
        c_dot.x = x_dot;
        const kernels::Product<T> products[]{{p_dot, c.x}, {p, x_dot}};
        return output_tangent<P, T>(products, p_dot, c, c_dot);
    }

    /// forward_tangent for an x_dot of 0: W * x_dot is not computed.
    template <class P, class T>
    Batch<T> forward_tangent_parameters(const P&, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, const Shape&,
                                        Tensor<T, 4>&) const {
        c_dot.x = {};
        const kernels::Product<T> product{p_dot, c.x};
        return output_tangent<P, T>({&product, 1}, p_dot, c, c_dot);
    }

    template <class P, class T, class G>
    Batch<T> backward_tangent(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              G& g_dot) const {
        c_dot.dy = dy_dot;
        kernels::AddTo<T> add{g_dot.weight.data()};
        const kernels::ImagePair<T> pairs[]{Map::pair(c.x, dy_dot), Map::pair(c_dot.x, c.dy)};
        map().template outer_product<T>(std::span(pairs).first(c_dot.x.data() ? 2 : 1), add, c_dot.scratch);
        add_bias_gradient(dy_dot, g_dot.bias.data());
        const auto dx_dot = reserve(c_dot.dx, c.x.shape());
        const kernels::Product<T> products[]{{p, dy_dot}, {p_dot, c.dy}};
        map().template apply_adjoint<T>(products, input_finish(c), dx_dot, c_dot.scratch);
        return dx_dot;
    }

  private:
    const Map& map() const { return static_cast<const Map&>(*this); }

    /// x is the output of the rectifier before, if there is one. It is positive where the rectifier's input was.
    template <class T>
    static kernels::Finish<T> input_finish(const Cache<T>& c) {
        return {nullptr, c.input_slope, c.x.data()};
    }

    template <class P, class T>
    Batch<T> output_tangent(std::span<const kernels::Product<T>> products, const P& p_dot, Cache<T>& c,
                            Cache<T>& c_dot) const {
        const auto y_dot = reserve(c_dot.y, map().output_shape(c.x.shape()));
        map().template apply<T>(products, {p_dot.bias.data(), c.output_slope, c.y.data()}, y_dot, c_dot.scratch);
        return y_dot;
    }

    template <class P, class T>
    Batch<T> input_gradient(const P& p, Cache<T>& c) const {
        const auto dx = reserve(c.dx, c.x.shape());
        const kernels::Product<T> product{p, c.dy};
        map().template apply_adjoint<T>({&product, 1}, input_finish(c), dx, c.scratch);
        return dx;
    }

    /// Four positions at a time, so that additions do not wait for one another.
    template <class T>
    static void add_bias_gradient(Batch<T> dy, T* bias) {
        using kernels::Index;
        const auto channels = static_cast<Index>(dy.shape(3));
        const Index positions = static_cast<Index>(dy.size()) / std::max<Index>(1, channels);
        kernels::for_each_channel_tile<T>(channels, [&](Index first, auto vectors, auto lanes) {
            using V = simd::Vector<T, decltype(lanes)::value>;
            for (int v = 0; v < vectors; ++v) {
                const T* value = dy.data() + first + v * lanes;
                V sums[4] = {};
                Index p = 0;
                for (; p + 4 <= positions; p += 4)
                    for (int i = 0; i < 4; ++i) sums[i] += simd::load<V>(value + (p + i) * channels);
                for (; p < positions; ++p) sums[0] += simd::load<V>(value + p * channels);
                T* to = bias + first + v * lanes;
                simd::store(to, simd::load<V>(to) + ((sums[0] + sums[1]) + (sums[2] + sums[3])));
            }
        });
    }
};

/// Packed weights of a bilinear layer, and its bias.
template <class T>
struct PackedWeightAndBias : kernels::Packed<T> {
    Tensor<T, 1> bias;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
