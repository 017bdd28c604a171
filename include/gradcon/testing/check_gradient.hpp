#pragma once

#include "gradcon/nn/passes.hpp"
#include "gradcon/tree/algebra.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace testing {

/// seed of the random point, directions and weights of the check; step of the central differences; the largest
/// admissible error, relative to the magnitude of what is compared.
struct CheckOptions {
    std::uint64_t seed = 1;
    double step = 1e-5;
    double tolerance = 1e-6;
};

/// The relative error of each pass, and the worst of them in words.
struct GradientCheck {
    bool passed = false;
    double backward = 0, forward_tangent = 0, backward_tangent = 0;
    std::string message;
};

namespace detail {
/// Both passes of a layer at one point, on fresh caches.
template <class L>
struct Passes {
    Tensor<double, 4> y, dx;
    typename L::template Params<double> g;

    Passes(const L& layer, const typename L::template Params<double>& params, Batch<double> x, Batch<double> dy)
        : g(zeros_like(params)) {
        packed_t<L, double> packed{};
        pack(layer, params, packed);
        typename L::template Cache<double> cache{};
        store(layer.forward(packed, x, cache), y);
        store(layer.backward(packed, cache, dy, g), dx);
    }
    static void store(Batch<double> from, Tensor<double, 4>& to) {
        const auto view = reserve(to, from.shape());
        std::copy_n(from.data(), from.size(), view.data());
    }
};

/// The distance of `found` from `expected`, relative to the larger norm (or 1, so that two zeros agree).
class Difference {
  public:
    template <class A, class B>
    void add(const A& found, const B& expected) {
        for_each_tensor(
            [&](const auto& f, const auto& e) {
                for (std::size_t i = 0; i < f.size(); ++i) {
                    distance_ += std::pow(f.data()[i] - e.data()[i], 2);
                    magnitude_ += std::pow(e.data()[i], 2);
                }
            },
            found, expected);
    }
    double relative() const {
        const double error = std::sqrt(distance_) / std::max(1.0, std::sqrt(magnitude_));
        return is_finite(error) ? error : 1e300; // so that NaN does not pass
    }

  private:
    double distance_ = 0, magnitude_ = 0;
};
} // namespace detail

/// Checks all passes of a layer in double against central differences, at a random point:
///   backward           <dx, x_dot> + <g, p_dot>    against the derivative of <y, dy> along random (x_dot, p_dot)
///   forward_tangent    y_dot                       against the derivative of y
///   backward_tangent   dx_dot and g_dot            against the derivative of dx and g
/// Layers with kinks (ReLU) may fail where a kink lies within a step of the point: choose another seed.
/// @param shape of the layer's input: N x height x width x channels
template <class L>
GradientCheck check_gradient(const L& layer, const Shape& shape, const CheckOptions& options = {}) {
    static_assert(check_layer<L, double>());
    using Params = typename L::template Params<double>;
    Rng rng(options.seed);
    const auto randomize = [&](auto& tree) {
        for_each_tensor(
            [&](auto& tensor) {
                for (auto& value : elements(tensor)) value = uniform(rng, -1, 1);
            },
            tree);
    };
    const auto random = [&](const Shape& extents) {
        Tensor<double, 4> tensor;
        reserve(tensor, extents);
        randomize(tensor);
        return tensor;
    };
    Params p = layer.template init<double>(rng), p_dot = p;
    randomize(p);
    randomize(p_dot);
    const Shape y_shape = layer.output_shape(shape);
    const auto x = random(shape), x_dot = random(shape), dy = random(y_shape), dy_dot = random(y_shape);

    packed_t<L, double> packed{}, packed_dot{};
    pack(layer, p, packed);
    pack(layer, p_dot, packed_dot);
    typename L::template Cache<double> c{}, c_dot{};
    detail::Passes<L> exact(layer, p, x, dy), tangent(exact);
    Params g = zeros_like(p);
    fill(tangent.g, 0);
    layer.forward(packed, Batch<double>(x), c);
    layer.backward(packed, c, Batch<double>(dy), g);
    detail::Passes<L>::store(layer.forward_tangent(packed, packed_dot, c, c_dot, Batch<double>(x_dot)), tangent.y);
    detail::Passes<L>::store(layer.backward_tangent(packed, packed_dot, c, c_dot, Batch<double>(dy_dot), tangent.g),
                             tangent.dx);

    const auto at = [&](double step) {
        auto moved_x = x, moved_dy = dy;
        Params moved_p = p;
        axpy(step, x_dot, moved_x);
        axpy(step, dy_dot, moved_dy);
        axpy(step, p_dot, moved_p);
        return detail::Passes<L>(layer, moved_p, moved_x, moved_dy);
    };
    auto slope = at(options.step);
    const auto before = at(-options.step);
    const auto differentiate = [&](auto& after, const auto& earlier) {
        for_each_tensor(
            [&](auto& a, const auto& b) {
                for (std::size_t i = 0; i < a.size(); ++i)
                    a.data()[i] = (a.data()[i] - b.data()[i]) / (2 * options.step);
            },
            after, earlier);
    };
    differentiate(slope.y, before.y);
    differentiate(slope.dx, before.dx);
    differentiate(slope.g, before.g);

    GradientCheck check;
    detail::Difference forward_tangent, backward_tangent;
    forward_tangent.add(tangent.y, slope.y);
    backward_tangent.add(tangent.dx, slope.dx);
    backward_tangent.add(tangent.g, slope.g);
    const double derivative = dot(slope.y, dy), found = dot(exact.dx, x_dot) + dot(exact.g, p_dot);
    check.backward = std::abs(found - derivative) / std::max(1.0, std::abs(derivative));
    if (!is_finite(check.backward)) check.backward = 1e300;
    check.forward_tangent = forward_tangent.relative();
    check.backward_tangent = backward_tangent.relative();
    check.passed = std::max({check.backward, check.forward_tangent, check.backward_tangent}) <= options.tolerance;
    check.message =
        gradcon::message("relative errors: backward ", check.backward, ", forward_tangent ", check.forward_tangent,
                         ", backward_tangent ", check.backward_tangent, "; tolerance ", options.tolerance);
    return check;
}

} // namespace testing
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
