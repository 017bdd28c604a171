#include "layer_checks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>

using namespace gradcon;

TEST_SUITE("Residual") {
    TEST_CASE("it adds its input to what its layers give, in all passes") {
        const Conv2d conv{3, 3, {.kernel_size = 3, .padding = 1}};
        const Residual residual{conv, Tanh{}, Gain{3}};
        check_passes(residual, {2, 4, 5, 3});
        check_reduction(residual, {1, 4, 5, 3});
        check_passes(Sequential{Gain{3}, residual, ReLU{}, Residual{Residual{Gain{3}}}, conv}, {2, 4, 5, 3});
        check_reduction(Sequential{residual, conv, residual}, {1, 4, 5, 3});
        Rng rng(17);
        const auto p = residual.init<double>(rng);
        const auto x = random_images<double>({2, 4, 5, 3}, rng);
        const Sequential inner{conv, Tanh{}, Gain{3}};
        decltype(inner)::Packed<double> packed;
        decltype(inner)::Cache<double> inner_cache;
        decltype(residual)::Cache<double> cache;
        residual.pack(p, packed);
        const auto f = inner.forward(packed, Batch<double>(x), inner_cache);
        const auto y = residual.forward(packed, Batch<double>(x), cache);
        for (std::size_t i = 0; i < y.size(); ++i) CHECK(y.data()[i] == x.data()[i] + f.data()[i]);
    }

    TEST_CASE("the tangents of an input that stays are those of a zero x_dot") {
        const Residual residual{Conv2d{2, 2, {.kernel_size = 1}}, Tanh{}};
        Rng rng(18);
        const auto p = residual.init<double>(rng), p_dot = residual.init<double>(rng);
        const Shape shape{2, 3, 3, 2};
        const auto x = random_images<double>(shape, rng), dy = random_images<double>(shape, rng);
        decltype(residual)::Packed<double> packed, packed_dot;
        residual.pack(p, packed);
        residual.pack(p_dot, packed_dot);
        decltype(residual)::Cache<double> c, c_dot, c_zero;
        auto g = zeros_like(p), g_dot = g, g_zero = g;
        Tensor<double, 4> room, zeros;
        residual.forward(packed, Batch<double>(x), c);
        residual.backward(packed, c, Batch<double>(dy), g);
        const auto y = forward_tangent_parameters(residual, packed, packed_dot, c, c_dot, shape, room);
        const auto y_zero = residual.forward_tangent(packed, packed_dot, c, c_zero, zero_batch(zeros, shape));
        CHECK(std::equal(y.data(), y.data() + y.size(), y_zero.data()));
        const auto dx = residual.backward_tangent(packed, packed_dot, c, c_dot, Batch<double>(dy), g_dot);
        const auto dx_zero = residual.backward_tangent(packed, packed_dot, c, c_zero, Batch<double>(dy), g_zero);
        CHECK(std::equal(dx.data(), dx.data() + dx.size(), dx_zero.data()));
        CHECK(relative_error(std::get<0>(g_dot.layers).weight, std::get<0>(g_zero.layers).weight) <= 1e-15);
    }

    TEST_CASE("layers that change the shape are refused") {
        const Residual residual{Conv2d{3, 4, {.padding = 1}}};
        CHECK(throws_naming<ShapeError>(
            [&] {
                residual.output_shape({1, 5, 5, 3});
            },
            {"Residual", "1 x 5 x 5 x 4", "1 x 5 x 5 x 3"}));
    }
}
