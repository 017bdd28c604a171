#pragma once

#include "gradcon/kernels/exp.hpp"
#include "gradcon/nn/concepts.hpp"

#include <cmath>
#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Every layer that applies one function f to each element:
///     y_dot = f'(x) x_dot     dx = f'(x) dy     dx_dot = f'(x) dy_dot + f''(x) x_dot dy
/// `Function` derives from Pointwise<itself> and offers value(x), derivative(x, y), second_derivative(x, y), with y =
/// f(x); and values(x, y, n), where n values at once are faster.
template <class Function>
struct Pointwise {
    template <class T>
    using Params = NoParams;
    template <class T>
    struct Cache {
        Batch<T> x, y, dy;
        Tensor<T, 4> out, dx;
        bool forward_fused = false, backward_fused = false; // a neighbour does it: see fuse
    };

    Shape output_shape(const Shape& x) const { return x; }

    template <class T = float>
    NoParams init(Rng&) const {
        return {};
    }

    template <class T>
    Batch<T> forward(const NoParams&, Batch<T> x, Cache<T>& c) const {
        c.x = c.y = x;
        if (c.forward_fused) return x;
        const auto y = reserve(c.out, x.shape());
        if constexpr (requires { f().values(x.data(), y.data(), x.size()); }) f().values(x.data(), y.data(), x.size());
        else
            for (std::size_t i = 0, n = x.size(); i < n; ++i) y.data()[i] = f().value(x.data()[i]);
        return c.y = Batch<T>(y.data(), y.shape());
    }

    template <class T>
    Batch<T> backward(const NoParams&, Cache<T>& c, Batch<T> dy, NoParams&) const {
        c.dy = dy;
        if (c.backward_fused) return dy;
        return scale_by_derivative(c, dy, c.dx);
    }

    template <class T>
    Batch<T> forward_tangent(const NoParams&, const NoParams&, Cache<T>& c, Cache<T>& c_dot, Batch<T> x_dot) const {
        c_dot.x = x_dot;
        if (c.forward_fused) return x_dot;
        return scale_by_derivative(c, x_dot, c_dot.out);
    }

    template <class T>
    Batch<T> backward_tangent(const NoParams&, const NoParams&, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              NoParams&) const {
        if (c.backward_fused) return dy_dot;
        const auto dx_dot = reserve(c_dot.dx, dy_dot.shape());
        const T *x = c.x.data(), *y = c.y.data(), *x_dot = c_dot.x.data(), *dy = c.dy.data();
        for (std::size_t i = 0, n = dy_dot.size(); i < n; ++i)
            dx_dot.data()[i] =
                f().derivative(x[i], y[i]) * dy_dot.data()[i] + f().second_derivative(x[i], y[i]) * x_dot[i] * dy[i];
        return dx_dot;
    }

  private:
    const Function& f() const { return static_cast<const Function&>(*this); }

    template <class T>
    Batch<T> scale_by_derivative(const Cache<T>& c, Batch<T> from, Tensor<T, 4>& storage) const {
        const auto to = reserve(storage, from.shape());
        const T *x = c.x.data(), *y = c.y.data();
        for (std::size_t i = 0, n = from.size(); i < n; ++i) to.data()[i] = f().derivative(x[i], y[i]) * from.data()[i];
        return to;
    }
};

/// max(x, 0); its derivative at 0 is 0, as in PyTorch.
struct ReLU : Pointwise<ReLU> {
    double slope() const { return 0; }
    template <class T>
    T value(T x) const {
        return x > 0 ? x : T{0};
    }
    template <class T>
    T derivative(T x, T) const {
        return x > 0 ? T{1} : T{0};
    }
    template <class T>
    T second_derivative(T, T) const {
        return T{0};
    }
};

/// x where x > 0, else negative_slope * x.
struct LeakyReLU : Pointwise<LeakyReLU> {
    explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}

    template <class T>
    T value(T x) const {
        return x > 0 ? x : static_cast<T>(negative_slope) * x;
    }
    template <class T>
    T derivative(T x, T) const {
        return x > 0 ? T{1} : static_cast<T>(negative_slope);
    }
    template <class T>
    T second_derivative(T, T) const {
        return T{0};
    }

    double slope() const { return negative_slope; }

    double negative_slope;
};

/// 1 / (1 + exp(-x))
struct Sigmoid : Pointwise<Sigmoid> {
    template <class T>
    T value(T x) const {
        return 1 / (1 + kernels::exp(-x));
    }
    template <class T>
    void values(const T* x, T* y, std::size_t n) const {
        kernels::sigmoid(x, y, n);
    }
    template <class T>
    T derivative(T, T y) const {
        return y * (1 - y);
    }
    template <class T>
    T second_derivative(T, T y) const {
        return y * (1 - y) * (1 - 2 * y);
    }
};

struct Tanh : Pointwise<Tanh> {
    template <class T>
    T value(T x) const {
        return std::tanh(x);
    }
    template <class T>
    T derivative(T, T y) const {
        return 1 - y * y;
    }
    template <class T>
    T second_derivative(T, T y) const {
        return -2 * y * (1 - y * y);
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
