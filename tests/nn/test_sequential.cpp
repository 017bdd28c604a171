#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("Sequential") {
    TEST_CASE("all passes agree with central differences") {
        check_passes(Sequential{Conv2d{2, 3, {.stride = 2, .padding = 1}}, Tanh{},
                                ConvTranspose2d{3, 2, {.kernel_size = 4, .stride = 2, .padding = 1}}, Sigmoid{}},
                     {2, 6, 5, 2});
        check_passes(Gain{3}, {2, 5, 5, 3});
    }

    TEST_CASE("an input that stays as it is has the tangents of a zero x_dot") {
        const auto check = [](const auto& layers) {
            Rng rng(9);
            using L = std::remove_cvref_t<decltype(layers)>;
            using Params = typename L::template Params<double>;
            const Shape shape{2, 6, 5, 3};
            const Params p = layers.template init<double>(rng);
            Params p_dot = p, g = zeros_like(p), g_dot = g, g_dot_zero = g;
            randomize(p_dot, rng);
            packed_t<L, double> packed, packed_dot;
            pack(layers, p, packed);
            pack(layers, p_dot, packed_dot);
            const auto x = random_images<double>(shape, rng, -1, 1);
            const auto dy = random_images<double>(layers.output_shape(shape), rng, -1, 1);
            typename L::template Cache<double> c, c_dot, c_zero;
            Tensor<double, 4> room, zeros;
            layers.forward(packed, Batch<double>(x), c);
            layers.backward(packed, c, Batch<double>(dy), g);
            const auto y = forward_tangent_parameters(layers, packed, packed_dot, c, c_dot, shape, room);
            const auto y_zero = layers.forward_tangent(packed, packed_dot, c, c_zero, zero_batch(zeros, shape));
            const auto dx = layers.backward_tangent(packed, packed_dot, c, c_dot, Batch<double>(dy), g_dot);
            const auto dx_zero = layers.backward_tangent(packed, packed_dot, c, c_zero, Batch<double>(dy), g_dot_zero);
            CHECK(std::equal(y.data(), y.data() + y.size(), y_zero.data()));
            CHECK(std::equal(dx.data(), dx.data() + dx.size(), dx_zero.data()));
            CHECK(relative_error(elements(std::get<0>(g_dot.layers).weight),
                                 elements(std::get<0>(g_dot_zero.layers).weight)) <= 1e-15);
        };
        check(Sequential{Conv2d(3, 4, {}), Tanh{}});
        check(Sequential{ConvTranspose2d(3, 20, {.stride = 2}), ReLU{}});
        check(Sequential{Gain{3}, Conv2d(3, 2, {})});
    }

    TEST_CASE("its reduction equals the dot and norm of the gradient that backward stores") {
        check_reduction(Gain{3}, {1, 4, 4, 3});
        check_reduction(Sequential{Conv2d{2, 5, {.kernel_size = 3}}, Tanh{}, Gain{5}, Flatten{}, Linear{20, 4}},
                        {1, 4, 4, 2});
    }
}
