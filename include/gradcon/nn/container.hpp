#pragma once

#include "gradcon/nn/passes.hpp"

#include <cstddef>
#include <span>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The passes of layers one after the other. `Layers` (Sequential, Chain) derives from Container<itself> and offers
///     size()                                          the number of layers
///     prepare(parts)                                  gives parts (parameters, caches) one entry for each layer
///     each(f, parts...), each_reversed(f, parts...)   f(i, layer i, entry i of each of the parts...) for every i
template <class Layers>
class Container {
  public:
    /// @throws ShapeError when a layer cannot take the output of the layer before
    Shape output_shape(Shape shape) const {
        layers().each([&](auto, const auto& layer) { shape = layer.output_shape(shape); });
        return shape;
    }

    template <class T = float>
    auto init(Rng& rng) const {
        typename Layers::template Params<T> params;
        layers().prepare(params);
        layers().each([&](auto, const auto& layer, auto& p) { p = layer.template init<T>(rng); }, params);
        return params;
    }

    template <class P, class Packed>
    void pack(const P& params, Packed& packed) const {
        layers().prepare(packed);
        layers().each([](auto, const auto& layer, const auto& p, auto& to) { gradcon::pack(layer, p, to); }, params,
                      packed);
    }

    template <class P, class T, class C>
    Batch<T> forward(const P& p, Batch<T> x, C& c) const {
        layers().prepare(c);
        Neighbour<T> before;
        layers().each(
            [&](auto, const auto& layer, auto& cache) {
                const Neighbour<T> neighbour = neighbour_of<T>(layer, cache);
                fuse(before, neighbour);
                before = neighbour;
            },
            c);
        layers().each(
            [&](auto, const auto& layer, const auto& params, auto& cache) { x = layer.forward(params, x, cache); }, p,
            c);
        return x;
    }

    template <class P, class C, class T, class G>
    Batch<T> backward(const P& p, C& c, Batch<T> dy, G& g) const {
        layers().each_reversed([&](auto, const auto& layer, const auto& params, auto& cache,
                                   auto& gradient) { dy = layer.backward(params, cache, dy, gradient); },
                               p, c, g);
        return dy;
    }

    /// backward without the first layer's dx.
    template <class P, class C, class T, class G>
    void backward_parameters(const P& p, C& c, Batch<T> dy, G& g) const {
        layers().each_reversed(
            [&](auto i, const auto& layer, const auto& params, auto& cache, auto& gradient) {
                if (i > 0) dy = layer.backward(params, cache, dy, gradient);
                else gradcon::backward_parameters(layer, params, cache, dy, gradient);
            },
            p, c, g);
    }

    /// backward of one sample that reduces its gradient. @param r one reduction for each tensor, in order
    template <class P, class C, class T, class G>
    Batch<T> backward_reduce(const P& p, C& c, Batch<T> dy, G& g, std::span<kernels::Reduction<T>> r,
                             bool wants_dx) const {
        layers().each_reversed(
            [&](auto i, const auto& layer, const auto& params, auto& cache, auto& gradient) {
                const std::size_t tensors = tensor_count(gradient);
                dy = gradcon::backward_reduce(layer, params, cache, dy, gradient, r.last(tensors), wants_dx || i > 0);
                r = r.first(r.size() - tensors);
            },
            p, c, g);
        return dy;
    }

    template <class P, class C, class T>
    Batch<T> forward_tangent(const P& p, const P& p_dot, C& c, C& c_dot, Batch<T> x_dot) const {
        layers().prepare(c_dot);
        layers().each(
            [&](auto, const auto& layer, const auto& params, const auto& params_dot, auto& cache, auto& cache_dot) {
                x_dot = layer.forward_tangent(params, params_dot, cache, cache_dot, x_dot);
            },
            p, p_dot, c, c_dot);
        return x_dot;
    }

    /// forward_tangent for an x_dot of 0. @param x the input's shape  @param zeros room for a batch of zeros
    template <class P, class C, class T>
    Batch<T> forward_tangent_parameters(const P& p, const P& p_dot, C& c, C& c_dot, const Shape& x,
                                        Tensor<T, 4>& zeros) const {
        layers().prepare(c_dot);
        if (layers().size() == 0) return zero_batch(zeros, x);
        Batch<T> x_dot;
        layers().each(
            [&](auto i, const auto& layer, const auto& params, const auto& params_dot, auto& cache, auto& cache_dot) {
                if (i > 0) x_dot = layer.forward_tangent(params, params_dot, cache, cache_dot, x_dot);
                else x_dot = gradcon::forward_tangent_parameters(layer, params, params_dot, cache, cache_dot, x, zeros);
            },
            p, p_dot, c, c_dot);
        return x_dot;
    }

    template <class P, class C, class T, class G>
    Batch<T> backward_tangent(const P& p, const P& p_dot, C& c, C& c_dot, Batch<T> dy_dot, G& g_dot) const {
        layers().each_reversed(
            [&](auto, const auto& layer, const auto& params, const auto& params_dot, auto& cache, auto& cache_dot,
                auto& gradient_dot) {
                dy_dot = layer.backward_tangent(params, params_dot, cache, cache_dot, dy_dot, gradient_dot);
            },
            p, p_dot, c, c_dot, g_dot);
        return dy_dot;
    }

  private:
    const Layers& layers() const { return static_cast<const Layers&>(*this); }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
