#pragma once

#include "gradcon/nn/passes.hpp"
#include "gradcon/nn/sequential.hpp"

#include <cstddef>
#include <span>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A skip connection (He et al. 2016): y = x + f(x), where f are layers one after the other that keep the shape. Its
/// parameters are named as those of a Sequential. It stands in a Sequential; a Chain does not hold it, since a chain's
/// layers would then contain chains.
template <class... Layers>
class Residual {
    using Inner = Sequential<Layers...>;

  public:
    template <class T>
    using Params = typename Inner::template Params<T>;
    template <class T>
    using Packed = typename Inner::template Packed<T>;
    template <class T>
    struct Cache {
        typename Inner::template Cache<T> inner;
        Tensor<T, 4> y, dx;
    };

    explicit Residual(Layers... layers) : inner_(std::move(layers)...) {}

    const Inner& inner() const { return inner_; }

    /// @throws ShapeError when f(x) has another shape than x
    Shape output_shape(const Shape& x) const {
        const Shape y = inner_.output_shape(x);
        if (y != x)
            throw ShapeError(message("Residual: its layers must keep the shape; they give ", shape_string(y), " for ",
                                     shape_string(x)));
        return x;
    }

    template <class T = float>
    Params<T> init(Rng& rng) const {
        return inner_.template init<T>(rng);
    }
    template <class P, class Q>
    void pack(const P& params, Q& packed) const {
        inner_.pack(params, packed);
    }

    template <class P, class T>
    Batch<T> forward(const P& p, Batch<T> x, Cache<T>& c) const {
        output_shape(x.shape());
        return sum(x, inner_.forward(p, x, c.inner), c.y);
    }
    template <class P, class T, class G>
    Batch<T> backward(const P& p, Cache<T>& c, Batch<T> dy, G& g) const {
        return sum(dy, inner_.backward(p, c.inner, dy, g), c.dx);
    }
    template <class P, class T, class G>
    void backward_parameters(const P& p, Cache<T>& c, Batch<T> dy, G& g) const {
        inner_.backward_parameters(p, c.inner, dy, g);
    }
    template <class P, class T, class G>
    Batch<T> backward_reduce(const P& p, Cache<T>& c, Batch<T> dy, G& g, std::span<kernels::Reduction<T>> r,
                             bool wants_dx) const {
        const Batch<T> dx = inner_.backward_reduce(p, c.inner, dy, g, r, wants_dx);
        return wants_dx ? sum(dy, dx, c.dx) : Batch<T>{};
    }
    template <class P, class T>
    Batch<T> forward_tangent(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> x_dot) const {
        return sum(x_dot, inner_.forward_tangent(p, p_dot, c.inner, c_dot.inner, x_dot), c_dot.y);
    }
    template <class P, class T>
    Batch<T> forward_tangent_parameters(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, const Shape& x,
                                        Tensor<T, 4>& zeros) const {
        return inner_.forward_tangent_parameters(p, p_dot, c.inner, c_dot.inner, x, zeros);
    }
    template <class P, class T, class G>
    Batch<T> backward_tangent(const P& p, const P& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              G& g_dot) const {
        return sum(dy_dot, inner_.backward_tangent(p, p_dot, c.inner, c_dot.inner, dy_dot, g_dot), c_dot.dx);
    }

  private:
    template <class T>
    static Batch<T> sum(Batch<T> a, Batch<T> b, Tensor<T, 4>& storage) {
        const auto to = reserve(storage, a.shape());
        for (std::size_t i = 0; i < a.size(); ++i) to.data()[i] = a.data()[i] + b.data()[i];
        return to;
    }

    Inner inner_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
